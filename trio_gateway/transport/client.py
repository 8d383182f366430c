"""Requests over pooled connections. Never queues: whoever limits how many there are does so in front of it."""

from __future__ import annotations

import ssl
from math import inf

import trio

from trio_gateway.errors import UpstreamUnreachable
from trio_gateway.transport.connect import Origin, connect
from trio_gateway.transport.connection import Connection, NothingSent
from trio_gateway.transport.pool import Pool
from trio_gateway.transport.settings import TransportSettings
from trio_gateway.transport.watch import Overdue, Watch


class Client:
    """All that one channel has in common: its TLS identity, its idle connections, its deadline for connecting.

    A connection `open` hands out goes back through `release`, once, whatever happened to it.
    """

    __slots__ = ("_connect_s", "_pool", "_tls", "_watch", "connections")

    def __init__(self, settings: TransportSettings, tls: ssl.SSLContext | None, watch: Watch | None = None) -> None:
        """`tls` may be None where every origin is plain http; `watch` where no request has a deadline."""
        self._tls = tls
        self._pool: Pool[Origin, Connection] = Pool(settings.idle_s, settings.idle_max)
        self._connect_s = settings.connect_s
        self._watch = watch
        self.connections = 0  # open ones, idle and in use

    def __repr__(self) -> str:
        return f"<Client with {self.connections} connections, {self.idle} of them idle>"

    @property
    def idle(self) -> int:
        return len(self._pool)

    async def open(
        self,
        origin: Origin,
        head: bytes,
        body: bytes,
        *,
        no_body: bool = False,
        connect_s: float | None = None,
        due_s: float = inf,
    ) -> Connection:
        """Send a request and wait for the head of its response, until `due_s` at most, which stands until it is moved.

        Sent again, on another connection, only where a pooled one turned out to be broken before the kernel took a
        byte of it. A pooled connection that ends *after* that, without an answer, is the ambiguous case: the upstream
        may have closed it before the request came, or may have worked on it and died. Asking a model again costs money
        and may act twice, so that is UpstreamBroke, and for the caller to judge. Raises UpstreamUnreachable where no
        byte of the request can have been processed, and Overdue. Cancelled at any point, it leaves no connection open.
        """
        assert due_s == inf or self._watch is not None, "a deadline needs a watch"
        while True:  # noqa: ASYNC913 (each round either connects, which waits, or uses up a pooled connection)
            connection = self._take_idle(origin)
            reused = connection is not None
            if connection is None:
                connection = await self._connect(origin, self._connect_s if connect_s is None else connect_s, due_s)
                self.connections += 1
            opened = False
            try:
                if self._watch is not None:
                    connection.due_s = due_s
                    self._watch.enter(connection)
                await connection.request(head, body, no_body=no_body)
                opened = True
                return connection
            except NothingSent as error:
                if not reused:
                    message = f"{origin.address} closed the connection before the request was sent"
                    raise UpstreamUnreachable(message) from error
            finally:
                if not opened:
                    self._close(connection)

    def release(self, connection: Connection) -> None:
        """Take a connection back: into the pool when its response was read to the end, otherwise it is closed."""
        if not connection.reusable:
            self._close(connection)
            return
        if self._watch is not None:
            self._watch.leave(connection)
        for evicted in self._pool.put(connection.origin, connection, trio.current_time()):
            self._close(evicted)

    def expire(self) -> None:
        """Close what has been idle for too long. `open` does it too; call it now and then for an upstream at rest."""
        for connection in self._pool.expire(trio.current_time()):
            self._close(connection)

    def close(self) -> None:
        """Close what is idle, now, and what is in use as soon as it comes back."""
        for connection in self._pool.close():
            self._close(connection)

    async def _connect(self, origin: Origin, connect_s: float, due_s: float) -> Connection:
        if due_s == inf:
            return await connect(origin, self._tls, connect_s)
        left_s = max(0.0, due_s - trio.current_time())
        try:
            return await connect(origin, self._tls, min(connect_s, left_s))
        except UpstreamUnreachable as error:
            if left_s < connect_s and trio.current_time() >= due_s:
                raise Overdue(f"{origin.address} took too long to connect to") from error
            raise

    def _take_idle(self, origin: Origin) -> Connection | None:
        now = trio.current_time()
        for expired in self._pool.expire(now):
            self._close(expired)
        while (connection := self._pool.take(origin, now)) is not None:
            if connection.quiet():
                return connection
            self._close(connection)
        return None

    def _close(self, connection: Connection) -> None:
        self.connections -= 1
        if self._watch is not None:
            self._watch.leave(connection)
        connection.close_nowait()
