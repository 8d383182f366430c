"""In which order a route's targets are asked. Pure; chance is passed in.

A strategy gives an order, not a choice: who comes second is who is asked when the first fails.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from math import log
from random import Random
from typing import NamedTuple, Protocol

from trio_gateway.routing_config import Strategy


class Load(NamedTuple):
    """A target that can be asked now: its number in the route, and what strategies go by.

    `weight` is less than configured while the target is led back after a failure. `expected_s` is the mean time to
    its first event, 0 where nobody knows.
    """

    number: int
    weight: float
    in_flight: int = 0
    expected_s: float = 0.0


class Balance(Protocol):
    def order(self, loads: Sequence[Load]) -> list[int]:
        """Return the numbers of the targets, the one to ask first at the front."""


class Ordered:
    """As they are written."""

    __slots__ = ()

    def order(self, loads: Sequence[Load]) -> list[int]:
        return [load.number for load in loads]


class Weighted:
    """Smooth weighted round robin, as in nginx: 3 to 1 is AABA, not AAAB. Exact over every round of whole weights."""

    __slots__ = ("_credits",)

    def __init__(self) -> None:
        self._credits: dict[int, float] = {}

    def order(self, loads: Sequence[Load]) -> list[int]:
        credits_ = self._credits
        total = 0.0
        for load in loads:
            credits_[load.number] = credits_.get(load.number, 0.0) + load.weight
            total += load.weight
        ordered = sorted((load.number for load in loads), key=lambda number: -credits_[number])
        if ordered:
            credits_[ordered[0]] -= total
        return ordered


class LeastBusy:
    """The fewest requests in flight, by weight; round robin among equals, so that quiet times spread too."""

    __slots__ = ("_round",)

    def __init__(self) -> None:
        self._round = Weighted()

    def order(self, loads: Sequence[Load]) -> list[int]:
        turns = {number: turn for turn, number in enumerate(self._round.order(loads))}
        ranked = sorted(loads, key=lambda load: ((load.in_flight + 1) / load.weight, turns[load.number]))
        return [load.number for load in ranked]


class LowestLatency:
    """The better of two random targets, by time to the first event and requests in flight.

    Two choices, and not the best of all: everybody would go there at once, on news that is a moment old.
    """

    __slots__ = ("_chance",)

    def __init__(self, chance: Random) -> None:
        self._chance = chance

    def order(self, loads: Sequence[Load]) -> list[int]:
        costs = {load.number: load.expected_s * (load.in_flight + 1) / load.weight for load in loads}
        ranked = sorted(costs, key=lambda number: costs[number])
        if len(ranked) > 2:
            pair = self._chance.sample(ranked, 2)
            first = min(pair, key=lambda number: (costs[number], ranked.index(number)))
            ranked.remove(first)
            ranked.insert(0, first)
        return ranked


def balance(strategy: Strategy, chance: Random) -> Balance:
    """Return a strategy's state, of which each route has its own."""
    if strategy == "ordered":
        return Ordered()
    if strategy == "least_busy":
        return LeastBusy()
    return LowestLatency(chance) if strategy == "lowest_latency" else Weighted()


def rendezvous(key: str, names: Sequence[str], weights: Sequence[float]) -> list[int]:
    """Return the targets' numbers in the order that `key` prefers: the same everywhere and always.

    Weighted rendezvous hashing (highest random weight): where a target comes or goes, only its own keys move.
    """
    scored: list[tuple[float, int]] = []
    for number, (name, weight) in enumerate(zip(names, weights, strict=True)):
        digest = blake2b(f"{key}\0{name}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
        drawn = (int.from_bytes(digest, "big") + 0.5) / 2.0**64
        scored.append((log(drawn) / weight, number))  # negative: the nearest to 0 is the greatest
    return [number for _, number in sorted(scored, reverse=True)]
