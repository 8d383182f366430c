"""Whether a target is to be asked at all: a breaker per target. Pure; times are passed in.

    closed ──failures──▶ open ──cooled, first who asks──▶ half open: that one is the probe
      ▲                   ▲  ▲                               │  │
      └──── ramp over ─ ramping ◀───────── success ──────────┘  │
                          └─ failure ▶ open ◀──── failure ──────┘

Only the provider's failures count. What ends without a verdict (the client left, the request was the client's fault
in a way that says nothing of the target) is `abandoned` and leaves no trace, a probe's turn included.
"""

from __future__ import annotations

from enum import Enum

from trio_gateway.routing_config import BreakerConfig


class State(Enum):
    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"
    RAMPING = "ramping"


class Event(Enum):
    TRIPPED = "tripped"
    COOLED = "cooled"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ABANDONED = "abandoned"
    RAMPED = "ramped"


# Whatever is not here changes nothing.
MOVES: dict[tuple[State, Event], State] = {
    (State.CLOSED, Event.TRIPPED): State.OPEN,
    (State.OPEN, Event.COOLED): State.HALF_OPEN,
    (State.HALF_OPEN, Event.SUCCEEDED): State.RAMPING,
    (State.HALF_OPEN, Event.FAILED): State.OPEN,
    (State.HALF_OPEN, Event.ABANDONED): State.OPEN,
    (State.RAMPING, Event.FAILED): State.OPEN,
    (State.RAMPING, Event.RAMPED): State.CLOSED,
}

REFUSED = -1
BUCKETS = 10  # that the window is counted in
RAMP_FROM = 0.1  # the share of its load that a target is given right after its probe
RETRY_AFTER_MAX_S = 3600.0  # that a provider can make its breaker stay open for


class Breaker:
    """`admit` before an attempt; then exactly one of `succeeded`, `failed` and `abandoned`, with the ticket it gave.

    A ticket is good for the state it was given in: late news from before a breaker opened does not close it.
    """

    __slots__ = (
        "_bucket_s",
        "_buckets",
        "_config",
        "_consecutive",
        "_generation",
        "_openings",
        "_ramp_ends_s",
        "_reason",
        "_state",
        "_until_s",
    )  # fmt: skip

    def __init__(self, config: BreakerConfig) -> None:
        self._config = config
        self._state = State.CLOSED
        self._generation = 0
        self._consecutive = 0
        self._openings = 0  # since it was last closed: what makes the cool-down grow
        self._until_s = 0.0
        self._ramp_ends_s = 0.0
        self._reason = ""
        self._bucket_s = config.window_s / BUCKETS
        self._buckets = [[-1, 0, 0] for _ in range(BUCKETS)]  # which tenth of a window, requests, failures

    def __repr__(self) -> str:
        return f"<Breaker {self._state.value}>"

    @property
    def state(self) -> State:
        return self._state

    @property
    def reason(self) -> str:
        """What opened it last."""
        return self._reason

    @property
    def at_rest(self) -> bool:
        """Whether a new one would behave no differently, but for failures that did not suffice."""
        return self._state is State.CLOSED and not self._consecutive

    def admit(self, now_s: float) -> int:
        """Return a ticket, or REFUSED. Of those who ask a half-open breaker only the first gets one."""
        if self._state is State.CLOSED:
            return self._generation
        if self._state is State.OPEN and now_s >= self._until_s:
            self._move(Event.COOLED)
        elif self._state is State.RAMPING:
            if now_s >= self._ramp_ends_s:
                self._ramped()
        else:
            return REFUSED
        return self._generation

    def would_admit(self, now_s: float) -> bool:
        return self._state in (State.CLOSED, State.RAMPING) or (self._state is State.OPEN and now_s >= self._until_s)

    def share(self, now_s: float) -> float:
        """Return the share of its usual load that the target should be given: below 1 while it ramps."""
        if self._state is not State.RAMPING:
            return 1.0
        left_s = self._ramp_ends_s - now_s
        if left_s <= 0:
            return 1.0
        return RAMP_FROM + (1 - RAMP_FROM) * (1 - left_s / self._config.ramp_s)

    def retry_after_s(self, now_s: float) -> float:
        """Return when to ask again: the rest of the cool-down, at least a second."""
        return max(1.0, self._until_s - now_s)

    def succeeded(self, ticket: int, now_s: float) -> None:
        """The target has begun to answer."""
        if ticket != self._generation:
            return
        if self._state is State.CLOSED:
            self._consecutive = 0
            self._bucket(now_s)[1] += 1
        elif self._state is State.HALF_OPEN:
            self._move(Event.SUCCEEDED)
            self._ramp_ends_s = now_s + self._config.ramp_s
            if self._config.ramp_s <= 0:
                self._ramped()

    def failed(self, ticket: int, now_s: float, reason: str, retry_after_s: float | None = None) -> None:
        """The target failed, through its own fault."""
        if ticket != self._generation:
            return
        self._reason = reason
        if self._state is State.CLOSED:
            self._consecutive += 1
            bucket = self._bucket(now_s)
            bucket[1] += 1
            bucket[2] += 1
            if self._trips(now_s):
                self._open(Event.TRIPPED, now_s, retry_after_s)
        else:
            self._open(Event.FAILED, now_s, retry_after_s)

    def abandoned(self, ticket: int) -> None:
        """Nothing was learnt. A probe's turn goes to the next who asks."""
        if ticket == self._generation and self._state is State.HALF_OPEN:
            self._move(Event.ABANDONED)

    def _bucket(self, now_s: float) -> list[int]:
        number = int(now_s / self._bucket_s)
        bucket = self._buckets[number % BUCKETS]
        if bucket[0] != number:
            bucket[0], bucket[1], bucket[2] = number, 0, 0
        return bucket

    def _trips(self, now_s: float) -> bool:
        config = self._config
        if self._consecutive >= config.failures:
            return True
        oldest = int(now_s / self._bucket_s) - BUCKETS
        recent = [bucket for bucket in self._buckets if bucket[0] > oldest]
        requests = sum(bucket[1] for bucket in recent)
        failures = sum(bucket[2] for bucket in recent)
        return requests >= config.requests_min and failures >= config.failure_share * requests

    def _open(self, event: Event, now_s: float, retry_after_s: float | None) -> None:
        config = self._config
        cool_down_s = min(config.cool_down_max_s, config.cool_down_s * 2.0 ** min(self._openings, 32))
        if retry_after_s is not None:
            cool_down_s = max(cool_down_s, min(retry_after_s, RETRY_AFTER_MAX_S))
        self._move(event)
        self._openings += 1
        self._until_s = now_s + cool_down_s

    def _ramped(self) -> None:
        self._move(Event.RAMPED)
        self._openings = self._consecutive = 0
        for bucket in self._buckets:
            bucket[0] = -1

    def _move(self, event: Event) -> None:
        self._state = MOVES[self._state, event]
        self._generation += 1
