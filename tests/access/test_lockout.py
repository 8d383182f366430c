import pytest

from trio_gateway.access import lockout
from trio_gateway.access.lockout import Lockout
from trio_gateway.config import AuthConfig

ADDRESS = "203.0.113.9"


def failing(count: int, address: str = ADDRESS, start_s: float = 0.0, step_s: float = 1.0) -> Lockout:
    state = Lockout(AuthConfig())
    for index in range(count):
        state.failed(address, start_s + index * step_s)
    return state


def test_nine_failures_do_not_lock_out_and_the_tenth_does_for_five_minutes() -> None:
    assert failing(9).remaining_s(ADDRESS, 9) == 0
    state = failing(10)
    assert state.remaining_s(ADDRESS, 9) == 300
    assert state.remaining_s(ADDRESS, 308) == 1
    assert state.remaining_s(ADDRESS, 309) == 0


def test_failures_count_within_a_minute_only() -> None:
    assert failing(10, step_s=60 / 9).remaining_s(ADDRESS, 60) > 0
    assert failing(10, step_s=61 / 9).remaining_s(ADDRESS, 61) == 0


def test_other_addresses_are_not_touched() -> None:
    assert failing(10).remaining_s("203.0.113.10", 10) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_exempt(address: str) -> None:
    assert failing(50, address).remaining_s(address, 10) == 0


def test_a_client_without_an_address_is_exempt() -> None:
    state = Lockout(AuthConfig())
    for _ in range(50):
        state.failed(None, 0)
    assert state.remaining_s(None, 0) == 0


def test_an_ipv6_address_counts_by_its_network() -> None:
    state = Lockout(AuthConfig())
    for index in range(10):
        state.failed(f"2001:db8::{index}", 0)
    assert state.remaining_s("2001:db8::ffff", 1) > 0
    assert state.remaining_s("2001:db8:1::1", 1) == 0


def test_a_mapped_address_is_the_address_it_maps() -> None:
    assert failing(10, f"::ffff:{ADDRESS}").remaining_s(ADDRESS, 10) > 0


def test_the_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockout, "ADDRESSES_MAX", 3)
    state = failing(10)
    for last in range(1, 4):
        state.failed(f"198.51.100.{last}", 20)
    assert state.remaining_s(ADDRESS, 20) == 0
