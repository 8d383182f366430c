"""Applications to serve, and two ways to talk to them: memory streams under a clock that jumps, and real sockets."""

from __future__ import annotations

import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from contextlib import asynccontextmanager
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest
import trio
from trio.testing import memory_stream_pair

from trio_gateway.server.connection import Connection
from trio_gateway.server.serve import Server, serve
from trio_gateway.server.service import Service
from trio_gateway.server.streams import TrioStream
from trio_gateway.server_config import ServerConfig

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
HandleHttp = Callable[[Message, Receive, Send], Awaitable[None]]


class App:
    """An ASGI application that knows lifespan, hands requests to `handle`, and keeps what happened to them."""

    def __init__(self, handle: HandleHttp) -> None:
        self._handle = handle
        self.scopes: list[Message] = []
        self.outcomes: list[str] = []  # "done", "cancelled" or the error's name, in the order they ended
        self.started = trio.Event()
        self.ended = trio.Event()
        self.lifespan: list[str] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            while True:
                event = (await receive())["type"]
                self.lifespan.append(event)
                await send({"type": event + ".complete"})
                if event == "lifespan.shutdown":
                    return
        self.scopes.append(scope)
        self.started.set()
        try:
            await self._handle(scope, receive, send)
        except trio.Cancelled:
            self.outcomes.append("cancelled")
            raise
        except Exception as error:
            self.outcomes.append(type(error).__name__)
            raise
        else:
            self.outcomes.append("done")
        finally:
            self.ended.set()


async def respond(send: Send, body: bytes = b"ok", status: int = 200, headers: Any = ()) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})


async def read_body(receive: Receive) -> bytes:
    body = b""
    while True:
        event = await receive()
        assert event["type"] == "http.request"
        body += event["body"]
        if not event["more_body"]:
            return body


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Answers with the path and the body."""
    body = await read_body(receive)
    await respond(send, scope["path"].encode() + b" " + body)


async def hang(scope: Message, receive: Receive, send: Send) -> None:
    await trio.sleep_forever()


class Client:
    """The other end of a connection, whatever it runs on."""

    def __init__(self, stream: trio.abc.Stream) -> None:
        self.stream = stream
        self._buffer = b""

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_to_end(self) -> bytes:
        """All bytes until the server closes."""
        async for data in self.stream:
            self._buffer += data
        rest, self._buffer = self._buffer, b""
        return rest

    async def _until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            data = bytes(await self.stream.receive_some())
            assert data, f"the server closed after {self._buffer!r}"
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found + mark

    async def _exactly(self, size: int) -> bytes:
        while len(self._buffer) < size:
            data = bytes(await self.stream.receive_some())
            assert data, f"the server closed after {self._buffer!r}"
            self._buffer += data
        found, self._buffer = self._buffer[:size], self._buffer[size:]
        return found

    async def head(self) -> tuple[int, dict[bytes, bytes]]:
        """The status and headers of the next response."""
        lines = (await self._until(b"\r\n\r\n")).split(b"\r\n")
        headers = dict(line.split(b": ", 1) for line in lines[1:-2])
        assert len(headers) == len(lines) - 3
        return int(lines[0].split(b" ")[1]), headers

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; empty for the last."""
        size = int(await self._until(b"\r\n"), 16)
        return (await self._exactly(size + 2))[:-2]

    async def response(self, *, head_only: bool = False) -> tuple[int, dict[bytes, bytes], bytes]:
        """The next whole response."""
        status, headers = await self.head()
        if head_only:
            return status, headers, b""
        if b"transfer-encoding" in headers:
            body = b""
            while chunk := await self.chunk():
                body += chunk
            return status, headers, body
        return status, headers, await self._exactly(int(headers.get(b"content-length", b"0")))

    async def refusal(self) -> tuple[int, str]:
        """The server's own error: its status and code; and that the connection ends with it."""
        status, headers, body = await self.response()
        assert headers[b"connection"] == b"close"
        assert headers[b"content-type"] == b"application/json"
        error = msgspec.json.decode(body)["error"]
        assert set(error) == {"message", "type", "param", "code"}
        if hasattr(self.stream, "send_eof"):
            await self.stream.send_eof()
        assert await self.read_to_end() == b""
        return status, error["code"]


class Conversation:
    """Our connection on one end of a pair of memory streams, a client on the other."""

    def __init__(self, app: App, config: ServerConfig) -> None:
        self.app = app
        self.service = Service(app, config)
        ours, theirs = memory_stream_pair()
        self.client = Client(theirs)
        self.connection = Connection(self.service, TrioStream(ours), client=("192.0.2.1", 1), server=("192.0.2.2", 2))
        self.closed = trio.Event()

    async def run(self) -> None:
        await self.connection.run()
        self.closed.set()


@asynccontextmanager
async def _converse(handle: HandleHttp = echo, **settings: Any) -> AsyncIterator[Conversation]:
    conversation = Conversation(App(handle), ServerConfig(**settings))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(conversation.run)
        yield conversation
        nursery.cancel_scope.cancel(reason="the test is over")


@pytest.fixture
def converse() -> Any:
    """`async with converse(handle, **settings) as conversation`: one connection on memory streams."""
    return _converse


class Running:
    """A server on a free port of the loopback."""

    def __init__(self, app: App, server: Server, shutdown: trio.Event) -> None:
        self.app = app
        self.server = server
        self.shutdown = shutdown
        self.stopped = trio.Event()
        self.clients: list[Client] = []

    @property
    def port(self) -> int:
        return int(self.server.binds[0].rsplit(":", 1)[1])

    async def connect(self) -> Client:
        client = Client(await trio.open_tcp_stream("127.0.0.1", self.port))
        self.clients.append(client)
        return client


@asynccontextmanager
async def _serving(handle: HandleHttp = echo, **settings: Any) -> AsyncIterator[Running]:
    app = App(handle)
    shutdown = trio.Event()
    config = ServerConfig(**{"bind": "127.0.0.1:0", "drain_s": 0, **settings})
    async with trio.open_nursery() as nursery:
        running: Running

        async def run(task_status: trio.TaskStatus[Server]) -> None:
            await serve(app, config, shutdown=shutdown, task_status=task_status)
            running.stopped.set()

        server = await nursery.start(run)
        running = Running(app, server, shutdown)
        with trio.fail_after(60):  # no test waits for it: it turns a hang into a failure
            yield running
        shutdown.set()
        for client in running.clients:
            await client.stream.aclose()


@pytest.fixture
def serving() -> Any:
    """`async with serving(handle, **settings) as running`: a server on a real socket."""
    return _serving


@pytest.fixture
def asgi() -> SimpleNamespace:
    """Applications, and what applications are made of."""
    return SimpleNamespace(echo=echo, hang=hang, respond=respond, read_body=read_body)


@pytest.fixture
def leave() -> Callable[[Client, str], None]:
    """`leave(client, "FIN" or "RST")`, as a program that ends or one that is killed."""

    def leave(client: Client, how: str) -> None:
        assert isinstance(client.stream, trio.SocketStream)
        if how == "RST":
            client.stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.stream.socket.close()

    return leave
