import pytest

from trio_gateway.routing.keys import BENCH_MAX_S, BENCH_S, KeyRing, duration_s, limit_reset_s


def test_keys_take_turns() -> None:
    ring = KeyRing(3)
    assert [ring.pick(0.0) for _ in range(7)] == [0, 1, 2, 0, 1, 2, 0]


def test_a_refused_key_is_benched_and_the_others_go_on() -> None:
    ring = KeyRing(3)
    ring.refused(1, 0.0)
    assert [ring.pick(1.0) for _ in range(4)] == [0, 2, 0, 2]
    assert 1 not in {ring.pick(BENCH_S - 0.1) for _ in range(3)}
    assert {ring.pick(BENCH_S) for _ in range(3)} == {0, 1, 2}


def test_a_key_refused_again_is_benched_for_longer() -> None:
    ring = KeyRing(2)
    now_s, benches = 0.0, []
    for _ in range(9):
        ring.refused(0, now_s)
        benches.append(ring.back_s(0) - now_s)
        now_s = ring.back_s(0)
    assert benches[:3] == [BENCH_S, 2 * BENCH_S, 4 * BENCH_S]
    assert benches[-1] == BENCH_MAX_S
    ring.worked(0)
    ring.refused(0, now_s)
    assert ring.back_s(0) - now_s == BENCH_S


def test_requests_that_were_refused_together_count_as_one() -> None:
    ring = KeyRing(2)
    for _ in range(50):
        ring.refused(0, 1.0)
    assert ring.back_s(0) == 1.0 + BENCH_S


def test_a_key_at_its_rate_limit_rests_until_the_reset() -> None:
    ring = KeyRing(2)
    ring.limited(0, 10.0, 5.0)
    assert [ring.pick(12.0) for _ in range(2)] == [1, 1]
    assert {ring.pick(15.0) for _ in range(2)} == {0, 1}


def test_a_key_that_works_is_not_woken_before_its_limit_is_reset() -> None:
    ring = KeyRing(1)
    ring.limited(0, 0.0, 5.0)
    ring.worked(0)
    assert not ring.has_ready(4.0)


def test_where_all_rest_the_one_that_is_back_soonest_is_used() -> None:
    ring = KeyRing(3)
    for number, for_s in enumerate((30.0, 5.0, 20.0)):
        ring.limited(number, 0.0, for_s)
    assert not ring.has_ready(1.0)
    assert ring.pick(1.0) == 1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [(b"6m0s", 360), (b"20ms", 0.02), (b"1.5s", 1.5), (b"1h2m", 3720), (b"3", 3), (b"", None), (b"soon", None)],
)
def test_openais_durations(text: bytes, seconds: float | None) -> None:
    assert duration_s(text) == (pytest.approx(seconds) if seconds is not None else None)


def test_what_is_left_of_openais_limits() -> None:
    left = [(b"x-ratelimit-remaining-requests", b"7"), (b"x-ratelimit-remaining-tokens", b"90")]
    assert limit_reset_s(left) is None
    used_up = [
        (b"x-ratelimit-remaining-requests", b"0"),
        (b"x-ratelimit-reset-requests", b"1m0s"),
        (b"x-ratelimit-remaining-tokens", b"90"),
        (b"x-ratelimit-reset-tokens", b"9h"),
    ]
    assert limit_reset_s(used_up) == 60


def test_what_is_left_of_anthropics_limits() -> None:
    headers = [
        (b"date", b"Sun, 22 Nov 2026 10:00:00 GMT"),
        (b"anthropic-ratelimit-input-tokens-remaining", b"0"),
        (b"anthropic-ratelimit-input-tokens-reset", b"2026-11-22T10:00:42Z"),
        (b"anthropic-ratelimit-requests-remaining", b"0"),
        (b"anthropic-ratelimit-requests-reset", b"2026-11-22T10:00:12Z"),
    ]
    assert limit_reset_s(headers) == 42
    assert limit_reset_s(headers[1:]) is None, "without a Date nothing is known"
