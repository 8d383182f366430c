"""Google's events as the items of one array, byte for byte, however they are split."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.gemini.passage import ArrayStream, renamed, renamed_count
from trio_gateway.errors import UpstreamTimeout

FIRST = b'{"candidates":[{"content":{"parts":[{"text":"Hel [\\"]"}],"role":"model"},"index":0}]}'
LAST = (
    b'{"candidates":[{"content":{"parts":[{"text":"lo"}],"role":"model"},"finishReason":"STOP","index":0}],'
    b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5}}'
)
ERROR = b'{\n  "error": {\n    "code": 503,\n    "message": "Overloaded",\n    "status": "UNAVAILABLE"\n  }\n}\n'


def events(*chunks: bytes) -> bytes:
    return b"".join(b"data: %b\r\n\r\n" % chunk for chunk in chunks)


def passed(stream: ArrayStream, body: bytes, sizes: list[int]) -> bytes:
    relayed, at = b"", 0
    for size in sizes:
        relayed += stream.feed(body[at : at + size])
        at += size
    return relayed + stream.feed(body[at:]) + stream.close()


@given(st.lists(st.integers(1, 60), max_size=12))
def test_every_chunk_is_an_item_as_it_came(sizes: list[int]) -> None:
    stream = ArrayStream()
    assert passed(stream, events(FIRST, LAST), sizes) == b"[%b,\n%b]" % (FIRST, LAST)
    assert stream.ended
    assert stream.error is None
    assert stream.usage is not None
    assert (stream.usage.input, stream.usage.output) == (3, 2)


@given(st.lists(st.integers(1, 60), max_size=12))
def test_googles_own_error_is_the_last_item(sizes: list[int]) -> None:
    stream = ArrayStream()
    first, error = msgspec.json.decode(passed(stream, events(FIRST) + ERROR, sizes))
    assert first == msgspec.json.decode(FIRST)
    assert error["error"]["status"] == "UNAVAILABLE"
    assert stream.error is not None
    assert stream.error.status == 503


def test_a_stream_that_is_cut_ends_in_an_error_and_a_whole_array() -> None:
    stream = ArrayStream()
    items = msgspec.json.decode(stream.feed(events(FIRST)) + stream.close())
    assert [list(item) for item in items] == [["candidates"], ["error"]]
    assert stream.ended


def test_what_the_gateway_ends_is_told_as_an_item() -> None:
    stream = ArrayStream()
    body = stream.feed(events(FIRST)) + stream.fail(UpstreamTimeout("Too slow."))
    assert msgspec.json.decode(body)[-1]["error"]["message"] == "Too slow."
    assert (stream.feed(events(LAST)), stream.close(), stream.fail(UpstreamTimeout("Again."))) == (b"", b"", b"")


@pytest.mark.parametrize("body", [b"", ERROR])
def test_before_anything_could_be_seen_nothing_is_written(body: bytes) -> None:
    stream = ArrayStream()
    assert stream.feed(body) + stream.close() == b""
    assert stream.error is not None
    assert not stream.begun


def test_a_body_that_names_its_model_names_the_other_and_keeps_all_other_bytes() -> None:
    assert renamed(b'{ "model" : "models/fast", "contents":[] }', "slow") == (
        b'{ "model" : "models/slow", "contents":[] }'
    )
    assert renamed(b'{"contents":{"model":"fast"}}', "slow") == b'{"contents":{"model":"fast"}}'


@pytest.mark.parametrize("name", ["generateContentRequest", "generate_content_request"])
def test_a_request_to_count_names_the_model_within(name: str) -> None:
    body = b'{ "%b": { "model":"models/fast" , "contents":[] } }' % name.encode()
    assert renamed_count(body, "slow") == body.replace(b"fast", b"slow")
    bare = b'{"%b":{"contents":[]}, "contents":[]}' % name.encode()
    assert renamed_count(bare, "slow") == bare
