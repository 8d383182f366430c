"""Serve an ASGI application on trio: lifespan, listeners, connections, drain."""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import partial
from typing import Any

import trio

from trio_gateway.errors import GatewayError, Unavailable
from trio_gateway.server.connection import Address, Connection
from trio_gateway.server.lifespan import Lifespan
from trio_gateway.server.listeners import accept, accept_waiting, bound_address, close_listeners, listen
from trio_gateway.server.response import Refuse, refuse
from trio_gateway.server.service import App, Service, log
from trio_gateway.server.streams import ByteStream, DirectStream, TrioStream
from trio_gateway.server.tls import handshake, hypercorn_config, tls_context
from trio_gateway.server_config import ServerConfig

REFUSED_LINGERING_MAX = 64
"""Refused connections kept for `REFUSED_LINGER_S` so that the 503 is read; those beyond are just closed."""

REFUSED_LINGER_S = 1.0


class Server:
    """A running server, as its owner sees it."""

    def __init__(self, service: Service, listeners: Sequence[socket.socket]) -> None:
        self.config = service.config
        self.service = service
        self._context = tls_context(service.config)
        self._listeners = listeners
        self._http2: Any = None
        self._refused_lingering = 0
        scheme = "http" if self._context is None else "https"
        self.binds = [bound_address(listener, scheme) for listener in listeners]

    def reload_tls(self) -> None:
        """Read certificate and key again, for connections from now on. Raises `ConfigError`; then the old ones stay."""
        self._context = tls_context(self.config)

    def abort(self, reason: str) -> None:
        """Cancel every exchange now."""
        self.service.abort(reason)

    async def serve(self, shutdown: trio.Event) -> None:
        """Accept until `shutdown` is set; return when the last connection is closed, at most `drain_s` later."""
        async with trio.open_nursery() as connections:
            async with trio.open_nursery() as accepting:
                for listener in self._listeners:
                    accepting.start_soon(accept, listener, partial(self._accepted, connections))
                await shutdown.wait()
                accepting.cancel_scope.cancel(reason="the server is stopping")
            for listener in self._listeners:
                # Who was connected by the kernel already was promised an answer. Whoever is in the microseconds before
                # the close is reset, unless the kernel hands them to another worker (net.ipv4.tcp_migrate_req=1).
                accept_waiting(listener, partial(self._accepted, connections), self.config.backlog)
            close_listeners(self._listeners)
            self.service.drain()
            if self._http2 is not None:
                await self._http2.drain()
            connections.cancel_scope.deadline = trio.current_time() + self.config.drain_s
        if connections.cancel_scope.cancelled_caught:
            log.warning(
                "exchanges still ran %g seconds after the shutdown began; they were cancelled", self.config.drain_s
            )

    def _accepted(self, connections: trio.Nursery, connected: socket.socket, peer: object) -> None:
        # With a name, since trio would make each task one of its own out of the function's.
        connections.start_soon(self._handle, connected, peer, name="a connection")

    async def _handle(self, connected: socket.socket, peer: object) -> None:
        """One connection's whole life. Whatever goes wrong in it ends here."""
        client = as_address(peer)
        host = client[0] if client is not None else None
        refusal = self.service.admit(host)
        try:
            if refusal is not None:
                await self._turn_away(connected, refusal)
            else:
                try:
                    await self._serve_connection(connected, client)
                finally:
                    self.service.leave(host)
        except Exception:
            log.exception("a connection ended with an error of the server's own")
        finally:
            if connected.fileno() >= 0:
                connected.close()

    async def _serve_connection(self, connected: socket.socket, client: Address | None) -> None:
        try:
            if connected.family != socket.AF_UNIX:
                connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            server = as_address(connected.getsockname())
        except OSError:
            return  # the client is gone already
        stream: ByteStream
        if self._context is None:
            stream, scheme = DirectStream(connected), "http"
        else:
            secure = await handshake(connected, self._context, self.config.header_s)
            if secure is None:
                return
            if secure.selected_alpn_protocol() == "h2":
                await self._serve_http2(secure)
                return
            stream, scheme = TrioStream(secure, connected), "https"
        await Connection(self.service, stream, client=client, server=server, scheme=scheme).run()

    async def _serve_http2(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        from trio_gateway.server.http2 import Http2  # pulls in Hypercorn's protocols: only for those who ask

        if self._http2 is None:
            self._http2 = Http2(self.service, hypercorn_config(self.config))
        await self._http2.serve(stream)

    async def _turn_away(self, connected: socket.socket, refusal: Unavailable) -> None:
        """Say 503 and close, at next to no cost. Under TLS there is nothing to say it in."""
        if self._context is not None:
            return
        try:
            connected.send(self.service.last_words(refusal))
            if self._refused_lingering < REFUSED_LINGERING_MAX:
                self._refused_lingering += 1
                try:
                    # Closing with the client's request unread would reset the connection, and the 503 with it.
                    connected.shutdown(socket.SHUT_WR)
                    await read_away(connected)
                finally:
                    self._refused_lingering -= 1
        except OSError:
            pass


async def read_away(connected: socket.socket) -> None:
    """Discard what the client sends until it closes, or for `REFUSED_LINGER_S`."""
    stream = DirectStream(connected)
    with trio.move_on_after(REFUSED_LINGER_S):
        while await stream.receive():
            pass


def as_address(name: object) -> Address | None:
    """A socket's name, as ASGI wants it: (host, port), (path, None), or nothing for an unnamed unix socket."""
    if isinstance(name, tuple):
        return name[0], name[1]
    return (name, None) if isinstance(name, str) and name else None


async def serve(
    app: App,
    config: ServerConfig,
    *,
    shutdown: trio.Event | None = None,
    sockets: Sequence[socket.socket] | None = None,
    refuse: Refuse = refuse,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve `app` until `shutdown` is set and the running exchanges are over, at most `drain_s` later.

    `task_status` gets the `Server` once it accepts connections. `sockets` are bound TCP or unix sockets to use instead
    of `config.bind`; they are listened on, and closed in the end. `refuse` words the server's own errors. Cancelling
    cancels every exchange at once, and the application's lifespan with them; `Server.abort` only the exchanges.
    Raises `ConfigError` when the sockets or certificates cannot be had, `LifespanFailed` when the application does not
    start.
    """
    shutdown = trio.Event() if shutdown is None else shutdown
    lifespan = Lifespan(app)
    failure: GatewayError | None = None
    async with trio.open_nursery() as around:
        around.start_soon(lifespan.run)
        try:
            await lifespan.startup()
            listeners = listen(config, sockets)
            try:
                server = Server(Service(app, config, lifespan.state, refuse), listeners)
                for bind in server.binds:
                    log.info("serving on %s", bind)
                task_status.started(server)
                await server.serve(shutdown)
            finally:
                close_listeners(listeners)
            await lifespan.shutdown()
        except GatewayError as error:
            failure = error  # raised outside of the nursery, which would wrap it
        around.cancel_scope.cancel(reason="the server has stopped")
    if failure is not None:
        raise failure
