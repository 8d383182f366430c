from __future__ import annotations

import pytest

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import File, Image, Losses, Media
from trio_gateway.dialects.openai_responses.media import document_of, wire_file, wire_image
from trio_gateway.errors import InvalidRequest

PNG = "iVBORw0KGgo="


def test_plain_text_becomes_text_and_goes_back_as_it_came() -> None:
    came = Media("base64", "w6Q=", "text/plain")
    text = document_of(came)
    assert text == Media("text", "ä", "text/plain")
    written = wire_file(File(text, filename="a.txt"), "openai_responses", [])
    assert written.file_data == "data:text/plain;base64,w6Q="


@pytest.mark.parametrize("content", ["/w==", "%%%"])
def test_what_is_no_text_stays_base64(content: str) -> None:
    media = Media("base64", content, "text/plain")
    assert document_of(media) == media


def test_an_image_says_its_detail() -> None:
    losses: Losses = []
    image = Image(Media("base64", PNG, "image/png"), "/at", "low")
    assert wire_image(image, "gemini", True, losses) == wire.InputImage("low", f"data:image/png;base64,{PNG}")
    assert losses == []


def test_an_unknown_detail_is_a_loss() -> None:
    losses: Losses = []
    assert wire_image(Image(Media("url", "https://a"), "/at", "ultra"), "gemini", True, losses).detail == "auto"
    assert [loss.pointer for loss in losses] == ["/at"]


def test_a_media_type_nobody_gave_is_sniffed_or_made_up_with_a_loss() -> None:
    losses: Losses = []
    jpeg = wire_image(Image(Media("base64", "/9j/4A==")), "ollama", True, losses)
    assert jpeg.image_url == "data:image/jpeg;base64,/9j/4A=="
    assert losses == []
    assert (
        wire_image(Image(Media("base64", "AAAA"), "/at"), "ollama", True, losses).image_url
        == "data:image/png;base64,AAAA"
    )
    assert [loss.pointer for loss in losses] == ["/at"]


def test_file_ids_are_shared_by_openais_dialects_and_by_no_other() -> None:
    image = Image(Media("file_id", "file-1"), "/at")
    assert wire_image(image, "openai_chat", True, []).file_id == "file-1"
    with pytest.raises(InvalidRequest, match="inline, as base64") as caught:
        wire_image(image, "anthropic_messages", True, [])
    assert caught.value.pointer == "/at"


def test_a_model_that_fetches_no_urls_gets_none() -> None:
    with pytest.raises(InvalidRequest, match="inline, as base64"):
        wire_image(Image(Media("url", "https://a"), "/at"), "gemini", False, [])


def test_an_inline_file_gets_the_name_it_must_have() -> None:
    losses: Losses = []
    written = wire_file(File(Media("base64", "JVBERi0=", None), "/at"), "gemini", losses)
    assert written == wire.InputFile(file_data="data:application/pdf;base64,JVBERi0=", filename="document.pdf")
    assert [loss.pointer for loss in losses] == ["/at"]


def test_a_file_by_url_goes_as_it_is() -> None:
    losses: Losses = []
    file = File(Media("url", "https://a/b.pdf"), "/at", "b.pdf")
    assert wire_file(file, "gemini", losses) == wire.InputFile(file_url="https://a/b.pdf", filename="b.pdf")
    assert losses == []


def test_context_and_citations_of_a_document_are_lost() -> None:
    losses: Losses = []
    wire_file(File(Media("url", "https://a"), "/at", "t", "context", True), "anthropic_messages", losses)
    assert [loss.pointer for loss in losses] == ["/at/context", "/at/citations"]
