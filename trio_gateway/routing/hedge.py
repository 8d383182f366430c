"""When a second target is started beside a slow one, and how often that may be. Pure."""

from __future__ import annotations

from trio_gateway.routing.latency import FirstEventTimes
from trio_gateway.routing_config import HedgeConfig

SAVED_MAX = 10.0  # hedges that quiet times can save up for


class HedgeBudget:
    """At most one hedge, and a share of the requests: of n requests, never more than 1 + n · share are hedged."""

    __slots__ = ("_saved", "_share")

    def __init__(self, share: float) -> None:
        self._share = share
        self._saved = 1.0 if share > 0 else 0.0

    @property
    def has_one(self) -> bool:
        return self._saved >= 1.0

    def request(self) -> None:
        """A request came, and earns its share."""
        self._saved = min(SAVED_MAX, self._saved + self._share)

    def spend(self) -> bool:
        """Take a hedge out of the budget, if there is one in it."""
        if self._saved < 1.0:
            return False
        self._saved -= 1.0
        return True

    def give_back(self) -> None:
        """The hedge was not started after all."""
        self._saved = min(SAVED_MAX, self._saved + 1.0)


def hedge_after_s(config: HedgeConfig, times: FirstEventTimes) -> float | None:
    """Return how long to wait for a first event of the target with these `times`; None: for as long as it takes."""
    if isinstance(config.after_s, str):
        return times.percentile_s(int(config.after_s[1:]) / 100)
    return config.after_s


class Race:
    """The attempts of one exchange that run beside each other: who won, and how many more may start.

    The first to have an event wins, and everything that comes later has lost, an event in the same instant included.
    """

    __slots__ = ("_hedges_left", "_over", "_running")

    def __init__(self, hedges_max: int) -> None:
        self._hedges_left = hedges_max
        self._running: set[int] = set()
        self._over = False

    @property
    def running(self) -> frozenset[int]:
        return frozenset(self._running)

    @property
    def may_hedge(self) -> bool:
        return not self._over and bool(self._running) and self._hedges_left > 0

    def started(self, number: int, *, hedge: bool) -> None:
        """An attempt has started, `hedge` beside one that runs."""
        assert not self._over, "the race is over"
        assert number not in self._running
        if hedge:
            assert self.may_hedge
            self._hedges_left -= 1
        self._running.add(number)

    def failed(self, number: int) -> None:
        self._running.discard(number)

    def has_event(self, number: int) -> bool:
        """An attempt has its first event: True if it is the winner. All others are to be cancelled then."""
        self._running.discard(number)
        if self._over:
            return False
        self._over = True
        return True
