"""Attempts beside each other: where the first target is slow, the next is started too, and the first event wins."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import trio

from trio_gateway.errors import GatewayError
from trio_gateway.routing.ask import Ask, Tried
from trio_gateway.routing.attempt import OpenAnswer
from trio_gateway.routing.course import Course, Try
from trio_gateway.routing.hedge import HedgeBudget, Race, hedge_after_s
from trio_gateway.routing.retry import Verdict
from trio_gateway.routing_config import HedgeConfig


class Hedged:
    """`run` once. Its attempts are tasks of a nursery that is closed when it returns, the losers cancelled."""

    def __init__(
        self,
        config: HedgeConfig,
        budget: HedgeBudget,
        course: Course,
        ask: Ask,
        try_one: Callable[[Try, Ask], Awaitable[OpenAnswer]],
        wait_for: Callable[[Try, Ask], Awaitable[None]],
    ) -> None:
        self._config = config
        self._budget = budget
        self._course = course
        self._ask = ask
        self._try_one = try_one
        self._wait_for = wait_for
        self._race = Race(config.max)
        self._running: dict[int, Try] = {}
        self._number = 0
        self._news = trio.Event()
        self._over = False
        self._winner: OpenAnswer | None = None
        self._failure: GatewayError | None = None

    async def run(self) -> OpenAnswer | None:
        """Return the answer that came first, None where all attempts failed. Raises what `wait_for` raises."""
        self._budget.request()
        try:
            async with trio.open_nursery() as nursery:
                await self._direct(nursery)
                nursery.cancel_scope.cancel(reason="another attempt has answered, or none can")
        except BaseException:
            if self._winner is not None:
                await self._winner.aclose()
            raise
        if self._failure is not None:
            raise self._failure
        return self._winner

    async def _direct(self, nursery: trio.Nursery) -> None:
        """Start attempts until one has won or none is left."""
        due_s = float("inf")
        while not self._over:
            if not self._running:
                chosen = self._course.next(trio.current_time())
                if chosen is None:
                    return
                try:
                    await self._wait_for(chosen, self._ask)
                except GatewayError as error:
                    self._failure = error  # raised by itself, and not in the nursery's group
                    return
                due_s = self._start(nursery, chosen, hedge=False)
            self._news = trio.Event()
            with trio.move_on_at(due_s) as waiting:
                await self._news.wait()
            if waiting.cancelled_caught and not self._over:
                beside = self._beside()
                due_s = float("inf") if beside is None else self._start(nursery, beside, hedge=True)

    def _beside(self) -> Try | None:
        """Return what to start beside those that run, paid for out of the budget; None where nothing may be."""
        if not self._race.may_hedge or not self._budget.has_one:
            return None
        running = [attempt.state for attempt in self._running.values()]
        beside = self._course.beside(trio.current_time(), running)
        return beside if beside is not None and self._budget.spend() else None

    def _start(self, nursery: trio.Nursery, chosen: Try, *, hedge: bool) -> float:
        """Start an attempt; return when the next may be started beside it."""
        self._number += 1
        self._race.started(self._number, hedge=hedge)
        self._running[self._number] = chosen
        self._ask.hedges += hedge
        nursery.start_soon(self._attempt, self._number, chosen)
        after_s = hedge_after_s(self._config, chosen.state.times)
        return float("inf") if after_s is None else trio.current_time() + after_s

    async def _attempt(self, number: int, chosen: Try) -> None:
        began_s = trio.current_time()
        ended = False
        try:
            answer = await self._try_one(chosen, self._ask)
            ended = True
            if self._race.has_event(number):
                self._winner = answer
                self._ask.state = chosen.state
                self._over = True
            else:
                self._lost(chosen, began_s)
                await answer.aclose()
        except GatewayError as error:
            ended = True
            self._race.failed(number)
            if self._course.failed(chosen, error, trio.current_time()) is Verdict.STOP:
                self._over = True  # the others would say the same
        finally:
            if not ended and self._winner is not None:
                self._lost(chosen, began_s)
            del self._running[number]
            self._news.set()

    def _lost(self, chosen: Try, began_s: float) -> None:
        """Record what a loser cost, which its provider may have worked on, and that it took longer than this."""
        now_s = trio.current_time()
        self._ask.tried.append(Tried(chosen.state.name, now_s - began_s))
        chosen.state.times.observe(now_s - began_s, now_s)
