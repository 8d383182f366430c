"""Streams between two sides of one dialect: byte for byte, but for what an error tells that nobody is to see."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.carriage import ChatCarriage, Load
from trio_gateway.dialects.envelope import Envelope
from trio_gateway.dialects.framing import SseDecoder
from trio_gateway.dialects.passage import SSE_ENDS, StreamPassage, WholeFrames
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


def events_of(frames: bytes) -> list[Any]:
    """Return what each of the gateway's own events holds."""
    return [msgspec.json.decode(frame.partition(b"data: ")[2]) for frame in frames.split(b"\n\n") if frame]


def without_failed(dialect: str, relayed: bytes) -> bytes:
    """Return a stream without what the gateway adds to an error of the provider's: in Responses, what failed of it."""
    if dialect != "openai_responses":
        return relayed
    told, found, failed = relayed.partition(b"event: response.failed\n")
    assert found
    (event,) = events_of(failed)
    assert event["response"]["error"] == {"code": "server_error", "message": "Wrong key [key]"}
    assert event["sequence_number"] == 5
    return told


@pytest.mark.parametrize("dialect", STREAMS)
@given(sizes=st.lists(st.integers(1, 300), max_size=8))
def test_a_key_that_an_error_quotes_is_not_passed_on_and_nothing_else_is_changed(
    dialect: str, sizes: list[int]
) -> None:
    said, error = STREAMS[dialect]
    passage = opened(dialect)
    relayed = b"".join(passage.feed(chunk) for chunk in cut(said + error, sizes)) + passage.close()
    # An error that is plain JSON ends with its bracket: a line's end that comes later is behind the stream's.
    assert without_failed(dialect, relayed).rstrip() == (said + error.replace(KEY.encode(), b"[key]")).rstrip()
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
    # A response that failed says again what the client has written itself.
    told = relayed[len(said) :].replace(b'"instructions":"sk-secret-0123"', b"")
    assert KEY.encode() not in told
    assert passage.error is not None


BROKEN = dict.fromkeys(STREAMS, b'data: {"error":}\n\n') | {"ollama": b'{"error":}\n'}


@pytest.mark.parametrize("dialect", STREAMS)
def test_what_is_whole_passes_before_what_is_broken_also_where_they_come_together(dialect: str) -> None:
    said, _ = STREAMS[dialect]
    together, apart = opened(dialect), opened(dialect)
    relayed = together.feed(said + BROKEN[dialect] + said) + together.close()
    assert relayed == apart.feed(said) + apart.feed(BROKEN[dialect]) + apart.feed(said) + apart.close()
    assert relayed.startswith(said)
    assert b'{"error":}' not in relayed
    told = 2 if dialect == "openai_responses" else 1  # there the response fails besides
    assert relayed.count(b"cannot be read") + relayed.count(b"is not JSON") == told
    assert together.ended
    assert together.error is not None


@pytest.mark.parametrize("dialect", STREAMS)
def test_nothing_passes_behind_an_error_that_came_with_it(dialect: str) -> None:
    said, error = STREAMS[dialect]
    passage = opened(dialect)
    relayed = passage.feed(said + error + said) + passage.close()
    assert without_failed(dialect, relayed).rstrip() == (said + error.replace(KEY.encode(), b"[key]")).rstrip()


def test_the_items_of_an_array_end_with_the_gateways_own_error_in_place_of_what_is_broken() -> None:
    passage = opened("gemini", array=True)
    said, _ = STREAMS["gemini"]
    told = msgspec.json.decode(passage.feed(said + BROKEN["gemini"] + said) + passage.close())
    assert [list(item) for item in told] == [["candidates"], ["error"]]


def test_chunks_outside_of_any_event_pass_as_events_and_an_error_there_as_it_is() -> None:
    said, error = STREAMS["gemini"]
    chunk = said[len(b"data: ") :].strip()
    bare = b": hello\n[" + chunk + b",\r\n" + chunk.replace(b",", b",\n") + b",\n" + error + b"]"
    expected = b": hello\n\r\n\r\n" + b"data: %b\r\n\r\n" % chunk + b"data: %b\r\n\r\n" % chunk.replace(b",", b", ")
    for size in (1, 7, len(bare)):
        passage = opened("gemini")
        relayed = b"".join(passage.feed(piece) for piece in cut(bare, [size] * (len(bare) // size))) + passage.close()
        assert relayed == expected + error.strip().replace(KEY.encode(), b"[key]")


def test_an_error_of_the_gateways_own_is_numbered_after_the_events_that_came_with_what_is_broken() -> None:
    passage = opened("openai_responses")
    said, _ = STREAMS["openai_responses"]
    relayed = passage.feed(said + BROKEN["openai_responses"])
    assert [event["sequence_number"] for event in events_of(relayed[len(said) :])] == [4, 5]


def test_a_comment_between_does_not_make_the_numbers_begin_anew() -> None:
    passage = opened("openai_responses")
    assert passage.feed(STREAMS["openai_responses"][0])
    assert passage.feed(b": ping\n\n") == b": ping\n\n"
    told = events_of(passage.fail(UpstreamTimeout("Too slow.")))
    assert [event["sequence_number"] for event in told] == [4, 5]


LINE_ENDS_ANYHOW = st.lists(st.sampled_from([b"data: a", b": c", b"\n", b"\r", b"\r\n"]), max_size=14)


@given(LINE_ENDS_ANYHOW, st.lists(st.integers(1, 9), max_size=9))
def test_frames_end_where_the_decoder_sees_them_end(pieces: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(pieces)
    frames, decoder = WholeFrames(SSE_ENDS), SseDecoder()
    passed = b""
    for chunk in cut(stream, sizes):
        found, seen = frames.feed(chunk), decoder.feed(chunk)
        passed += found
        # An event with data has passed as soon as the decoder tells of it, at its place among the others.
        for place in range(len(seen)):
            before, event = frames.cut_at(found, place)
            assert found.startswith(before + event)
            assert SseDecoder().feed(b"\n" + event + b"\n\n") == [seen[place]]
        assert frames.cut_at(found, len(seen)) == (found, b"")
    assert passed + frames.rest() == stream


@given(sizes=st.lists(st.integers(1, 900), max_size=8))
def test_an_error_of_the_gateways_own_follows_the_events_numbers(sizes: list[int]) -> None:
    said, _ = STREAMS["openai_responses"]
    passage = opened("openai_responses")
    relayed = b"".join(passage.feed(chunk) for chunk in cut(said, sizes))
    assert relayed == said
    error, failed = events_of(passage.fail(UpstreamTimeout("Too slow.")))
    assert (error["message"], error["sequence_number"]) == ("Too slow.", 4)
    assert (failed["response"]["error"]["message"], failed["sequence_number"]) == ("Too slow.", 5)


def test_events_without_numbers_are_followed_by_the_first() -> None:
    passage = opened("openai_responses")
    said = STREAMS["openai_responses"][0].replace(b'"sequence_number":', b'"other":')
    assert passage.feed(said + b": comment\n\n")
    told = events_of(passage.fail(UpstreamTimeout("Too slow.")))
    assert [event["sequence_number"] for event in told] == [0, 1]
