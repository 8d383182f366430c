from __future__ import annotations

import pytest
import trio

from trio_gateway.patience import LOOKS_AFTER_MAX_S, Patience, Waiting

EVERY_S = 15.0


class Client:
    """Takes comments, and keeps the times at which they came. One that is slow takes `takes_s` for each."""

    def __init__(self, takes_s: float = 0.0, gone: bool = False) -> None:
        self.came_s: list[float] = []
        self.taken = 0
        self._takes_s = takes_s
        self._gone = gone

    async def comment(self) -> None:
        self.came_s.append(trio.current_time())
        if self._gone:
            raise trio.BrokenResourceError
        await trio.sleep(self._takes_s)
        self.taken += 1


async def test_who_waits_gets_a_comment_every_so_often_and_none_before_it_is_due(autojump_clock) -> None:
    client, patience = Client(), Patience(EVERY_S)
    waiting = Waiting(client.comment)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run, nursery)
        patience.enter(waiting)
        await trio.sleep(EVERY_S - 0.1)
        assert (client.came_s, waiting.begun) == ([], False)
        await trio.sleep(3 * EVERY_S)
        assert waiting.begun
        first, second, third = client.came_s
        assert EVERY_S <= first <= EVERY_S + LOOKS_AFTER_MAX_S
        assert (second - first, third - second) == (EVERY_S, EVERY_S)
        await waiting.stop()
        await trio.sleep(3 * EVERY_S)
        assert len(client.came_s) == 3
        nursery.cancel_scope.cancel(reason="the test is over")


async def test_who_leaves_in_time_gets_none(autojump_clock) -> None:
    clients, patience = [Client(), Client()], Patience(EVERY_S)
    first, second = (Waiting(client.comment) for client in clients)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run, nursery)
        patience.enter(first)
        patience.enter(second)
        await trio.sleep(EVERY_S / 2)
        patience.leave(first)
        patience.leave(first)  # whoever left already may say so again
        await trio.sleep(EVERY_S)
        assert [len(client.came_s) for client in clients] == [0, 1]
        nursery.cancel_scope.cancel(reason="the test is over")


async def test_a_short_patience_is_looked_after_often_enough(autojump_clock) -> None:
    client, patience = Client(), Patience(0.4)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run, nursery)
        patience.enter(Waiting(client.comment))
        await trio.sleep(2)
        assert client.came_s[0] == pytest.approx(0.45, abs=0.06)
        nursery.cancel_scope.cancel(reason="the test is over")


async def test_stopping_lets_a_comment_that_is_being_sent_be_finished(autojump_clock) -> None:
    client = Client(takes_s=5.0)
    waiting = Waiting(client.comment)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.keep_alive, EVERY_S)
        await trio.sleep(1)
        await waiting.stop()
        assert (trio.current_time(), client.taken) == (5.0, 1)
    assert trio.current_time() == 5.0, "the task is over at once, and not when the next comment is due"


async def test_abandoning_cuts_a_comment_short(autojump_clock) -> None:
    client = Client(takes_s=5.0)
    waiting = Waiting(client.comment)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(waiting.keep_alive, EVERY_S)
        await trio.sleep(1)
        waiting.abandon()
    assert (trio.current_time(), client.taken) == (1.0, 0)


async def test_one_that_is_over_before_its_task_began_sends_nothing(autojump_clock) -> None:
    client = Client()
    waiting = Waiting(client.comment)
    await waiting.stop()
    await waiting.keep_alive(EVERY_S)
    assert client.came_s == []


async def test_a_client_that_has_left_ends_its_comments_and_nobody_elses(autojump_clock) -> None:
    gone, there, patience = Client(gone=True), Client(), Patience(EVERY_S)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(patience.run, nursery)
        patience.enter(Waiting(gone.comment))
        patience.enter(Waiting(there.comment))
        await trio.sleep(3.5 * EVERY_S)
        assert (len(gone.came_s), len(there.came_s)) == (1, 3)
        nursery.cancel_scope.cancel(reason="the test is over")
