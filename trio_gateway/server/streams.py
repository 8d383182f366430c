"""The two kinds of byte stream under a connection: a socket, driven directly, and any trio stream (TLS, memory).

trio's own `SocketStream` would do for both. The direct one saves a reschedule for each write, and a system call for
each read, which together are a third of what a small request costs.
"""

from __future__ import annotations

import select
import socket
import struct
from typing import Protocol

import trio

READ_BYTES = 65_536
"""The most that is read, or handed to a TLS stream, at once."""

CLOSE_S = 1.0
"""Seconds a TLS stream gets to say goodbye."""

RESET_ON_CLOSE = struct.pack("ii", 1, 0)


class ByteStream(Protocol):
    """What a connection needs of its stream. Errors are `OSError` or trio's resource errors: the peer is gone."""

    async def receive(self) -> bytes:
        """Wait for bytes; empty at the end. Cancelling loses none."""

    def send_nowait(self, data: bytes) -> int:
        """Hand over what fits without waiting. Returns how much that was."""

    async def send(self, data: memoryview) -> int:
        """Wait until some of `data` is handed over. Returns how much. After cancelling, only `close` is allowed."""

    async def wait_hangup(self) -> None:
        """Return when the peer has closed or reset, without reading. Where that cannot be known, never returns."""

    def send_eof(self) -> None:
        """Say that nothing more follows, where the stream can."""

    async def aclose(self) -> None:
        """Close. Does not block longer than `CLOSE_S`."""

    def reset(self) -> None:
        """Make the coming close one that the peer cannot take for a clean end, where the stream can."""


class DirectStream:
    """A connected, non-blocking stream socket."""

    __slots__ = ("_socket",)

    def __init__(self, connected: socket.socket) -> None:
        self._socket = connected

    async def receive(self) -> bytes:
        # Waiting first saves a read that would nearly always fail: a client waits for its answer.
        while True:
            await trio.lowlevel.wait_readable(self._socket)
            try:
                return self._socket.recv(READ_BYTES)
            except (BlockingIOError, InterruptedError):
                continue

    def send_nowait(self, data: bytes) -> int:
        try:
            return self._socket.send(data)
        except (BlockingIOError, InterruptedError):
            return 0

    async def send(self, data: memoryview) -> int:
        while True:
            await trio.lowlevel.wait_writable(self._socket)
            try:
                return self._socket.send(data)
            except (BlockingIOError, InterruptedError):
                continue

    async def wait_hangup(self) -> None:
        await wait_hangup(self._socket)

    def send_eof(self) -> None:
        self._socket.shutdown(socket.SHUT_WR)

    async def aclose(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    def reset(self) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)


class TrioStream:
    """Any `trio.abc.Stream`. `below` is the socket under it, if there is one, to notice a hangup on."""

    __slots__ = ("_below", "_clean", "_stream")

    def __init__(self, stream: trio.abc.Stream, below: socket.socket | None = None) -> None:
        self._stream = stream
        self._below = below
        self._clean = True

    async def receive(self) -> bytes:
        return bytes(await self._stream.receive_some(READ_BYTES))

    def send_nowait(self, data: bytes) -> int:
        return 0

    async def send(self, data: memoryview) -> int:
        part = data[:READ_BYTES]
        self._clean = False  # a TLS stream whose write was cut off is beyond a clean close
        await self._stream.send_all(part)
        self._clean = True
        return len(part)

    async def wait_hangup(self) -> None:
        if self._below is None:
            await trio.sleep_forever()
        else:
            await wait_hangup(self._below)

    def send_eof(self) -> None:
        """TLS as trio speaks it has no half-close: closing does it."""

    async def aclose(self) -> None:
        if self._clean:
            with trio.move_on_after(CLOSE_S, shield=True):
                await self._stream.aclose()
                return
        await trio.aclose_forcefully(self._stream)

    def reset(self) -> None:
        self._clean = False


async def wait_hangup(connected: socket.socket) -> None:
    """Return when the peer of a socket has closed its side or reset, though unread bytes lie before that."""
    if not hasattr(select, "epoll"):
        await trio.sleep_forever()  # elsewhere it is noticed when reading goes on
    # An epoll instance is itself readable when one of its events is due: so trio can wait for one it has no name for.
    with select.epoll(1) as hangups:
        hangups.register(connected, select.EPOLLRDHUP)
        await trio.lowlevel.wait_readable(hangups.fileno())
