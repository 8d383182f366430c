import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from trio_gateway.routing.places import Places


def test_places_are_taken_until_there_are_none() -> None:
    places: Places[str] = Places(2, 1)
    assert [places.take(), places.take(), places.take()] == [True, True, False]
    assert places.join("a")
    assert not places.join("b")
    assert (places.taken, places.waiting, places.has_free, places.has_room) == (2, 1, False, False)


def test_a_freed_place_goes_to_who_has_waited_longest() -> None:
    places: Places[str] = Places(1, 10)
    places.take()
    for waiter in "abc":
        places.join(waiter)
    assert [places.free(), places.free(), places.free(), places.free()] == ["a", "b", "c", None]


def test_who_leaves_the_queue_makes_room_at_once() -> None:
    places: Places[str] = Places(1, 2)
    places.take()
    places.join("a")
    places.join("b")
    places.leave("a")
    assert places.join("c")
    assert places.free() == "b"


def test_who_was_given_a_place_no_longer_waits() -> None:
    places: Places[str] = Places(1, 2)
    places.take()
    places.join("a")
    assert places.free() == "a"
    with pytest.raises(KeyError):
        places.leave("a")


def test_a_place_cannot_be_given_back_twice() -> None:
    places: Places[str] = Places(1, 0)
    places.take()
    places.free()
    with pytest.raises(AssertionError):
        places.free()


def test_no_place_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Places(0, 1)


class PlacesMachine(RuleBasedStateMachine):
    """No place is lost, none is granted twice, and the queue is served in order, whoever leaves it."""

    @initialize(total=st.integers(1, 4), queue_max=st.integers(0, 4))
    def open(self, total: int, queue_max: int) -> None:
        self.places: Places[int] = Places(total, queue_max)
        self.total, self.queue_max = total, queue_max
        self.holders = 0
        self.queue: list[int] = []
        self.number = 0

    @rule()
    def one_comes(self) -> None:
        self.number += 1
        if self.places.take():
            assert not self.queue, "nobody slips in ahead of the queue"
            self.holders += 1
        elif self.places.join(self.number):
            self.queue.append(self.number)
        else:
            assert len(self.queue) == self.queue_max

    @precondition(lambda self: self.holders)
    @rule()
    def one_is_done(self) -> None:
        woken = self.places.free()
        if self.queue:
            assert woken == self.queue.pop(0)
        else:
            assert woken is None
            self.holders -= 1

    @precondition(lambda self: self.queue)
    @rule(draw=st.data())
    def one_leaves_the_queue(self, draw: st.DataObject) -> None:
        leaver = draw.draw(st.sampled_from(self.queue))
        self.queue.remove(leaver)
        self.places.leave(leaver)

    @invariant()
    def the_count_is_right(self) -> None:
        assert self.places.taken == self.holders <= self.total
        assert self.places.waiting == len(self.queue) <= self.queue_max
        assert not (self.queue and self.places.has_free), "nobody waits while a place is free"


PlacesMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestPlacesMachine = PlacesMachine.TestCase
