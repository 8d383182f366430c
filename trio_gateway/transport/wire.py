"""A connected TCP socket with as little between it and the kernel as trio allows.

trio.SocketStream makes every call a checkpoint: a pass through the scheduler to send, and an attempt that fails before
each wait to receive. Here sending what the kernel takes at once is not a checkpoint, and receiving is exactly one: a
request costs one pass. TLS runs over the same class, under trio.SSLStream.
"""

from __future__ import annotations

import socket
from collections.abc import Awaitable

import trio

RECEIVE_BYTES = 65_536

_RECORD_HEADER_BYTES = 5
_RECORD_TYPES = range(20, 25)
_RECORD_BYTES_MAX = 18_437  # header, 2**14 bytes and the 2048 that encryption may add (RFC 5246 section 6.2.3)


class SocketWire(trio.abc.Stream):
    """One task may send while another receives. `close_nowait` may be called by anyone, at any time, more than once.

    A failed send is noted in `send_error` rather than raised: an upstream that refuses a request half-way answers, then
    resets, and its answer must still be read. What was sent is counted, since only a request of which the kernel
    accepted nothing may be sent again elsewhere.
    """

    __slots__ = ("_abandoned", "_sending", "_socket", "send_error", "sent_bytes")

    def __init__(self, stream: trio.SocketStream) -> None:
        """Take the socket over from `stream`, which has set TCP_NODELAY and must not be used again."""
        self._socket = socket.socket(fileno=stream.socket.detach())
        self._socket.setblocking(False)
        self._abandoned = False
        self._sending: trio.CancelScope | None = None
        self.sent_bytes = 0
        self.send_error: OSError | None = None

    def __repr__(self) -> str:
        return f"<SocketWire fd {self._socket.fileno()}, {self.sent_bytes} bytes sent>"

    @property
    def sendable(self) -> bool:
        """Nothing that was to be sent has been lost."""
        return self.send_error is None and not self._abandoned

    def quiet(self) -> bool:
        """Whether nothing has arrived, not even the end: what an idle connection must be before it is used again."""
        try:
            self._socket.recv(1, socket.MSG_PEEK)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False

    def send_nowait(self, data: bytes | bytearray | memoryview) -> int:
        """Send what the kernel takes now. Returns how many bytes that was; 0 too when the connection is broken."""
        try:
            sent = self._socket.send(data)
        except BlockingIOError:
            return 0
        except OSError as error:
            self.send_error = error
            return 0
        self.sent_bytes += sent
        return sent

    async def send_all(self, data: bytes | bytearray | memoryview) -> None:
        """Send all of it, or as much as `send_error` and `abandon_sending` allow. A checkpoint where it must wait."""
        if self.send_error is not None or self._abandoned:
            return
        rest = data[self.send_nowait(data) :]
        while rest and self.send_error is None and not self._abandoned:
            with trio.CancelScope() as self._sending:
                await self.wait_send_all_might_not_block()
            if not self._abandoned:
                rest = memoryview(rest)[self.send_nowait(rest) :]

    async def wait_send_all_might_not_block(self) -> None:
        await trio.lowlevel.wait_writable(self._socket)

    def abandon_sending(self) -> None:
        """End a `send_all` under way, and drop what is sent from now on: the upstream no longer wants it."""
        self._abandoned = True
        if self._sending is not None:
            self._sending.cancel(reason="the upstream has answered already")

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for bytes, b"" at the end. Raises BrokenResourceError, and ClosedResourceError once closed."""
        while True:
            await self.wait_readable()
            data = self.receive_nowait(max_bytes or RECEIVE_BYTES)
            if data is not None:
                return data

    def wait_readable(self) -> Awaitable[None]:
        """Wait until there is something to receive, or the end. Raises ClosedResourceError."""
        if self._socket.fileno() < 0:
            raise trio.ClosedResourceError("this connection was closed")
        return trio.lowlevel.wait_readable(self._socket)  # noqa: ASYNC105 (awaited by the caller: a coroutine less)

    def receive_nowait(self, max_bytes: int) -> bytes | None:
        """Return what is there, b"" at the end, None where nothing is. Raises BrokenResourceError."""
        try:
            return self._socket.recv(max_bytes)
        except BlockingIOError:
            return None
        except OSError as error:
            raise trio.BrokenResourceError(str(error)) from error

    def close_nowait(self) -> None:
        if self._socket.fileno() >= 0:
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()

    async def aclose(self) -> None:
        self.close_nowait()
        await trio.lowlevel.checkpoint()


class TlsRecordWire(SocketWire):
    """Hands TLS one record at a time, and keeps the rest here.

    OpenSSL would take in all that has arrived and say nothing of what it has not decrypted yet: a goodbye, or a second
    answer nobody asked for, could wait in there unseen while the connection passes for an idle one.
    """

    __slots__ = ("_held",)

    def __init__(self, stream: trio.SocketStream) -> None:
        super().__init__(stream)
        self._held = b""

    def quiet(self) -> bool:
        return not self._held and super().quiet()

    async def receive_some(self, max_bytes: int | None = None) -> bytes:
        """Wait for a whole record, whatever its size; or, where these are no records, for whatever there is."""
        while (end := _record_end(self._held)) > len(self._held):
            data = await super().receive_some()
            if not data:
                end = len(self._held)
                break
            self._held += data
        record, self._held = self._held[:end], self._held[end:]
        return record


def _record_end(held: bytes) -> int:
    """Return where the first record in `held` ends, which may be beyond what is there."""
    if len(held) < _RECORD_HEADER_BYTES:
        return _RECORD_HEADER_BYTES
    end = _RECORD_HEADER_BYTES + int.from_bytes(held[3:5], "big")
    # No TLS at all, or not any more: OpenSSL has the words for it.
    return end if held[0] in _RECORD_TYPES and end <= _RECORD_BYTES_MAX else len(held)
