"""Our connections as a transport for httpx: `httpx.AsyncClient(transport=TrioTransport())` works as ever, on trio."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx
import trio

from trio_gateway.errors import UpstreamBroke, UpstreamError, UpstreamUnreachable
from trio_gateway.transport.client import Client
from trio_gateway.transport.connect import Origin, tls_context
from trio_gateway.transport.connection import Connection
from trio_gateway.transport.h1_request import TRANSPORT_HEADERS, encode_head
from trio_gateway.transport.settings import TransportSettings
from trio_gateway.transport.slots import Slots

_PORTS = {"http": 80, "https": 443}


class TrioTransport(httpx.AsyncBaseTransport):
    """Any number of origins, one TLS identity. A request's body is read whole before it is sent.

    httpx's timeouts: "pool" bounds the wait for one of `connections_max` places, "connect" as it says, "read" each wait
    for a piece of the body; the head must be there within connect, write and read together.
    """

    def __init__(self, settings: TransportSettings | None = None) -> None:
        """Reads the certificates. Raises ConfigError."""
        settings = settings or TransportSettings()
        self._client = Client(settings, tls_context(settings))
        self._slots = Slots(settings.connections_max)

    def __repr__(self) -> str:
        return f"<TrioTransport {self._client!r}, {self._slots!r}>"

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeouts: dict[str, float | None] = request.extensions.get("timeout", {})
        origin = _origin(request.url)
        headers = [field for field in request.headers.raw if field[0].lower() not in TRANSPORT_HEADERS]
        body = await request.aread()
        target: bytes = request.extensions.get("target", request.url.raw_path)
        try:
            head = encode_head(request.method, target, origin.host_header, headers, len(body))
        except ValueError as error:
            raise httpx.LocalProtocolError(str(error), request=request) from error
        await self._take_slot(timeouts, request)
        opened = False
        try:
            connection = await self._open(origin, head, body, timeouts, request)
            stream = _BodyStream(connection, self._client, self._slots, timeouts.get("read"))
            opened = True
        finally:
            if not opened:
                self._slots.release()
        return httpx.Response(
            connection.status,
            headers=connection.headers,
            stream=stream,
            request=request,
            extensions={"http_version": b"HTTP/1.1"},
        )

    async def aclose(self) -> None:
        self._client.close()

    async def _take_slot(self, timeouts: dict[str, float | None], request: httpx.Request) -> None:
        if self._slots.acquire_nowait():
            return
        with trio.move_on_after(_seconds(timeouts.get("pool"))) as scope:
            await self._slots.acquire()
        if scope.cancelled_caught:
            raise httpx.PoolTimeout("every connection is in use", request=request)

    async def _open(
        self, origin: Origin, head: bytes, body: bytes, timeouts: dict[str, float | None], request: httpx.Request
    ) -> Connection:
        connect_s = _seconds(timeouts["connect"]) if "connect" in timeouts else None
        head_s = sum(_seconds(timeouts.get(step)) for step in ("connect", "write", "read"))
        try:
            with trio.move_on_after(head_s):
                return await self._client.open(
                    origin, head, body, no_body=request.method == "HEAD", connect_s=connect_s
                )
        except UpstreamError as error:
            raise _as_httpx(error, request) from error
        raise httpx.ReadTimeout("no answer in time", request=request)


class _BodyStream(httpx.AsyncByteStream):
    """A response's body as it was sent: httpx undoes content codings itself."""

    def __init__(self, connection: Connection, client: Client, slots: Slots, read_s: float | None) -> None:
        self._connection: Connection | None = connection
        self._client = client
        self._slots = slots
        self._read_s = _seconds(read_s)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._connection is None:
            raise httpx.StreamClosed
        try:
            with trio.move_on_after(self._read_s) as scope:
                piece = await self._connection.receive_some()
        except UpstreamError as error:
            raise _as_httpx(error) from error
        if scope.cancelled_caught:
            raise httpx.ReadTimeout("the body stopped arriving")
        if not piece:
            raise StopAsyncIteration
        return piece

    async def aclose(self) -> None:
        connection = self._connection
        if connection is not None:
            self._connection = None
            self._client.release(connection)
            self._slots.release()


def _origin(url: httpx.URL) -> Origin:
    if url.scheme not in _PORTS:
        raise httpx.UnsupportedProtocol(f"{url.scheme!r} is neither http nor https")
    return Origin(url.scheme, url.raw_host.decode("ascii"), url.port or _PORTS[url.scheme])


def _seconds(timeout: float | None) -> float:
    return float("inf") if timeout is None else timeout


def _as_httpx(error: UpstreamError, request: httpx.Request | None = None) -> httpx.TransportError:
    assert isinstance(error, UpstreamBroke | UpstreamUnreachable)
    kind = httpx.ConnectError if isinstance(error, UpstreamUnreachable) else httpx.RemoteProtocolError
    return kind(error.message, request=request)
