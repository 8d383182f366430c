"""The parser against an independent one: whatever ours accepts, h11 accepts, and receives the same from it.

Ours is stricter, on purpose, in these ways (each is refused here and taken by h11):

- a line that ends in LF alone, and a header folded over two lines (RFC 9112, 2.2 and 5.2: request smuggling);
- Content-Length given twice, even with one value; white space after a chunk's size;
- control characters in header values, a malformed Host, a fragment or a malformed authority in the target;
- methods llhttp does not know, CONNECT, WebSocket upgrades, expectations other than 100-continue;
- versions other than 1.0 and 1.1; Transfer-Encoding in HTTP/1.0; chunks that are mostly framing; malformed trailers.

It does two things h11 does not: it skips empty lines before a request, as RFC 9112, 2.2 asks (here that is done for
h11), and keeps an HTTP/1.0 connection whose client asks for it (here both stop at the first such request).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import h11
from hypothesis import example, given, settings
from hypothesis import strategies as st

from trio_gateway.errors import ClientError
from trio_gateway.server.request_head import Request
from trio_gateway.server.request_parser import RequestParser
from trio_gateway.server_config import ServerConfig

CONFIG = ServerConfig(max_body_bytes=1_000_000)


@dataclass
class Received:
    """One request, as a parser understood it."""

    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes = b""
    complete: bool = False


@dataclass
class Reading:
    requests: list[Received] = field(default_factory=list)
    refused: bool = False


def read_with_ours(pieces: list[bytes]) -> Reading:
    parser = RequestParser(CONFIG)
    reading = Reading()
    current: tuple[Request, Received] | None = None
    try:
        for piece in pieces:
            parser.feed(piece)
            while parser.request is not None:
                request = parser.request
                if current is None or current[0] is not request:
                    target = request.raw_path + (b"?" + request.query_string if request.query_string else b"")
                    current = (request, Received(request.method.encode(), target, request.headers))
                    reading.requests.append(current[1])
                current[1].body += request.take_body()
                if not request.complete:
                    break
                current[1].complete = True
                if not request.keep_alive or request.http_10:
                    return reading  # h11 keeps no HTTP/1.0 connection, whatever its client asks for
                parser.finish()
    except ClientError:
        reading.refused = True
    return reading


def read_with_h11(stream: bytes) -> Reading:
    reading = Reading()
    while stream:
        # A connection a request: skipping empty lines, the one thing it does not do, is done for it.
        while stream.startswith(b"\r\n"):
            stream = stream[2:]
        connection = h11.Connection(h11.SERVER, max_incomplete_event_size=1_000_000)
        connection.receive_data(stream)
        try:
            stream = read_one_with_h11(connection, reading)
        except h11.RemoteProtocolError:
            reading.refused = True
            break
    return reading


def read_one_with_h11(connection: h11.Connection, reading: Reading) -> bytes:
    """Returns the bytes behind the request; none if it is unfinished or the last."""
    while True:
        event = connection.next_event()
        if isinstance(event, h11.Request):
            reading.requests.append(Received(event.method, event.target, list(event.headers)))
        elif isinstance(event, h11.Data):
            reading.requests[-1].body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            reading.requests[-1].complete = True
            connection.send(h11.Response(status_code=400, headers=[("content-length", "0")]))
            connection.send(h11.EndOfMessage())
            rest, _ = connection.trailing_data
            return b"" if connection.our_state is h11.MUST_CLOSE else rest
        else:
            return b""


def comparable(request: Received) -> Received:
    """Without the differences that mean nothing: h11 normalises the coding's case and keeps an absolute target."""
    target, headers = request.target, list(request.headers)
    if not target.startswith((b"/", b"*")):
        rest = target.split(b"//", 1)[1]
        slash = min((rest.find(mark) for mark in (b"/", b"?") if mark in rest), default=len(rest))
        target = rest[slash:] if rest[slash:].startswith(b"/") else b"/" + rest[slash:]
        headers = [*((n, v) for n, v in headers if n != b"host"), (b"host", rest[:slash])]
    target = target.removesuffix(b"?")
    headers = [(name, value.lower() if name == b"transfer-encoding" else value) for name, value in headers]
    return Received(request.method, target, headers, request.body, request.complete)


def split(data: bytes, cuts: list[int]) -> list[bytes]:
    edges = [0, *sorted({cut % (len(data) + 1) for cut in cuts}), len(data)]
    return [data[start:end] for start, end in pairwise(edges) if start < end]


# For each spot of a request: what is usual there, and what is odd, if not wrong.
SPOTS: dict[str, tuple[list[bytes], list[bytes]]] = {
    "method": ([b"GET", b"POST", b"HEAD"], [b"OPTIONS", b"BREW", b"get", b"CONNECT", b"PRI", b"", b"G\x00T"]),
    "target": (
        [b"/", b"/v1/chat/completions", b"/a%20b?x=1&y", b"/?", b"http://h/x?y", b"http://h", b"http://h?q"],
        [b"*", b"x", b"/a#b", b"/\xff", b"//e/x", b"HTTPS://[::1]:8/", b"http://u@h/", b"http:///x", b"", b"h:1"],
    ),
    "version": (
        [b"HTTP/1.1"],
        [b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1x", b"RTSP/1.0"],
    ),
    "space": ([b" "], [b"  ", b"\t", b"", b"\x0b"]),
    "end": ([b"\r\n"], [b"\n", b"\r", b"\r\r\n", b" \r\n", b"\n\r\n", b"\r\n\r\n"]),
    "field": (
        [b"X-A: b", b"x-a:b", b"X:", b"x:  y \t", b"Connection: keep-alive", b"Upgrade: h2c", b"Expect: 100-continue"],
        [
            b"x : y",
            b" x: y",
            b"x",
            b": y",
            b"x: a\x00b",
            b"x: a\x01b",
            b"x: a\rb",
            b"x y: z",
            b"host: h",
            b"X\x80: y",
            b"connection: Close",
            b"Connection: upgrade, close",
            b"Upgrade: websocket",
            b"Transfer-Encoding: identity",
            b"Content-Length: 3",
            b"Content-Length: 4",
            b"Transfer-Encoding: chunked",
            b"expect: x",
            b"Accept: \xe9",
        ],
    ),
    "host": (
        [b"Host: h", b"host:h:80", b"HOST: [::1]:80"],
        [b"Host: /", b"Host:", b"Host: a b", b"x: y", b"Host: h\tx"],
    ),
    "length": ([b"3"], [b"0", b"03", b"+3", b"3,3", b"3 ", b"0x3", b"", b"-1", b"9" * 30, b"\xb2", b"2", b"4"]),
    "chunk": (
        [b"3", b"03", b"3;x", b"3;x=y"],
        [b"3 ", b" 3", b"0x3", b"g", b"", b"-3", b"3;\x00", b"f" * 17, b"2", b"4"],
    ),
    "coding": (
        [b"chunked", b"Chunked"],
        [b"gzip, chunked", b"chunked, chunked", b"\x0bchunked", b"chunked;x", b"identity"],
    ),
    "trailer": ([b"", b"T: x\r\n"], [b"T : x\r\n", b"bad\r\n", b"T: \x00\r\n", b" x\r\n"]),
}


@st.composite
def streams(draw: st.DrawFn) -> bytes:
    """One to three requests in a row, with one odd spot among them, or two, or a few bytes changed."""
    odd = draw(st.lists(st.tuples(st.sampled_from(sorted(SPOTS)), st.integers(0, 8)), max_size=2))
    seen = dict.fromkeys(SPOTS, -1)

    def pick(spot: str) -> bytes:
        seen[spot] += 1
        return draw(st.sampled_from(SPOTS[spot][(spot, seen[spot]) in odd]))

    stream = b""
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["none", "length", "chunked"]))
        lines = [pick("method") + pick("space") + pick("target") + pick("space") + pick("version"), pick("host")]
        lines += [pick("field") for _ in range(draw(st.integers(0, 2)))]
        body = b""
        if kind == "length":
            lines.append(b"Content-Length: " + pick("length"))
            body = b"abc"
        elif kind == "chunked":
            lines.append(b"Transfer-Encoding: " + pick("coding"))
            for _ in range(draw(st.integers(0, 2))):
                body += pick("chunk") + pick("end") + b"abc" + pick("end")
            body += b"0" + pick("end") + pick("trailer") + pick("end")
        stream += b"".join(line + pick("end") for line in [*lines, b""]) + body
    if draw(st.integers(0, 3)) == 0:
        at = draw(st.integers(0, len(stream) - 1))
        stream = stream[:at] + draw(st.binary(max_size=2)) + stream[at + draw(st.integers(0, 2)) :]
    return stream


@settings(max_examples=600)
@given(stream=streams(), cuts=st.lists(st.integers(0, 10_000), max_size=6))
@example(stream=b"GET  / HTTP/1.1\r\nHost: h\r\n\r\n", cuts=[])
@example(stream=b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3 \r\nabc\r\n0\r\n\r\n", cuts=[])
def test_whatever_is_accepted_here_is_accepted_by_h11_and_means_the_same(stream: bytes, cuts: list[int]) -> None:
    ours = read_with_ours(split(stream, cuts))
    theirs = read_with_h11(stream)
    for mine, other in zip(ours.requests, theirs.requests, strict=False):
        mine, other = comparable(mine), comparable(other)
        assert (mine.method, mine.target, sorted(mine.headers)) == (other.method, other.target, sorted(other.headers))
        if mine.complete:
            assert (mine.body, mine.complete) == (other.body, other.complete)
    assert len(ours.requests) <= len(theirs.requests)


@settings(max_examples=300, deadline=None)
@given(stream=streams(), cuts=st.lists(st.integers(0, 10_000), min_size=1, max_size=40))
def test_where_the_bytes_are_split_makes_no_difference(stream: bytes, cuts: list[int]) -> None:
    whole = read_with_ours([stream])
    for pieces in (split(stream, cuts), split(stream, list(range(len(stream))))):
        parts = read_with_ours(pieces)
        # A refused body shows what came before the fault or not, depending on where it was split; all else is the same.
        complete = [request for request in whole.requests if request.complete]
        assert [request for request in parts.requests if request.complete] == complete
        assert parts.refused == whole.refused


good_fields = st.lists(
    st.tuples(
        st.from_regex(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", fullmatch=True).filter(
            lambda name: (
                name.lower()
                not in (b"host", b"content-length", b"transfer-encoding", b"connection", b"expect", b"upgrade")
            )
        ),
        st.from_regex(rb"([\x21-\x7e\x80-\xff]([\x20-\x7e\x80-\xff]{0,10}[\x21-\x7e\x80-\xff])?)?", fullmatch=True),
    ),
    max_size=6,
)


@st.composite
def valid_requests(draw: st.DrawFn) -> bytes:
    head = draw(st.sampled_from([b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD", b"OPTIONS"]))
    head += (
        b" /"
        + draw(st.from_regex(rb"[A-Za-z0-9/._~%-]{0,12}(\?[A-Za-z0-9=&]{0,6})?", fullmatch=True))
        + b" HTTP/1.1\r\n"
    )
    head += b"Host: example.org\r\n" + b"".join(b"%b:%b\r\n" % item for item in draw(good_fields))
    kind = draw(st.sampled_from(["none", "length", "chunked"]))
    if kind == "none":
        return head + b"\r\n"
    parts = draw(st.lists(st.binary(min_size=1, max_size=40), max_size=4))
    if kind == "length":
        body = b"".join(parts)
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
    return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n"


@settings(max_examples=300, deadline=None)
@given(requests=st.lists(valid_requests(), min_size=1, max_size=4), cuts=st.lists(st.integers(0, 10_000), max_size=8))
def test_valid_requests_are_accepted_by_both_and_mean_the_same(requests: list[bytes], cuts: list[int]) -> None:
    stream = b"".join(requests)
    ours = read_with_ours(split(stream, cuts))
    theirs = read_with_h11(stream)
    assert not ours.refused
    assert all(request.complete for request in ours.requests)
    assert len(ours.requests) == len(requests)
    assert [comparable(request) for request in ours.requests] == [comparable(request) for request in theirs.requests]
