from pathlib import Path
from typing import Any

import pytest

from trio_gateway.config import validate
from trio_gateway.errors import ConfigError

CHANNELS = {name: {"provider": "ollama"} for name in ("a", "b")}
A, B = {"channel": "a", "model": "m"}, {"channel": "b", "model": "m"}


def problems_of(*routes: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        validate({"channels": CHANNELS, "routes": list(routes)}, {}, "test", Path())
    return [line.removeprefix("test: ") for line in caught.value.problems]


def test_a_whole_route_is_read() -> None:
    route = {
        "model": "gpt-*",
        "strategy": "lowest_latency",
        "targets": [{**A, "model": "x-*", "weight": 3, "max_concurrency": 9}, B],
        "fallback": [B, "small"],
        "fallback_on": ["context_length", "content_policy"],
        "retry": {"attempts": 2, "on": ["connect", 500]},
        "hedge": {"after_s": "p95", "max": 2, "budget": 0.1},
        "timeouts": {"first_event_s": 20},
        "sticky": "header:x-session-id",
        "coalesce": True,
    }
    config = validate({"channels": CHANNELS, "routes": [route, {"model": "small", "targets": [A]}]}, {}, "t", Path())
    first, small = config.routes
    assert first.fallback[1] == "small"
    assert first.targets[0].weight == 3
    assert first.timeouts.over(config.timeouts).first_event_s == 20
    assert small.retry.attempts == 3


@pytest.mark.parametrize(
    ("route", "told"),
    [
        ({"targets": []}, "routes[0].targets: must have at least one target"),
        ({"targets": [{**A, "channel": "x"}]}, "routes[0].targets[0].channel: there is no channel x"),
        ({"targets": [{**A, "model": ""}]}, "routes[0].targets[0].model: is empty"),
        ({"targets": [{**A, "model": "x-*"}]}, "routes[0].targets[0].model: has more * than the route's pattern"),
        ({"targets": [{"channel": "a"}]}, "routes[0].targets[0].model: is required"),
        ({"targets": [{**A, "wait": 1}]}, "routes[0].targets[0].wait: is unknown"),
        ({"fallback": ["nobody"]}, "routes[0].fallback[0]: there is no route nobody"),
        ({"fallback": [5]}, "routes[0].fallback[0]: must be a table or a text"),
        ({"sticky": "cookie"}, "routes[0].sticky: must be one of user, prompt_cache_key or header:NAME"),
        ({"sticky": "header: "}, "routes[0].sticky: must be one of"),
        ({"strategy": "random"}, "routes[0].strategy: must be one of weighted"),
        ({"retry": {"on": ["sometimes"]}}, "routes[0].retry.on: must be a list"),
        ({"hedge": {"max": 1}}, "routes[0].hedge.after_s: is required"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(route: dict[str, Any], told: str) -> None:
    (problem,) = problems_of({"model": "r", "targets": [A], **route})
    assert problem.startswith(told)


def test_fallbacks_that_go_round_are_found() -> None:
    told = problems_of(
        {"model": "one", "targets": [A], "fallback": ["two"]},
        {"model": "two", "targets": [A], "fallback": [B, "three"]},
        {"model": "three", "targets": [A], "fallback": ["one"]},
        {"model": "self", "targets": [A], "fallback": ["self"]},
        {"model": "outside", "targets": [A], "fallback": ["one"]},
    )
    assert told[0] == "routes[0].fallback: leads back to the route itself: one → two → three → one"
    assert [line.split(".")[0] for line in told] == ["routes[0]", "routes[1]", "routes[2]", "routes[3]"]


def test_one_name_has_one_route() -> None:
    (told,) = problems_of({"model": "r", "targets": [A]}, {"model": "r", "targets": [B]})
    assert told == "routes[1].model: r has a route already"


def test_a_fallback_names_no_pattern() -> None:
    (told,) = problems_of({"model": "r", "targets": [A], "fallback": ["p-*"]}, {"model": "p-*", "targets": [B]})
    assert "is a pattern" in told


def test_a_target_has_one_limit_wherever_it_is_named() -> None:
    limited = {**A, "max_concurrency": 2}
    (told,) = problems_of(
        {"model": "r", "targets": [limited]}, {"model": "s", "targets": [A], "fallback": [{**A, "max_concurrency": 3}]}
    )
    assert told.startswith("routes[1].fallback[0].max_concurrency: differs")


def test_several_keys_go_in_the_place_of_one() -> None:
    channels = {"a": {"provider": "openai", "api_keys": ["k1", "k2"]}}
    config = validate({"channels": channels}, {}, "test", Path())
    assert [key.reveal() for key in config.channels["a"].keys] == ["k1", "k2"]
    channels["a"]["api_key"] = "k3"
    with pytest.raises(ConfigError, match="one of the two"):
        validate({"channels": channels}, {}, "test", Path())
