"""What is measured. Each figure is the median over several short rounds, each beside the unit's in the same moment."""

from __future__ import annotations

from statistics import median

import msgspec
from house import (
    SAME,
    SAME_STREAM,
    SAME_TOGETHER,
    STREAM_EVENTS,
    TRANSLATED,
    TRANSLATED_STREAM,
    TRANSLATED_TOGETHER,
    House,
)
from loads import Ask, Load, drive, has_wrk, in_turns, load
from processes import Server

WARM_UP_S = 0.3
CONCURRENCY = 32  # while CPU is measured: enough to keep the server busy


class Effort(msgspec.Struct):
    """How long and how often."""

    rounds: int
    round_s: float
    streams: int
    streams_hold_s: float
    starts: int


FULL = Effort(rounds=5, round_s=2, streams=10_000, streams_hold_s=20, starts=5)
QUICK = Effort(rounds=1, round_s=1, streams=1_000, streams_hold_s=3, starts=1)


class Cost(msgspec.Struct):
    """CPU of the server's processes for each request, and each event where it streams."""

    name: str
    cpu_us: float
    units: float
    per_second: float
    failed: int
    events: int = 1
    share_of_core: float = 0.0

    @property
    def event_us(self) -> float:
        return self.cpu_us / self.events

    @property
    def event_units(self) -> float:
        return self.units / self.events


class Added(msgspec.Struct):
    """Latency straight to the provider and through the gateway, in milliseconds."""

    concurrency: int
    direct_ms: dict[str, float]
    through_ms: dict[str, float]
    direct_per_second: float
    through_per_second: float

    @property
    def added_ms(self) -> dict[str, float]:
        return {name: self.through_ms[name] - self.direct_ms[name] for name in self.direct_ms}


PLAIN = [("plain, same dialect", Ask(SAME), 1), ("plain, translated", Ask(TRANSLATED), 1)]
STREAMS = [
    ("stream, same dialect, each event its own write", Ask(SAME, True, SAME_STREAM), STREAM_EVENTS),
    ("stream, translated, each event its own write", Ask(TRANSLATED, True, TRANSLATED_STREAM), STREAM_EVENTS),
    ("stream, same dialect, events together", Ask(SAME_TOGETHER, True, SAME_STREAM), STREAM_EVENTS),
    ("stream, translated, events together", Ask(TRANSLATED_TOGETHER, True, TRANSLATED_STREAM), STREAM_EVENTS),
]


def with_cpu(server: Server, ask: Ask, duration_s: float, concurrency: int = CONCURRENCY) -> tuple[Load, float]:
    """Return the load and the CPU microseconds that each of its requests took."""
    before_s = server.cpu_s()
    felt = load(server.port, ask, concurrency, duration_s)
    # wrk counts a request when its answer is whole: those cut off at the end are a few in thousands.
    return felt, (server.cpu_s() - before_s) / max(1, felt.requests) * 1e6


def unit_us(house: House, duration_s: float) -> float:
    return with_cpu(house.unit, Ask("unit"), duration_s)[1]


def costs(house: House, effort: Effort, named: list[tuple[str, Server, Ask, int]], units_us: list[float]) -> list[Cost]:
    """Measure each server under its load, taking turns with the unit. `units_us` collects the unit's figures."""
    rounds: dict[str, list[Cost]] = {name: [] for name, *_ in named}
    for _, server, ask, _ in named:
        drive(server.port, ask, 4, WARM_UP_S)
    for _ in range(effort.rounds):
        for name, server, ask, events in named:
            unit = unit_us(house, 1)
            felt, cpu_us = with_cpu(server, ask, effort.round_s)
            units_us.append(unit)
            share = cpu_us * felt.per_second / 1e6
            rounds[name].append(Cost(name, cpu_us, cpu_us / unit, felt.per_second, felt.failed, events, share))
    return [_median_cost(measured) for measured in rounds.values()]


def _median_cost(measured: list[Cost]) -> Cost:
    return Cost(
        measured[0].name,
        median(cost.cpu_us for cost in measured),
        median(cost.units for cost in measured),
        median(cost.per_second for cost in measured),
        sum(cost.failed for cost in measured),
        measured[0].events,
        median(cost.share_of_core for cost in measured),
    )


def added_latency(house: House, gateway: Server, effort: Effort) -> list[Added]:
    """Requests straight to the simulator and through the gateway, in turns, at three concurrencies."""
    ask = Ask(SAME)
    direct, through = in_turns([(house.apart.port, ask), (gateway.port, ask)], effort.rounds * effort.round_s)
    alone = [
        Added(
            1,
            direct.whole_ms,
            through.whole_ms,
            1000 / direct.whole_ms["p50"],
            1000 / through.whole_ms["p50"],
        )
    ]
    return alone + [_added_under_load(house, gateway, effort, concurrency) for concurrency in (64, 512)]


def _added_under_load(house: House, gateway: Server, effort: Effort, concurrency: int) -> Added:
    direct: list[Load] = []
    through: list[Load] = []
    for _ in range(effort.rounds):
        direct.append(load(house.apart.port, Ask(SAME), concurrency, effort.round_s))
        through.append(load(gateway.port, Ask(SAME), concurrency, effort.round_s))
    return Added(
        concurrency,
        {name: median(one.ms[name] for one in direct) for name in direct[0].ms},
        {name: median(one.ms[name] for one in through) for name in through[0].ms},
        median(one.per_second for one in direct),
        median(one.per_second for one in through),
    )


def first_event(house: House, gateway: Server, effort: Effort) -> dict[str, dict[str, float]]:
    """Milliseconds to the first bytes of a stream: straight, through the gateway, and translated by it."""
    same, translated = Ask(SAME, True, SAME_STREAM), Ask(TRANSLATED, True, TRANSLATED_STREAM)
    servers = [(house.apart.port, same), (gateway.port, same), (gateway.port, translated)]
    turns = in_turns(servers, effort.rounds * effort.round_s)
    return dict(zip(("direct", "same dialect", "translated"), (turn.first_ms for turn in turns), strict=True))


def start_up(house: House, effort: Effort) -> float:
    """Seconds from exec to the first answer."""
    taken_s = []
    for _ in range(effort.starts):
        with house.start_gateway() as server:
            taken_s.append(server.wait_ready(Ask(SAME).bytes()))
    return median(taken_s)


def ceiling(house: House, effort: Effort) -> dict[str, float]:
    """What the simulators can give, a second: nothing in front of them can give more."""
    asks = {
        "plain": (house.apart, Ask(SAME)),
        "streams, each event its own write": (house.apart, Ask(SAME, True, SAME_STREAM)),
        "streams, events together": (house.together, Ask(SAME, True, SAME_STREAM)),
    }
    return {
        name: load(server.port, ask, CONCURRENCY, effort.round_s).per_second for name, (server, ask) in asks.items()
    }


class Workers(msgspec.Struct):
    workers: int
    per_second: float
    cpu_us: float


def by_workers(house: House, effort: Effort) -> list[Workers]:
    """The same plain load on one worker and on two, every core open to both, in turns."""
    gateways = {count: house.start_gateway(workers=count) for count in (1, 2)}
    measured: dict[int, list[tuple[Load, float]]] = {count: [] for count in gateways}
    try:
        for gateway in gateways.values():
            gateway.wait_ready(Ask(SAME).bytes())
        for _ in range(effort.rounds):
            for count, gateway in gateways.items():
                measured[count].append(with_cpu(gateway, Ask(SAME), effort.round_s, 64))
    finally:
        for gateway in gateways.values():
            gateway.stop()
    return [
        Workers(count, median(felt.per_second for felt, _ in rounds), median(cpu_us for _, cpu_us in rounds))
        for count, rounds in measured.items()
    ]


def generator() -> str:
    return "load by wrk" if has_wrk() else "load by sockets of our own"
