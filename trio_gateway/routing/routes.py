"""From the model name a client writes to all that may serve it: a plan of stages, each a set of targets.

A model that a `[[routes]]` entry matches, by name or else by the first pattern, has the plan of that route; any other
goes to the channel that serves it, once.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from random import Random

import msgspec

from trio_gateway.routing.balance import Balance, balance
from trio_gateway.routing.hedge import HedgeBudget
from trio_gateway.routing.table import RoutingTable, Target, is_pattern
from trio_gateway.routing.targets import Targets, TargetState
from trio_gateway.routing_config import Refusal, RetryConfig, RouteConfig, RouteTimeouts, TargetConfig

REMEMBERED_MAX = 4096

_ONCE = RetryConfig(attempts=1)
_NO_TIMEOUTS = RouteTimeouts()


class Stage(msgspec.Struct, frozen=True):
    """Targets to try before the next stage's: a route's own, or one fallback. `name` is what a dry run calls it."""

    name: str
    states: tuple[TargetState, ...]
    weights: tuple[float, ...]
    balance: Balance
    retry: RetryConfig
    timeouts: RouteTimeouts
    sticky: bool = False


class Plan(msgspec.Struct, frozen=True):
    """What may serve one model name. `single`: one target, once, which needs no course at all.

    `route` is the configuration's, None for a model that goes straight to its channel.
    """

    stages: tuple[Stage, ...]
    route: RouteConfig | None = None
    fallback_on: frozenset[Refusal] = frozenset()
    budget: HedgeBudget | None = None
    single: TargetState | None = None

    @property
    def attempts_max(self) -> int:
        """The most attempts that can be made, hedges aside."""
        return sum(stage.retry.attempts for stage in self.stages)


class Route:
    """One `[[routes]]` entry, with the state of its strategy and of its hedge budget."""

    def __init__(self, config: RouteConfig, chance: Random) -> None:
        self.config = config
        self.balance = balance(config.strategy, chance)
        self.budget = HedgeBudget(config.hedge.budget) if config.hedge else None
        self._pattern = capturing(config.model)

    def captures(self, model: str) -> tuple[str, ...] | None:
        """Return what the pattern's * and ? stand for in `model`, None where it does not match."""
        match = self._pattern.fullmatch(model)
        return None if match is None else match.groups()

    def stage(self, targets: Targets, captured: Sequence[str]) -> Stage:
        config = self.config
        return Stage(
            name=config.model,
            states=tuple(targets.get(filled(target, captured), target) for target in config.targets),
            weights=tuple(target.weight for target in config.targets),
            balance=self.balance,
            retry=config.retry,
            timeouts=config.timeouts,
            sticky=config.sticky is not None,
        )


class Routes:
    """All routes, with the channels' own table behind them. Plans are made once for a model name."""

    def __init__(self, routes: Sequence[RouteConfig], table: RoutingTable, targets: Targets, chance: Random) -> None:
        self._table = table
        self._targets = targets
        self._chance = chance
        self._by_name = {config.model: Route(config, chance) for config in routes}
        self._patterns = [route for name, route in self._by_name.items() if is_pattern(name)]
        self._plans: dict[str, Plan] = {}

    def resolve(self, model: str) -> Plan:
        """Return the plan for `model`. Raises UnknownModel, which says which names would work."""
        plan = self._plans.get(model)
        if plan is None:
            plan = self._find(model)
            if len(self._plans) >= REMEMBERED_MAX:
                self._plans.clear()
            self._plans[model] = plan
        return plan

    def first_target(self, model: str) -> Target:
        """Return the target that stands first for `model`, whoever is asked in the end. Raises UnknownModel."""
        return self.resolve(model).stages[0].states[0].target

    def exact_names(self) -> list[str]:
        """Return the model names that routes spell out."""
        return [name for name in self._by_name if not is_pattern(name)]

    def _find(self, model: str) -> Plan:
        route = self._by_name.get(model)
        if route is not None and not is_pattern(model):
            return self._plan(route, ())
        for route in self._patterns:
            captured = route.captures(model)
            if captured is not None:
                return self._plan(route, captured)
        state = self._targets.get(self._table.resolve(model))
        stage = self._alone(model, state, 1.0, _ONCE, _NO_TIMEOUTS)
        return Plan(stages=(stage,), single=state)

    def _plan(self, route: Route, captured: Sequence[str]) -> Plan:
        config = route.config
        return Plan(
            stages=tuple(self._stages(route, captured)),
            route=config,
            fallback_on=frozenset(config.fallback_on),
            budget=route.budget,
        )

    def _stages(self, route: Route, captured: Sequence[str]) -> list[Stage]:
        """A route's own stage, then its fallbacks', theirs included. The configuration was checked for cycles."""
        config = route.config
        stages = [route.stage(self._targets, captured)]
        once = msgspec.structs.replace(config.retry, attempts=1)
        for fallback in config.fallback:
            if isinstance(fallback, str):
                stages += self._stages(self._by_name[fallback], ())
            else:
                state = self._targets.get(filled(fallback, captured), fallback)
                stages.append(self._alone(state.name, state, fallback.weight, once, config.timeouts))
        return stages

    def _alone(
        self, name: str, state: TargetState, weight: float, retry: RetryConfig, timeouts: RouteTimeouts
    ) -> Stage:
        return Stage(name, (state,), (weight,), balance("ordered", self._chance), retry, timeouts)


_PIECES = re.compile(r"(\*|\?|\[[^\]]+\])")
_GROUPS = {"*": "(.*)", "?": "(.)"}


def capturing(pattern: str) -> re.Pattern[str]:
    """Return a regular expression whose groups are what each * and ? of the pattern stands for."""
    return re.compile("".join(_GROUPS.get(piece) or _expression(piece) for piece in _PIECES.split(pattern)), re.DOTALL)


def _expression(piece: str) -> str:
    if not (piece.startswith("[") and piece.endswith("]")):
        return re.escape(piece)
    inner = piece[1:-1].replace("\\", "\\\\").replace("[", "\\[")
    return f"[^{inner[1:]}]" if inner.startswith("!") else f"[{inner}]"


def filled(target: TargetConfig, captured: Sequence[str]) -> Target:
    """Return the target with each * of its model's name in turn replaced by what was captured."""
    if "*" not in target.model:
        return Target(target.channel, target.model)
    pieces = target.model.split("*")
    name = pieces[0] + "".join(text + piece for text, piece in zip(captured, pieces[1:], strict=False))
    return Target(target.channel, name)
