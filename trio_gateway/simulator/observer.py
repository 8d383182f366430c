"""What the simulated providers saw: requests, and when and how each connection ended.

This is the place where a gateway's promise to stop work at once is checked: from the upstream's side of the socket.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Callable

import msgspec
import trio

_MAX_RECORDED_BYTES = 64 * 1024 * 1024
_CREDENTIAL_HEADERS = (b"authorization", b"x-api-key", b"x-goog-api-key", b"api-key")
_KEY_IN_QUERY = re.compile(r"(?<=[?&]key=)[^&]*")


class ConnectionRecord(msgspec.Struct, kw_only=True):
    """One connection. Times are of trio's clock, in seconds.

    `moment` is where its last request stands, or stood when the connection closed: idle (no request yet), receiving,
    before_head, after_head (no byte of the body yet), mid_stream, after_end. `how` is who closed it: "fin" or "rst"
    by the client, "ours"; "" while it is open.
    """

    id: int
    opened_at: float
    provider: str = ""
    path: str = ""
    requests: int = 0
    request_at: float | None = None
    """When the last request had arrived whole."""
    moment: str = "idle"
    how: str = ""
    closed_at: float | None = None
    bytes_sent: int = 0


class RequestRecord(msgspec.Struct, kw_only=True, frozen=True):
    """One request. Header names are lower-case; credentials are replaced by `sha256:` and a prefix of their hash."""

    number: int
    connection: int
    provider: str
    method: str
    path: str
    """With the query."""
    headers: list[tuple[str, str]]
    body: str
    key_sha256: str
    """The whole hash of the credential, "" without one."""
    received_at: float


class _Received(msgspec.Struct, gc=False):
    """A request as it came: what is costly is done when somebody looks."""

    number: int
    connection: int
    provider: str
    method: str
    target: str
    headers: list[tuple[bytes, bytes]]
    body: bytes
    received_at: float


class Observer:
    """Filled by the server; read in its thread, or over HTTP at /_simulator/."""

    def __init__(self, remembered: int = 1000) -> None:
        self._open: dict[int, ConnectionRecord] = {}
        self._closed: deque[ConnectionRecord] = deque(maxlen=remembered)
        self._received: deque[_Received] = deque()
        self._remembered = remembered
        self._recorded_bytes = 0
        self._last_connection = 0
        self._changes = trio.lowlevel.ParkingLot()

    @property
    def open_connections(self) -> int:
        return len(self._open)

    @property
    def connections(self) -> list[ConnectionRecord]:
        """All that are open, and the last that closed; in the order in which they were opened."""
        return sorted([*self._closed, *self._open.values()], key=lambda record: record.id)

    @property
    def requests(self) -> list[RequestRecord]:
        """The last requests, oldest first."""
        return [_readable(one) for one in self._received]

    def reset(self) -> None:
        """Forget all requests, and the connections that are closed."""
        self._closed.clear()
        self._received.clear()
        self._recorded_bytes = 0

    async def wait_until(self, condition: Callable[[], bool]) -> None:
        """Return once `condition` holds: it is asked again after each thing that is recorded."""
        while not condition():
            await self._changes.park()
        await trio.lowlevel.checkpoint_if_cancelled()

    async def wait_closed(self, connection: int | None = None) -> ConnectionRecord | None:
        """Return once the connection, or without one: every connection, is closed. Returns the connection's record.

        None for a connection that is not remembered, and without one.
        """
        if connection is None:
            await self.wait_until(lambda: not self._open)
            return None
        await self.wait_until(lambda: connection not in self._open)
        return next((record for record in self._closed if record.id == connection), None)

    def opened(self) -> ConnectionRecord:
        self._last_connection += 1
        record = ConnectionRecord(id=self._last_connection, opened_at=trio.current_time())
        self._open[record.id] = record
        self._changes.unpark_all()
        return record

    def moved(self, record: ConnectionRecord, moment: str) -> None:
        record.moment = moment
        if self._changes:
            self._changes.unpark_all()

    def received(
        self,
        record: ConnectionRecord,
        number: int,
        provider: str,
        method: str,
        target: str,
        headers: list[tuple[bytes, bytes]],
        body: bytes,
    ) -> None:
        now = trio.current_time()
        record.provider, record.path = provider, target.partition("?")[0]
        record.requests += 1
        record.request_at = now
        self._received.append(_Received(number, record.id, provider, method, target, headers, body, now))
        self._recorded_bytes += len(body)
        while len(self._received) > self._remembered or self._recorded_bytes > _MAX_RECORDED_BYTES:
            self._recorded_bytes -= len(self._received.popleft().body)
        self.moved(record, "before_head")

    def closed(self, record: ConnectionRecord, how: str) -> None:
        """Record the end; of several, the first counts."""
        if record.how:
            return
        record.how = how
        record.closed_at = trio.current_time()
        del self._open[record.id]
        self._closed.append(record)
        self._changes.unpark_all()

    def forget(self, record: ConnectionRecord) -> None:
        """Take back a connection that only looks at the records: it must not appear in them."""
        if self._open.pop(record.id, None) is not None:
            record.how = "ours"
            self._changes.unpark_all()


def credential(header: tuple[bytes, bytes]) -> bytes:
    """Return the credential a header carries; empty for any other header."""
    name, value = header
    if name not in _CREDENTIAL_HEADERS:
        return b""
    return value[7:] if value[:7].lower() == b"bearer " else value


def _readable(one: _Received) -> RequestRecord:
    key = b""
    headers: list[tuple[str, str]] = []
    for name, value in one.headers:
        found = credential((name, value))
        key = key or found
        headers.append((name.decode("latin-1"), _hidden(found) if found else value.decode("latin-1")))
    in_query = _KEY_IN_QUERY.search(one.target)
    if in_query:
        key = key or in_query.group().encode()
    return RequestRecord(
        number=one.number,
        connection=one.connection,
        provider=one.provider,
        method=one.method,
        path=_KEY_IN_QUERY.sub(lambda match: _hidden(match.group().encode()), one.target),
        headers=headers,
        body=one.body.decode("utf-8", "replace"),
        key_sha256=hashlib.sha256(key).hexdigest() if key else "",
        received_at=one.received_at,
    )


def _hidden(key: bytes) -> str:
    return "sha256:" + hashlib.sha256(key).hexdigest()[:16]
