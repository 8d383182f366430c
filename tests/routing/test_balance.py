from collections import Counter
from itertools import pairwise
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.routing.balance import LeastBusy, Load, LowestLatency, Ordered, Weighted, balance, rendezvous

weights = st.lists(st.integers(1, 9), min_size=1, max_size=6)


def loads(*weights: float) -> list[Load]:
    return [Load(number, weight) for number, weight in enumerate(weights)]


def test_weighted_is_smooth() -> None:
    weighted = Weighted()
    assert "".join("ABC"[weighted.order(loads(5, 1, 1))[0]] for _ in range(7)) == "AABACAA"


@given(weights)
def test_weighted_is_exact_over_every_round(weights: list[int]) -> None:
    weighted = Weighted()
    for _ in range(2):
        picked = Counter(weighted.order(loads(*weights))[0] for _ in range(sum(weights)))
        assert picked == Counter(dict(enumerate(weights)))


@given(weights, st.sampled_from(["weighted", "ordered", "least_busy", "lowest_latency"]), st.integers())
def test_every_strategy_orders_all_that_can_be_asked(weights: list[int], strategy: str, seed: int) -> None:
    chosen = balance(strategy, Random(seed))  # type: ignore[arg-type]  # a sampled literal
    for subset in (loads(*weights), loads(*weights)[1:], []):
        assert sorted(chosen.order(subset)) == [load.number for load in subset]


def test_a_target_that_is_led_back_gets_its_share() -> None:
    weighted = Weighted()
    picked = Counter(weighted.order(loads(1, 0.1))[0] for _ in range(110))
    assert picked[1] == 10


def test_ordered_is_as_written() -> None:
    assert Ordered().order(loads(1, 9)) == [0, 1]


def test_least_busy_goes_by_requests_in_flight_for_the_weight() -> None:
    busy = [Load(0, 1, in_flight=2), Load(1, 1, in_flight=0), Load(2, 4, in_flight=5)]
    assert LeastBusy().order(busy) == [1, 2, 0]


def test_least_busy_takes_turns_among_equals() -> None:
    least = LeastBusy()
    assert Counter(least.order(loads(1, 1, 1))[0] for _ in range(9)) == {0: 3, 1: 3, 2: 3}


def test_lowest_latency_takes_the_better_of_two_and_never_the_worst() -> None:
    strategy = LowestLatency(Random(7))
    slow = [Load(0, 1, expected_s=0.1), Load(1, 1, expected_s=0.2), Load(2, 1, expected_s=9.0)]
    picked = Counter(strategy.order(slow)[0] for _ in range(300))
    assert picked[2] == 0
    assert picked[0] > picked[1] > 50, "not everybody goes to the best one"


def test_lowest_latency_counts_what_is_in_flight() -> None:
    strategy = LowestLatency(Random(7))
    assert strategy.order([Load(0, 1, in_flight=9, expected_s=0.1), Load(1, 1, expected_s=0.5)])[0] == 1


def test_a_key_has_one_preference_wherever_it_is_asked() -> None:
    names = ["a/m", "b/m", "c/m"]
    assert rendezvous("user-1", names, [1, 1, 1]) == rendezvous("user-1", names, [1, 1, 1])
    turned = rendezvous("user-1", names[::-1], [1, 1, 1])
    assert [names[::-1][number] for number in turned] == [
        names[number] for number in rendezvous("user-1", names, [1, 1, 1])
    ]


def test_where_a_target_goes_only_its_own_keys_move() -> None:
    names = ["a", "b", "c", "d"]
    for index in range(200):
        before = [names[number] for number in rendezvous(f"k{index}", names, [1] * 4)]
        after = [names[number] for number in rendezvous(f"k{index}", names[:3], [1] * 3)]
        assert after == [name for name in before if name != "d"]


@pytest.mark.parametrize("weights", [(1, 1, 1), (3, 1, 1)])
def test_keys_spread_by_weight(weights: tuple[float, ...]) -> None:
    names = ["a", "b", "c"]
    picked = Counter(rendezvous(f"key-{index}", names, weights)[0] for index in range(3000))
    for number, weight in enumerate(weights):
        assert picked[number] == pytest.approx(3000 * weight / sum(weights), rel=0.15)


def test_any_text_is_a_key() -> None:
    assert all(rendezvous("\ud800ü", ["a"], [1]) == [0] for _ in pairwise(range(3)))
