"""What the connections of one worker share."""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Protocol

from trio_gateway.errors import GatewayError, Unavailable
from trio_gateway.request_ids import RequestIds
from trio_gateway.server.request_head import Asked
from trio_gateway.server.response import DateLine, Refusal, Refuse, refuse, whole_response
from trio_gateway.server_config import ServerConfig

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

log = logging.getLogger("trio_gateway.server")


class Drainable(Protocol):
    """An open connection, as far as stopping goes."""

    def drain(self) -> None:
        """Close once the exchange at hand is over; at once if there is none."""

    def abort(self, reason: str) -> None:
        """Cancel whatever it does, and close."""


class Service:
    """The application, the settings, and who is connected. Nothing here awaits."""

    def __init__(
        self, app: App, config: ServerConfig, state: dict[str, Any] | None = None, refuse: Refuse = refuse
    ) -> None:
        self.app = app
        self.config = config
        self.state: dict[str, Any] = {} if state is None else state
        self.draining = False
        self.open_count = 0
        self._connections: set[Drainable] = set()
        self._addresses: Counter[str] = Counter()
        self._refuse = refuse
        self._date = DateLine()
        self._request_ids = RequestIds()

    def date_line(self) -> bytes:
        """The Date and Server header lines of a response written now."""
        return self._date.at(int(time.time()))

    def admit(self, address: str | None) -> Unavailable | None:
        """Count a new connection in, or say why not. `address` is the client's, if it has one. Undo with `leave`."""
        config = self.config
        if self.open_count >= config.connections_max:
            return Unavailable("too many connections are open; try again later", code="too_many_connections")
        if address is not None and config.connections_per_address_max:
            if self._addresses[address] >= config.connections_per_address_max:
                return Unavailable("too many connections from this address", code="too_many_connections")
            self._addresses[address] += 1
        self.open_count += 1
        return None

    def leave(self, address: str | None) -> None:
        """Count an admitted connection out."""
        self.open_count -= 1
        if address is not None and self.config.connections_per_address_max:
            self._addresses[address] -= 1
            if not self._addresses[address]:
                del self._addresses[address]

    def add(self, connection: Drainable) -> None:
        self._connections.add(connection)

    def discard(self, connection: Drainable) -> None:
        self._connections.discard(connection)

    def drain(self) -> None:
        """Tell every connection to close as soon as it has nothing to do."""
        self.draining = True
        for connection in list(self._connections):
            connection.drain()

    def abort(self, reason: str) -> None:
        """Cancel every exchange now."""
        for connection in list(self._connections):
            connection.abort(reason)

    def refusal(self, error: GatewayError, asked: Asked | None = None) -> Refusal:
        """What a client is told by the server itself: nobody else gave the request an id."""
        return self._refuse(error, asked or Asked(), next(self._request_ids))

    def last_words(self, error: GatewayError, asked: Asked | None = None, *, head_only: bool = False) -> bytes:
        """The bytes of that, for a connection that ends with it."""
        return whole_response(self.refusal(error, asked), self.date_line(), head_only=head_only)
