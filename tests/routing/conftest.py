"""Routes, targets and plans from a few words, without a network or a clock."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import msgspec
import pytest

from trio_gateway.config import ChannelConfig
from trio_gateway.routing.keys import KeyRing
from trio_gateway.routing.routes import Routes
from trio_gateway.routing.table import RoutingTable
from trio_gateway.routing.targets import Targets
from trio_gateway.routing_config import BreakerConfig, RouteConfig


class World(msgspec.Struct, frozen=True):
    """What a router knows. Every channel is an Ollama that serves the models of its own name."""

    targets: Targets
    routes: Routes
    keys: dict[str, KeyRing]
    chance: Random


def target(name: str, **members: Any) -> dict[str, Any]:
    channel, _, model = name.partition("/")
    return {"channel": channel, "model": model or "m", **members}


def route(model: str = "r", targets: Sequence[Any] = ("a", "b"), **members: Any) -> RouteConfig:
    """`targets` and `fallback` are names of channels, `channel/model`, or whole tables."""
    document = {"model": model, "targets": [target(t) if isinstance(t, str) else t for t in targets], **members}
    return msgspec.convert(document, RouteConfig)


def build_world(*routes: RouteConfig, **breaker: Any) -> World:
    channels = {name: ChannelConfig(provider="ollama", models=[f"{name}-*"]) for name in "abcdefgh"}
    keys = {name: KeyRing(1) for name in channels}
    targets = Targets(BreakerConfig(**breaker), keys)
    chance = Random(1)
    return World(targets, Routes(routes, RoutingTable(channels), targets, chance), keys, chance)


@pytest.fixture
def world() -> Callable[..., World]:
    return build_world


@pytest.fixture
def make_route() -> Callable[..., RouteConfig]:
    return route


@pytest.fixture
def make_target() -> Callable[..., dict[str, Any]]:
    return target
