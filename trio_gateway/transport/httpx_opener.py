"""An upstream behind any httpx transport: httpx's own for proxies and HTTP/2, httpx.MockTransport in tests."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from math import inf

import httpx
import trio

from trio_gateway.errors import ConfigError, UpstreamBroke, UpstreamUnreachable
from trio_gateway.transport.connect import Origin, tls_context
from trio_gateway.transport.h1_request import encode_head
from trio_gateway.transport.response import Headers, UpstreamResponse
from trio_gateway.transport.settings import UpstreamSettings
from trio_gateway.transport.slots import Slots
from trio_gateway.transport.watch import Overdue

# For closing what another library opened, and the longest that one cancelled exchange can be held up by it.
CLEANUP_S = 5.0

# Raised before a byte of the request is sent.
_UNREACHABLE = (httpx.ConnectError, httpx.ConnectTimeout, httpx.ProxyError, httpx.UnsupportedProtocol)


def httpx_transport(settings: UpstreamSettings) -> httpx.AsyncHTTPTransport:
    """Return httpx's own transport. Its pool has no bound, since it loses places to cancellation: `Slots` bound it."""
    if settings.http2 and importlib.util.find_spec("h2") is None:
        raise ConfigError(["http2: install httpx[http2]"])
    limits = httpx.Limits(
        max_connections=None, max_keepalive_connections=settings.idle_max, keepalive_expiry=settings.idle_s
    )
    try:
        return httpx.AsyncHTTPTransport(
            verify=tls_context(settings),
            http2=settings.http2,
            limits=limits,
            # Over TLS to the proxy itself httpx trusts the public authorities and shows no certificate: those of the
            # settings are for the upstream.
            proxy=settings.proxy,
            trust_env=False,
        )
    except (ValueError, httpx.InvalidURL):
        # Their words may quote the URL, and the password in it.
        raise ConfigError(["proxy: must be a URL that begins with http:// or https://"]) from None


class HttpxOpener:
    """Translates to httpx and back. `transport` is closed with it."""

    def __init__(self, origin: Origin, settings: UpstreamSettings, transport: httpx.AsyncBaseTransport) -> None:
        self._origin = origin
        self._url = httpx.URL(scheme=origin.scheme, host=origin.host, port=origin.port)
        self._timeout = {"connect": settings.connect_s}
        self._by_proxy = settings.proxy is not None
        self._transport = transport

    def __repr__(self) -> str:
        return f"<{type(self._transport).__name__}>"

    async def open(
        self, method: bytes | str, target: bytes, headers: Headers, body: bytes, slots: Slots, due_s: float = inf
    ) -> UpstreamResponse:
        # For what it refuses: no transport is to let through what ours would not.
        encode_head(method, target, self._origin.host_header, headers, len(body))
        if not any(name.lower() == b"accept-encoding" for name, _ in headers):
            headers = [*headers, (b"accept-encoding", b"identity")]
        request = httpx.Request(
            method if isinstance(method, str) else method.decode("ascii"),
            self._url,
            headers=headers,
            content=body,
            extensions={"timeout": self._timeout},
        )
        request.url = self._url.copy_with(raw_path=target)
        if not self._by_proxy:
            # The URL percent-encodes a little more than it must: this is the target to the byte. Not for a proxy, which
            # is to be sent the whole URL.
            request.extensions["target"] = target
        response: httpx.Response | None = None
        try:
            with trio.CancelScope(deadline=due_s):
                response = await self._transport.handle_async_request(request)
        except _UNREACHABLE as error:
            raise UpstreamUnreachable(f"cannot connect to {self._origin.address}: {_told(error)}") from error
        except httpx.TransportError as error:
            raise UpstreamBroke(f"the connection to {self._origin.address} broke: {_told(error)}") from error
        if response is None:
            raise Overdue(f"{self._origin.address} took too long")
        try:
            return _HttpxResponse(response, self._origin.address, slots, due_s)
        except UpstreamBroke:
            await _close(response)  # noqa: ASYNC120 (cancelled here, the cancellation is what counts)
            raise

    def expire(self) -> None:
        """httpx looks after its idle connections when it is next used."""

    async def aclose(self) -> None:
        with trio.move_on_after(CLEANUP_S, shield=True):  # noqa: ASYNC912 (closing may not have to wait)
            await self._transport.aclose()


class _HttpxResponse(UpstreamResponse):
    __slots__ = ("_body", "_response", "_slots")

    def __init__(self, response: httpx.Response, address: str, slots: Slots, due_s: float) -> None:
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        names = {name for name, _ in headers}
        http_1 = not response.extensions.get("http_version", b"HTTP/1.1").startswith(b"HTTP/2")
        framed = bool(names & {b"content-length", b"transfer-encoding"}) or response.status_code in (204, 304)
        coding = b",".join(value for name, value in headers if name == b"content-encoding")
        super().__init__(response.status_code, headers, coding or None, http_1 and not framed, address)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        self._response: httpx.Response | None = response
        self._body: AsyncIterator[bytes] = aiter(response.stream)
        self._slots = slots
        self.due_s = due_s

    async def aclose(self) -> None:
        response = self._response
        if response is not None:
            self._response = None
            try:
                await _close(response)
            finally:
                self._slots.release()

    async def _receive_encoded(self) -> bytes:
        if self._response is None:
            raise trio.ClosedResourceError("this response is closed")
        try:
            with trio.CancelScope(deadline=self.due_s):
                while not (piece := await anext(self._body, None)):
                    if piece is None:
                        return b""
                return piece
        except httpx.TransportError as error:
            raise UpstreamBroke(f"the connection to {self._address} broke: {_told(error)}") from error
        raise Overdue(f"{self._address} took too long")


async def _close(response: httpx.Response) -> None:
    with trio.move_on_after(CLEANUP_S, shield=True):  # noqa: ASYNC912 (closing may not have to wait)
        try:
            await response.aclose()
        except httpx.TransportError:
            pass  # it is being given up: what it has to say no longer matters


def _told(error: httpx.TransportError) -> str:
    return str(error) or type(error).__name__
