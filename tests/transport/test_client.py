"""Connections reused, found dead, retried and not retried: on real sockets, by what the provider saw."""

from __future__ import annotations

import socket
from typing import Any

import pytest
import trio
import trio.testing

from trio_gateway.errors import UpstreamBroke, UpstreamUnreachable
from trio_gateway.transport.client import Client
from trio_gateway.transport.connect import parse_origin
from trio_gateway.transport.connection import Connection, NothingSent
from trio_gateway.transport.settings import TransportSettings

HEAD = b"POST / HTTP/1.1\r\nhost: h\r\ncontent-length: 4\r\n\r\n"


def make_client(**settings: Any) -> Client:
    return Client(TransportSettings(**settings), None)


async def ask(client: Client, provider: Any, *, read: bool = True) -> bytes:
    connection = await client.open(parse_origin(provider.url), HEAD, b"body")
    try:
        body = b""
        while read and (piece := await connection.receive_some()):
            body += piece
        return body
    finally:
        client.release(connection)


async def test_a_response_read_to_its_end_leaves_its_connection_to_the_next_request(
    provider_of: Any, answer_all: Any
) -> None:
    client = make_client()
    async with provider_of(answer_all) as provider:
        for _ in range(3):
            assert await ask(client, provider) == b"hello"
        assert provider.connections == 1
        assert (client.connections, client.idle) == (1, 1)
        client.close()
        await provider.wait_all_closed()
    assert (client.connections, client.idle) == (0, 0)


async def test_a_response_left_unread_costs_its_connection(provider_of: Any, answer_all: Any) -> None:
    client = make_client()
    async with provider_of(answer_all) as provider:
        await ask(client, provider, read=False)
        await provider.wait_all_closed()
    assert client.connections == 0


async def test_the_newest_idle_connection_is_used_and_no_more_than_idle_max_are_kept(
    provider_of: Any, answer_all: Any
) -> None:
    client = make_client(idle_max=2)
    async with provider_of(answer_all) as provider:
        origin = parse_origin(provider.url)
        connections = [await client.open(origin, HEAD, b"body") for _ in range(3)]
        for connection in connections:
            assert await connection.receive_some() == b"hello"
            client.release(connection)
        assert (client.connections, client.idle) == (2, 2)
        again = await client.open(origin, HEAD, b"body")
        assert again is connections[2]
        client.release(again)
        client.close()
        await provider.wait_all_closed()


async def test_idle_connections_expire(
    provider_of: Any, answer_all: Any, autojump_clock: trio.testing.MockClock
) -> None:
    autojump_clock.autojump_threshold = float("inf")
    client = make_client(idle_s=30)
    async with provider_of(answer_all) as provider:
        await ask(client, provider)
        autojump_clock.jump(29)
        await ask(client, provider)
        assert provider.connections == 1
        autojump_clock.jump(30)
        client.expire()
        assert client.connections == 0
        await provider.wait_all_closed()


async def test_a_connection_closed_while_idle_is_noticed_before_it_is_used(provider_of: Any, answer: Any) -> None:
    seen: list[bytes | None] = []

    async def answer_one(peer: Any) -> None:
        seen.append(await peer.read_request())
        await peer.send(answer())

    client = make_client()
    async with provider_of(answer_one) as provider:
        for _ in range(3):
            assert await ask(client, provider) == b"hello"
            await provider.wait_all_closed()
        assert provider.connections == 3
    assert len(seen) == 3
    client.close()


async def test_bytes_that_arrive_while_idle_are_nobodys_answer(provider_of: Any, answer: Any) -> None:
    unasked = trio.Event()

    async def say_too_much(peer: Any) -> None:
        await peer.read_request()
        await peer.send(answer(b"asked"))
        if peer.number == 1:
            await unasked.wait()
            await peer.send(answer(b"not asked"))
        assert await peer.read_end() == b""

    client = make_client()
    async with provider_of(say_too_much) as provider:
        assert await ask(client, provider) == b"asked"
        unasked.set()
        await trio.testing.wait_all_tasks_blocked()
        assert await ask(client, provider) == b"asked"
        client.close()
        await provider.wait_all_closed()


async def test_a_reused_connection_that_ends_after_the_request_was_sent_is_not_asked_again(
    provider_of: Any, answer: Any
) -> None:
    requests = 0

    async def answer_then_hang_up(peer: Any) -> None:
        nonlocal requests
        while await peer.read_request() is not None:
            requests += 1
            if peer.requests > 1:
                return
            await peer.send(answer())

    client = make_client()
    async with provider_of(answer_then_hang_up) as provider:
        await ask(client, provider)
        with pytest.raises(UpstreamBroke, match="closed the connection in the head"):
            await ask(client, provider)
        assert requests == 2
        assert client.connections == 0


async def test_a_reused_connection_that_breaks_in_the_middle_of_a_request_is_not_asked_again(
    provider_of: Any, answer: Any
) -> None:
    async def answer_then_reset(peer: Any) -> None:
        await peer.read_request()
        await peer.send(answer())
        await peer.stream.receive_some(10_000)
        peer.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    client = make_client()
    async with provider_of(answer_then_reset) as provider:
        await ask(client, provider)
        body = bytes(10_000_000)
        with pytest.raises(UpstreamBroke, match=r"reset by peer|Broken pipe|closed the connection"):
            await client.open(parse_origin(provider.url), HEAD.replace(b"4", b"10000000"), body)
        assert provider.connections == 1
        assert client.connections == 0


async def test_a_reused_connection_that_takes_no_byte_is_replaced(
    provider_of: Any, answer_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = make_client()
    async with provider_of(answer_all) as provider:
        origin = parse_origin(provider.url)
        broken = await client.open(origin, HEAD, b"body")
        await broken.receive_some()
        client.release(broken)
        # What the look before use cannot see: the connection breaks between it and the first byte.
        broken._wire._socket.shutdown(socket.SHUT_WR)
        monkeypatch.setattr(Connection, "quiet", lambda self: True)
        assert await ask(client, provider) == b"hello"
        assert provider.connections == 2
        assert client.connections == 1
        client.close()
        await provider.wait_all_closed()


async def test_a_new_connection_that_takes_no_byte_is_unreachable(
    provider_of: Any, answer_all: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(self: Connection, head: bytes, body: bytes, *, no_body: bool = False) -> None:
        raise NothingSent

    monkeypatch.setattr(Connection, "request", refuse)
    client = make_client()
    async with provider_of(answer_all) as provider:
        with pytest.raises(UpstreamUnreachable, match="before the request was sent"):
            await ask(client, provider)
    assert client.connections == 0


async def test_data_after_the_end_of_a_response_costs_the_connection(provider_of: Any, answer: Any) -> None:
    async def answer_and_more(peer: Any) -> None:
        await peer.read_request()
        await peer.send(answer() + b"HTTP/1.1 200 OK\r\n")
        await peer.read_end()

    client = make_client()
    async with provider_of(answer_and_more) as provider:
        assert await ask(client, provider) == b"hello"
        assert client.connections == 0
        await provider.wait_all_closed()


async def test_a_connection_in_use_when_the_client_closes_is_closed_as_it_comes_back(
    provider_of: Any, answer_all: Any
) -> None:
    client = make_client()
    async with provider_of(answer_all) as provider:
        connection = await client.open(parse_origin(provider.url), HEAD, b"body")
        client.close()
        assert await connection.receive_some() == b"hello"
        client.release(connection)
        await provider.wait_all_closed()
    assert repr(client) == "<Client with 0 connections, 0 of them idle>"
