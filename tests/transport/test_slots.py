"""Who is next, and that no slot is ever lost."""

from __future__ import annotations

import random

import pytest
import trio
import trio.testing

from trio_gateway.transport.slots import Slots


def test_a_free_slot_is_taken_without_waiting_and_a_taken_one_is_not() -> None:
    slots = Slots(2)
    assert [slots.acquire_nowait() for _ in range(3)] == [True, True, False]
    slots.release()
    assert slots.acquire_nowait()
    assert repr(slots) == "<Slots 2 of 2 in use, 0 waiting>"


async def test_slots_are_given_in_the_order_of_asking_and_nobody_slips_in() -> None:
    slots, order = Slots(1), []

    async def want(name: str) -> None:
        await slots.acquire()
        order.append(name)

    assert slots.acquire_nowait()
    async with trio.open_nursery() as nursery:
        for name in ("a", "b", "c"):
            nursery.start_soon(want, name)
            await trio.testing.wait_all_tasks_blocked()
        assert slots.waiting == 3
        slots.release()
        assert not slots.acquire_nowait()  # though "a" has not run yet
        await trio.testing.wait_all_tasks_blocked()
        slots.release()
        await trio.testing.wait_all_tasks_blocked()
        slots.release()
    assert order == ["a", "b", "c"]
    assert slots.in_use == 1


async def test_a_cancelled_waiter_leaves_at_once_and_the_next_one_moves_up() -> None:
    slots, order = Slots(1), []

    async def want(name: str, scope: trio.CancelScope) -> None:
        with scope:
            await slots.acquire()
            order.append(name)

    slots.acquire_nowait()
    scopes = [trio.CancelScope() for _ in range(2)]
    async with trio.open_nursery() as nursery:
        for number, scope in enumerate(scopes):
            nursery.start_soon(want, str(number), scope)
            await trio.testing.wait_all_tasks_blocked()
        scopes[0].cancel()
        await trio.testing.wait_all_tasks_blocked()
        assert slots.waiting == 1
        slots.release()
    assert order == ["1"]


async def test_a_slot_given_to_a_waiter_cancelled_in_the_same_tick_still_arrives() -> None:
    slots = Slots(1)
    got = []

    async def want(scope: trio.CancelScope) -> None:
        with scope:
            await slots.acquire()
            got.append(True)
            slots.release()

    slots.acquire_nowait()
    scope = trio.CancelScope()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(want, scope)
        await trio.testing.wait_all_tasks_blocked()
        slots.release()
        scope.cancel()
    assert got == [True]
    assert slots.in_use == 0


async def test_acquire_is_a_checkpoint_even_where_a_slot_is_free() -> None:
    slots = Slots(1)
    with trio.testing.assert_checkpoints():
        await slots.acquire()
    with trio.CancelScope() as scope:
        scope.cancel()
        await slots.acquire()
    assert scope.cancelled_caught
    assert slots.in_use == 1


@pytest.mark.parametrize("seed", range(5))
async def test_thousands_of_random_cancellations_lose_no_slot(
    seed: int, autojump_clock: trio.testing.MockClock
) -> None:
    rng = random.Random(seed)
    slots, most = Slots(3), 0

    async def use() -> None:
        nonlocal most
        await trio.sleep(rng.random())
        with trio.move_on_after(rng.random()):
            if not slots.acquire_nowait():
                await slots.acquire()
            try:
                most = max(most, slots.in_use)
                await trio.sleep(rng.random() / 50)
            finally:
                slots.release()

    async with trio.open_nursery() as nursery:
        for _ in range(1000):
            nursery.start_soon(use)
    assert most == 3
    assert (slots.in_use, slots.waiting) == (0, 0)


def test_a_slot_given_back_twice_is_a_bug_and_so_are_none_at_all() -> None:
    slots = Slots(1)
    with pytest.raises(AssertionError, match="given back twice"):
        slots.release()
    with pytest.raises(ValueError, match="at least one"):
        Slots(0)
