"""The one way from an exchange to a provider. No name of an HTTP library appears here."""

from __future__ import annotations

from collections.abc import Awaitable
from math import inf
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

import trio

from trio_gateway.errors import ConfigError, UpstreamBroke
from trio_gateway.transport.client import Client
from trio_gateway.transport.connect import Origin, parse_origin, tls_context
from trio_gateway.transport.connection import Connection
from trio_gateway.transport.h1_request import TRANSPORT_HEADERS, encode_head
from trio_gateway.transport.response import Headers, UpstreamResponse
from trio_gateway.transport.settings import UpstreamSettings
from trio_gateway.transport.slots import Slots
from trio_gateway.transport.watch import Overdue, Watch

if TYPE_CHECKING:
    import httpx

__all__ = ["TRANSPORT_HEADERS", "Upstream", "UpstreamResponse", "UpstreamSettings"]


class Opener(Protocol):
    """What brings requests to an upstream and responses back, knowing nothing of how many there may be."""

    async def open(
        self, method: bytes | str, target: bytes, headers: Headers, body: bytes, slots: Slots, due_s: float
    ) -> UpstreamResponse: ...
    def expire(self) -> None: ...
    async def aclose(self) -> None: ...


class Upstream:
    """One channel's upstream: long-lived, shared by all its exchanges, closed by whoever made it."""

    def __init__(
        self,
        settings: UpstreamSettings,
        transport: httpx.AsyncBaseTransport | None = None,
        watch: Watch | None = None,
    ) -> None:
        """`transport`, given by tests and embedders, takes the place of the one `settings` name.

        `watch`, which somebody runs, looks after the deadlines of requests; without one they must have none.
        Reads the certificates. Raises ConfigError.
        """
        if settings.transport == "native" and (settings.proxy is not None or settings.http2):
            raise ConfigError(['transport: must be "httpx" for a proxy or HTTP/2'])
        self.settings = settings
        self._origin = parse_origin(settings.base_url)
        self._slots = Slots(settings.connections_max)
        self._opener: Opener
        if transport is None and settings.transport == "native":
            self._opener = _NativeOpener(self._origin, settings, watch)
        else:
            # Here, and not above: importing httpx takes a tenth of a second, which most processes need not spend.
            from trio_gateway.transport.httpx_opener import HttpxOpener, httpx_transport

            self._opener = HttpxOpener(self._origin, settings, transport or httpx_transport(settings))

    def __repr__(self) -> str:
        return f"<Upstream {self._origin.scheme}://{self._origin.address}: {self._opener!r}, {self._slots!r}>"

    @property
    def in_use(self) -> int:
        """Responses, and requests on their way to one."""
        return self._slots.in_use

    @property
    def waiting(self) -> int:
        """Callers of `open` that wait because `connections_max` are in use."""
        return self._slots.waiting

    async def open(
        self,
        method: bytes | str,
        target_path: bytes,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
        due_s: float = inf,
    ) -> UpstreamResponse:
        """Send a request and wait for the head of its response, which the caller closes.

        `target_path` is path and query, percent-encoded. `headers` must leave TRANSPORT_HEADERS out; `host` and
        `accept-encoding` (identity) are added where missing. ValueError says that one of them is impossible.

        Raises UpstreamUnreachable where no byte of the request can have been processed, so that it may be sent
        elsewhere, and UpstreamBroke where it may have been. After `due_s`, on the event loop's clock, it is Overdue,
        and so is what the response has to give, until `wait_until` sets another time.
        Cancelled, it closes its connection and gives its place to the next caller.
        """
        slots = self._slots
        if not slots.acquire_nowait():
            await self._wait_for_slot(due_s)
        opened = False
        try:
            response = await self._opener.open(method, target_path, headers, body, slots, due_s)
            opened = True
            return response
        finally:
            if not opened:
                slots.release()

    async def _wait_for_slot(self, due_s: float) -> None:
        with trio.CancelScope(deadline=due_s):
            await self._slots.acquire()
            return
        raise Overdue(f"no connection to {self._origin.address} was free in time (connections_max)")

    def expire(self) -> None:
        """Close connections idle for more than `idle_s`. `open` does so by itself: this is for an upstream at rest."""
        self._opener.expire()

    async def aclose(self) -> None:
        """Close what is idle. A response in use keeps its connection, which is closed with it."""
        await self._opener.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()


class _NativeOpener:
    __slots__ = ("_client", "_host", "_origin", "_watch")

    def __init__(self, origin: Origin, settings: UpstreamSettings, watch: Watch | None) -> None:
        tls = tls_context(settings) if origin.scheme == "https" else None
        self._client = Client(settings, tls, watch)
        self._watch = watch
        self._origin = origin
        self._host = origin.host_header

    def __repr__(self) -> str:
        return repr(self._client)

    async def open(
        self, method: bytes | str, target: bytes, headers: Headers, body: bytes, slots: Slots, due_s: float
    ) -> UpstreamResponse:
        head = encode_head(method, target, self._host, headers, len(body))
        no_body = method in ("HEAD", b"HEAD")
        connection = await self._client.open(self._origin, head, body, no_body=no_body, due_s=due_s)
        try:
            return _NativeResponse(connection, self._client, slots, self._watch)
        except UpstreamBroke:
            self._client.release(connection)
            raise

    def expire(self) -> None:
        self._client.expire()

    async def aclose(self) -> None:
        self._client.close()


class _NativeResponse(UpstreamResponse):
    __slots__ = ("_client", "_connection", "_slots", "_watch")

    def __init__(self, connection: Connection, client: Client, slots: Slots, watch: Watch | None) -> None:
        super().__init__(
            connection.status,
            connection.headers,
            connection.content_encoding,
            connection.close_delimited,
            connection.origin.address,
        )
        self._connection: Connection | None = connection
        self._client = client
        self._slots = slots
        self._watch = watch

    def wait_until(self, due_s: float) -> None:
        if self._connection is not None and self._watch is not None:
            self._watch.move(self._connection, due_s)

    def forget_headers(self) -> None:
        super().forget_headers()
        if self._connection is not None:
            self._connection.forget_headers()

    async def aclose(self) -> None:
        # Nothing here waits, which is why no cancellation can come between.
        connection = self._connection
        if connection is not None:
            self._connection = None
            self._client.release(connection)
            self._slots.release()

    def _receive_encoded(self) -> Awaitable[bytes]:
        if self._connection is None:
            raise trio.ClosedResourceError("this response is closed")
        return self._connection.receive_some()
