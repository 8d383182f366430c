"""A provider on a real loopback socket whose every move a test decides."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
import trio

Handler = Callable[["Peer"], Awaitable[None]]
Wrap = Callable[[trio.SocketStream], trio.abc.Stream]


class Peer:
    """The provider's end of one connection."""

    def __init__(self, stream: trio.abc.Stream, number: int) -> None:
        self.stream = stream
        self.number = number
        self.requests = 0
        self._held = b""

    async def read_request(self) -> bytes | None:
        """Read one request with a Content-Length or no body; None once the client has closed."""
        while b"\r\n\r\n" not in self._held:
            if not await self._fill():
                return None
        head, _, rest = self._held.partition(b"\r\n\r\n")
        length = 0
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                length = int(line.split(b":")[1])
        while len(rest) < length:
            if not await self._fill():
                return None
            rest = self._held.partition(b"\r\n\r\n")[2]
        self._held = rest[length:]
        self.requests += 1
        return head + b"\r\n\r\n" + rest[:length]

    async def send(self, data: bytes) -> None:
        await self.stream.send_all(data)

    async def read_end(self) -> bytes:
        """Read until the client closes, however it does that; return what it still sent."""
        while await self._fill():
            pass
        return self._held

    async def _fill(self) -> bool:
        try:
            data = await self.stream.receive_some(65536)
        except trio.BrokenResourceError:
            return False
        self._held += data
        return bool(data)


class Provider:
    """Listens on a loopback port. `handler` runs once for each connection, which is closed when it returns."""

    def __init__(self, handler: Handler, nursery: trio.Nursery, wrap: Wrap) -> None:
        self.handler = handler
        self.port = 0
        self.connections = 0  # accepted so far
        self.open = 0
        self._all_closed = trio.Event()
        self._nursery = nursery
        self._wrap = wrap

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def listen(self) -> None:
        listeners = await trio.open_tcp_listeners(0, host="127.0.0.1")
        self.port = listeners[0].socket.getsockname()[1]
        self._nursery.start_soon(self._serve, listeners)

    async def _serve(self, listeners: list[trio.SocketListener]) -> None:
        await trio.serve_listeners(self._serve_one, listeners)

    async def _serve_one(self, stream: trio.SocketStream) -> None:
        self.connections += 1
        self.open += 1
        try:
            async with self._wrap(stream) as wrapped:
                await self.handler(Peer(wrapped, self.connections))
        except (trio.BrokenResourceError, trio.ClosedResourceError):
            pass  # the client left: what a test wants to know of that it asks Peer.read_end
        finally:
            self.open -= 1
            if not self.open:
                self._all_closed.set()
                self._all_closed = trio.Event()

    async def wait_all_closed(self) -> None:
        """Wait until every connection accepted so far has ended on this side."""
        while self.open:
            await self._all_closed.wait()


@pytest.fixture
def answer() -> Callable[..., bytes]:
    """Give a whole response: answer(body, status=b"200 OK", fields=b"name: value\\r\\n")."""

    def build(body: bytes = b"hello", *, status: bytes = b"200 OK", fields: bytes = b"") -> bytes:
        return b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n%b" % (status, fields, len(body), body)

    return build


@pytest.fixture
def answer_all(answer: Callable[..., bytes]) -> Handler:
    """Serve requests on a connection for as long as it lives, each with `answer()`."""

    async def serve(peer: Peer) -> None:
        while await peer.read_request() is not None:
            await peer.send(answer())

    return serve


@pytest.fixture
def provider_of() -> Callable[..., object]:
    """Give `async with provider_of(handler) as provider`, a Provider."""

    @asynccontextmanager
    async def run(handler: Handler, wrap: Wrap = lambda stream: stream) -> AsyncIterator[Provider]:
        async with trio.open_nursery() as nursery:
            provider = Provider(handler, nursery, wrap)
            await provider.listen()
            with trio.fail_after(60):  # a test that hangs says where
                yield provider
            nursery.cancel_scope.cancel(reason="the test is over")

    return run
