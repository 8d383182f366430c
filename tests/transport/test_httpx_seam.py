"""Our connections under httpx's own client."""

from __future__ import annotations

import gzip
from typing import Any

import httpx
import pytest
import trio
import trio.testing

from trio_gateway.transport.httpx_seam import TrioTransport
from trio_gateway.transport.settings import TransportSettings


def client_on(transport: TrioTransport, **options: Any) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=transport, trust_env=False, **options)


async def test_httpx_asks_and_reads_as_ever(provider_of: Any, answer: Any) -> None:
    seen: list[bytes] = []

    async def keep(peer: Any) -> None:
        while (request := await peer.read_request()) is not None:
            seen.append(request)
            await peer.send(answer(gzip.compress(b'{"a": 1}'), fields=b"content-encoding: gzip\r\nX-A: b\r\n"))

    transport = TrioTransport()
    async with provider_of(keep) as provider, client_on(transport) as client:
        for _ in range(2):
            response = await client.post(provider.url + "/x?y=%20z", json={"q": 1})
            assert response.status_code == 200
            assert response.json() == {"a": 1}
            assert response.headers["x-a"] == "b"
            assert response.http_version == "HTTP/1.1"
        assert (provider.connections, transport._slots.in_use) == (1, 0)
        host = b"127.0.0.1:%d" % provider.port
    assert seen[0].startswith(b"POST /x?y=%20z HTTP/1.1\r\nhost: " + host)
    assert seen[0].endswith(b'content-length: 7\r\n\r\n{"q":1}')
    assert seen[0].lower().count(b"content-length") == 1


async def test_a_streamed_request_body_is_read_whole_and_sent_with_its_length(provider_of: Any, answer: Any) -> None:
    seen: list[bytes] = []

    async def keep(peer: Any) -> None:
        seen.append(await peer.read_request())
        await peer.send(answer())

    async def pieces() -> Any:
        yield b"ab"
        yield b"cd"

    async with provider_of(keep) as provider, client_on(TrioTransport()) as client:
        await client.put(provider.url, content=pieces())
    assert seen[0].endswith(b"content-length: 4\r\n\r\nabcd")
    assert b"transfer-encoding" not in seen[0].lower()


async def test_head_requests_and_many_origins_share_one_transport(provider_of: Any, answer: Any) -> None:
    async def head_only(peer: Any) -> None:
        while await peer.read_request() is not None:
            await peer.send(answer().removesuffix(b"hello"))

    transport = TrioTransport()
    async with provider_of(head_only) as one, provider_of(head_only) as other, client_on(transport) as client:
        for provider in (one, other, one, other):
            assert (await client.head(provider.url)).headers["content-length"] == "5"
        assert (one.connections, other.connections) == (1, 1)
        assert repr(transport) == (
            "<TrioTransport <Client with 2 connections, 2 of them idle>, <Slots 0 of 1000 in use, 0 waiting>>"
        )


async def test_leaving_a_response_early_closes_its_connection(provider_of: Any, answer_all: Any) -> None:
    transport = TrioTransport()
    async with provider_of(answer_all) as provider, client_on(transport) as client:
        async with client.stream("GET", provider.url):
            pass
        await provider.wait_all_closed()
        assert transport._slots.in_use == 0


async def test_errors_are_httpxs(provider_of: Any) -> None:
    async def break_off(peer: Any) -> None:
        await peer.read_request()
        if peer.number == 2:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")

    transport = TrioTransport()
    async with provider_of(break_off) as provider, client_on(transport) as client:
        for _ in range(2):
            with pytest.raises(httpx.RemoteProtocolError, match="closed the connection"):
                await client.get(provider.url)
        with pytest.raises(httpx.ConnectError, match="Connection refused"):
            await client.get("http://127.0.0.1:1")
        with pytest.raises(httpx.LocalProtocolError, match="LF"):
            await client.get(provider.url, headers=[(b"x", b"a\nb")])
        with pytest.raises(httpx.UnsupportedProtocol):
            await client.get("ftp://127.0.0.1")
    assert (transport._slots.in_use, transport._client.connections) == (0, 0)


async def test_httpxs_timeouts_are_kept(
    provider_of: Any, monkeypatch: pytest.MonkeyPatch, autojump_clock: trio.testing.MockClock
) -> None:
    async def half(peer: Any) -> None:
        await peer.read_request()
        if peer.number == 1:
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        await peer.read_end()

    autojump_clock.autojump_threshold = 0.05  # loopback is real, and slower than the clock
    transport = TrioTransport(TransportSettings(connections_max=1))
    timeout = httpx.Timeout(10, read=5)
    async with provider_of(half) as provider, client_on(transport, timeout=timeout) as client:
        with pytest.raises(httpx.ReadTimeout, match="body stopped"):
            await client.get(provider.url)
        with pytest.raises(httpx.ReadTimeout, match="no answer"):
            await client.get(provider.url)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(expect_timeout, client, provider.url, httpx.ReadTimeout)
            await trio.testing.wait_all_tasks_blocked()
            with pytest.raises(httpx.PoolTimeout):
                await client.get(provider.url, timeout=httpx.Timeout(10, pool=1))

        async def never(*args: object, **options: object) -> None:
            await trio.sleep_forever()

        monkeypatch.setattr(trio, "open_tcp_stream", never)
        with pytest.raises(httpx.ConnectError, match="within 3 s"):
            await client.get(provider.url, timeout=httpx.Timeout(10, connect=3))
    assert (transport._slots.in_use, transport._client.connections) == (0, 0)


async def expect_timeout(client: httpx.AsyncClient, url: str, kind: type[httpx.TimeoutException]) -> None:
    with pytest.raises(kind):
        await client.get(url)


async def test_a_closed_body_gives_nothing(provider_of: Any, answer_all: Any) -> None:
    transport = TrioTransport()
    async with provider_of(answer_all) as provider:
        response = await transport.handle_async_request(httpx.Request("GET", provider.url))
        assert isinstance(response.stream, httpx.AsyncByteStream)
        body = aiter(response.stream)
        assert await anext(body) == b"hello"
        await response.stream.aclose()
        await response.stream.aclose()
        with pytest.raises(httpx.StreamClosed):
            await anext(body)
        await transport.aclose()
