from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trio_gateway.errors import GatewayError, InvalidRequest, UpstreamBroke, UpstreamError, UpstreamUnreachable
from trio_gateway.routing.course import Course, sticky_reader
from trio_gateway.routing.retry import Verdict

Make = Callable[..., Any]

REFUSED = UpstreamUnreachable("refused")
BAD = UpstreamError("no such parameter", status=400)


def walk(world: Any, error: GatewayError | Callable[[str], GatewayError], model: str = "r", key: str | None = None,
         now_s: float = 0.0) -> list[tuple[str, float]]:  # fmt: skip
    """Let every attempt fail; return the targets with how long each was waited for."""
    course = Course(world.routes.resolve(model), world.chance, key)
    tried: list[tuple[str, float]] = []
    while (attempt := course.next(now_s)) is not None:
        now_s += attempt.after_s
        tried.append((attempt.state.target.channel, attempt.after_s))
        course.failed(attempt, error if isinstance(error, GatewayError) else error(tried[-1][0]), now_s)
    return tried


def order(tried: list[tuple[str, float]]) -> str:
    return "".join(channel for channel, _ in tried)


def open_breaker(world: Any, channel: str, now_s: float = 0.0, model: str = "m") -> Any:
    state = next(state for state in world.targets if state.target.channel == channel and state.target.model == model)
    while state.breaker.would_admit(now_s):
        state.breaker.failed(state.breaker.admit(now_s), now_s, "it failed")
    return state


def test_targets_not_tried_yet_come_first_and_at_once(world: Make, make_route: Make) -> None:
    tried = walk(world(make_route(targets=["a", "b"], strategy="ordered")), REFUSED)
    assert order(tried) == "aba"
    assert [waited for _, waited in tried][:2] == [0, 0]
    assert 0.125 <= tried[2][1] <= 0.25


def test_backoffs_grow(world: Make, make_route: Make) -> None:
    tried = walk(world(make_route(targets=["a"], retry={"attempts": 5, "backoff_s": 1, "backoff_max_s": 4})), REFUSED)
    assert order(tried) == "aaaaa"
    for (_, waited_s), full_s in zip(tried, [0, 1, 2, 4, 4], strict=True):
        assert full_s / 2 <= waited_s <= full_s


def test_fallbacks_come_when_the_attempts_are_used_up(world: Make, make_route: Make, make_target: Make) -> None:
    routes = [
        make_route(targets=["a", "b"], strategy="ordered", fallback=[make_target("c"), "small"]),
        make_route("small", ["d"], retry={"attempts": 2}),
    ]
    assert order(walk(world(*routes), REFUSED)) == "abacdd"


def test_the_clients_own_fault_is_not_tried_elsewhere(world: Make, make_route: Make, make_target: Make) -> None:
    assert order(walk(world(make_route(strategy="ordered", fallback=[make_target("c")])), BAD)) == "a"


def test_a_target_that_cannot_carry_a_request_is_passed_over(world: Make, make_route: Make) -> None:
    assert order(walk(world(make_route(strategy="ordered")), InvalidRequest("no tools"))) == "ab"


def test_a_long_retry_after_is_not_waited_for(world: Make, make_route: Make, make_target: Make) -> None:
    limited = UpstreamError("slow down", status=429, retry_after_s=60)
    assert order(walk(world(make_route(targets=["a"], fallback=[make_target("c")])), limited)) == "ac"


def test_a_short_retry_after_is_obeyed(world: Make, make_route: Make) -> None:
    limited = UpstreamError("slow down", status=429, retry_after_s=3)
    assert walk(world(make_route(targets=["a"], retry={"attempts": 2})), limited) == [("a", 0), ("a", 3)]


def test_a_prompt_that_is_too_long_falls_back_where_asked_for(world: Make, make_route: Make) -> None:
    long = UpstreamError("too long", status=400, code="context_length_exceeded")
    assert order(walk(world(make_route(strategy="ordered")), long)) == "a"
    asked = make_route(strategy="ordered", fallback_on=["context_length"])
    assert order(walk(world(asked), long)) == "ab"


def test_a_resting_target_is_left_out_and_told_of(world: Make, make_route: Make) -> None:
    made = world(make_route(strategy="ordered"))
    made.routes.resolve("r")
    open_breaker(made, "a")
    course = Course(made.routes.resolve("r"), made.chance)
    assert course.next(1.0).state.name == "b/m"
    ((state, error),) = course.skipped
    assert (state.name, error.status, error.retry_after_s) == ("a/m", 503, 9.0)
    assert "it failed" in error.message


def test_where_all_rest_nothing_is_tried(world: Make, make_route: Make) -> None:
    made = world(make_route(strategy="ordered"))
    made.routes.resolve("r")
    for channel in "ab":
        open_breaker(made, channel)
    course = Course(made.routes.resolve("r"), made.chance)
    assert course.next(0.0) is None
    assert [error.status for _, error in course.skipped] == [503, 503]


def test_a_target_whose_breaker_opens_meanwhile_is_not_tried_again(world: Make, make_route: Make) -> None:
    made = world(make_route(strategy="ordered"), failures=1)
    course = Course(made.routes.resolve("r"), made.chance)
    tried = ""
    while (attempt := course.next(0.0)) is not None:
        tried += attempt.state.target.channel
        attempt.state.breaker.failed(attempt.state.breaker.admit(0.0), 0.0, "refused")
        course.failed(attempt, REFUSED, 0.0)
    assert tried == "ab"


def test_a_target_whose_keys_all_rest_comes_last(world: Make, make_route: Make) -> None:
    made = world(make_route(strategy="ordered"))
    made.keys["a"].limited(0, 0.0, 30.0)
    assert order(walk(made, BAD)) == "b"
    assert order(walk(made, REFUSED)) == "bab"


def test_a_target_without_a_free_place_comes_after_those_with_one(
    world: Make, make_route: Make, make_target: Make
) -> None:
    made = world(make_route(targets=[make_target("a", max_concurrency=1, queue_max=1), "b"], strategy="ordered"))
    state = made.routes.resolve("r").stages[0].states[0]
    state.places.take()
    assert order(walk(made, BAD)) == "b"
    assert order(walk(made, REFUSED)) == "bab", "it may wait for one all the same"
    state.places.join("somebody")
    assert order(walk(made, REFUSED)) == "bbb", "and not where nobody may"


def test_a_target_that_is_led_back_gets_a_part_of_its_turns(world: Make, make_route: Make) -> None:
    made = world(make_route(strategy="ordered"))
    made.routes.resolve("r")
    breaker = open_breaker(made, "a").breaker
    breaker.succeeded(breaker.admit(10.0), 10.0)
    picked = Counter(order(walk(made, BAD, now_s=15.0)) for _ in range(200))
    assert 60 < picked["a"] < 140
    assert picked["a"] + picked["b"] == 200


def test_one_key_goes_to_one_target_and_to_the_next_where_that_one_rests(world: Make, make_route: Make) -> None:
    made = world(make_route(targets=["a", "b", "c"], sticky="user"))
    first = {order(walk(made, BAD, key="user-7")) for _ in range(10)}
    assert len(first) == 1
    open_breaker(made, first.pop())
    second = {order(walk(made, BAD, key="user-7")) for _ in range(10)}
    assert len(second) == 1
    assert len({order(walk(made, BAD, key=f"user-{index}")) for index in range(50)}) == 2, "both that are left"


def test_without_a_key_a_sticky_route_balances(world: Make, make_route: Make) -> None:
    made = world(make_route(targets=["a", "b"], sticky="user"))
    assert Counter(order(walk(made, BAD)) for _ in range(10)) == {"a": 5, "b": 5}


def test_beside_a_slow_target_the_next_one_not_tried_is_started(
    world: Make, make_route: Make, make_target: Make
) -> None:
    made = world(make_route(targets=["a", "b"], strategy="ordered", fallback=[make_target("c"), make_target("a")]))
    course = Course(made.routes.resolve("r"), made.chance)
    running = [course.next(0.0).state]
    for expected in "bc":
        beside = course.beside(0.0, running)
        assert beside.state.target.channel == expected
        running.append(beside.state)
    assert course.beside(0.0, running) is None, "a runs already"


@pytest.mark.parametrize("reason", ["resting", "full"])
def test_nothing_is_started_beside_on_a_target_that_rests_or_is_full(
    world: Make, make_route: Make, make_target: Make, reason: str
) -> None:
    made = world(make_route(targets=["a", make_target("b", max_concurrency=1)], strategy="ordered"))
    course = Course(made.routes.resolve("r"), made.chance)
    running = [course.next(0.0).state]
    if reason == "full":
        made.routes.resolve("r").stages[0].states[1].places.take()
    else:
        open_breaker(made, "b")
    assert course.beside(0.0, running) is None


ERRORS = [
    REFUSED,
    UpstreamBroke("cut"),
    BAD,
    UpstreamError("auth", status=401),
    UpstreamError("slow down", status=429, retry_after_s=60),
    UpstreamError("slow down", status=429, retry_after_s=1),
    UpstreamError("bug", status=500),
]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_attempts_never_exceed_their_budget_and_the_clients_fault_ends_them(
    world: Make, make_route: Make, make_target: Make, data: st.DataObject
) -> None:
    strategy = st.sampled_from(["weighted", "ordered", "least_busy", "lowest_latency"])
    channels = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=4, unique=True)
    attempts = st.integers(1, 6)
    made = world(
        make_route(
            targets=data.draw(channels),
            strategy=data.draw(strategy),
            retry={"attempts": data.draw(attempts)},
            fallback=[*map(make_target, data.draw(channels)), "next"],
        ),
        make_route("next", data.draw(channels), retry={"attempts": data.draw(attempts)}),
        failures=data.draw(st.integers(1, 4)),
    )
    plan = made.routes.resolve("r")
    course, now_s, count, stopped = Course(plan, made.chance), 0.0, 0, False
    while (attempt := course.next(now_s)) is not None:
        assert not stopped
        now_s += attempt.after_s
        assert attempt.after_s <= attempt.stage.retry.backoff_max_s
        assert attempt.state.breaker.would_admit(now_s)
        count += 1
        error = data.draw(st.sampled_from(ERRORS))
        attempt.state.breaker.failed(attempt.state.breaker.admit(now_s), now_s, "failed")
        stopped = course.failed(attempt, error, now_s) is Verdict.STOP
    assert count <= plan.attempts_max


@pytest.mark.parametrize(
    ("sticky", "body", "headers", "key"),
    [
        ("user", b'{"user":"u1"}', {}, "u1"),
        ("user", b'{"metadata":{"user_id":"u2"}}', {}, "u2"),
        ("user", b'{"user":null}', {}, None),
        ("user", b'{"user":7}', {}, None),
        ("user", b"[", {}, None),
        ("prompt_cache_key", b'{"prompt_cache_key":"p","user":"u"}', {}, "p"),
        ("header:X-Session-Id", b"", {b"x-session-id": b"s1"}, "s1"),
        ("header:X-Session-Id", b"", {}, None),
    ],
)
def test_what_requests_are_kept_together_by(sticky: str, body: bytes, headers: dict[bytes, bytes], key: Any) -> None:
    assert sticky_reader(sticky)(body, headers) == key
