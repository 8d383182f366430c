"""Fetching the media that clients name by URL, for targets that want bytes.

A URL is a request that somebody else makes us send: only public addresses are connected to, each redirect's name is
looked up again, and the connection goes to the very address that was checked. Nothing of the client's, and no
credential, goes along.
"""

from __future__ import annotations

import ipaddress
import ssl
from base64 import b64encode
from collections.abc import Awaitable, Callable
from urllib.parse import quote, urljoin, urlsplit

import trio

from trio_gateway.config import FetchConfig
from trio_gateway.dialects.conversation import Media
from trio_gateway.dialects.media import media_type_of
from trio_gateway.dialects.remote import Remote
from trio_gateway.errors import ConfigError, GatewayError, InvalidRequest, UpstreamUnreachable
from trio_gateway.transport.connect import Origin, connect, parse_origin, tls_context
from trio_gateway.transport.connection import Connection, NothingSent
from trio_gateway.transport.h1_request import encode_head
from trio_gateway.transport.settings import TransportSettings

Lookup = Callable[[str, int], Awaitable[list[str]]]

AT_ONCE_MAX = 8  # of the URLs of one request

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HEADERS = [(b"accept", b"image/*, application/pdf, audio/*, text/*"), (b"user-agent", b"trio-gateway")]
_URL_SAFE = "/%:@!$&'()*+,;=~?-._[]"
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # RFC 6052: the last four bytes are an IPv4 address
_RELAYS = ipaddress.ip_network("192.88.99.0/24")  # RFC 7526: of 6to4, deprecated, and answered by whoever is near
_UNTOLD = frozenset({"", "application/octet-stream", "binary/octet-stream"})


class Fetcher:
    """Stateless but for its TLS settings. `lookup` and `is_public` are for tests, which have no public addresses."""

    def __init__(
        self,
        config: FetchConfig,
        lookup: Lookup | None = None,
        is_public: Callable[[str], bool] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._config = config
        self._lookup = lookup or look_up
        self._is_public = is_public or is_public_address
        self._tls = tls or tls_context(TransportSettings())

    async def fetch_all(self, wanted: list[Remote]) -> dict[str, Media]:
        """Return the media of each URL, as base64.

        Several at a time, within `total_s` and `total_bytes` together; the first that cannot be had ends the others.
        Raises InvalidRequest, with the pointer of the part that names it. Cancelled, it leaves nothing open.
        """
        if len(wanted) > self._config.urls_max:
            raise _refusal(wanted[-1], f"more than {self._config.urls_max} URLs would have to be fetched")
        haul = _Haul(wanted, self._config)
        with trio.move_on_after(self._config.total_s):
            async with trio.open_nursery() as nursery:
                for _ in range(min(len(wanted), AT_ONCE_MAX)):
                    nursery.start_soon(self._fetch_next, haul, nursery.cancel_scope)
        return haul.media()

    async def _fetch_next(self, haul: _Haul, others: trio.CancelScope) -> None:
        """Fetch one URL after the other that nobody else has begun to; cancel the others with the first failure."""
        for remote in haul.waiting:
            try:
                body, media_type = await self._fetch(remote, haul)
            except InvalidRequest as error:
                haul.failed[remote.url] = error
                others.cancel(reason="one of the URLs cannot be fetched")
                return
            haul.fetched[remote.url] = Media("base64", b64encode(body).decode("ascii"), media_type)

    async def _fetch(self, remote: Remote, haul: _Haul) -> tuple[bytes, str]:
        url = remote.url
        for _ in range(self._config.redirects_max + 1):
            connection = await self._open(remote, url)
            try:
                location = _location(connection)
                if location is None:
                    body = await _read(connection, remote, haul)
                    return body, checked_type(remote, body, _header(connection, b"content-type"))
            except GatewayError as error:
                raise error if isinstance(error, InvalidRequest) else _refusal(remote, error.message) from error
            finally:
                connection.close_nowait()
            url = urljoin(url, location)
        raise _refusal(remote, f"it redirects more than {self._config.redirects_max} times")

    async def _open(self, remote: Remote, url: str) -> Connection:
        """Send the request to an address that was checked, and wait for the head of the response."""
        origin, target = _parsed(remote, url)
        try:
            addresses = await self._lookup(origin.host, origin.port)
        except OSError as error:
            raise _refusal(remote, f"the name {origin.host} cannot be looked up") from error
        # Every one of them: a name that has both kinds of addresses is up to something.
        if not addresses or not all(map(self._is_public, addresses)):
            raise _refusal(remote, f"{origin.host} has no public address")
        head = encode_head(b"GET", target, origin.host_header, _HEADERS, 0)
        connection = await self._connect(remote, origin, addresses)
        opened = False
        try:
            await connection.request(head, b"")
            opened = True
            return connection
        except (GatewayError, NothingSent) as error:
            raise _refusal(remote, f"{origin.address} closed the connection without an answer") from error
        finally:
            if not opened:
                connection.close_nowait()

    async def _connect(self, remote: Remote, origin: Origin, addresses: list[str]) -> Connection:
        """Connect to the first of the addresses that takes us."""
        for address in addresses[:-1]:
            try:
                return await connect(origin, self._tls, self._config.connect_s, address=address)
            except UpstreamUnreachable:
                continue
        try:
            return await connect(origin, self._tls, self._config.connect_s, address=addresses[-1])
        except UpstreamUnreachable as error:
            raise _refusal(remote, error.message) from error


def _parsed(remote: Remote, url: str) -> tuple[Origin, bytes]:
    try:
        parts = urlsplit(url)
        origin = parse_origin(f"{parts.scheme}://{parts.netloc}")
    except (ValueError, ConfigError) as error:
        raise _refusal(remote, "it is no http(s) URL that can be fetched") from error
    path = quote(parts.path or "/", safe=_URL_SAFE)
    return origin, (f"{path}?{quote(parts.query, safe=_URL_SAFE)}" if parts.query else path).encode("ascii")


def _location(connection: Connection) -> str | None:
    """Return where a response says to go instead. None where it is the answer. Raises GatewayError for any other."""
    status = connection.status
    if status == 200:
        return None
    location = _header(connection, b"location")
    if status in _REDIRECTS and location:
        return location
    raise GatewayError(f"the server answered with the status {status}")


async def _read(connection: Connection, remote: Remote, haul: _Haul) -> bytes:
    if connection.content_encoding not in (None, b"", b"identity"):
        raise _refusal(remote, "it comes in a content coding that was not asked for")
    pieces, size = [], 0
    while chunk := await connection.receive_some():
        pieces.append(chunk)
        size += len(chunk)
        haul.take(remote, size, len(chunk))
    return b"".join(pieces)


class _Haul:
    """What is fetched for one request. All its tasks share it."""

    def __init__(self, wanted: list[Remote], config: FetchConfig) -> None:
        self._wanted = wanted
        self._config = config
        self._left_bytes = config.total_bytes
        self.waiting = iter(wanted)
        self.fetched: dict[str, Media] = {}
        self.failed: dict[str, InvalidRequest] = {}

    def take(self, remote: Remote, size: int, more: int) -> None:
        """Count `more` bytes, of which `size` have come for `remote` by now. Raises InvalidRequest past a limit."""
        self._left_bytes -= more
        if size > self._config.max_bytes:
            raise _refusal(remote, f"it is larger than max_bytes = {self._config.max_bytes}")
        if self._left_bytes < 0:
            raise _refusal(remote, f"with the others it is larger than total_bytes = {self._config.total_bytes}")

    def media(self) -> dict[str, Media]:
        """Return the media in the order that they were wanted in. Raises InvalidRequest for the first that is not."""
        for remote in self._wanted:
            if remote.url in self.failed:
                raise self.failed[remote.url]
        for remote in self._wanted:
            if remote.url not in self.fetched:
                raise _refusal(remote, f"it took longer than total_s = {self._config.total_s:g} s")
        return {remote.url: self.fetched[remote.url] for remote in self._wanted}


def checked_type(remote: Remote, body: bytes, told: str | None) -> str:
    """Return the media type that `body` has, by its first bytes. Raises InvalidRequest where it is declared another.

    `told` is the server's word for it.
    """
    found = media_type_of(body)
    if found is None:
        found = _text_type(body, told) if remote.kind == "file" else None
    if found is None:
        raise _refusal(remote, f"what is there is no {remote.kind} of a known kind")
    if remote.kind in ("image", "audio") and not found.startswith(remote.kind):
        raise _refusal(remote, f"what is there is {found}, and no {remote.kind}")
    for declared in (remote.declared, told):
        plain = (declared or "").partition(";")[0].strip().lower()
        if plain not in _UNTOLD and plain.partition("/")[0] != found.partition("/")[0]:
            raise _refusal(remote, f"it is declared to be {plain}, and is {found}")
    return found


def _text_type(body: bytes, told: str | None) -> str | None:
    """Return the text type that the server declares, where the bytes are text."""
    plain = (told or "").partition(";")[0].strip().lower()
    if not plain.startswith("text/") or b"\0" in body:
        return None
    try:
        body.decode()
    except UnicodeDecodeError:
        return None
    return plain


def _header(connection: Connection, name: bytes) -> str | None:
    return next((value.decode("latin-1") for given, value in connection.headers if given == name), None)


def _refusal(remote: Remote, why: str) -> InvalidRequest:
    # The URL may hold a token of its own: it is not quoted.
    message = f"The media at {remote.at} cannot be fetched: {why}. Send it inline, as base64."
    return InvalidRequest(message, code="media_not_fetched", pointer=remote.at)


async def look_up(host: str, port: int) -> list[str]:
    """Return the addresses of a name. Raises OSError."""
    found = await trio.socket.getaddrinfo(host, port, type=trio.socket.SOCK_STREAM)
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


def is_public_address(address: str) -> bool:
    """Say whether anybody can reach an address: not this machine, its network, or what stands for them in IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False  # with a zone: link-local
    if isinstance(parsed, ipaddress.IPv6Address):
        inner = parsed.ipv4_mapped or parsed.sixtofour
        if parsed in _NAT64:
            inner = ipaddress.IPv4Address(int(parsed) & 0xFFFFFFFF)
        if inner is not None:
            return is_public_address(str(inner))
        if parsed.teredo is not None:
            return False
    if parsed in _RELAYS or (isinstance(parsed, ipaddress.IPv6Address) and parsed.is_site_local):
        return False
    return parsed.is_global and not parsed.is_multicast and not parsed.is_reserved
