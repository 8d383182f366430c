from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.conversation import Losses, Media
from trio_gateway.dialects.media import (
    image_type_of_base64,
    media_of_file_data,
    media_of_url,
    media_type_of,
    media_type_of_base64,
    not_inlined,
    standard_base64,
)
from trio_gateway.errors import InvalidRequest

PNG = "iVBORw0KGgo="


@pytest.mark.parametrize(
    ("url", "media"),
    [
        ("https://a/b.png", Media("url", "https://a/b.png")),
        (f"data:image/png;base64,{PNG}", Media("base64", PNG, "image/png")),
        (f"DATA:Image/PNG;BASE64,{PNG}", Media("base64", PNG, "image/png")),
        (f"data:;base64,{PNG}", Media("base64", PNG, "image/png")),
        ("data:;base64,AAAA", Media("base64", "AAAA", None)),
        ("data:;base64,aGk", Media("base64", "aGk=", None)),
        ("data:image/webp;base64,_-8=", Media("base64", "/+8=", "image/webp")),
        ("data:text/plain,a%20b", Media("base64", "YSBi", "text/plain")),
        ("data:text/plain;charset=utf-8;base64,YQ==", Media("base64", "YQ==", "text/plain")),
        ("data:image/png;base64,", Media("base64", "", "image/png")),
    ],
)
def test_a_url_says_where_the_bytes_are(url: str, media: Media) -> None:
    losses: Losses = []
    assert media_of_url(url, "/at", losses) == media
    assert losses == []


def test_parameters_of_a_media_type_are_a_loss() -> None:
    losses: Losses = []
    media_of_url("data:text/plain;charset=latin-1;base64,YQ==", "/at", losses)
    assert [loss.pointer for loss in losses] == ["/at"]


def test_a_data_url_without_a_comma_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        media_of_url("data:image/png;base64", "/at", [])
    assert caught.value.pointer == "/at"


@pytest.mark.parametrize(
    ("file_data", "media"),
    [
        (f"data:image/gif;base64,{PNG}", Media("base64", PNG, "image/gif")),
        ("JVBERi0=", Media("base64", "JVBERi0=", "application/pdf")),
        ("_-8", Media("base64", "/+8=", None)),
    ],
)
def test_the_data_of_a_file_is_a_data_url_or_base64_alone(file_data: str, media: Media) -> None:
    losses: Losses = []
    assert media_of_file_data(file_data, "/at", losses) == media
    assert losses == []


@pytest.mark.parametrize(
    ("start", "media_type"),
    [
        (b"\x89PNG\r\n\x1a\n", "image/png"),
        (b"\xff\xd8\xff\xe0", "image/jpeg"),
        (b"GIF89a", "image/gif"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 ", "image/webp"),
        (b"\x00\x00\x00\x20ftypavif", "image/avif"),
        (b"RIFF\x10\x00\x00\x00WAVEfmt ", "audio/wav"),
        (b"RIFF\x10\x00\x00\x00AVI ", None),
        (b"ID3\x04", "audio/mpeg"),
        (b"%PDF-1.7", "application/pdf"),
        (b"<svg", None),
        (b"", None),
    ],
)
@pytest.mark.parametrize("rest", [b"", bytes(100)])
def test_media_are_known_by_their_first_bytes(start: bytes, media_type: str | None, rest: bytes) -> None:
    assert media_type_of(start + rest) == media_type
    written = base64.b64encode(start + rest).decode()
    assert media_type_of_base64(written) == media_type
    is_image = media_type is not None and media_type.startswith("image/")
    assert image_type_of_base64(written) == (media_type if is_image else None)


@given(st.text())
def test_what_is_no_base64_has_no_media_type_and_is_no_error(value: str) -> None:
    media_type_of_base64(value)


@given(st.binary())
def test_any_spelling_of_base64_becomes_the_standard_one(content: bytes) -> None:
    written = base64.b64encode(content).decode()
    assert standard_base64(written) == written
    assert standard_base64(base64.urlsafe_b64encode(content).decode().rstrip("=")) == written


def test_what_must_be_inlined_says_where_and_how() -> None:
    error = not_inlined("This model takes no image URLs", "/messages/0")
    assert (error.pointer, error.code) == ("/messages/0", "unsupported_value")
    assert "at /messages/0: send it inline, as base64" in error.message
