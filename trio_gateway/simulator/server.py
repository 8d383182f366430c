"""The simulated providers' HTTP/1.1 server: trio streams and httptools, as little between as can be.

Each connection has one task that always reads, so that a client's FIN or RST is seen, and its time recorded, while
an answer is waiting or going out. Answers that take time are played by a second task, which the reader cancels.
A client that closes its sending half counts as gone.
"""

from __future__ import annotations

import errno
import itertools
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from functools import partial

import httptools
import msgspec
import trio

from trio_gateway.simulator.config import SimulatorConfig
from trio_gateway.simulator.observer import Observer
from trio_gateway.simulator.reply import LAST_CHUNK, Reply, Request, chunk, head, plain
from trio_gateway.simulator.routes import Desk

_RECEIVE_BYTES = 65536
_MAX_HEADER_BYTES = 256 * 1024
_MAX_PIPELINED = 64
_INLINE_BYTES = 65536
"""An answer of at most this fits a socket's buffer: the reader can write it itself without going deaf for long."""
_VIEWS = "/_simulator/"

_encode = msgspec.json.Encoder().encode


class Simulator(msgspec.Struct, frozen=True):
    """A running simulator. `origins` holds `http://HOST:PORT` by provider; base URLs start with it."""

    origins: dict[str, str]
    observer: Observer


async def serve_simulator(
    config: SimulatorConfig,
    *,
    observer: Observer | None = None,
    clock: Callable[[], float] = time.time,
    task_status: trio.TaskStatus[Simulator] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; open connections are then closed at once. Raises OSError for a port that is taken.

    `clock` gives the answers' `created` times.
    """
    observer = observer or Observer(config.recorded_requests)
    next_number = itertools.count(1).__next__
    shared = tuple(name for name in config.providers if name not in config.ports)
    doors: list[tuple[tuple[str, ...], int]] = [
        ((name,), port) for name, port in config.ports.items() if name in config.providers
    ]
    if shared:
        doors.append((shared, config.port))
    origins: dict[str, str] = {}
    async with trio.open_nursery() as nursery:
        for names, port in doors:
            listeners = await trio.open_tcp_listeners(port, host=config.host, backlog=4096)
            desk = Desk(config, names, next_number)
            serve_connection = partial(_serve_connection, config, desk, observer, clock)
            nursery.start_soon(trio.serve_listeners, serve_connection, listeners)
            bound = listeners[0].socket.getsockname()[1]
            host = f"[{config.host}]" if ":" in config.host else config.host
            origins |= dict.fromkeys(names, f"http://{host}:{bound}")
        task_status.started(Simulator(origins, observer))


def run(config: SimulatorConfig, on_started: Callable[[Simulator], None] = lambda _: None) -> None:
    """Serve until interrupted: KeyboardInterrupt is the caller's. `on_started` is told once all ports are bound."""

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            on_started(await nursery.start(serve_simulator, config))

    trio.run(main)


async def _serve_connection(
    config: SimulatorConfig, desk: Desk, observer: Observer, clock: Callable[[], float], stream: trio.SocketStream
) -> None:
    await _Connection(config, desk, observer, clock, stream).serve()


class _Gone(Exception):
    """The client is: a write failed. The reader finds out how."""


class _Incoming:
    """The callbacks of httptools: collects requests, counts what they cost."""

    def __init__(self, max_body_bytes: int) -> None:
        self.whole: deque[tuple[Request, list[tuple[bytes, bytes]], bool]] = deque()
        self.too_large = False
        self.begun = False
        self.expects_continue = False
        self._max_body_bytes = max_body_bytes
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._header_bytes = 0
        self._body: list[bytes] = []
        self._body_bytes = 0

    def feed(self, data: bytes) -> None:
        """Raises HttpParserError for what is no HTTP."""
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self.begun = True
        self._url, self._headers, self._body = b"", [], []
        self._header_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count_header(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))
        self._count_header(len(name) + len(value))

    def _count_header(self, size: int) -> None:
        self._header_bytes += size
        self.too_large = self.too_large or self._header_bytes > _MAX_HEADER_BYTES

    def on_headers_complete(self) -> None:
        self.expects_continue = (b"expect", b"100-continue") in self._headers

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        if self._body_bytes > self._max_body_bytes:
            self.too_large = True
        else:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self.begun = self.expects_continue = False
        path, _, query = self._url.decode("latin-1").partition("?")
        body = self._body[0] if len(self._body) == 1 else b"".join(self._body)
        request = Request(self._parser.get_method().decode("latin-1"), path, query, dict(self._headers), body)
        self.whole.append((request, self._headers, self._parser.should_keep_alive()))


class _Connection:
    def __init__(
        self,
        config: SimulatorConfig,
        desk: Desk,
        observer: Observer,
        clock: Callable[[], float],
        stream: trio.SocketStream,
    ) -> None:
        self._desk = desk
        self._coalesce = config.coalesce
        self._observer = observer
        self._clock = clock
        self._stream = stream
        self._incoming = _Incoming(config.max_body_bytes)
        self._record = observer.opened()
        self._working = False
        self._reset_on_send = False
        self._scope = trio.CancelScope()

    async def serve(self) -> None:
        try:
            with self._scope:
                async with trio.open_nursery() as nursery:
                    how = await self._read(nursery)
                    self._observer.closed(self._record, how)
                    nursery.cancel_scope.cancel(reason="the client left")
        finally:
            self._observer.closed(self._record, "ours")
            self._stream.socket.close()

    async def _read(self, nursery: trio.Nursery) -> str:
        """Read until the connection ends; return how."""
        incoming = self._incoming
        while True:
            try:
                data = await self._stream.receive_some(_RECEIVE_BYTES)
            except trio.BrokenResourceError:
                return "rst"
            if not data:
                return await self._how_it_ended()
            try:
                incoming.feed(data)
            except httptools.HttpParserError:
                await self._refuse(400)
                return "ours"
            if incoming.too_large or len(incoming.whole) > _MAX_PIPELINED:
                await self._refuse(413)
                return "ours"
            if self._working:
                continue
            if incoming.begun:
                self._observer.moved(self._record, "receiving")
            if incoming.expects_continue:
                incoming.expects_continue = False
                await self._try_send(b"HTTP/1.1 100 Continue\r\n\r\n")
            await self._answer_waiting(nursery)

    async def _how_it_ended(self) -> str:
        """Tell a FIN from a reset that a write met first: the kernel reports it once, then the socket just ends."""
        # A write that failed in this turn of the loop passes one checkpoint before it says so. Tasks run in any
        # order within a turn: after two, it has.
        for _ in range(2):
            await trio.lowlevel.checkpoint()
        return "rst" if self._reset_on_send else "fin"

    async def _answer_waiting(self, nursery: trio.Nursery) -> None:
        while self._incoming.whole and not self._working:
            request, reply, keep_alive = self._decide()
            if not reply.waits and (reply.body is not None or self._coalesce) and _size(reply) <= _INLINE_BYTES:
                try:
                    await self._play(request, reply, keep_alive)
                except _Gone:
                    return
            else:
                self._working = True
                nursery.start_soon(self._work, request, reply, keep_alive)

    async def _work(self, request: Request, reply: Reply, keep_alive: bool) -> None:
        """Play an answer that takes time, and those to the requests that came meanwhile."""
        try:
            await self._play(request, reply, keep_alive)
            while self._incoming.whole:
                await self._play(*self._decide())
        except _Gone:
            return
        self._working = False

    def _decide(self) -> tuple[Request, Reply, bool]:
        request, headers, keep_alive = self._incoming.whole.popleft()
        if request.path.startswith(_VIEWS):
            self._observer.forget(self._record)
            return request, _view(request, self._observer), keep_alive
        number, provider, reply = self._desk.answer(request, int(self._clock()))
        target = f"{request.path}?{request.query}" if request.query else request.path
        self._observer.received(self._record, number, provider, request.method, target, headers, request.body)
        return request, reply, keep_alive

    async def _play(self, request: Request, reply: Reply, keep_alive: bool) -> None:
        if reply.latency_s:
            await trio.sleep(reply.latency_s)
        if reply.silent_headers:
            await trio.sleep_forever()
        close = not keep_alive or reply.ending in ("eof", "fin", "cut")
        start = head(reply, close=close)
        if reply.first_wait_s:
            await self._send(start, "after_head")
            start = b""
            await trio.sleep(reply.first_wait_s)
        if request.method == "HEAD":
            await self._send(start, "after_head")
        elif reply.body is not None:
            await self._send(start + reply.body, "mid_stream" if reply.body else "after_head")
        else:
            await self._stream_frames(start, reply)
        if reply.ending == "silence":
            await trio.sleep_forever()
        if reply.ending == "end":
            self._observer.moved(self._record, "after_end")
        if close:
            await self._close(reset=reply.ending == "cut")

    async def _stream_frames(self, start: bytes, reply: Reply) -> None:
        """Write each event by itself, the first together with the head; all in one where nothing shall wait."""
        last = LAST_CHUNK if reply.ending in ("end", "eof") else b""
        if not reply.frames:
            await self._send(start + last, "after_head")
            return
        if self._coalesce and not reply.gap_s:
            await self._send(start + b"".join([chunk(data) for data, _ in reply.frames]) + last, "mid_stream")
            return
        paced = False
        final = len(reply.frames) - 1
        for at, (data, is_delta) in enumerate(reply.frames):
            if is_delta and reply.gap_s:
                if paced:
                    await trio.sleep(reply.gap_s)
                paced = True
            await self._send(start + chunk(data) + (last if at == final else b""), "mid_stream")
            start = b""

    async def _send(self, data: bytes, moment: str) -> None:
        if not data:
            return
        if len(data) > _INLINE_BYTES:
            # It may be under way for as long as the client likes.
            self._observer.moved(self._record, moment)
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError as error:
            cause = error.__cause__
            self._reset_on_send = isinstance(cause, OSError) and cause.errno == errno.ECONNRESET
            raise _Gone from error
        self._record.bytes_sent += len(data)
        self._observer.moved(self._record, moment)

    async def _try_send(self, data: bytes) -> None:
        try:
            await self._stream.send_all(data)
        except trio.BrokenResourceError:
            pass  # the reader is told too

    async def _refuse(self, status: int) -> None:
        reply = plain(b'{"error":{"message":"The simulator cannot read this request."}}', status=status)
        if not self._working and reply.body is not None:
            await self._try_send(head(reply, close=True) + reply.body)

    async def _close(self, *, reset: bool) -> None:
        """End the connection from our side, and with it this task."""
        self._observer.closed(self._record, "ours")
        if reset:
            # Lingering for no time makes close() send RST.
            self._stream.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._scope.cancel(reason="the answer ends with the connection")
        await trio.lowlevel.checkpoint()


def _size(reply: Reply) -> int:
    return len(reply.body) if reply.body is not None else sum(len(data) for data, _ in reply.frames)


def _view(request: Request, observer: Observer) -> Reply:
    """Answer under /_simulator/: what the observer has seen, as JSON."""
    what = request.path.removeprefix(_VIEWS)
    if request.method == "POST" and what == "reset":
        observer.reset()
        return plain(b"{}")
    if request.method == "GET" and what == "connections":
        return plain(_encode({"open": observer.open_connections, "connections": observer.connections}))
    if request.method == "GET" and what == "requests":
        return plain(_encode({"requests": observer.requests}))
    return plain(_encode({"error": "known are GET connections, GET requests, POST reset"}), status=404)
