from __future__ import annotations

import json
from typing import Any

import pytest

from trio_gateway.dialects import dialect
from trio_gateway.dialects.anthropic_messages import decode_request
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import CacheMark, Image, Media, Opaque, Part, Text, ToolResult

PIXELS = "iVBORw0KGgo="
PNG = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXELS}}
AT = "/messages/0/content/0"
FOUND = {
    "type": "search_result",
    "title": "Trio",
    "source": "https://trio.test",
    "content": [{"type": "text", "text": "One."}, {"type": "text", "text": "Two."}],
}


def document(*content: Any, **members: Any) -> dict[str, Any]:
    return {"type": "document", "source": {"type": "content", "content": list(content)}, **members}


def text(words: str, **members: Any) -> dict[str, Any]:
    return {"type": "text", "text": words, **members}


def body_of(*blocks: Any) -> bytes:
    return json.dumps(
        {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": list(blocks)}]}
    ).encode()


def read(*blocks: Any) -> tuple[list[Part], list[str]]:
    conversation = decode_request(body_of(*blocks))
    return conversation.turns[0].parts, [loss.pointer for loss in conversation.unread]


def test_a_search_result_says_what_it_is_and_where_from() -> None:
    assert read(FOUND) == ([Text("Trio\nhttps://trio.test\n\nOne.\n\nTwo.", AT)], [AT])


@pytest.mark.parametrize("content", ["One.", [text("One.")]])
def test_a_document_of_blocks_is_its_title_its_context_and_its_texts(content: Any) -> None:
    block = {"type": "document", "source": {"type": "content", "content": content}, "title": "T", "context": "C"}
    assert read(block) == ([Text("T\nC\n\nOne.", AT)], [AT])
    assert read({"type": "document", "source": block["source"], "title": None}) == ([Text("One.", AT)], [AT])


def test_the_images_of_a_document_stay_between_its_texts() -> None:
    inner = AT + "/source/content"
    image = Image(Media("base64", PIXELS, "image/png"), inner + "/1")
    block = document(text("One."), PNG, text("Two."), text("Three."), title="T")
    assert read(block) == ([Text("T\n\nOne.", AT), image, Text("Two.\n\nThree.", inner + "/2")], [AT])


def test_the_whole_blocks_mark_is_that_of_its_last_part() -> None:
    mark = {"type": "ephemeral", "ttl": "1h"}
    [found], lost = read(FOUND | {"cache_control": mark})
    assert isinstance(found, Text)
    assert found.cache == CacheMark("1h", AT + "/cache_control")
    assert lost == [AT]
    (_, image), lost = read(document(text("One."), PNG | {"cache_control": mark}, cache_control=mark))
    assert isinstance(image, Image)
    assert image.cache == CacheMark("1h", AT + "/source/content/1/cache_control")
    assert lost == [AT, AT + "/cache_control"]


def test_what_falls_away_inside_is_named() -> None:
    inner = text("One.", cache_control={"type": "ephemeral"}, citations=[{"type": "char_location"}], odd=1)
    source = {"type": "content", "content": [inner], "odd": 1}
    _, lost = read({"type": "document", "source": source, "citations": {"enabled": True}, "odd": 1})
    at = AT + "/source/content/0"
    assert sorted(lost) == sorted(
        [AT, AT + "/odd", AT + "/source/odd", AT + "/citations", at + "/odd", at + "/cache_control", at + "/citations"]
    )
    assert read(FOUND | {"citations": {"enabled": False}, "odd": 1})[1] == [AT + "/odd", AT]


@pytest.mark.parametrize(
    "block",
    [
        document(text("One."), {"type": "tool_use", "id": "a", "name": "f", "input": {}, "odd": 1}),
        document(),
        document(text("")),
        {"type": "document", "source": {"type": "hologram"}},
        {"type": "document", "source": {"type": "content", "content": 5}},
        FOUND | {"content": "One."},
        FOUND | {"title": 5},
        FOUND | {"citations": 5},
    ],
)
def test_of_what_nobody_can_tell_the_whole_is_carried(block: dict[str, Any]) -> None:
    [part], lost = read(block)
    assert isinstance(part, Opaque)
    assert (part.at, part.tag, json.loads(bytes(part.raw)), lost) == (AT, block["type"], block, [])


def test_a_block_that_nobody_knows_inside_is_carried_beside_the_texts() -> None:
    parts, lost = read(document(text("One."), {"type": "hologram"}))
    assert [type(part) for part in parts] == [Text, Opaque]
    assert (parts[1].at, lost) == (AT + "/source/content/1", [AT])


def test_the_results_of_tools_hold_them_too() -> None:
    result = {"type": "tool_result", "tool_use_id": "a", "content": [FOUND, document(text("One."), PNG)]}
    [found], lost = read(result)
    assert isinstance(found, ToolResult)
    assert [type(part) for part in found.parts] == [Text, Text, Image]
    assert lost == [AT + "/content/0", AT + "/content/1"]


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses", "gemini", "ollama"])
def test_any_model_is_told_what_they_say(target: str) -> None:
    block = document(text("One."), PNG, title="T")
    written, losses = dialect(target).encode_request(decode_request(body_of(FOUND, block)), "m", Capabilities())
    for said in (b"Trio", b"https://trio.test", b"One.", b"Two.", PIXELS.encode()):
        assert said in written
    joined = {"/messages/0"} if target == "ollama" else set()
    assert {loss.pointer for loss in losses} == {AT, "/messages/0/content/1"} | joined


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses", "gemini", "ollama"])
def test_the_image_alone_falls_where_the_model_takes_none(target: str) -> None:
    conversation = decode_request(body_of(document(text("One."), PNG)))
    written, losses = dialect(target).encode_request(conversation, "m", Capabilities(images=False))
    assert b"One." in written
    assert {loss.pointer for loss in losses} == {AT, AT + "/source/content/1"}
