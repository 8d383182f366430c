"""What one exchange wants of routing, and what has been tried for it."""

from __future__ import annotations

import math

import msgspec

from trio_gateway.dialects.carriage import Carriage, Operation
from trio_gateway.dialects.conversation import Losses
from trio_gateway.errors import GatewayError
from trio_gateway.routing.targets import TargetState
from trio_gateway.transport.fetch import Fetcher

_MESSAGE_SHOWN_MAX = 300


class Tried(msgspec.Struct, frozen=True):
    """An attempt that gave no answer, or a target that was not asked. `error` is None for one that lost a race."""

    target: str
    took_s: float
    error: GatewayError | None = None

    def line(self) -> str:
        """Return what a client and a log are told of it. Messages of providers were redacted when they came."""
        if self.error is None:
            return f"{self.target}: cancelled after {self.took_s:.2f} s, another answered first"
        message = " ".join(self.error.message.split())
        if len(message) > _MESSAGE_SHOWN_MAX:
            message = message[:_MESSAGE_SHOWN_MAX] + "…"
        return f"{self.target}: {self.error.status} after {self.took_s:.2f} s: {message}"


class Underway(msgspec.Struct):
    """What is known before the first event has come: the target whose answer is waited for, and what it was not sent.

    All copies of an ask share it.
    """

    state: TargetState | None = None
    losses: Losses = []


class Ask(msgspec.Struct, kw_only=True):
    """Made by an exchange, filled in by the router. Times are of the event loop's clock, in seconds.

    `carriage` is the request as it was read, not loaded yet; `body` and `headers` are the client's own. `deadline_s` is
    when the client wants it to be over. `state` is the target asked last. `strict` says that a target which cannot
    carry all of the request is none.
    """

    carriage: Carriage
    endpoint: str
    operation: Operation
    body: bytes
    headers: dict[bytes, bytes]
    request_id: str
    started_s: float
    deadline_s: float = math.inf
    strict: bool = False
    fetcher: Fetcher | None = None  # None: media that a client names by URL is not fetched
    state: TargetState | None = None
    attempts: int = 0
    hedges: int = 0
    underway: Underway = msgspec.field(default_factory=Underway)
    tried: list[Tried] = []
