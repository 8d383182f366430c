"""CPU of the asking process for each request, and for each piece of a streamed answer: ours, and httpx's own.

    python benchmarks/transport_cost.py [requests]

A bare responder in a process of its own answers; its CPU a request is the unit, since noise moves both.
Each figure is user and system time of the side it is about, the best of five rounds.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Awaitable, Callable

import httptools
import httpx
import trio

from trio_gateway.transport.httpx_seam import TrioTransport
from trio_gateway.transport.settings import TransportSettings
from trio_gateway.transport.upstream import Upstream, UpstreamSettings
from trio_gateway.transport.wire import SocketWire

CONNECTIONS = 16
ROUNDS = 5
STREAMED_PIECES = 20_000

BODY = b'{"model":"m","messages":[{"role":"user","content":"' + b"x" * 300 + b'"}]}'
HEADERS = [
    (b"content-type", b"application/json"),
    (b"accept", b"*/*"),
    (b"authorization", b"Bearer sk-0123456789abcdef0123456789abcdef"),
    (b"user-agent", b"trio-gateway"),
]
PLAIN = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 300\r\n\r\n" + b"x" * 300
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
EVENT = b"data: " + b"x" * 250 + b"\n\n"
PIECE = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)

Ask = Callable[[], Awaitable[None]]


class Bare:
    """The unit: read a request with llhttp, write a constant."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.target = b""
        self.complete = False

    def on_url(self, target: bytes) -> None:
        self.target = target

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.complete = True


async def respond(stream: trio.SocketStream) -> None:
    bare = Bare()
    parser = httptools.HttpRequestParser(bare)
    while data := await stream.receive_some(65_536):
        parser.feed_data(data)
        if not bare.complete:
            continue
        bare.complete = False
        bare.headers = []
        if bare.target == b"/cpu":
            used = b"%.9f" % time.process_time()
            await stream.send_all(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(used), used))
        elif bare.target == b"/stream":
            await stream.send_all(STREAM_HEAD)
            for _ in range(STREAMED_PIECES):
                await stream.send_all(PIECE)
            await stream.send_all(b"0\r\n\r\n")
        else:
            await stream.send_all(PLAIN)


def run_responder(listener: socket.socket) -> None:
    pin(1)
    listener.setblocking(False)
    listener.listen(1024)

    async def serve() -> None:
        await trio.serve_listeners(respond, [trio.SocketListener(trio.socket.from_stdlib_socket(listener))])

    trio.run(serve)


def pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})


async def repeat(ask: Ask, requests: int) -> float:
    """CPU microseconds of this process for each of `requests`, with CONNECTIONS of them under way at a time."""

    async def one_after_another() -> None:
        for _ in range(requests // CONNECTIONS):
            await ask()

    best = float("inf")
    for _ in range(ROUNDS):
        before = time.process_time()
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(one_after_another)
        best = min(best, time.process_time() - before)
    return best / (requests // CONNECTIONS * CONNECTIONS) * 1e6


async def on_upstream(upstream: Upstream) -> None:
    response = await upstream.open(b"POST", b"/v1/chat/completions", HEADERS, BODY)
    try:
        assert len(await response.read(1_000_000)) == 300
    finally:
        await response.aclose()


async def on_httpx(transport: httpx.AsyncBaseTransport, url: httpx.URL) -> None:
    response = await transport.handle_async_request(httpx.Request("POST", url, headers=HEADERS, content=BODY))
    try:
        assert len(await response.aread()) == 300
    finally:
        await response.aclose()


async def on_client(client: httpx.AsyncClient, url: httpx.URL) -> None:
    assert len((await client.post(url, headers=HEADERS, content=BODY)).content) == 300


async def measure_requests(url: str, requests: int) -> None:
    async with Upstream(UpstreamSettings(base_url=url)) as upstream:
        await repeat(lambda: on_upstream(upstream), requests // 10)
        before = await responder_cpu(upstream)
        ours = await repeat(lambda: on_upstream(upstream), requests)
        unit = (await responder_cpu(upstream) - before) / (ROUNDS * requests) * 1e6
    print(f"{'bare responder':34} {unit:8.1f} µs CPU a request    1.00 x")

    def tell(name: str, used: float) -> None:
        print(f"{name:34} {used:8.1f} µs CPU a request   {used / unit:5.2f} x")

    tell("Upstream, native", ours)
    target = httpx.URL(url).copy_with(path="/v1/chat/completions")
    async with TrioTransport(TransportSettings()) as transport:
        tell("TrioTransport, httpx's objects", await repeat(lambda: on_httpx(transport, target), requests))
    async with httpx.AsyncHTTPTransport(trust_env=False) as theirs:
        tell("httpx.AsyncHTTPTransport", await repeat(lambda: on_httpx(theirs, target), requests // 10))
    async with httpx.AsyncClient(trust_env=False) as client:
        tell("httpx.AsyncClient", await repeat(lambda: on_client(client, target), requests // 10))


async def responder_cpu(upstream: Upstream) -> float:
    async with await upstream.open("GET", b"/cpu", [], b"") as response:
        return float(await response.read(100))


async def stream_with(receive: Callable[[], Awaitable[bytes]]) -> tuple[float, int]:
    """CPU microseconds for each time something was received, and how many times that was."""
    before = time.process_time()
    received = 0
    while await receive():
        received += 1
    return (time.process_time() - before) / received * 1e6, received


async def measure_stream(url: str, port: int) -> None:
    """Received as it is against decoded: the difference is what the transport adds to the receive."""
    raw: list[tuple[float, int]] = []
    decoded: list[tuple[float, int]] = []
    async with Upstream(UpstreamSettings(base_url=url)) as upstream:
        for _ in range(ROUNDS):
            wire = SocketWire(await trio.open_tcp_stream("127.0.0.1", port))
            await wire.send_all(b"GET /stream HTTP/1.1\r\nhost: h\r\n\r\n")
            left = len(STREAM_HEAD) + STREAMED_PIECES * len(PIECE) + 5

            async def receive(wire: SocketWire = wire) -> bytes:
                nonlocal left
                data = await wire.receive_some() if left else b""
                left -= len(data)
                return data

            raw.append(await stream_with(receive))
            wire.close_nowait()
            async with await upstream.open("GET", b"/stream", [], b"") as response:
                decoded.append(await stream_with(response.receive_some))
    for name, figures in (("a receive, as it is", raw), ("a receive, decoded", decoded)):
        used, received = min(figures)
        print(f"{name:34} {used:8.1f} µs CPU, {STREAMED_PIECES / received:.2f} pieces each")


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 8_000
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    process = multiprocessing.get_context("fork").Process(target=run_responder, args=(listener,), daemon=True)
    process.start()
    listener.close()
    pin(0)
    url = f"http://127.0.0.1:{port}"
    trio.run(measure_requests, url, requests)
    trio.run(measure_stream, url, port)
    process.terminate()
    process.join()


if __name__ == "__main__":
    main()
