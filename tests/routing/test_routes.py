from collections.abc import Callable
from typing import Any

import pytest

from trio_gateway.errors import UnknownModel
from trio_gateway.routing.routes import capturing
from trio_gateway.routing.table import Target

Make = Callable[..., Any]


def names(plan: Any) -> list[list[str]]:
    return [[state.name for state in stage.states] for stage in plan.stages]


def test_a_model_without_a_route_goes_to_its_channel_once(world: Make) -> None:
    plan = world().routes.resolve("a-model")
    assert names(plan) == [["a/a-model"]]
    assert plan.single.target == Target("a", "a-model")
    assert plan.attempts_max == 1
    assert plan.route is None


def test_a_route_has_its_targets_and_then_its_fallbacks(world: Make, make_route: Make, make_target: Make) -> None:
    routes = world(
        make_route("fast", ["a", "b"], fallback=[make_target("c/x"), "small"]),
        make_route("small", ["d"], fallback=["last"]),
        make_route("last", ["e"], retry={"attempts": 5}),
    ).routes
    plan = routes.resolve("fast")
    assert names(plan) == [["a/m", "b/m"], ["c/x"], ["d/m"], ["e/m"]]
    assert plan.attempts_max == 3 + 1 + 3 + 5
    assert plan.single is None
    assert routes.resolve("fast") is plan


def test_a_pattern_captures_what_its_targets_ask_for(world: Make, make_route: Make) -> None:
    routes = world(make_route("gpt-*-v?", ["a/x-*", "b/*:*", "c/fixed"])).routes
    assert names(routes.resolve("gpt-5-mini-v2")) == [["a/x-5-mini", "b/5-mini:2", "c/fixed"]]


def test_a_name_goes_before_a_pattern_and_the_first_pattern_before_the_next(world: Make, make_route: Make) -> None:
    routes = world(make_route("m-*", ["a"]), make_route("m-x*", ["b"]), make_route("m-xy", ["c"])).routes
    assert [names(routes.resolve(model))[0][0] for model in ("m-xy", "m-xz", "m-q")] == ["c/m", "a/m", "a/m"]


def test_routes_go_before_channels(world: Make, make_route: Make) -> None:
    assert names(world(make_route("a-*", ["b"])).routes.resolve("a-1")) == [["b/m"]]


def test_one_target_has_one_state_in_all_routes(world: Make, make_route: Make) -> None:
    made = world(make_route("x", ["a/m"]), make_route("y", ["b", "a/m"]))
    assert made.routes.resolve("x").stages[0].states[0] is made.routes.resolve("y").stages[0].states[1]


def test_a_route_named_like_nothing_is_unknown(world: Make, make_route: Make) -> None:
    with pytest.raises(UnknownModel):
        world(make_route("x", ["a"])).routes.resolve("nobody")


def test_limits_hold_for_the_target_whoever_names_it(world: Make, make_route: Make, make_target: Make) -> None:
    made = world(make_route("x", [make_target("a/a-1", max_concurrency=2, queue_max=3, queue_wait_s=4)]))
    direct = made.routes.resolve("a-1").single
    assert direct.places is None, "nobody has asked for the route yet"
    made.routes.resolve("x")
    assert (direct.places.has_room, direct.queue_wait_s) == (True, 4)


@pytest.mark.parametrize(
    ("pattern", "name", "captured"),
    [
        ("gpt-*", "gpt-5", ("5",)),
        ("*", "", ("",)),
        ("a?c", "abc", ("b",)),
        ("a[0-9]b*", "a7bx", ("x",)),
        ("a[!0-9]", "ax", ()),
        ("a[!0-9]", "a1", None),
        ("a.b", "axb", None),
        ("a+", "a+", ()),
    ],
)
def test_patterns_match_as_channels_do_and_capture(pattern: str, name: str, captured: Any) -> None:
    match = capturing(pattern).fullmatch(name)
    assert (None if match is None else match.groups()) == captured
