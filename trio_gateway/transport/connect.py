"""From an origin to a connection: name lookup, happy eyeballs, TLS; and words for what can go wrong on the way."""

from __future__ import annotations

import os
import re
import socket
import ssl
from typing import NamedTuple
from urllib.parse import urlsplit

import trio

from trio_gateway.errors import ConfigError, UpstreamUnreachable
from trio_gateway.transport.connection import Connection
from trio_gateway.transport.settings import TransportSettings
from trio_gateway.transport.wire import SocketWire, TlsRecordWire

_DEFAULT_PORTS = {"http": 80, "https": 443}
_HOST = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+")  # a name, or an IPv6 address


class Origin(NamedTuple):
    """Where connections go. `host` is ASCII, an IPv6 address without its brackets."""

    scheme: str
    host: str
    port: int

    @property
    def address(self) -> str:
        """host:port, as messages name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def host_header(self) -> bytes:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (host if self.port == _DEFAULT_PORTS[self.scheme] else f"{host}:{self.port}").encode("ascii")


def parse_origin(url: str) -> Origin:
    """Read `https://host[:port]`. Raises ConfigError, whose text leaves out everything a password may be in."""
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii")
    except ValueError:
        raise ConfigError(["base_url: not a URL"]) from None
    if parts.scheme not in _DEFAULT_PORTS or _HOST.fullmatch(host) is None:
        raise ConfigError(["base_url: must begin with http:// or https:// and name a host"])
    if parts.username is not None or parts.password is not None:
        raise ConfigError([f"base_url: credentials do not belong in the URL of {host}"])
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise ConfigError([f"base_url: the path belongs to the request, not to the origin of {host}"])
    return Origin(parts.scheme, host, _DEFAULT_PORTS[parts.scheme] if port is None else port)


def tls_context(settings: TransportSettings) -> ssl.SSLContext:
    """Return the TLS side of `settings`. Raises ConfigError when a file cannot be used."""
    try:
        context = ssl.create_default_context(cafile=settings.cafile)
        if settings.client_cert is not None:
            context.load_cert_chain(settings.client_cert, settings.client_key)
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"cafile, client_cert, client_key: {error.strerror or type(error).__name__}"]) from error
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not settings.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


async def connect(
    origin: Origin, tls: ssl.SSLContext | None, connect_s: float, address: str | None = None
) -> Connection:
    """Open a connection, over TLS where the origin's scheme asks for it, within `connect_s` seconds in all.

    `address` is where the name was found to be, where that was looked up before.

    Raises UpstreamUnreachable. Cancelled, it leaves nothing open.
    """
    with trio.move_on_after(connect_s):
        try:
            stream = await trio.open_tcp_stream(address or origin.host, origin.port)
        except OSError as error:
            raise UpstreamUnreachable(f"cannot connect to {origin.address}: {_reason(error)}") from error
        if origin.scheme == "http":
            return Connection(SocketWire(stream), None, origin)
        assert tls is not None, "an https origin needs a TLS context"
        wire = TlsRecordWire(stream)
        return Connection(wire, await _shake_hands(wire, tls, origin), origin)
    raise UpstreamUnreachable(f"cannot connect to {origin.address}: no connection within {connect_s:g} s")


async def _shake_hands(wire: SocketWire, tls: ssl.SSLContext, origin: Origin) -> trio.SSLStream[SocketWire]:
    """Return TLS over `wire`, which is closed where that fails."""
    shaken = False
    try:
        stream = trio.SSLStream(wire, tls, server_hostname=origin.host, https_compatible=True)
        await stream.do_handshake()
        shaken = True
        return stream
    except (trio.BrokenResourceError, ssl.SSLError) as error:
        raise UpstreamUnreachable(f"TLS with {origin.address} failed: {tls_reason(error)}") from error
    finally:
        if not shaken:
            wire.close_nowait()


def _reason(error: OSError) -> str:
    """Say why in the system's words; trio keeps one error for each address it tried, as the cause."""
    cause = error.__cause__
    errors = cause.exceptions if isinstance(cause, ExceptionGroup) else [error]
    return "; ".join(dict.fromkeys(map(_words, errors)))


def _words(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
        return os.strerror(error.errno)  # not its own text, which repeats the address
    return str(getattr(error, "strerror", None) or error)


def tls_reason(error: BaseException) -> str:
    """Say what TLS or the socket below it objected to."""
    cause = error.__cause__ or error
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted ({cause.verify_message})"
    if isinstance(cause, ssl.SSLEOFError):
        return "it closed the connection"
    if isinstance(cause, ssl.SSLError):
        return (cause.reason or "unknown reason").lower().replace("_", " ")
    return str(cause) or "it closed the connection"
