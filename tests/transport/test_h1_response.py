"""The response parser, against h11 as a second opinion and against the leniencies that parsers are attacked through."""

from __future__ import annotations

import gc
import re
import weakref
from collections.abc import Callable
from itertools import pairwise

import h11
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trio_gateway.transport.h1_response import ProtocolViolation, ResponseParser
from trio_gateway.transport.limits import ResponseLimits

Content = tuple[int, list[tuple[bytes, bytes]], bytes]
OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"transfer-encoding: chunked\r\n\r\n"


def read(pieces: list[bytes], *, no_body: bool = False) -> tuple[Content, bool] | str:
    """Our reading of a response and of the end of the stream: its content and `reusable`, or why it is refused."""
    parser = ResponseParser(no_body=no_body)
    body = b""
    try:
        for piece in pieces:
            body += parser.feed(piece)
        reusable = parser.reusable
        if not parser.complete:
            parser.feed_eof()
            reusable = False
    except ProtocolViolation as violation:
        return str(violation)
    return (parser.status, parser.headers, body), reusable


def read_with_h11(raw: bytes, *, no_body: bool = False) -> tuple[Content, bool] | str:
    connection = h11.Connection(h11.CLIENT)
    connection.send(h11.Request(method="HEAD" if no_body else "GET", target="/", headers=[("host", "h")]))
    connection.send(h11.EndOfMessage())
    connection.receive_data(raw)
    status, headers, body, ended = 0, [], b"", False
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Response):
                status, headers = event.status_code, list(event.headers)
            elif isinstance(event, h11.Data):
                body += bytes(event.data)
            elif isinstance(event, h11.EndOfMessage):
                alive = not ended and connection.their_state is h11.DONE and not connection.trailing_data[0]
                return (status, headers, body), alive
            elif isinstance(event, h11.ConnectionClosed):
                return "closed"
            elif event is h11.NEED_DATA:
                ended = True
                connection.receive_data(b"")
    except h11.RemoteProtocolError as error:
        return str(error)


def has(pattern: bytes) -> Callable[[bytes], bool]:
    return lambda raw: re.search(pattern, raw, re.IGNORECASE | re.DOTALL) is not None


# Where we refuse what h11 takes: what we say, what must then be in the bytes, and why we do.
STRICTER: list[tuple[str, Callable[[bytes], bool], str]] = [
    ("closed the connection in the head|malformed", has(rb"(?<!\r)\n"), "a bare LF ends no line"),
    ("malformed", has(rb"\r\n[ \t]"), "folded fields are obsolete, and read in different ways"),
    ("malformed", has(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"), "control characters have no place in a field"),
    ("malformed", has(rb"\r(?!\n)"), "nor has a bare CR"),
    ("malformed", has(rb"content-length.*content-length"), "two lengths, even equal ones, are one too many"),
    ("malformed", has(rb"content-length:[^\r\n]*,"), "and so is a list of them"),
    ("malformed", has(rb"content-length.*transfer-encoding"), "the classic request to disagree about the end"),
    ("malformed", has(rb"transfer-encoding.*content-length"), "the same, and in trailers too"),
    ("malformed", has(rb"[0-9a-f][ \t]*;|[0-9a-f][ \t]+\r\n"), "blanks and loose extensions in a chunk's size"),
    ("Transfer-Encoding other than", has(rb"^HTTP/1\.0"), "HTTP/1.0 has no transfer codings"),
    ("status line|did not answer", has(rb"^HTTP/([02-9]|1\.[2-9])"), "neither HTTP/1.0 nor HTTP/1.1"),
    ("status line", has(rb"HTTP/[0-9]\.[0-9] [06-9]"), "there is no such status"),
    ("status line", has(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]"), "control characters in the reason"),
]  # fmt: skip

# Where we take what h11 refuses. A chunk's size with more than twenty digits, zeros in front: it means the same, nobody
# behind us parses it again, and framing_bytes_max bounds it.
LOOSER = has(rb"(\r\n|^)0{5,}[0-9a-f]*[\r;]")

STATUS_LINES = [
    OK, OK, OK, OK, b"HTTP/1.0 200 OK\r\n", b"HTTP/1.1 204 No Content\r\n", b"HTTP/1.1 304 Not Modified\r\n",
    b"HTTP/1.1 500\r\n", b"HTTP/1.1 429 \r\n", b"HTTP/1.1 200 \xe9t\xe9\r\n", b"HTTP/1.1 2000 OK\r\n",
    b"HTTP/1.1 20 OK\r\n", b"HTTP/1.1  200 OK\r\n", b"HTTP/2.0 200 OK\r\n", b"http/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\n", b"\r\nHTTP/1.1 200 OK\r\n", b" HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n", b"HTTP/1.1 101 Switching\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\n\r\nHTTP/1.1 200 OK\r\n", b"ICY 200 OK\r\n",
]  # fmt: skip
FIELDS = [
    b"x: 1\r\n", b"X-Request-ID:abc\r\n", b"empty:\r\n", b"padded: \t a b \t\r\n", b"obs: \xff\xfe\r\n", b"x: 1\n",
    b"folded: a\r\n b\r\n", b"space : 1\r\n", b" lead: 1\r\n", b": none\r\n", b"nocolon\r\n", b"nul: a\0b\r\n",
    b"cr: a\rb\r\n", b"ctl: a\x01\r\n", b"sp ace: 1\r\n", b"(x): 1\r\n", b"connection: close\r\n",
    b"Connection: Keep-Alive, Close\r\n", b"connection: upgrade\r\nupgrade: h2c\r\n", b"content-encoding: gzip\r\n",
]  # fmt: skip
FRAMINGS = [
    b"content-length: %d\r\n", b"Content-Length:%d\r\n", b"content-length: %d \r\n", b"content-length: +%d\r\n",
    b"content-length: -%d\r\n", b"content-length: %d, %d\r\n", b"content-length: 0x%x\r\n", b"content-length: %d 1\r\n",
    b"content-length: 1%d\r\n", b"content-length:\r\n", b"content-length: 99999999999999999999%d\r\n",
    b"content-length: %d\r\ncontent-length: %d\r\n", b"content-length: %d\r\ntransfer-encoding: chunked\r\n",
]  # fmt: skip
CODINGS = [
    b"transfer-encoding: chunked\r\n", b"transfer-encoding: chunked\r\n", b"Transfer-Encoding: Chunked\r\n",
    b"transfer-encoding: gzip, chunked\r\n", b"transfer-encoding: identity\r\n", b"transfer-encoding:\r\n",
    b"transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n", b"transfer-encoding: chunked, chunked\r\n",
]  # fmt: skip
SIZES = [
    b"%x\r\n", b"%x\r\n", b"%X\r\n", b"0%x\r\n", b"%x;a=b\r\n", b"%x;a\r\n", b'%x;a="b;c"\r\n', b"%x ;a\r\n",
    b"%x; a\r\n", b"%x \r\n", b" %x\r\n", b"+%x\r\n", b"0x%x\r\n", b"-%x\r\n", b"%x\n", b"%x\r", b"%xg\r\n",
    b"fffffffffffffffff%x\r\n", b"%x;a\0\r\n", b"%x;a\nb\r\n", b"1%x\r\n",
]  # fmt: skip
ENDS = [
    b"0\r\n\r\n", b"0\r\n\r\n", b"00\r\n\r\n", b"0;a=b\r\n\r\n", b"0\r\nt: 1\r\n\r\n", b"0\r\nt : 1\r\n\r\n", b"0\r\n",
    b"", b"0\r\nt: 1\r\n u\r\n\r\n", b"0\r\n\r\nmore", b"0\r\n\r\n\r\n", b"0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", b"0\n\n",
    b"0\r\n\r\n0\r\n\r\n",
]  # fmt: skip


def fill(template: bytes, size: int) -> bytes:
    return template % ((size,) * template.count(b"%")) if b"%" in template else template


def mostly(sound: list[bytes], every: list[bytes]) -> st.SearchStrategy[bytes]:
    return st.integers(0, 6).flatmap(lambda roll: st.sampled_from(every if roll == 0 else sound))


@st.composite
def responses(draw: st.DrawFn) -> bytes:
    """A response put together from sound and unsound parts, mostly sound ones, perhaps with a byte changed."""
    status_line = draw(mostly(STATUS_LINES[:7], STATUS_LINES))
    fields = draw(st.lists(mostly(FIELDS[:5], FIELDS), max_size=3))
    body = draw(st.binary(max_size=20))
    kind = draw(st.sampled_from(["length", "chunked", "eof"]))
    if kind == "chunked":
        fields.append(draw(mostly(CODINGS[:3], CODINGS)))
        chunks = draw(st.lists(st.binary(min_size=1, max_size=12), max_size=3))
        sizes = mostly(SIZES[:4], SIZES)
        body = b"".join(fill(draw(sizes), len(chunk)) + chunk + b"\r\n" for chunk in chunks)
        body += draw(mostly(ENDS[:5], ENDS))
    elif kind == "length":
        fields.append(fill(draw(mostly(FRAMINGS[:2], FRAMINGS)), len(body)))
        body += draw(st.sampled_from([b"", b"", b"more", b"\r\n"]))
    raw = status_line + b"".join(draw(st.permutations(fields))) + b"\r\n" + body
    if draw(st.integers(0, 3)) == 0:
        position = draw(st.integers(0, len(raw)))
        instead = draw(
            st.sampled_from([b"", b"\r", b"\n", b"\r\n", b" ", b"\t", b"\0", b":", b";", b"0", b"\x7f", b"\xff"])
        )
        raw = raw[:position] + instead + raw[position + draw(st.integers(0, 1)) :]
    return raw


def split(raw: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(raw) + 1) for cut in cuts}), len(raw)]
    return [raw[start:end] for start, end in pairwise(edges) if start < end]


@settings(max_examples=1500, deadline=None)
@given(responses(), st.lists(st.integers(0, 10_000), max_size=8), st.booleans())
@example(CHUNKED + b"0\r\n\r\n\r\n", [], False)
@example(b"HTTP/1.1 100 Continue\r\n\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", [], False)
@example(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n", [], False)
@example(CHUNKED + b"00000000000000000000003\r\nabc\r\n0\r\n\r\n", [], False)
def test_we_read_a_response_as_h11_does_or_refuse_it_for_a_reason_on_the_list(
    raw: bytes, cuts: list[int], no_body: bool
) -> None:
    ours = read(split(raw, cuts), no_body=no_body)
    theirs = read_with_h11(raw, no_body=no_body)
    if isinstance(ours, str):
        if not isinstance(theirs, str):
            reasons = [why for said, shown, why in STRICTER if re.search(said, ours) and shown(raw)]
            assert reasons, f"refused for no listed reason: {ours}"
        return
    if isinstance(theirs, str):
        assert LOOSER(raw), f"h11 refuses this: {theirs}"
        return
    (status, headers, body), reusable = ours
    (h11_status, h11_headers, h11_body), h11_alive = theirs
    # h11 lower-cases the value of Transfer-Encoding.
    lowered = [(n, v.lower() if n == b"transfer-encoding" else v) for n, v in headers]
    assert (status, lowered, body) == (h11_status, h11_headers, h11_body)
    assert h11_alive or not reusable


@settings(max_examples=500, deadline=None)
@given(responses(), st.lists(st.integers(0, 10_000), max_size=30), st.booleans())
def test_where_the_bytes_are_split_changes_nothing(raw: bytes, cuts: list[int], no_body: bool) -> None:
    whole = read([raw], no_body=no_body)
    pieces = read(split(raw, cuts), no_body=no_body)
    if isinstance(whole, str):
        assert isinstance(pieces, str)
    else:
        assert pieces == whole


@given(st.lists(st.binary(min_size=1, max_size=300), max_size=5), st.lists(st.integers(0, 10_000), max_size=8))
def test_what_h11_sends_we_read(chunks: list[bytes], cuts: list[int]) -> None:
    server = h11.Connection(h11.SERVER)
    server.receive_data(b"GET / HTTP/1.1\r\nhost: h\r\n\r\n")
    server.next_event()
    server.next_event()
    raw = server.send(h11.Response(status_code=200, headers=[("x", "1")], reason=b"OK"))
    for chunk in chunks:
        raw += server.send(h11.Data(data=chunk))
    raw += server.send(h11.EndOfMessage())
    content, reusable = read(split(raw, cuts))
    assert content == (200, [(b"x", b"1"), (b"transfer-encoding", b"chunked")], b"".join(chunks))
    assert reusable


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (OK + b"content-length: 3\r\ntransfer-encoding: chunked\r\n\r\n", "malformed"),
        (OK + b"transfer-encoding: chunked\r\ncontent-length: 3\r\n\r\n", "malformed"),
        (OK + b"content-length: +3\r\n\r\n", "malformed"),
        (OK + b"content-length: -3\r\n\r\n", "malformed"),
        (OK + b"content-length: 1000000000000000000\r\n\r\n", "Content-Length is malformed"),
        (OK + b"content-length: 184467440737095516170\r\n\r\n", "malformed"),
        (OK + b"x : 1\r\n\r\n", "malformed"),
        (OK + b"x: 1\r\n y\r\n\r\n", "malformed"),
        (OK + b"x: 1\ny: 2\r\n\r\n", "malformed"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "switched protocols"),
        (b"HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "other than chunked"),
        (OK + b"transfer-encoding: gzip\r\n\r\n", "other than chunked"),
        (CHUNKED + b"x\r\n", "malformed"),
        (CHUNKED + b"3\r\nabcd\r\n", "malformed"),
        (CHUNKED + b"ffffffffffffffffff\r\n", "malformed"),
        (b"SSH-2.0-OpenSSH_9.6\r\n", "did not answer with HTTP"),
    ],
)
def test_a_doubtful_response_is_refused_as_soon_as_it_shows(raw: bytes, said: str) -> None:
    with pytest.raises(ProtocolViolation, match=said):
        ResponseParser().feed(raw)


@pytest.mark.parametrize(
    "raw",
    [b"", b"HTT", OK, OK + b"content-length: 3\r\n\r\nab", CHUNKED, CHUNKED + b"3\r\nabc\r\n", CHUNKED + b"0\r\n"],
)
def test_the_end_of_the_stream_before_the_end_of_the_response_is_never_a_clean_end(raw: bytes) -> None:
    parser = ResponseParser()
    parser.feed(raw)
    assert not parser.complete
    with pytest.raises(ProtocolViolation, match="closed the connection in"):
        parser.feed_eof()


def test_a_body_without_a_length_says_that_only_the_end_of_the_stream_ends_it() -> None:
    parser = ResponseParser()
    assert parser.feed(OK + b"\r\nabc") == b"abc"
    assert parser.close_delimited
    assert not parser.complete
    parser.feed_eof()
    assert parser.complete
    assert not parser.reusable


@pytest.mark.parametrize(
    ("raw", "reusable"),
    [
        (OK + b"content-length: 1\r\n\r\na", True),
        (OK + b"content-length: 1\r\n\r\nab", False),
        (OK + b"content-length: 0\r\n\r\n", True),
        (OK + b"content-length: 0\r\n\r\n\r\n", False),
        (OK + b"connection: close\r\ncontent-length: 0\r\n\r\n", False),
        (OK + b"connection: x, CLOSE\r\ncontent-length: 0\r\n\r\n", False),
        (b"HTTP/1.0 200 OK\r\ncontent-length: 0\r\nconnection: keep-alive\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", True),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 3\r\n\r\n", False),
        (b"HTTP/1.1 304 Not Modified\r\ncontent-length: 3\r\n\r\n", True),
        (CHUNKED + b"1\r\na\r\n0\r\n\r\n", True),
        (CHUNKED + b"1\r\na\r\n0\r\n\r\n\r\n", False),
        (CHUNKED + b"1\r\na\r\n0\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", False),
        (CHUNKED + b"1\r\na\r\n0\r\n\r\n\x16\x03", False),
        (CHUNKED + b"1\r\na\r\n0\r\ntrailer: 1\r\n\r\n", False),
    ],
)
@pytest.mark.parametrize("one_byte_at_a_time", [False, True])
def test_a_connection_is_used_again_only_when_nothing_can_be_left_on_it(
    raw: bytes, reusable: bool, one_byte_at_a_time: bool
) -> None:
    parser = ResponseParser()
    for piece in [raw[i : i + 1] for i in range(len(raw))] if one_byte_at_a_time else [raw]:
        parser.feed(piece)
    assert parser.complete
    assert parser.reusable is reusable


def test_the_answer_to_a_head_request_has_no_body_whatever_it_says() -> None:
    parser = ResponseParser(no_body=True)
    assert parser.feed(OK + b"content-length: 300\r\n\r\n") == b""
    assert parser.complete
    assert parser.reusable


def test_the_content_codings_of_several_fields_are_one_list() -> None:
    parser = ResponseParser()
    parser.feed(OK + b"content-encoding: gzip\r\nContent-Encoding: br\r\ncontent-length: 0\r\n\r\n")
    assert parser.content_encoding == b"gzip,br"


LIMITS = ResponseLimits(head_bytes_max=200, line_bytes_max=60, headers_max=4, interim_max=2, framing_bytes_max=50)


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (OK + b"x: %b\r\n" % (b"a" * 50) * 4 + b"\r\n", "head exceeds 200 bytes"),
        (OK + b"x: " + b"a" * 300, "head exceeds 200 bytes"),
        (OK + b"x: %b\r\n\r\n" % (b"a" * 60), "line of its head exceeds 60 bytes"),
        (OK + b"%b: x\r\n\r\n" % (b"a" * 60), "line of its head exceeds 60 bytes"),
        (b"HTTP/1.1 200 %b\r\n\r\n" % (b"a" * 60), "line of its head exceeds 60 bytes"),
        (OK + b"x: 1\r\n" * 5 + b"\r\n", "more than 4 fields"),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 3 + OK + b"\r\n", "more than 2 interim"),
        (CHUNKED + b"1\r\na\r\n0\r\n" + b"x: 1\r\n" * 5 + b"\r\n", "more than 4 trailer"),
        (CHUNKED + b"1\r\na\r\n0\r\nx: " + b"a" * 60, "chunk framing"),
        (CHUNKED + b"1;" + b"a" * 60, "chunk framing"),
        (CHUNKED + b"0" * 60, "chunk framing"),
    ],
)
def test_every_limit_is_a_refusal_and_one_byte_at_a_time_does_not_get_past_it(raw: bytes, said: str) -> None:
    parser = ResponseParser(limits=LIMITS)

    def feed_byte_by_byte() -> None:
        for i in range(len(raw)):
            parser.feed(raw[i : i + 1])

    with pytest.raises(ProtocolViolation, match=said):
        feed_byte_by_byte()


def test_what_is_just_within_the_limits_passes() -> None:
    parser = ResponseParser(limits=LIMITS)
    head = OK + b"x: %b\r\n" % (b"a" * 59) + b"y: 1\r\nz: 1\r\ncontent-length: 0\r\n\r\n"
    parser.feed(b"HTTP/1.1 100 Continue\r\n\r\n" * 2 + head)
    assert parser.complete


def test_chunk_framing_is_only_counted_between_one_byte_of_body_and_the_next() -> None:
    parser = ResponseParser(limits=LIMITS)
    raw = CHUNKED + b"1;%b\r\na\r\n" % (b"x" * 30) * 10 + b"0\r\n\r\n"
    assert b"".join(parser.feed(raw[i : i + 1]) for i in range(len(raw))) == b"a" * 10
    assert parser.complete


def test_a_violation_quotes_nothing_of_what_was_sent() -> None:
    for raw in (OK + b"set-cookie : s3cret\r\n\r\n", OK + b"x: s3cret\0\r\n\r\n", b"s3cret s3cret\r\n\r\n"):
        with pytest.raises(ProtocolViolation) as caught:
            ResponseParser().feed(raw)
        assert "s3cret" not in str(caught.value)
    parser = ResponseParser()
    parser.feed(OK + b"x: s3cret\r\n\r\n")
    assert "s3cret" not in repr(parser)


@pytest.mark.parametrize("abandoned", [False, True])
def test_a_response_that_is_over_is_freed_without_the_garbage_collector(abandoned: bool) -> None:
    class Watched(ResponseParser):
        __slots__ = ("__weakref__",)

    gc.disable()
    try:
        for raw in (OK + b"content-length: 1\r\n\r\na", CHUNKED + b"1\r\na\r\n0\r\n\r\n"):
            parser = Watched()
            parser.feed(raw[:-1] if abandoned else raw)
            if abandoned:
                parser.abandon()
            watch = weakref.ref(parser)
            del parser
            assert watch() is None
    finally:
        gc.enable()
