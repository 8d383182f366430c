"""Cutting a connection's bytes into requests: the edges of the head's limit, empty lines, and what waits behind."""

from __future__ import annotations

import pytest

from trio_gateway.errors import ClientError
from trio_gateway.server.request_parser import RequestParser
from trio_gateway.server_config import ServerConfig

GET = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n"


def feed(pieces: list[bytes], **settings: object) -> RequestParser:
    parser = RequestParser(ServerConfig(**settings))
    for piece in pieces:
        parser.feed(piece)
    return parser


def each_byte(data: bytes) -> list[bytes]:
    return [data[at : at + 1] for at in range(len(data))]


def head_of(size: int) -> bytes:
    start, end = b"GET / HTTP/1.1\r\nHost: h\r\nX: ", b"\r\n\r\n"
    return start + b"x" * (size - len(start) - len(end)) + end


@pytest.mark.parametrize("pieces", [lambda data: [data], each_byte, lambda data: [data[:-1], data[-1:]]])
def test_a_head_may_have_header_max_bytes_and_no_more(pieces):
    assert feed(pieces(head_of(300)), header_max_bytes=300).request is not None
    with pytest.raises(ClientError) as caught:
        feed(pieces(head_of(301)), header_max_bytes=300)
    assert caught.value.status == 431


def test_a_head_without_an_end_is_refused_at_the_limit():
    assert feed([b"GET / HTTP/1.1\r\nX: ".ljust(299, b"x")], header_max_bytes=300).request is None
    with pytest.raises(ClientError) as caught:
        feed([b"GET / HTTP/1.1\r\nX: ".ljust(300, b"x")], header_max_bytes=300)
    assert caught.value.status == 431


def test_a_large_body_behind_a_small_head_does_not_count_as_head():
    parser = feed([b"POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1000\r\n\r\n" + b"x" * 1000], header_max_bytes=300)
    assert parser.request.take_body() == b"x" * 1000


@pytest.mark.parametrize("lines", [b"\r\n", b"\r\n\r\n\r\n"])
@pytest.mark.parametrize("pieces", [lambda data: [data], each_byte])
def test_empty_lines_before_a_request_are_skipped(lines, pieces):
    parser = feed(pieces(lines + GET))
    assert parser.request.path == "/"
    parser = feed(pieces(lines))
    assert parser.idle


@pytest.mark.parametrize(
    "data", [b"\n", b"\r\r", b"\x16\x03\x01", b" GET", b"(", b"GET / HTTP/1.1\nHost", b"GET / HTTP/1.1\r\nX: y\n"]
)
@pytest.mark.parametrize("pieces", [lambda data: [data], each_byte])
def test_what_cannot_become_a_head_is_refused_without_waiting_for_its_end(data, pieces):
    with pytest.raises(ClientError) as caught:
        feed(pieces(data))
    assert caught.value.status == 400


def test_what_is_behind_a_request_waits_unread_until_it_is_finished():
    parser = feed([GET, b"nonsense\r\n\r\n"])
    assert parser.request.path == "/"
    assert parser.held_bytes == 12
    with pytest.raises(ClientError):
        parser.finish()


def test_the_request_behind_is_there_once_the_one_before_is_finished():
    parser = feed([GET + b"POST /2 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nab"])
    parser.finish()
    request = parser.request
    assert (request.path, request.complete, request.take_body()) == ("/2", False, b"ab")
    parser.feed(b"cGE")
    assert (request.complete, request.take_body(), parser.held_bytes) == (True, b"c", 2)
    parser.finish()
    assert (parser.request, parser.idle) == (None, False)
    parser.feed(GET[2:])
    assert parser.request is not None


def test_body_bytes_are_held_until_they_are_taken():
    parser = feed([b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n"])
    assert parser.held_bytes == 5
    parser.feed(b"2\r\nfg\r\n")
    assert parser.held_bytes == 7
    assert parser.request.take_body() == b"abcdefg"
    assert parser.held_bytes == 0
    assert not parser.request.complete
