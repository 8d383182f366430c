from __future__ import annotations

from typing import NoReturn

import pytest

from trio_gateway.routing.health import State
from trio_gateway.routing.keys import KeyRing
from trio_gateway.routing.table import Target
from trio_gateway.routing.targets import REMEMBERED_MAX, Standing, Targets, TargetState
from trio_gateway.routing_config import BreakerConfig, TargetConfig

QUICK = BreakerConfig(failures=1, cool_down_s=10.0, ramp_s=10.0)
HERE = Target("c", "m")


def undrawn() -> NoReturn:
    raise AssertionError("chance is asked only while a target is led back")


def opened(breaker: BreakerConfig = QUICK, **bounds: int) -> TargetState:
    return Targets(breaker, {"c": KeyRing(1)}).get(HERE, TargetConfig(channel="c", model="m", **bounds))


def trip(state: TargetState, now_s: float = 0.0) -> None:
    state.breaker.failed(state.breaker.admit(now_s), now_s, "it failed")


def test_a_target_nothing_is_known_of_is_ready() -> None:
    state = opened()
    assert state.standing(0.0, undrawn) is Standing.READY
    assert state.at_rest


def test_a_target_whose_breaker_is_open_rests_until_it_has_cooled() -> None:
    state = opened()
    trip(state)
    assert not state.at_rest
    assert state.standing(9.9, undrawn) is Standing.RESTING
    assert state.standing(10.0, undrawn) is Standing.READY
    state.breaker.admit(10.0)
    assert state.standing(10.0, undrawn) is Standing.RESTING, "one probe is enough"


def test_a_target_that_is_led_back_is_given_its_share() -> None:
    state = opened()
    trip(state)
    state.breaker.succeeded(state.breaker.admit(10.0), 10.0)
    assert state.breaker.state is State.RAMPING
    share = state.breaker.share(15.0)
    assert 0.1 < share < 1.0
    assert state.standing(15.0, lambda: share - 0.01) is Standing.READY
    assert state.standing(15.0, lambda: share) is Standing.RELUCTANT


def test_a_target_whose_keys_all_rest_comes_after_others() -> None:
    state = opened()
    state.keys.limited(0, 0.0, 5.0)
    assert state.standing(4.0, undrawn) is Standing.RELUCTANT
    assert state.standing(5.0, undrawn) is Standing.READY


def test_a_target_without_a_free_place_has_a_queue_until_that_is_full() -> None:
    state = opened(max_concurrency=1, queue_max=1)
    assert state.places is not None
    assert state.places.take()
    assert (state.standing(0.0, undrawn), state.at_rest) == (Standing.QUEUED, False)
    assert state.places.join("somebody")
    assert state.standing(0.0, undrawn) is Standing.FULL
    state.places.free()
    state.places.free()
    assert (state.standing(0.0, undrawn), state.at_rest) == (Standing.READY, True)


def test_a_target_is_one_whoever_asks_for_it_and_keeps_the_bounds_that_a_route_gave_it() -> None:
    targets = Targets(QUICK, {"c": KeyRing(1)})
    plain = targets.get(HERE)
    assert plain.places is None
    bound = targets.get(HERE, TargetConfig(channel="c", model="m", max_concurrency=2, queue_max=0, queue_wait_s=1.0))
    assert bound is plain
    assert plain.places is not None
    places = plain.places
    assert targets.get(HERE, TargetConfig(channel="c", model="m", max_concurrency=2)).places is places
    assert plain.queue_wait_s == 1.0


def test_targets_of_a_channel_share_its_keys() -> None:
    ring = KeyRing(2)
    targets = Targets(QUICK, {"c": ring})
    assert targets.get(HERE).keys is targets.get(Target("c", "other")).keys is ring


def test_the_memory_is_bounded_and_only_targets_at_rest_are_forgotten() -> None:
    targets = Targets(QUICK, {"c": KeyRing(1)})
    busy, failing = targets.get(HERE), targets.get(Target("c", "failing"))
    busy.in_flight = 1
    trip(failing)
    for number in range(REMEMBERED_MAX * 2):
        targets.get(Target("c", f"invented-{number}"))
    assert len(list(targets)) <= REMEMBERED_MAX
    assert targets.get(HERE) is busy
    assert targets.get(Target("c", "failing")) is failing


def test_a_new_configuration_takes_over_what_is_known_of_the_channels_that_remain() -> None:
    old = Targets(QUICK, {"c": KeyRing(1), "gone": KeyRing(1)})
    trip(old.get(HERE))
    old.get(HERE).times.observe(2.0, 0.0)
    old.get(Target("gone", "m"))
    fresh = Targets(QUICK, {"c": KeyRing(1)})
    fresh.inherit(old)
    assert [state.name for state in fresh] == ["c/m"]
    assert fresh.get(HERE).standing(0.0, undrawn) is Standing.RESTING
    assert fresh.get(HERE).times.expected_s(0.0) == pytest.approx(2.0)


def test_another_way_to_judge_health_judges_anew() -> None:
    old = Targets(QUICK, {"c": KeyRing(1)})
    trip(old.get(HERE))
    fresh = Targets(BreakerConfig(failures=2), {"c": KeyRing(1)})
    fresh.inherit(old)
    assert fresh.get(HERE).standing(0.0, undrawn) is Standing.READY
