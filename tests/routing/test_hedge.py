import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trio_gateway.routing.hedge import SAVED_MAX, HedgeBudget, Race, hedge_after_s
from trio_gateway.routing.latency import ENOUGH, FirstEventTimes
from trio_gateway.routing_config import HedgeConfig


@given(st.floats(0, 1, allow_nan=False), st.lists(st.booleans(), max_size=300))
def test_hedges_never_exceed_one_and_their_share_of_the_requests(share: float, asks: list[bool]) -> None:
    budget = HedgeBudget(share)
    hedges = 0
    for requests, ask in enumerate(asks, 1):
        budget.request()
        hedges += ask and budget.spend()
        assert hedges <= 1 + requests * share + 1e-9


def test_a_budget_of_nothing_hedges_nothing() -> None:
    budget = HedgeBudget(0.0)
    budget.request()
    assert not budget.has_one
    assert not budget.spend()


def test_quiet_times_save_up_only_so_much() -> None:
    budget = HedgeBudget(1.0)
    for _ in range(1000):
        budget.request()
    assert sum(budget.spend() for _ in range(100)) == SAVED_MAX


def test_what_is_given_back_can_be_spent() -> None:
    budget = HedgeBudget(0.05)
    assert budget.spend()
    assert not budget.spend()
    budget.give_back()
    assert budget.spend()


def test_a_number_is_waited_for_as_it_is() -> None:
    assert hedge_after_s(HedgeConfig(after_s=2.0), FirstEventTimes()) == 2.0


def test_a_percentile_is_waited_for_once_enough_is_known() -> None:
    config, times = HedgeConfig(after_s="p95"), FirstEventTimes()
    for index in range(ENOUGH - 1):
        times.observe(index / 10, index)
        assert hedge_after_s(config, times) is None
    for index in range(100):
        times.observe(index / 100, index)
    assert hedge_after_s(config, times) == pytest.approx(0.95, abs=0.05)


class RaceMachine(RuleBasedStateMachine):
    """Attempts and hedges that start, fail and have events in any order."""

    @initialize(hedges_max=st.integers(0, 3))
    def begin(self, hedges_max: int) -> None:
        self.open(hedges_max)

    def open(self, hedges_max: int) -> None:
        self.race = Race(hedges_max)
        self.hedges_max = hedges_max
        self.running: list[int] = []
        self.number = self.hedges = 0
        self.winners: list[int] = []

    @precondition(lambda self: not self.running and not self.winners)
    @rule()
    def one_starts(self) -> None:
        self._start(hedge=False)

    @precondition(lambda self: self.race.may_hedge)
    @rule()
    def one_starts_beside(self) -> None:
        self.hedges += 1
        self._start(hedge=True)

    def _start(self, *, hedge: bool) -> None:
        self.number += 1
        self.race.started(self.number, hedge=hedge)
        self.running.append(self.number)

    @precondition(lambda self: self.running)
    @rule(draw=st.data(), wins=st.booleans())
    def one_ends(self, draw: st.DataObject, wins: bool) -> None:
        number = draw.draw(st.sampled_from(self.running))
        self.running.remove(number)
        if not wins:
            self.race.failed(number)
        elif self.race.has_event(number):
            self.winners.append(number)

    @precondition(lambda self: self.winners and not self.running)
    @rule(hedges_max=st.integers(0, 3))
    def the_next_exchange_begins(self, hedges_max: int) -> None:
        assert not self.race.may_hedge
        self.open(hedges_max)

    @invariant()
    def the_winner_is_unique(self) -> None:
        assert len(self.winners) <= 1

    @invariant()
    def hedges_keep_within_their_number(self) -> None:
        assert self.hedges <= self.hedges_max
        assert self.race.running == frozenset(self.running)
        if self.winners:
            assert not self.race.may_hedge


RaceMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestRaceMachine = RaceMachine.TestCase
