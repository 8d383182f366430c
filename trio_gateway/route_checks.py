"""What can be wrong with routes, beyond what their shapes say: found when the configuration is read, all at once."""

from __future__ import annotations

from collections.abc import Container, Sequence

from trio_gateway.config_problems import Problems
from trio_gateway.routing_config import RouteConfig, TargetConfig

_STICKY = ("user", "prompt_cache_key")


def check_routes(routes: Sequence[RouteConfig], channels: Container[str], problems: Problems) -> None:
    """Add every problem of the routes to `problems`."""
    by_name = {route.model: route for route in routes}
    seen: set[str] = set()
    limited: dict[tuple[str, str], TargetConfig] = {}
    for index, route in enumerate(routes):
        at = f"routes[{index}]"
        if not route.model.strip():
            problems.add(f"{at}.model", "is empty; write a model's name or a pattern")
        if route.model in seen:
            problems.add(f"{at}.model", f"{route.model} has a route already")
        seen.add(route.model)
        if not route.targets:
            problems.add(f"{at}.targets", "must have at least one target")
        captured = sum(map(route.model.count, "*?"))
        for number, target in enumerate(route.targets):
            _check_target(target, captured, channels, limited, f"{at}.targets[{number}]", problems)
        for number, fallback in enumerate(route.fallback):
            where = f"{at}.fallback[{number}]"
            if isinstance(fallback, str):
                _check_route_name(fallback, by_name, where, problems)
            else:
                _check_target(fallback, captured, channels, limited, where, problems)
        if route.sticky is not None and not _is_sticky(route.sticky):
            problems.add(f"{at}.sticky", f"must be one of {', '.join(_STICKY)} or header:NAME")
        if (cycle := _cycle(route, by_name)) is not None:
            problems.add(f"{at}.fallback", f"leads back to the route itself: {' → '.join(cycle)}")


def _check_target(
    target: TargetConfig,
    captured: int,
    channels: Container[str],
    limited: dict[tuple[str, str], TargetConfig],
    at: str,
    problems: Problems,
) -> None:
    if target.channel not in channels:
        problems.add(f"{at}.channel", f"there is no channel {target.channel}")
    if not target.model:
        problems.add(f"{at}.model", "is empty; write the model's name at the provider")
    if target.model.count("*") > captured:
        problems.add(f"{at}.model", "has more * than the route's pattern captures")
    if target.max_concurrency is None:
        return
    first = limited.setdefault((target.channel, target.model), target)
    if (first.max_concurrency, first.queue_max, first.queue_wait_s) != (
        target.max_concurrency,
        target.queue_max,
        target.queue_wait_s,
    ):
        problems.add(f"{at}.max_concurrency", "differs from what another route says of this target")


def _check_route_name(name: str, by_name: dict[str, RouteConfig], at: str, problems: Problems) -> None:
    if name not in by_name:
        problems.add(at, f"there is no route {name}; a fallback is a target, or the name of a route")
    elif any(character in name for character in "*?["):
        problems.add(at, f"{name} is a pattern; a fallback names a route that is not")


def _is_sticky(sticky: str) -> bool:
    return sticky in _STICKY or (sticky.startswith("header:") and sticky.removeprefix("header:").strip().isascii()
                                 and bool(sticky.removeprefix("header:").strip()))  # fmt: skip


def _cycle(start: RouteConfig, by_name: dict[str, RouteConfig]) -> list[str] | None:
    """Return the way from a route over fallbacks back to itself, None where there is none."""
    ways = [[start.model]]
    visited: set[str] = set()
    while ways:
        way = ways.pop()
        for fallback in by_name[way[-1]].fallback:
            if not isinstance(fallback, str) or fallback not in by_name:
                continue
            if fallback == start.model:
                return [*way, fallback]
            if fallback not in visited:
                visited.add(fallback)
                ways.append([*way, fallback])
    return None
