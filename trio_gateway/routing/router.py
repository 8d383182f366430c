"""From an exchange's wish to an open answer: attempts on one target after the other, until one has its first event.

Everything that is started here runs in the exchange's own scope and ends with it. What is learnt on the way (health,
latency, the state of keys) outlives it in the targets' states.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from functools import partial
from random import Random

import trio

from trio_gateway.errors import GatewayError
from trio_gateway.routing.ask import Ask
from trio_gateway.routing.attempt import OpenAnswer, client_timeout
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.course import Course, Try, sticky_reader
from trio_gateway.routing.flight import Flights, may_share
from trio_gateway.routing.race import Hedged
from trio_gateway.routing.retry import most_telling
from trio_gateway.routing.routes import Plan
from trio_gateway.routing.trying import Trier


class Router:
    """`open` finds an answer. `chance` draws jitter and choices: tests give one that is seeded."""

    def __init__(self, channels: Mapping[str, Channel], chance: Random) -> None:
        self._channels = channels
        self._chance = chance
        self.flights = Flights()
        self._trier = Trier(channels)
        self._sticky: dict[str, Callable[[bytes, dict[bytes, bytes]], str | None]] = {}

    async def open(self, plan: Plan, ask: Ask) -> OpenAnswer:
        """Return an answer whose first event is there, to be closed by the caller.

        Blocks for attempts, places and backoffs, as long as the deadlines allow. Raises GatewayError: the most telling
        one of the attempts' errors, which are all in `ask.tried`. Cancelled, it leaves nothing open.
        """
        if ask.deadline_s == math.inf:
            if plan.single is not None:
                return await self._trier.try_target(plan.single, ask, ask.carriage)  # the most frequent case
            return await self._open(plan, ask)
        with trio.CancelScope(deadline=ask.deadline_s) as scope:
            return await self._open(plan, ask)
        # Only the deadline ends the scope without an answer or an error. What it cut short is held against nobody.
        assert scope.cancelled_caught
        raise client_timeout()

    def all_have(self, plan: Plan, older: str) -> bool:
        """Say whether all that may serve has an older endpoint of its dialect itself, and nothing is translated."""
        targets = [state.target for stage in plan.stages for state in stage.states]
        return all(self._channels[target.channel].has(older, target.model) for target in targets)

    async def _open(self, plan: Plan, ask: Ask) -> OpenAnswer:
        if plan.single is not None:
            return await self._trier.try_target(plan.single, ask, ask.carriage)
        if plan.route is not None and plan.route.coalesce and may_share(ask.body, ask.headers):
            return await self.flights.join(ask, partial(self._open_alone, plan))
        return await self._open_alone(plan, ask)

    async def _open_alone(self, plan: Plan, ask: Ask) -> OpenAnswer:
        course = Course(plan, self._chance, self._sticky_key(plan, ask))
        answer = await self._run(plan, course, ask)
        if answer is None:
            raise failure(ask, course)
        return answer

    async def _run(self, plan: Plan, course: Course, ask: Ask) -> OpenAnswer | None:
        """Return the first answer there is, None where every attempt has failed."""
        route = plan.route
        if route is not None and route.hedge is not None and plan.budget is not None:
            hedged = Hedged(route.hedge, plan.budget, course, ask, self._trier.try_one, self._wait_for)
            return await hedged.run()
        while (chosen := course.next(trio.current_time())) is not None:
            await self._wait_for(chosen, ask)
            try:
                return await self._trier.try_one(chosen, ask)
            except GatewayError as error:
                course.failed(chosen, error, trio.current_time())
        return None

    async def _wait_for(self, chosen: Try, ask: Ask) -> None:
        """Sleep until an attempt is due. Raises the most telling error so far where the exchange is over by then."""
        if not chosen.after_s:
            return
        total_s = chosen.stage.timeouts.over(self._channels[chosen.state.target.channel].timeouts).total_s
        if trio.current_time() + chosen.after_s >= min(ask.deadline_s, ask.started_s + total_s):
            raise failure(ask)
        await trio.sleep(chosen.after_s)

    def _sticky_key(self, plan: Plan, ask: Ask) -> str | None:
        sticky = plan.route.sticky if plan.route is not None else None
        if sticky is None:
            return None
        reader = self._sticky.get(sticky)
        if reader is None:
            reader = self._sticky[sticky] = sticky_reader(sticky)
        return reader(ask.body, ask.headers)


def failure(ask: Ask, course: Course | None = None) -> GatewayError:
    """Return the most telling of all errors, with a line for each attempt where there was more than one."""
    skipped = course.skipped if course is not None else []
    errors = [tried.error for tried in ask.tried if tried.error is not None]
    # A copy: the attempt's own error is what the log tells of it, on a line of its own.
    error = copy.copy(most_telling(errors or [skip for _, skip in skipped]))
    if not errors:
        waits_s = [skip.retry_after_s for _, skip in skipped if skip.retry_after_s is not None]
        error.retry_after_s = min(waits_s, default=None)
    lines = [tried.line() for tried in ask.tried]
    lines += [f"{state.name}: not asked: {' '.join(skip.message.split())}" for state, skip in skipped]
    if len(lines) > 1:
        error.message += "\nTried:\n" + "\n".join(f"{number}. {line}" for number, line in enumerate(lines, 1))
    return error
