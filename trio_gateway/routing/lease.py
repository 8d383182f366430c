"""An attempt's hold on its target: one of its places, a count in flight, and a ticket of its breaker."""

from __future__ import annotations

import trio

from trio_gateway.errors import GatewayError, UpstreamTimeout
from trio_gateway.routing.course import full, resting
from trio_gateway.routing.health import REFUSED
from trio_gateway.routing.retry import Blame, blame
from trio_gateway.routing.targets import TargetState


class Lease:
    """Made by `take_lease`. `end` it once, whatever happened; without a verdict before that it leaves no trace."""

    __slots__ = ("_places", "_settled", "_state", "_ticket", "began_s")

    def __init__(self, state: TargetState, ticket: int, now_s: float, *, placed: bool) -> None:
        self._state = state
        self._ticket = ticket
        self._settled = False
        self._places = state.places if placed else None
        self.began_s = now_s
        state.in_flight += 1

    def succeeded(self, now_s: float) -> None:
        """The first event is there."""
        self._settled = True
        state = self._state
        state.breaker.succeeded(self._ticket, now_s)
        state.times.observe(now_s - self.began_s, now_s)

    def failed(self, now_s: float, error: GatewayError) -> None:
        """The provider failed: before its first event, or after it."""
        self._settled = True
        self._state.breaker.failed(self._ticket, now_s, _reason(error), error.retry_after_s)

    def judged(self, now_s: float, error: GatewayError, allowed_s: float) -> None:
        """Note what an error before the first event says of the target, which was given `allowed_s` for it."""
        blamed = blame(error)
        if isinstance(error, UpstreamTimeout):
            if now_s - self.began_s < allowed_s * 0.99:
                return  # the exchange was over, and not the provider slow
            self._state.times.observe(now_s - self.began_s, now_s)
        if blamed is Blame.FAILED:
            self.failed(now_s, error)
        elif blamed is Blame.HEALTHY:
            self._settled = True
            self._state.breaker.succeeded(self._ticket, now_s)

    def end(self) -> None:
        state = self._state
        state.in_flight -= 1
        if not self._settled:
            state.breaker.abandoned(self._ticket)
        if self._places is not None:
            give_back(self._places.free())


def give_back(woken: trio.lowlevel.Task | None) -> None:
    if woken is not None:
        trio.lowlevel.reschedule(woken)


async def take_lease(state: TargetState, now_s: float) -> Lease:
    """Wait for a place with the target, if it has a number of them, and be admitted by its breaker. It is `now_s`.

    Not a checkpoint where a place is free. Raises TooManyRequests where the queue is full or does not move within
    `queue_wait_s`, and Unavailable where the breaker is open. Cancelled, it leaves the queue at once.
    """
    places = state.places
    if places is not None and not places.take():
        await _wait_for_place(state)
        now_s = trio.current_time()
    ticket = state.breaker.admit(now_s)
    if ticket == REFUSED:
        if places is not None:
            give_back(places.free())
        raise resting(state, now_s)
    return Lease(state, ticket, now_s, placed=places is not None)


async def _wait_for_place(state: TargetState) -> None:
    places = state.places
    assert places is not None
    await trio.lowlevel.checkpoint_if_cancelled()
    task = trio.lowlevel.current_task()
    if not places.join(task):
        raise full(state)

    def leave(_: object) -> trio.lowlevel.Abort:
        places.leave(task)
        return trio.lowlevel.Abort.SUCCEEDED

    with trio.move_on_after(state.queue_wait_s) as scope:
        # Once `free` has chosen this task trio no longer calls `leave`: a place is never lost on the way.
        await trio.lowlevel.wait_task_rescheduled(leave)
    if scope.cancelled_caught:
        raise full(state)


def _reason(error: GatewayError) -> str:
    message = " ".join(error.message.split())
    return message if len(message) <= 200 else message[:200] + "…"
