"""CPU of the serving process for each request: a bare responder, an ASGI app on our server, the same on Hypercorn.

    python benchmarks/server_cost.py [requests]

Each server runs in a process of its own, pinned to one core where the system can, with the load on another. The figure
is user and system time of the server's process, which noise on the machine moves far less than it moves throughput.
"""

from __future__ import annotations

import multiprocessing
import os
import resource
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import httptools
import trio

CONNECTIONS = 16
REQUEST = (
    b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\naccept: application/json\r\n"
    b"content-type: application/json\r\nauthorization: Bearer sk-0123456789abcdef\r\nuser-agent: bench\r\n"
    b"content-length: 64\r\n\r\n" + b"x" * 64
)
OK_HEADERS = [(b"content-type", b"text/plain"), (b"content-length", b"2")]
ANSWER = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok"


async def ok(scope: MutableMapping[str, Any], receive: Callable[[], Awaitable[Any]], send: Any) -> None:
    """The least an ASGI application can do."""
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": OK_HEADERS})
    await send({"type": "http.response.body", "body": b"ok"})


class Bare:
    """The unit: read a request with llhttp, write a constant. No limits, no ASGI, no disconnects."""

    def __init__(self) -> None:
        self.headers: list[tuple[bytes, bytes]] = []
        self.complete = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.headers.append((name.lower(), value))

    def on_message_complete(self) -> None:
        self.complete = True


async def respond(stream: trio.SocketStream) -> None:
    bare = Bare()
    parser = httptools.HttpRequestParser(bare)
    while data := await stream.receive_some(65_536):
        parser.feed_data(data)
        if bare.complete:
            bare.complete = False
            bare.headers = []
            await stream.send_all(ANSWER)


async def serve_bare(listener: socket.socket) -> None:
    await trio.serve_listeners(respond, [trio.SocketListener(trio.socket.from_stdlib_socket(listener))])


async def serve_ours(listener: socket.socket) -> None:
    from trio_gateway.server.serve import serve
    from trio_gateway.server_config import ServerConfig

    await serve(ok, ServerConfig(), sockets=[listener])


async def serve_hypercorn(listener: socket.socket) -> None:
    from hypercorn.app_wrappers import ASGIWrapper
    from hypercorn.config import Config, Sockets
    from hypercorn.trio.run import worker_serve

    config = Config()
    config.loglevel = "ERROR"
    config.keep_alive_max_requests = 10**9
    await worker_serve(ASGIWrapper(ok), config, sockets=Sockets([], [listener], []))


SERVERS = {"bare responder": serve_bare, "ours": serve_ours, "hypercorn": serve_hypercorn}


def pin(core: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > core:
        os.sched_setaffinity(0, {core})


def run_server(name: str, listener: socket.socket, orders: Any) -> None:
    """Serve until told to stop; report CPU seconds used so far on each order."""
    pin(1)

    def obey() -> None:
        while orders.recv() == "report":
            usage = resource.getrusage(resource.RUSAGE_SELF)
            orders.send(usage.ru_utime + usage.ru_stime)
        os._exit(0)

    threading.Thread(target=obey, daemon=True).start()
    listener.setblocking(False)
    listener.listen(1024)
    trio.run(SERVERS[name], listener)


async def load(port: int, requests: int) -> None:
    """`CONNECTIONS` clients, each sending its next request when it has the answer to the last."""

    async def client(count: int) -> None:
        async with await trio.open_tcp_stream("127.0.0.1", port) as stream:
            for _ in range(count):
                await stream.send_all(REQUEST)
                answer = b""
                while not answer.endswith(b"ok"):
                    answer += await stream.receive_some(65_536)

    async with trio.open_nursery() as nursery:
        for _ in range(CONNECTIONS):
            nursery.start_soon(client, requests // CONNECTIONS)


def measure(name: str, requests: int) -> float:
    """CPU microseconds a request."""
    listener = socket.create_server(("127.0.0.1", 0))
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("fork")
    process = context.Process(target=run_server, args=(name, listener, theirs))
    process.start()

    def used() -> float:
        ours.send("report")
        return float(ours.recv())

    port = listener.getsockname()[1]
    listener.close()
    trio.run(load, port, max(CONNECTIONS, requests // 10))  # warm up
    before = used()
    trio.run(load, port, requests)
    spent = used() - before
    ours.send("stop")
    process.join()
    return spent / (requests // CONNECTIONS * CONNECTIONS) * 1e6


def main() -> None:
    requests = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    pin(0)
    unit = 0.0
    for name in SERVERS:
        best = min(measure(name, requests) for _ in range(3))
        unit = unit or best
        print(f"{name:16} {best:8.1f} µs CPU a request   {best / unit:5.2f} x")


if __name__ == "__main__":
    main()
