"""Streams between two sides of one dialect: byte for byte, but for what an error tells that nobody is to see."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.carriage import ChatCarriage, Load
from trio_gateway.dialects.envelope import Envelope
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.errors import UpstreamTimeout

KEY = "sk-secret-0123"
CHAT = (
    b'data: {"choices":[{"index":0,"delta":{"content":"sk-secret-0123 \\"error\\""}}]}\n\n',
    b'data: {"error":{"message":"Wrong key sk-secret-0123","type":"server_error"}}\n\n',
)
STREAMS = {  # what an answer may say as it likes, and the error that follows it
    "openai_chat": CHAT,
    "openai_responses": (
        (
            b'event: response.created\r\ndata: {"type":"response.created","sequence_number":0,"response":{"id":"r",'
            b'"object":"response","created_at":1,"status":"in_progress","error":null,"instructions":"sk-secret-0123",'
            b'"model":"m","output":[]}}\r\n\r\n'
            b'event: response.output_item.added\r\ndata: {"type":"response.output_item.added","sequence_number":1,'
            b'"output_index":0,"item":{"type":"message","id":"m","role":"assistant","status":"in_progress",'
            b'"content":[]}}'
            b"\r\n\r\n"
            b'event: response.content_part.added\r\ndata: {"type":"response.content_part.added","sequence_number":2,'
            b'"item_id":"m","output_index":0,"content_index":0,"part":{"type":"output_text","text":"",'
            b'"annotations":[]}}'
            b"\r\n\r\n"
            b'event: response.output_text.delta\r\ndata: {"type":"response.output_text.delta","sequence_number":3,'
            b'"item_id":"m","output_index":0,"content_index":0,"delta":"sk-secret-0123"}\r\n\r\n'
        ),
        (
            b'event: error\r\ndata: {"type":"error","code":"server_error","message":"Wrong key sk-secret-0123",\r\n'
            b'data: "param":null,"sequence_number":4}\r\n\r\n'
        ),
    ),
    "anthropic_messages": (
        (
            b'event: message_start\ndata: {"type":"message_start","message":{"id":"m","type":"message",'
            b'"role":"assistant",'
            b'"model":"m","content":[],"usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
            b'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text",'
            b'"text":""}}\n\n'
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta",'
            b'"text":"sk-secret-0123"}}\n\n'
        ),
        b'event: error\ndata: {"type":"error","error":{"type":"api_error","message":"Wrong key sk-secret-0123"}}\n\n',
    ),
    "gemini": (
        b'data: {"candidates":[{"content":{"parts":[{"text":"sk-secret-0123"}],"role":"model"},"index":0}]}\n\n',
        b'{\n  "error": {\n    "code": 503,\n    "message": "Wrong key sk-secret-0123"\n  }\n}\n',
    ),
    "ollama": (
        (
            b'{"model":"m","created_at":"2026-01-01T00:00:00Z","message":{"role":"assistant",'
            b'"content":"sk-secret-0123"},'
            b'"done":false}\n'
        ),
        b'{"error":"Wrong key sk-secret-0123"}\n',
    ),
}


def opened(dialect: str, *, array: bool = False) -> StreamPassage:
    body = {
        "model": "m", "stream": True, "max_tokens": 9, "messages": [{"role": "user", "content": "x"}], "input": "x",
        "contents": [{"parts": [{"text": "x"}]}],
    }  # fmt: skip
    if dialect == "gemini":
        body = {"contents": body["contents"]}
    carriage = ChatCarriage(
        dialect, msgspec.json.encode(body), Envelope("m", stream=True, array=array) if dialect == "gemini" else None
    )
    carriage.load(Load(dialect=dialect, model="m", capabilities=Capabilities(), id="i", created=1))
    assert carriage.same
    return carriage.open_stream(lambda text: text.replace(KEY, "[key]"))


def cut(body: bytes, sizes: list[int]) -> Iterator[bytes]:
    at = 0
    for size in sizes:
        yield body[at : at + size]
        at += size
    yield body[at:]


@pytest.mark.parametrize("dialect", STREAMS)
@given(sizes=st.lists(st.integers(1, 300), max_size=8))
def test_a_key_that_an_error_quotes_is_not_passed_on_and_nothing_else_is_changed(
    dialect: str, sizes: list[int]
) -> None:
    said, error = STREAMS[dialect]
    passage = opened(dialect)
    relayed = b"".join(passage.feed(chunk) for chunk in cut(said + error, sizes)) + passage.close()
    # An error that is plain JSON ends with its bracket: a line's end that comes later is behind the stream's.
    assert relayed.rstrip() == (said + error.replace(KEY.encode(), b"[key]")).rstrip()
    assert passage.error is not None
    assert passage.error.message.startswith("Wrong key [")
    assert KEY not in passage.error.message


@given(sizes=st.lists(st.integers(1, 300), max_size=8))
def test_nor_as_an_item_of_an_array(sizes: list[int]) -> None:
    passage = opened("gemini", array=True)
    body = b"".join(STREAMS["gemini"])
    relayed = b"".join(passage.feed(chunk) for chunk in cut(body, sizes)) + passage.close()
    first, error = msgspec.json.decode(relayed)
    assert KEY in first["candidates"][0]["content"]["parts"][0]["text"]
    assert error["error"]["message"] == "Wrong key [key]"


@pytest.mark.parametrize("dialect", STREAMS)
def test_bytes_that_are_no_text_are_an_error_of_the_gateways_own_or_pass_as_they_are(dialect: str) -> None:
    said, error = STREAMS[dialect]
    passage = opened(dialect)
    relayed = passage.feed(said) + passage.feed(error.replace(b"Wrong", b"Wr\xffng")) + passage.close()
    assert relayed.startswith(said)
    assert KEY.encode() not in relayed[len(said) :]
    assert passage.error is not None


@given(sizes=st.lists(st.integers(1, 900), max_size=8))
def test_an_error_of_the_gateways_own_follows_the_events_numbers(sizes: list[int]) -> None:
    said, _ = STREAMS["openai_responses"]
    passage = opened("openai_responses")
    relayed = b"".join(passage.feed(chunk) for chunk in cut(said, sizes))
    assert relayed == said
    told = passage.fail(UpstreamTimeout("Too slow."))
    data = msgspec.json.decode(told.split(b"data: ")[1])
    assert (data["message"], data["sequence_number"]) == ("Too slow.", 4)


def test_events_without_numbers_are_followed_by_the_first() -> None:
    passage = opened("openai_responses")
    said = STREAMS["openai_responses"][0].replace(b'"sequence_number":', b'"other":')
    assert passage.feed(said + b": comment\n\n")
    data = msgspec.json.decode(passage.fail(UpstreamTimeout("Too slow.")).split(b"data: ")[1])
    assert data["sequence_number"] == 0
