import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from trio_gateway.routing.health import MOVES, RAMP_FROM, REFUSED, Breaker, Event, State
from trio_gateway.routing_config import BreakerConfig

CONFIG = BreakerConfig(
    failures=3, window_s=30, failure_share=0.5, requests_min=10, cool_down_s=10, cool_down_max_s=40, ramp_s=10
)


def fail(breaker: Breaker, now_s: float, times: int = 1, retry_after_s: float | None = None) -> None:
    for _ in range(times):
        breaker.failed(breaker.admit(now_s), now_s, "it failed", retry_after_s)


def opened(now_s: float = 0.0) -> Breaker:
    breaker = Breaker(CONFIG)
    fail(breaker, now_s, 3)
    assert breaker.state is State.OPEN
    return breaker


def ramping(now_s: float) -> Breaker:
    breaker = opened(now_s - 10)
    breaker.succeeded(breaker.admit(now_s), now_s)
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = Breaker(CONFIG)
    fail(breaker, 0.0, 2)
    assert breaker.admit(0.0) != REFUSED
    fail(breaker, 0.0)
    assert breaker.admit(0.0) == REFUSED
    assert breaker.reason == "it failed"


def test_a_success_between_failures_starts_the_count_anew() -> None:
    breaker = Breaker(CONFIG)
    for now_s in range(4):
        fail(breaker, now_s * 10, 2)
        breaker.succeeded(breaker.admit(now_s * 10), now_s * 10)
    assert breaker.state is State.CLOSED


def test_a_share_of_the_windows_requests_opens_it() -> None:
    breaker = Breaker(CONFIG)
    for index in range(9):
        breaker.succeeded(breaker.admit(index), index) if index % 2 else fail(breaker, index)
    assert breaker.state is State.CLOSED, "too few requests to judge by"
    fail(breaker, 9.0)
    assert breaker.state is State.OPEN


def test_what_is_older_than_the_window_does_not_count() -> None:
    breaker = Breaker(CONFIG)
    for index in range(9):
        breaker.succeeded(breaker.admit(index), index) if index % 2 else fail(breaker, index)
    fail(breaker, 100.0)
    assert breaker.state is State.CLOSED


def test_it_stays_open_for_the_cool_down_and_then_lets_one_probe_through() -> None:
    breaker = opened(0.0)
    assert breaker.admit(9.9) == REFUSED
    assert breaker.retry_after_s(4.0) == 6.0
    probe = breaker.admit(10.0)
    assert probe != REFUSED
    assert breaker.state is State.HALF_OPEN
    assert breaker.admit(10.0) == REFUSED
    assert breaker.admit(1000.0) == REFUSED


def test_retry_after_lengthens_the_cool_down_and_never_shortens_it() -> None:
    longer, shorter = Breaker(CONFIG), Breaker(CONFIG)
    fail(longer, 0.0, 3, retry_after_s=25)
    fail(shorter, 0.0, 3, retry_after_s=1)
    assert longer.admit(24.9) == REFUSED
    assert longer.admit(25.0) != REFUSED
    assert shorter.admit(9.9) == REFUSED


def test_a_provider_cannot_close_itself_for_days() -> None:
    breaker = Breaker(CONFIG)
    fail(breaker, 0.0, 3, retry_after_s=1e9)
    assert breaker.admit(3600.0) != REFUSED


def test_each_failed_probe_doubles_the_cool_down_up_to_its_bound() -> None:
    breaker = opened(0.0)
    now_s, waits = 0.0, []
    for _ in range(4):
        waited_s = breaker.retry_after_s(now_s)
        waits.append(waited_s)
        now_s += waited_s
        fail(breaker, now_s)
    assert waits == [10, 20, 40, 40]


def test_a_probe_that_is_cancelled_gives_its_turn_to_the_next() -> None:
    breaker = opened(0.0)
    breaker.abandoned(breaker.admit(10.0))
    assert breaker.state is State.OPEN
    assert breaker.admit(10.0) != REFUSED
    assert breaker.admit(10.0) == REFUSED


def test_after_a_successful_probe_the_load_grows_back() -> None:
    breaker = ramping(10.0)
    assert breaker.state is State.RAMPING
    shares = [breaker.share(10.0 + second) for second in range(11)]
    assert shares[0] == pytest.approx(RAMP_FROM)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0
    breaker.admit(20.0)
    assert breaker.state is State.CLOSED


def test_one_failure_while_ramping_opens_it_again_for_longer() -> None:
    breaker = ramping(10.0)
    fail(breaker, 12.0)
    assert breaker.state is State.OPEN
    assert breaker.retry_after_s(12.0) == 20


def test_once_closed_again_the_cool_down_is_the_first_again() -> None:
    breaker = ramping(10.0)
    breaker.admit(20.0)
    fail(breaker, 20.0, 3)
    assert breaker.retry_after_s(20.0) == 10


def test_late_news_from_before_it_opened_changes_nothing() -> None:
    breaker = Breaker(CONFIG)
    late = breaker.admit(0.0)
    fail(breaker, 0.0, 3)
    breaker.succeeded(late, 1.0)
    assert breaker.state is State.OPEN
    probe = breaker.admit(10.0)
    breaker.failed(late, 10.0, "late")
    breaker.abandoned(late)
    assert breaker.state is State.HALF_OPEN
    breaker.succeeded(probe, 10.0)
    assert breaker.state is State.RAMPING


def test_without_a_ramp_a_probe_closes_it() -> None:
    breaker = Breaker(BreakerConfig(failures=1, cool_down_s=1, ramp_s=0))
    fail(breaker, 0.0)
    breaker.succeeded(breaker.admit(1.0), 1.0)
    assert breaker.state is State.CLOSED


def test_every_state_can_be_left_and_only_a_probe_leads_out_of_half_open() -> None:
    assert {state for state, _ in MOVES} == set(State)
    leaves = {event for state, event in MOVES if state is State.HALF_OPEN}
    assert leaves == {Event.SUCCEEDED, Event.FAILED, Event.ABANDONED}


class BreakerMachine(RuleBasedStateMachine):
    """Any number of attempts under way at once, ending in any order and any way."""

    tickets: Bundle[tuple[int, State]] = Bundle("tickets")

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(CONFIG)
        self.now_s = 0.0
        self.probes: set[int] = set()
        self.opened_s = 0.0

    @rule(passed_s=st.floats(0, 60, allow_nan=False))
    def time_passes(self, passed_s: float) -> None:
        self.now_s += passed_s

    @rule(target=tickets)
    def one_asks(self) -> tuple[int, State]:
        would = self.breaker.would_admit(self.now_s)
        before = self.breaker.state
        ticket = self.breaker.admit(self.now_s)
        assert (ticket != REFUSED) == would
        if self.breaker.state is State.HALF_OPEN and ticket != REFUSED:
            assert before is State.OPEN
            assert not self.probes, "never more than one probe"
            self.probes.add(ticket)
        return ticket, self.breaker.state

    @rule(ticket=consumes(tickets), verdict=st.sampled_from(["succeeded", "failed", "abandoned"]))
    def one_ends(self, ticket: tuple[int, State], verdict: str) -> None:
        number, _ = ticket
        if number == REFUSED:
            return
        before = self.breaker.state
        if verdict == "succeeded":
            self.breaker.succeeded(number, self.now_s)
        elif verdict == "failed":
            self.breaker.failed(number, self.now_s, "failed")
        else:
            self.breaker.abandoned(number)
            assert before is State.HALF_OPEN or self.breaker.state is before, "no trace but for a probe's turn"
        if before is State.HALF_OPEN and number not in self.probes:
            assert self.breaker.state is State.HALF_OPEN, "only the probe decides"
        self.probes.discard(number)

    @precondition(lambda self: self.breaker.state is State.OPEN)
    @rule()
    def it_can_always_recover(self) -> None:
        assert self.breaker.would_admit(self.now_s + CONFIG.cool_down_max_s)

    @invariant()
    def a_half_open_breaker_has_its_probe_out(self) -> None:
        assert (self.breaker.state is State.HALF_OPEN) == bool(self.probes)

    @invariant()
    def its_share_is_one(self) -> None:
        assert RAMP_FROM <= self.breaker.share(self.now_s) <= 1.0


BreakerMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestBreakerMachine = BreakerMachine.TestCase
