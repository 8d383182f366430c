"""What strategies, hedges and breakers do for a client, simulated: the gateway's own decisions over invented providers.

    python benchmarks/routing_simulation.py [--seconds 60] [--rate 1000] [--plots docs/routing]

The deciding code is the gateway's; providers are random numbers and time is a heap, so that a minute of a thousand
requests a second takes seconds, and gives the same figures on every machine. Plots need matplotlib.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import msgspec

from trio_gateway.config import ChannelConfig
from trio_gateway.errors import GatewayError, UpstreamError, UpstreamUnreachable
from trio_gateway.routing.course import Course, Try, resting
from trio_gateway.routing.health import REFUSED
from trio_gateway.routing.hedge import Race, hedge_after_s
from trio_gateway.routing.keys import KeyRing
from trio_gateway.routing.retry import Blame, blame
from trio_gateway.routing.routes import Routes
from trio_gateway.routing.table import RoutingTable
from trio_gateway.routing.targets import Targets
from trio_gateway.routing_config import BreakerConfig, RouteConfig


class Provider:
    """Log-normal times to a first event with a Pareto tail, an outage, and a limit of requests a second."""

    def __init__(
        self, median_s: float, tail: float = 0.02, outage: tuple[float, float] | None = None, limit: float = 1e9
    ) -> None:
        self.median_s = median_s
        self.tail = tail
        self.outage = outage
        self.limit = limit
        self.per_second: Counter[int] = Counter()

    def ask(self, now_s: float, chance: Random) -> tuple[float, GatewayError | None]:
        """Return when it says something, and the error that it is."""
        self.per_second[int(now_s)] += 1
        if self.outage is not None and self.outage[0] <= now_s < self.outage[1]:
            return 0.002, UpstreamUnreachable("connection refused")
        if self.per_second[int(now_s)] > self.limit:
            return 0.01, UpstreamError("slow down", status=429, retry_after_s=1.0)
        took_s = chance.lognormvariate(0, 0.25) * self.median_s
        if chance.random() < self.tail:
            took_s += self.median_s * 2 * chance.paretovariate(1.3)
        return min(took_s, 60.0), None


class World:
    """The clock, the targets and what came of the requests."""

    def __init__(self, route: dict[str, Any], providers: dict[str, Provider], seed: int = 1, **breaker: Any) -> None:
        self.now_s = 0.0
        self.chance = Random(seed)
        self.providers = providers
        table = RoutingTable({name: ChannelConfig(provider="ollama") for name in providers})
        targets = [{"channel": name, "model": "m"} for name in providers]
        config = msgspec.convert({"model": "r", "targets": targets, **route}, RouteConfig)
        self.targets = Targets(BreakerConfig(**breaker), {name: KeyRing(1) for name in providers})
        self.plan = Routes([config], table, self.targets, self.chance).resolve("r")
        self.took: list[tuple[float, float]] = []  # when a request came, and how long its first event took
        self.lost: list[float] = []
        self.attempts = self.hedges = self.failed_attempts = 0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._numbers = itertools.count()

    def at(self, time_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (time_s, next(self._numbers), act))

    def run(self, seconds: float, rate: float) -> World:
        """Let requests come at random, `rate` a second on average, and wait for the last one."""

        def arrive() -> None:
            SimulatedExchange(self).step()
            following_s = self.now_s + self.chance.expovariate(rate)
            if following_s < seconds:
                self.at(following_s, arrive)

        self.at(0.0, arrive)
        while self._events:
            self.now_s, _, act = heapq.heappop(self._events)
            act()
        return self

    def percentile_ms(self, share: float) -> float:
        ordered = sorted(took_s for _, took_s in self.took)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]

    def row(self, name: str) -> str:
        load = " ".join(f"{sum(p.per_second.values()) / max(1, self.attempts):4.0%}" for p in self.providers.values())
        figures = "".join(f"{self.percentile_ms(share):9.0f}" for share in (0.5, 0.95, 0.99, 0.999))
        extra = self.hedges / max(1, len(self.took) + len(self.lost))
        return f"{name:<34}{figures}{extra:9.1%}{self.failed_attempts:9}{len(self.lost):7}   {load}"


HEADINGS = f"{'':<34}{'p50 ms':>9}{'p95':>9}{'p99':>9}{'p99.9':>9}{'hedges':>9}{'failures':>9}{'lost':>7}   load"


class SimulatedExchange:
    """What the router does, with a heap in the place of tasks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.began_s = world.now_s
        self.course = Course(world.plan, world.chance)
        self.hedge = world.plan.route.hedge if world.plan.route else None
        self.race = Race(self.hedge.max if self.hedge else 0)
        self.running: dict[int, tuple[Try, int, float]] = {}
        self.numbers = itertools.count()
        if world.plan.budget is not None:
            world.plan.budget.request()

    def step(self) -> None:
        """Try what the course says, until something runs."""
        world = self.world
        while not self.running:
            chosen = self.course.next(world.now_s)
            if chosen is None:
                world.lost.append(self.began_s)
                return
            if chosen.after_s:
                world.at(world.now_s + chosen.after_s, lambda chosen=chosen: self.retry(chosen))  # type: ignore[misc]  # bound early
                return
            self.start(chosen, hedge=False)

    def retry(self, chosen: Try) -> None:
        self.start(chosen, hedge=False)
        self.step()

    def start(self, chosen: Try, *, hedge: bool) -> None:
        world, state = self.world, chosen.state
        ticket = state.breaker.admit(world.now_s)
        if ticket == REFUSED:
            self.course.failed(chosen, resting(state, world.now_s), world.now_s)
            return
        number = next(self.numbers)
        self.race.started(number, hedge=hedge)
        self.running[number] = (chosen, ticket, world.now_s)
        state.in_flight += 1
        world.attempts += 1
        world.hedges += hedge
        took_s, error = world.providers[state.target.channel].ask(world.now_s, world.chance)
        world.at(world.now_s + took_s, lambda: self.end(number, error))
        after_s = hedge_after_s(self.hedge, state.times) if self.hedge else None
        if after_s is not None and after_s < took_s:
            world.at(world.now_s + after_s, self.start_beside)

    def start_beside(self) -> None:
        budget = self.world.plan.budget
        if not self.race.may_hedge or budget is None or not budget.has_one:
            return
        beside = self.course.beside(self.world.now_s, [chosen.state for chosen, _, _ in self.running.values()])
        if beside is not None and budget.spend():
            self.start(beside, hedge=True)

    def end(self, number: int, error: GatewayError | None) -> None:
        if number not in self.running:
            return  # it lost, and was cancelled
        world = self.world
        chosen, ticket, began_s = self.running.pop(number)
        state = chosen.state
        state.in_flight -= 1
        if error is None:
            state.breaker.succeeded(ticket, world.now_s)
            state.times.observe(world.now_s - began_s, world.now_s)
            self.race.has_event(number)
            world.took.append((self.began_s, world.now_s - self.began_s))
            for other, other_ticket, other_began_s in self.running.values():
                other.state.in_flight -= 1
                other.state.breaker.abandoned(other_ticket)
                other.state.times.observe(world.now_s - other_began_s, world.now_s)
            self.running.clear()
            return
        world.failed_attempts += 1
        self.race.failed(number)
        if error.retry_after_s is not None:
            state.keys.limited(0, world.now_s, error.retry_after_s)
        if blame(error) is Blame.FAILED:
            state.breaker.failed(ticket, world.now_s, error.message, error.retry_after_s)
        self.course.failed(chosen, error, world.now_s)
        self.step()


def four() -> dict[str, Provider]:
    return {"a": Provider(0.3), "b": Provider(0.3), "c": Provider(0.4), "slow": Provider(1.2, tail=0.1)}


def compare(seconds: float, rate: float) -> dict[str, dict[str, World]]:
    """Run every scenario; return them by the question they answer."""
    retry = {"attempts": 4}
    hedges: dict[str, Any] = {
        "no hedge": None,
        "after 1 s, 5 %": {"after_s": 1.0, "budget": 0.05},
        "after p95, 1 %": {"after_s": "p95", "budget": 0.01},
        "after p95, 5 %": {"after_s": "p95", "budget": 0.05},
        "after p90, 10 %": {"after_s": "p90", "budget": 0.10},
    }
    down = (seconds / 3, seconds * 2 / 3)
    never = {"failures": 10_000, "requests_min": 1_000_000}
    return {
        "Strategies (three like targets and a slow one)": {
            name: World({"strategy": name}, four()).run(seconds, rate)
            for name in ("ordered", "weighted", "least_busy", "lowest_latency")
        },
        "Hedging (two targets, 2 % of answers in a heavy tail)": {
            name: World({"hedge": hedge}, {"a": Provider(0.3), "b": Provider(0.3)}).run(seconds, rate)
            for name, hedge in hedges.items()
        },
        "An outage of one of two targets, a third of the time": {
            "one attempt, no breaker": World(
                {"retry": {"attempts": 1}}, {"a": Provider(0.3, outage=down), "b": Provider(0.3)}, **never
            ).run(seconds, rate),
            "one attempt, breaker": World(
                {"retry": {"attempts": 1}}, {"a": Provider(0.3, outage=down), "b": Provider(0.3)}
            ).run(seconds, rate),
            "retries, no breaker": World(
                {"retry": retry}, {"a": Provider(0.3, outage=down), "b": Provider(0.3)}, **never
            ).run(seconds, rate),
            "retries, breaker": World({"retry": retry}, {"a": Provider(0.3, outage=down), "b": Provider(0.3)}).run(
                seconds, rate
            ),
        },
        "One of two targets takes a quarter of the load": {
            "one attempt": World(
                {"retry": {"attempts": 1}}, {"a": Provider(0.3, limit=rate / 4), "b": Provider(0.3)}
            ).run(seconds, rate),
            "retries": World({"retry": retry}, {"a": Provider(0.3, limit=rate / 4), "b": Provider(0.3)}).run(
                seconds, rate
            ),
        },
    }


def plot(found: dict[str, dict[str, World]], folder: Path, seconds: float) -> None:
    try:
        import matplotlib as mpl

        mpl.use("svg")
        from matplotlib import pyplot
    except ImportError:
        print("No plots: matplotlib is not installed.")
        return
    folder.mkdir(parents=True, exist_ok=True)
    mpl.rcParams["svg.hashsalt"] = "routing"
    strategies, hedging, outage, _ = found.values()
    for name, worlds, low in (("strategies", strategies, 0.0), ("hedging", hedging, 0.9)):
        figure, axes = pyplot.subplots(figsize=(7, 4))
        for label, world in worlds.items():
            ordered = sorted(1000 * took_s for _, took_s in world.took)
            shares = [index / len(ordered) for index in range(len(ordered))]
            step = max(1, len(ordered) // 2000)
            first = int(low * len(ordered))
            axes.plot(ordered[first::step], shares[first::step], label=label)
        axes.set(xscale="log", xlabel="first event after (ms)", ylabel="share of requests", title=name.capitalize())
        axes.legend()
        figure.tight_layout()
        figure.savefig(folder / f"{name}.svg", metadata={"Date": None})
        pyplot.close(figure)
    figure, axes = pyplot.subplots(figsize=(7, 4))
    for label in ("retries, no breaker", "retries, breaker"):
        load = outage[label].providers["a"].per_second
        axes.step(range(int(seconds)), [load[second] for second in range(int(seconds))], label=label)
    axes.set(xlabel="second", ylabel="requests at the target that is down", title="Outage")
    axes.legend()
    figure.tight_layout()
    figure.savefig(folder / "outage.svg", metadata={"Date": None})
    pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description="Simulate what routing does for a client.")
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--rate", type=float, default=1000.0)
    parser.add_argument("--plots", metavar="FOLDER")
    options = parser.parse_args()
    found = compare(options.seconds, options.rate)
    for title, worlds in found.items():
        print(f"\n{title}\n{HEADINGS}")
        for name, world in worlds.items():
            print(world.row(name))
    if options.plots:
        plot(found, Path(options.plots), options.seconds)


if __name__ == "__main__":
    main()
