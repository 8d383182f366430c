from __future__ import annotations

from typing import Any

import pytest

from trio_gateway.body import read_body
from trio_gateway.errors import BodyTooLarge

LIMIT = 10


class Client:
    """Sends a body in pieces, as ASGI tells it, and counts those that were asked for."""

    def __init__(self, *pieces: bytes) -> None:
        self._left = list(pieces)
        self.asked = 0

    async def __call__(self) -> dict[str, Any]:
        self.asked += 1
        body = self._left.pop(0)
        return {"type": "http.request", "body": body, "more_body": bool(self._left)}


@pytest.mark.parametrize("pieces", [[b""], [b"0123456789"], [b"01234", b"56789"], [b"", b"0", b"", b"123456789", b""]])
async def test_a_body_is_whole_up_to_the_limit(pieces: list[bytes]) -> None:
    client = Client(*pieces)
    assert await read_body(client, {}, LIMIT) == b"".join(pieces)
    assert client.asked == len(pieces)


async def test_an_event_may_leave_out_what_is_nothing() -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request"}

    assert await read_body(receive, {}, LIMIT) == b""


@pytest.mark.parametrize("pieces", [[b"0123456789a"], [b"01234", b"56789a"]])
async def test_a_body_over_the_limit_is_refused(pieces: list[bytes]) -> None:
    with pytest.raises(BodyTooLarge, match="10 bytes"):
        await read_body(Client(*pieces), {}, LIMIT)


async def test_no_more_is_read_than_it_takes_to_know() -> None:
    client = Client(*[b"012345"] * 100)
    with pytest.raises(BodyTooLarge):
        await read_body(client, {}, LIMIT)
    assert client.asked == 2


async def test_a_declared_length_over_the_limit_is_refused_unread() -> None:
    client = Client(b"x")
    with pytest.raises(BodyTooLarge):
        await read_body(client, {b"content-length": b"11"}, LIMIT)
    assert client.asked == 0


@pytest.mark.parametrize("declared", [b"1", b"10", b"-1", b"x", b""])
async def test_what_comes_counts_whatever_was_declared(declared: bytes) -> None:
    assert await read_body(Client(b"0123456789"), {b"content-length": declared}, LIMIT) == b"0123456789"
    with pytest.raises(BodyTooLarge):
        await read_body(Client(b"0123456789a"), {b"content-length": declared}, LIMIT)
