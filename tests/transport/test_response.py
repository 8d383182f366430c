"""The response an exchange reads, over a body that a test writes."""

from __future__ import annotations

import gzip

import pytest

from trio_gateway.errors import UpstreamBroke
from trio_gateway.transport.response import UpstreamResponse

HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"9"), (b"content-encoding", b"x"), (b"x", b"s3cret")]


class Written(UpstreamResponse):
    def __init__(self, pieces: list[bytes], coding: bytes | None = None) -> None:
        super().__init__(200, HEADERS, coding, False, "h:1")
        self.pieces = pieces
        self.closed = 0

    async def _receive_encoded(self) -> bytes:
        return self.pieces.pop(0) if self.pieces else b""

    async def aclose(self) -> None:
        self.closed += 1


async def test_a_body_is_given_as_it_comes_or_whole() -> None:
    response = Written([b"a", b"b", b"c"])
    assert await response.receive_some() == b"a"
    assert await response.read(2) == b"bc"
    assert await response.read(0) == b""


async def test_a_body_longer_than_asked_for_is_refused() -> None:
    with pytest.raises(UpstreamBroke, match="the answer of h:1 exceeds 4 bytes"):
        await Written([b"abc", b"de"]).read(4)


async def test_a_content_coding_is_undone_and_the_headers_describe_what_is_given() -> None:
    encoded = gzip.compress(b"plain text")
    response = Written([encoded[:5], encoded[5:]], b"gzip")
    assert response.headers == [(b"content-type", b"text/plain"), (b"x", b"s3cret")]
    assert await response.read(100) == b"plain text"
    assert await response.receive_some() == b""


async def test_without_a_coding_the_headers_are_the_upstreams() -> None:
    assert Written([], b"identity").headers == HEADERS
    assert Written([]).header(b"content-length") == b"9"
    assert Written([]).header(b"date") is None


@pytest.mark.parametrize("pieces", [[gzip.compress(b"text")[:-1]], [b"garbage"], [gzip.compress(b"text") + b"more"]])
async def test_an_encoded_body_that_is_not_whole_is_broken(pieces: list[bytes]) -> None:
    with pytest.raises(UpstreamBroke, match="cannot read the answer of h:1"):
        await Written(pieces, b"gzip").read(100)


async def test_a_bomb_is_broken_too() -> None:
    with pytest.raises(UpstreamBroke, match="200 times its size"):
        await Written([gzip.compress(bytes(10_000_000))], b"gzip").read(1_000_000_000)


def test_an_unknown_coding_is_broken_at_once() -> None:
    with pytest.raises(UpstreamBroke, match="cannot be undone"):
        Written([], b"compress")


async def test_leaving_it_closes_it() -> None:
    response = Written([])
    async with response:
        pass
    assert response.closed == 1


def test_its_repr_shows_no_header_values() -> None:
    assert repr(Written([])) == "<Written 200 from h:1, 4 headers>"


def test_the_headers_can_be_given_up() -> None:
    response = Written([])
    response.forget_headers()
    assert response.headers == []
    assert response.header(b"content-length") is None
    assert len(HEADERS) == 4
