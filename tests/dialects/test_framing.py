import hypothesis.strategies as st
import pytest
from hypothesis import given

from tests.dialects.readers import bytewise, fed
from trio_gateway.dialects.framing import LineDecoder, SseDecoder, sse, sse_named
from trio_gateway.errors import UpstreamBroke


def read(*chunks: bytes) -> list[bytes]:
    return fed(SseDecoder(), *chunks)


def read_lines(*chunks: bytes) -> list[bytes]:
    return fed(LineDecoder(), *chunks)


STREAMS = {
    b"data: a\n\ndata: b\n\n": [b"a", b"b"],
    b"data:a\n\n": [b"a"],
    b"data:  a\n\n": [b" a"],
    b"data: a\r\n\r\ndata: b\r\n\r\n": [b"a", b"b"],
    b"data: a\r\rdata: b\r\r": [b"a", b"b"],
    b"data: a\ndata: b\n\n": [b"a\nb"],
    b"event: x\ndata: a\nid: 1\nretry: 3\n\n": [b"a"],
    b": keep-alive\n\ndata: a\n\n": [b"a"],
    b": keep-alive\ndata: a\n\n": [b"a"],
    b"event: ping\n\n": [],
    b"\xef\xbb\xbfdata: a\n\n": [b"a"],
    b"data: a\n\n\n\n\ndata: b\n\n": [b"a", b"b"],
    b"\n\ndata: a\n\n": [b"a"],
    "data: \u2028\u2029\u0085\x0b\x0c\x1c\n\n".encode(): ["\u2028\u2029\u0085\x0b\x0c\x1c".encode()],
    "data: naïve ✓ 🙂\n\n".encode(): ["naïve ✓ 🙂".encode()],
    b"data: [DONE] \n\n": [b"[DONE] "],
    b"data: last": [b"last"],
    b"data: last\n": [b"last"],
    b"data: a\n\r\ndata: b\n\n": [b"a", b"b"],
    b"data: a\r\n\ndata: b\n\n": [b"a", b"b"],
    b"database: a\n\n": [],
    b"data\n\n": [],
    b"": [],
}


@pytest.mark.parametrize("stream", STREAMS)
def test_events_are_cut_where_the_standard_says(stream: bytes) -> None:
    assert read(stream) == STREAMS[stream]


@pytest.mark.parametrize("stream", STREAMS)
def test_events_that_come_a_byte_at_a_time_are_the_same(stream: bytes) -> None:
    assert read(*bytewise(stream)) == STREAMS[stream]


@given(
    st.lists(
        st.sampled_from(
            [
                b"data: a",
                b"data:b",
                b"\n",
                b"\r",
                b"\r\n",
                b"\n\n",
                b": c",
                b"event: e",
                "\u2028".encode(),
                b"\xef\xbb\xbf",
            ]
        ),
        max_size=14,
    ),
    st.data(),
)
def test_events_do_not_depend_on_where_the_stream_is_split(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    chunks = [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read(*chunks) == read(stream) == read(*bytewise(stream))


def test_an_event_leaves_as_soon_as_its_blank_line_is_there() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n") == []
    assert decoder.feed(b"\n") == [b"a"]
    assert decoder.feed(b"data: b\n\ndata: c") == [b"b"]
    assert decoder.feed(b"\n\n") == [b"c"]


def test_an_event_whose_lines_end_in_returns_leaves_with_its_blank_line() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\r\n") == []
    assert decoder.feed(b"\r\n") == [b"a"]


def test_an_event_beyond_the_limit_is_the_providers_fault() -> None:
    decoder = SseDecoder(max_event_bytes=16)
    decoder.feed(b"data: 12345678")
    with pytest.raises(UpstreamBroke, match="16 bytes"):
        decoder.feed(b"90123")


def test_the_limit_is_for_one_event_and_not_for_the_stream() -> None:
    decoder = SseDecoder(max_event_bytes=16)
    assert decoder.feed(b"data: 1\n\n" * 20) == [b"1"] * 20
    assert decoder.feed(b"data: 2\n\n" * 20) == [b"2"] * 20


def test_an_event_of_many_lines_in_many_chunks_is_joined_once() -> None:
    decoder = SseDecoder()
    for _ in range(1000):
        assert decoder.feed(b"data: a\r\n") == []
    assert decoder.feed(b"\r\n") == [b"\n".join([b"a"] * 1000)]


def test_whole_events_after_an_unfinished_one_are_not_taken_for_it() -> None:
    decoder = SseDecoder()
    assert decoder.feed(b"data: a\n\n") == [b"a"]
    assert decoder.feed(b"data: b") == []
    assert decoder.feed(b"c\n\ndata: d\n\n") == [b"bc", b"d"]


LINES = {
    b'{"a":1}\n{"b":2}\n': [b'{"a":1}', b'{"b":2}'],
    b'{"a":1}\r\n': [b'{"a":1}\r'],
    b"\n\n  \n{}\n": [b"{}"],
    b"{}": [b"{}"],
    '{"a":"\u2028\u0085"}\n'.encode(): ['{"a":"\u2028\u0085"}'.encode()],
    b"": [],
}


@pytest.mark.parametrize("stream", LINES)
def test_lines_end_at_newlines_and_nowhere_else(stream: bytes) -> None:
    assert read_lines(stream) == LINES[stream]
    assert read_lines(*bytewise(stream)) == LINES[stream]


@given(st.lists(st.sampled_from([b"{}", b"\n", b" ", b"\r", "é".encode()]), max_size=12), st.data())
def test_lines_do_not_depend_on_where_the_stream_is_split(pieces: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=4)))
    chunks = [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    assert read_lines(*chunks) == read_lines(stream)


def test_a_line_beyond_the_limit_is_the_providers_fault() -> None:
    decoder = LineDecoder(max_event_bytes=8)
    with pytest.raises(UpstreamBroke, match="8 bytes"):
        decoder.feed(b"123456789")


def test_what_is_whole_before_what_is_too_large_is_told_first() -> None:
    lines = LineDecoder(max_event_bytes=8)
    assert lines.feed(b"{}\n123456789") == [b"{}"]
    with pytest.raises(UpstreamBroke, match="8 bytes"):
        lines.feed(b"0")
    events = SseDecoder(max_event_bytes=8)
    assert events.feed(b"data: 1\n\ndata: 345") == [b"1"]
    with pytest.raises(UpstreamBroke, match="8 bytes"):
        events.feed(b"6")


@given(st.lists(st.binary(max_size=20).filter(lambda data: b"\n" not in data and b"\r" not in data), max_size=6))
def test_what_is_written_is_read_again(events: list[bytes]) -> None:
    assert read(b"".join(map(sse, events))) == events
    assert read(b"".join(sse_named(b"name", event) for event in events)) == events
