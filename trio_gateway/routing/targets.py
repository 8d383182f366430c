"""What is known of each target at this moment. Pure: held by the router, changed by attempts, read by plans."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from enum import IntEnum
from typing import Any

from trio_gateway.routing.health import Breaker, State
from trio_gateway.routing.keys import KeyRing
from trio_gateway.routing.latency import FirstEventTimes
from trio_gateway.routing.places import Places
from trio_gateway.routing.table import Target
from trio_gateway.routing_config import BreakerConfig, TargetConfig

REMEMBERED_MAX = 4096  # clients can invent model names; targets at rest are forgotten beyond it


class Standing(IntEnum):
    """How fit a target is to be asked now; lower is better."""

    READY = 0
    RELUCTANT = 1  # its keys rest, or it is being led back and has had its share: others go first
    QUEUED = 2  # no place is free: who asks must wait
    FULL = 3  # and not even that
    RESTING = 4  # its breaker is open


class TargetState:
    """One target's health, places, latency and load."""

    __slots__ = ("breaker", "in_flight", "keys", "places", "queue_wait_s", "target", "times")

    def __init__(self, target: Target, breaker: Breaker, keys: KeyRing) -> None:
        self.target = target
        self.breaker = breaker
        self.keys = keys
        self.places: Places[Any] | None = None  # waiters are whatever the doing code wakes
        self.queue_wait_s = 0.0
        self.times = FirstEventTimes()
        self.in_flight = 0

    def __repr__(self) -> str:
        return f"<TargetState {self.name} {self.breaker.state.value}, {self.in_flight} in flight>"

    @property
    def name(self) -> str:
        return f"{self.target.channel}/{self.target.model}"

    @property
    def at_rest(self) -> bool:
        """Whether nothing would be lost by forgetting it."""
        return self.in_flight == 0 and self.breaker.at_rest and (self.places is None or not self.places.taken)

    def standing(self, now_s: float, drawn: Callable[[], float]) -> Standing:
        """Say how fit it is. `drawn` is asked for a number from 0 to 1 only while the target is led back."""
        breaker = self.breaker
        if breaker.state is not State.CLOSED and not breaker.would_admit(now_s):
            return Standing.RESTING
        places = self.places
        if places is not None and not places.has_free:
            return Standing.QUEUED if places.has_room else Standing.FULL
        if not self.keys.has_ready(now_s):
            return Standing.RELUCTANT
        if breaker.state is State.RAMPING and drawn() >= breaker.share(now_s):
            return Standing.RELUCTANT
        return Standing.READY


class Targets:
    """All targets by channel and model, made as they are first asked for."""

    def __init__(self, breaker: BreakerConfig, keys: Mapping[str, KeyRing]) -> None:
        self._breaker = breaker
        self._keys = keys
        self._states: dict[Target, TargetState] = {}

    def __iter__(self) -> Iterator[TargetState]:
        return iter(self._states.values())

    def get(self, target: Target, entry: TargetConfig | None = None) -> TargetState:
        """Return the state of a target; `entry` is where a route names it, and bounds how many requests it takes."""
        state = self._states.get(target)
        if state is None:
            if len(self._states) >= REMEMBERED_MAX:
                self._forget()
            state = TargetState(target, Breaker(self._breaker), self._keys.get(target.channel) or KeyRing(1))
            self._states[target] = state
        if entry is not None and entry.max_concurrency is not None and state.places is None:
            state.places = Places(entry.max_concurrency, entry.queue_max)
            state.queue_wait_s = entry.queue_wait_s
        return state

    def inherit(self, old: Targets) -> None:
        """Take over the health and latency of a configuration that this one's replaces, where the channels remain."""
        for target, state in old._states.items():
            if target.channel in self._keys:
                mine = self.get(target)
                mine.times = state.times
                if old._breaker == self._breaker:
                    mine.breaker = state.breaker

    def _forget(self) -> None:
        for target in [target for target, state in self._states.items() if state.at_rest]:
            del self._states[target]
