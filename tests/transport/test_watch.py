from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from math import inf

import pytest
import trio
import trio.testing
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.transport.watch import LOOKS_APART_S, Watch


class Waiter:
    def __init__(self, due_s: float) -> None:
        self.due_s = due_s
        self.told_s: list[float] = []

    def overdue(self) -> None:
        self.told_s.append(trio.current_time())


@contextmanager
def running(watch: Watch, nursery: trio.Nursery) -> Iterator[None]:
    nursery.start_soon(watch.run)
    yield
    nursery.cancel_scope.cancel()


async def test_who_is_overdue_is_told_once_and_in_time(autojump_clock: trio.testing.MockClock) -> None:
    watch = Watch()
    async with trio.open_nursery() as nursery:
        with running(watch, nursery):
            first, second = Waiter(trio.current_time() + 1), Waiter(trio.current_time() + 2)
            watch.enter(second)
            watch.enter(first)
            await trio.sleep(10)
    assert first.told_s == [first.due_s]
    assert second.told_s == [second.due_s]
    assert len(watch) == 0


async def test_one_who_entered_before_the_watch_ran_is_told(autojump_clock: trio.testing.MockClock) -> None:
    watch = Watch()
    waiter = Waiter(trio.current_time() + 3)
    watch.enter(waiter)
    async with trio.open_nursery() as nursery:
        with running(watch, nursery):
            await trio.sleep(5)
    assert waiter.told_s == [waiter.due_s]


async def test_who_has_left_is_not_told(autojump_clock: trio.testing.MockClock) -> None:
    watch = Watch()
    waiter = Waiter(trio.current_time() + 1)
    async with trio.open_nursery() as nursery:
        with running(watch, nursery):
            watch.enter(waiter)
            watch.leave(waiter)
            watch.leave(waiter)
            await trio.sleep(5)
    assert waiter.told_s == []


@pytest.mark.parametrize(("moved_by_s", "told_after_s"), [(4.0, 5.0), (-0.5, 0.5), (-3.0, 0.0)])
async def test_a_deadline_can_be_moved_either_way(
    autojump_clock: trio.testing.MockClock, moved_by_s: float, told_after_s: float
) -> None:
    watch = Watch()
    began_s = trio.current_time()
    waiter = Waiter(began_s + 1)
    async with trio.open_nursery() as nursery:
        with running(watch, nursery):
            watch.enter(waiter)
            await trio.testing.wait_all_tasks_blocked()
            watch.move(waiter, waiter.due_s + moved_by_s)
            await trio.sleep(10)
    assert waiter.told_s == [pytest.approx(began_s + told_after_s)]


async def test_nobody_watched_costs_no_look(autojump_clock: trio.testing.MockClock) -> None:
    watch = Watch()
    async with trio.open_nursery() as nursery:
        with running(watch, nursery):
            watch.enter(Waiter(inf))
            await trio.testing.wait_all_tasks_blocked()
            assert trio.lowlevel.current_statistics().seconds_to_next_deadline == inf


async def test_a_waiter_told_may_enter_again(autojump_clock: trio.testing.MockClock) -> None:
    watch = Watch()

    class Again(Waiter):
        def overdue(self) -> None:
            super().overdue()
            if len(self.told_s) < 3:
                self.due_s += 1
                watch.enter(self)

    waiter = Again(trio.current_time() + 1)
    async with trio.open_nursery() as nursery:
        with running(watch, nursery):
            watch.enter(waiter)
            await trio.sleep(10)
    assert len(waiter.told_s) == 3


@given(dues=st.lists(st.floats(0, 5), max_size=30), moves=st.lists(st.tuples(st.integers(0, 29), st.floats(0, 5))))
def test_everybody_is_told_soon_after_the_last_deadline_they_had(
    dues: list[float], moves: list[tuple[int, float]]
) -> None:
    """Moves are made one a quarter of a second; an overdue one has left and is moved no more."""

    async def main() -> None:
        watch = Watch()
        began_s = trio.current_time()
        waiters = [Waiter(began_s + due) for due in dues]
        async with trio.open_nursery() as nursery:
            with running(watch, nursery):
                for waiter in waiters:
                    watch.enter(waiter)
                for number, due in moves:
                    await trio.sleep(0.25)
                    if number < len(waiters) and not waiters[number].told_s:
                        watch.move(waiters[number], trio.current_time() + due)
                await trio.sleep(20)
        for waiter in waiters:
            (told_s,) = waiter.told_s
            assert waiter.due_s <= told_s <= waiter.due_s + LOOKS_APART_S + 1e-6

    trio.run(main, clock=trio.testing.MockClock(autojump_threshold=0))
