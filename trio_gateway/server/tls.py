"""TLS: Hypercorn's context, and what is done with a connection between its accept and its first byte of HTTP."""

from __future__ import annotations

import socket
import ssl

import trio
from hypercorn.config import Config

from trio_gateway.errors import ConfigError
from trio_gateway.server_config import ServerConfig


def hypercorn_config(config: ServerConfig) -> Config:
    """Hypercorn's own settings object, for its TLS context and its HTTP/2."""
    hypercorn = Config()
    hypercorn.certfile = config.certfile
    hypercorn.keyfile = config.keyfile
    hypercorn.alpn_protocols = ["h2", "http/1.1"] if config.http2 else ["http/1.1"]
    hypercorn.keep_alive_timeout = config.idle_s
    hypercorn.ssl_handshake_timeout = config.header_s
    hypercorn.graceful_timeout = config.drain_s
    hypercorn.include_server_header = False
    hypercorn.accesslog = None
    return hypercorn


def tls_context(config: ServerConfig) -> ssl.SSLContext | None:
    """A fresh context from the files as they are now; None when TLS is off. Raises `ConfigError`."""
    if config.certfile is None and config.keyfile is None:
        return None
    if config.certfile is None or config.keyfile is None:
        raise ConfigError(["server: certfile and keyfile go together: give both, or neither"])
    try:
        return hypercorn_config(config).create_ssl_context()
    except (OSError, ssl.SSLError) as error:
        raise ConfigError([f"server.certfile, server.keyfile: cannot be used: {error}"]) from error


async def handshake(
    connected: socket.socket, context: ssl.SSLContext, within_s: float
) -> trio.SSLStream[trio.SocketStream] | None:
    """Speak TLS on an accepted socket. None, and the socket closed, if the client cannot or takes too long."""
    transport = trio.SocketStream(trio.socket.from_stdlib_socket(connected))
    stream = trio.SSLStream(transport, context, server_side=True, https_compatible=True)
    try:
        with trio.fail_after(within_s):
            await stream.do_handshake()
    except (trio.TooSlowError, trio.BrokenResourceError, OSError):
        await trio.aclose_forcefully(stream)
        return None
    return stream
