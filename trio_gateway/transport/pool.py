"""Which idle connection serves the next request to an origin. Pure: no socket, no clock, nothing to wait for.

The newest goes out first, so that a burst's spare connections grow old together and expire. A connection is in the pool
or in someone's hands, never both; whoever is handed one by `put` or `expire` closes it.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Connection = TypeVar("Connection")


class Pool(Generic[Key, Connection]):
    """Idle connections by origin. `now` is the caller's clock, in seconds, and never runs backwards."""

    __slots__ = ("_closed", "_count", "_expires_first", "_idle", "_idle_max", "_idle_s")

    def __init__(self, idle_s: float, idle_max: int) -> None:
        """Keep at most `idle_max` connections in all, none of them idle for longer than `idle_s` seconds."""
        self._idle_s = idle_s
        self._idle_max = idle_max
        self._idle: dict[Key, list[tuple[float, Connection]]] = {}
        self._count = 0
        self._expires_first = float("inf")  # no connection expires before; it may be too early, never too late
        self._closed = False

    def __len__(self) -> int:
        return self._count

    def __repr__(self) -> str:
        return f"<Pool of {self._count} idle{', closed' if self._closed else ''}>"

    def take(self, key: Key, now: float) -> Connection | None:
        """Take the newest idle connection out, unless it has expired."""
        stack = self._idle.get(key)
        # The newest is the last to expire: where it has, all have, and `expire` is who closes them.
        if not stack or stack[-1][0] + self._idle_s <= now:
            return None
        self._count -= 1
        connection = stack.pop()[1]
        if not stack:
            del self._idle[key]
        return connection

    def put(self, key: Key, connection: Connection, now: float) -> list[Connection]:
        """Take a connection in. Returns what must be closed instead: it, or the one idle for longest."""
        if self._closed or self._idle_max < 1:
            return [connection]
        evicted = [self._evict()] if self._count >= self._idle_max else []
        self._idle.setdefault(key, []).append((now, connection))
        self._count += 1
        expires = now + self._idle_s
        if expires < self._expires_first:
            self._expires_first = expires
        return evicted

    def expire(self, now: float) -> list[Connection]:
        """Take out what has been idle for too long, to be closed. Costs a comparison while nothing has."""
        if now < self._expires_first:
            return []
        expired: list[Connection] = []
        for key, stack in list(self._idle.items()):
            old = sum(since + self._idle_s <= now for since, _ in stack)
            expired += [connection for _, connection in stack[:old]]
            del stack[:old]
            if not stack:
                del self._idle[key]
        self._count -= len(expired)
        self._expires_first = min((stack[0][0] for stack in self._idle.values()), default=float("inf")) + self._idle_s
        return expired

    def close(self) -> list[Connection]:
        """Take out everything, and take nothing in from now on."""
        connections = [connection for stack in self._idle.values() for _, connection in stack]
        self._idle.clear()
        self._count = 0
        self._closed = True
        return connections

    def _evict(self) -> Connection:
        key = min(self._idle, key=lambda key: self._idle[key][0][0])
        stack = self._idle[key]
        self._count -= 1
        connection = stack.pop(0)[1]
        if not stack:
            del self._idle[key]
        return connection
