"""Deadlines of many, looked after by one task.

A cancel scope with a deadline for each thing that is waited for costs as much as parsing a request, and moving its
deadline with every event of a stream nearly as much as relaying one. Here a deadline is an attribute. One task sleeps
until the earliest it knows of, looks who is overdue by then, and ends that.
"""

from __future__ import annotations

from math import inf
from typing import Protocol

import trio

from trio_gateway.errors import UpstreamTimeout

LOOKS_APART_S = 0.05
"""The least time between two looks: how late, at most, an overdue one is ended among many."""


class Overdue(UpstreamTimeout):
    """What was awaited of an upstream did not come in time. Whoever set the deadline knows what to call it."""


class Watched(Protocol):
    """`due_s`, of the event loop's clock, is when `overdue` is called, which must not wait or raise."""

    due_s: float

    def overdue(self) -> None: ...


class Watch:
    """`enter` what has a deadline, and `leave` it; `move` its deadline as often as you like. Somebody must `run` it.

    Who is overdue has left by the time it is told.
    """

    __slots__ = ("_alarm", "_looks_s", "_watched")

    def __init__(self) -> None:
        self._watched: dict[Watched, None] = {}
        self._looks_s = inf  # when it looks next; an earlier deadline has to wake it
        self._alarm = trio.CancelScope()

    def __len__(self) -> int:
        return len(self._watched)

    def enter(self, watched: Watched) -> None:
        self._watched[watched] = None
        if watched.due_s < self._looks_s:
            self._look_at(watched.due_s)

    def move(self, watched: Watched, due_s: float) -> None:
        """Set another deadline, earlier or later, for one that is watched."""
        watched.due_s = due_s
        if due_s < self._looks_s:
            self._look_at(due_s)

    def leave(self, watched: Watched) -> None:
        """Forget one, whether it is watched or not."""
        self._watched.pop(watched, None)

    def _look_at(self, due_s: float) -> None:
        self._looks_s = self._alarm.deadline = due_s

    async def run(self) -> None:
        """Look after them, until cancelled."""
        while True:  # noqa: ASYNC913 (each round sleeps)
            # Until here the last look's time stood, later than now: whoever came since then has moved it.
            self._alarm = trio.CancelScope(deadline=self._looks_s)
            with self._alarm:
                await trio.sleep_forever()
            self._look(trio.current_time())

    def _look(self, now_s: float) -> None:
        overdue = [watched for watched in self._watched if watched.due_s <= now_s]
        for watched in overdue:
            del self._watched[watched]
        earliest_s = min((watched.due_s for watched in self._watched), default=inf)
        self._looks_s = max(earliest_s, now_s + LOOKS_APART_S)
        for watched in overdue:
            watched.overdue()
