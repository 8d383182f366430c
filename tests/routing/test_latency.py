import pytest

from trio_gateway.routing.latency import RECENT, TAU_S, FirstEventTimes


def test_a_slow_answer_is_believed_at_once_and_forgotten_slowly() -> None:
    times = FirstEventTimes()
    times.observe(0.1, 0.0)
    times.observe(5.0, 1.0)
    assert times.expected_s(1.0) == 5.0
    times.observe(0.1, 2.0)
    assert 4.0 < times.expected_s(2.0) < 5.0
    for second in range(3, 60):
        times.observe(0.1, second)
    assert times.expected_s(60) == pytest.approx(0.1, abs=0.05)


def test_a_target_that_is_not_asked_becomes_attractive_again() -> None:
    times = FirstEventTimes()
    times.observe(5.0, 0.0)
    assert times.expected_s(10 * TAU_S) < 0.001


def test_a_target_nobody_knows_is_expected_to_be_fast() -> None:
    assert FirstEventTimes().expected_s(100.0) == 0.0


def test_percentiles_are_of_the_recent_times_alone() -> None:
    times = FirstEventTimes()
    for _ in range(50):
        times.observe(100.0, 0.0)
    for index in range(RECENT):
        times.observe(float(index), 1.0)
    assert times.percentile_s(0.5) == RECENT / 2 - 1
    assert times.percentile_s(0.99) == RECENT - 2
    assert times.percentile_s(1.0) == RECENT - 1
