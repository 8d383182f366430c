"""One HTTP/1.1 connection: a request out, a response in, and again."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import trio

from trio_gateway.errors import UpstreamBroke, UpstreamError
from trio_gateway.transport.h1_response import Headers, ProtocolViolation, ResponseParser
from trio_gateway.transport.watch import Overdue
from trio_gateway.transport.wire import RECEIVE_BYTES, SocketWire

if TYPE_CHECKING:
    from trio_gateway.transport.connect import Origin

# A request up to this size is sent in one go, and listened to only then: the kernels on both sides take it in even when
# the upstream reads none of it. A larger one is sent while an early answer is watched for.
SENT_AT_ONCE_BYTES = 65_536

REFUSED_FROM = 300  # an early answer from this status on ends the sending

_RECEIVE_ERRORS = (ProtocolViolation, trio.BrokenResourceError, trio.ClosedResourceError)


class NothingSent(Exception):
    """The connection turned out to be broken before the kernel took one byte of the request from us."""


class Connection:
    """One request at a time. Whoever holds it closes it: after any error and any cancellation it is of no more use.

    `request` sends and returns once the response's head is there; `receive_some` gives the body as it was sent, content
    coding and all. Errors are UpstreamBroke, but for NothingSent out of `request`, and Overdue after `overdue`.
    """

    __slots__ = ("_body", "_failure", "_late", "_parser", "_requests", "_stream", "_wire", "due_s", "origin")

    def __init__(self, wire: SocketWire, tls: trio.SSLStream[SocketWire] | None, origin: Origin) -> None:
        self.origin = origin
        self._wire = wire
        self._stream: SocketWire | trio.SSLStream[SocketWire] = wire if tls is None else tls
        self._parser = ResponseParser()
        self._body = b""  # what has arrived and nobody has asked for yet
        self._failure: UpstreamError | None = None
        self._requests = 0
        self._late = False
        self.due_s = inf  # for a `Watch`

    def __repr__(self) -> str:
        over = "" if self._stream is self._wire else " over TLS"
        return f"<Connection to {self.origin.address}{over}, request {self._requests}: {self._parser!r}>"

    @property
    def status(self) -> int:
        return self._parser.status

    @property
    def headers(self) -> Headers:
        return self._parser.headers

    @property
    def content_encoding(self) -> bytes | None:
        return self._parser.content_encoding

    @property
    def close_delimited(self) -> bool:
        return self._parser.close_delimited

    @property
    def reusable(self) -> bool:
        """Whether the response was read to its end and the connection may carry another request."""
        return self._parser.reusable and not self._body and self._wire.sendable and not self._late

    def forget_headers(self) -> None:
        self._parser.headers = []

    def quiet(self) -> bool:
        """Whether an idle connection is open. Over TLS what came may be a mere session ticket: given up too."""
        return self._wire.quiet()

    def close_nowait(self) -> None:
        # Over TLS too, and without a goodbye: HTTP/1.1 marks its ends itself, and a close must not wait for anyone.
        self._wire.close_nowait()
        self._parser.abandon()

    def overdue(self) -> None:
        """Close it under whoever waits for it."""
        self._late = True
        self._wire.close_nowait()

    async def request(self, head: bytes, body: bytes, *, no_body: bool = False) -> None:
        """Send a request and wait for the head of its response. `no_body`: it is a HEAD."""
        self._requests += 1
        parser = self._parser = ResponseParser(no_body=no_body)
        self._failure = None
        wire = self._wire
        sent_before = wire.sent_bytes
        if len(head) + len(body) > SENT_AT_ONCE_BYTES:
            await self._send_watching(head, body)
        else:
            await self._send(head + body)
        if wire.send_error is not None and wire.sent_bytes == sent_before:
            raise NothingSent from wire.send_error
        while not parser.status:
            await self._receive()

    async def receive_some(self) -> bytes:
        """Wait for bytes of the body, b"" at its end. Not a checkpoint where they are already here."""
        wire = self._wire
        while True:
            body = self._body
            if body:
                self._body = b""
                return body
            if self._parser.complete:
                return b""
            if self._failure is not None:
                raise self._failure
            # What `_receive` does, without a coroutine of its own or, but for TLS, one of the wire's: a stream spends
            # most of its life here, and each of its events comes through here.
            try:
                if self._stream is wire:
                    await wire.wait_readable()
                    data = wire.receive_nowait(RECEIVE_BYTES)
                    if data is not None:
                        self._take(data)
                else:
                    self._take(await self._stream.receive_some(RECEIVE_BYTES))
            except _RECEIVE_ERRORS as error:
                raise self._broken(error) from error

    async def _receive(self) -> None:
        """Take in what arrives next."""
        if self._failure is not None:
            raise self._failure
        try:
            self._take(await self._stream.receive_some(RECEIVE_BYTES))
        except _RECEIVE_ERRORS as error:
            raise self._broken(error) from error

    def _take(self, data: bytes | bytearray) -> None:
        if data:
            body = self._parser.feed(bytes(data))
            if body:
                self._body = self._body + body if self._body else body
        else:
            self._parser.feed_eof()

    async def _send(self, data: bytes | memoryview) -> None:
        try:
            await self._stream.send_all(data)
        except (trio.BrokenResourceError, trio.ClosedResourceError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> UpstreamError:
        address = self.origin.address
        if isinstance(error, ProtocolViolation):
            return UpstreamBroke(f"{address} broke the protocol: {error}")
        if self._late:
            return Overdue(f"{address} took too long")
        if isinstance(error, trio.ClosedResourceError):
            return UpstreamBroke(f"the connection to {address} was closed here")
        return UpstreamBroke(f"the connection to {address} broke: {error.__cause__ or error}")

    async def _send_watching(self, head: bytes, body: bytes) -> None:
        """Send a large request; stop as soon as the upstream answers that it does not want it."""
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._watch)
            try:
                await self._send(head)
                rest = memoryview(body)
                # Piece by piece, since TLS would encrypt all of it before the first byte is sent.
                while rest and self._wire.sendable:
                    await self._send(rest[:SENT_AT_ONCE_BYTES])
                    rest = rest[SENT_AT_ONCE_BYTES:]
            except UpstreamError as error:
                # Kept: out of a nursery it would come in a group.
                self._failure = error
            nursery.cancel_scope.cancel(reason="the request is sent")

    async def _watch(self) -> None:
        """Receive while the request is being sent, and end the sending once nobody wants to hear the rest.

        An early success does not: an upstream may answer 200 and read on. What it says is held, up to a bound.
        """
        parser = self._parser
        try:
            while parser.status < REFUSED_FROM and not parser.complete and len(self._body) < RECEIVE_BYTES:
                await self._receive()
        except UpstreamError as error:
            self._failure = error
        if self._failure is not None or parser.status >= REFUSED_FROM or parser.complete:
            self._wire.abandon_sending()
