"""How many requests may be with a target at once, and who is next. Pure: waiting itself is the caller's.

A place that becomes free goes straight to whoever has waited longest, so that nobody slips in ahead of the queue.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

Waiter = TypeVar("Waiter", bound=Hashable)


class Places(Generic[Waiter]):
    """`total` places and a queue of at most `queue_max`."""

    __slots__ = ("_queue", "_queue_max", "_taken", "_total")

    def __init__(self, total: int, queue_max: int) -> None:
        if total < 1:
            raise ValueError("at least one place")
        self._total = total
        self._queue_max = queue_max
        self._taken = 0
        self._queue: OrderedDict[Waiter, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Places {self._taken} of {self._total} taken, {len(self._queue)} of {self._queue_max} waiting>"

    @property
    def taken(self) -> int:
        return self._taken

    @property
    def waiting(self) -> int:
        return len(self._queue)

    @property
    def has_free(self) -> bool:
        return self._taken < self._total

    @property
    def has_room(self) -> bool:
        """Whether one more may wait."""
        return len(self._queue) < self._queue_max

    def take(self) -> bool:
        """Take a free place, if there is one. Nobody waits while there is."""
        if self._taken < self._total:
            self._taken += 1
            return True
        return False

    def join(self, waiter: Waiter) -> bool:
        """Join the queue's end; False where it is full."""
        if len(self._queue) >= self._queue_max:
            return False
        self._queue[waiter] = None
        return True

    def leave(self, waiter: Waiter) -> None:
        """Leave the queue without a place. KeyError for one who does not wait, having been given one, say."""
        del self._queue[waiter]

    def free(self) -> Waiter | None:
        """Give a place back. Returns who has it now, to be woken; None where nobody waited."""
        if self._queue:
            return self._queue.popitem(last=False)[0]
        assert self._taken, "a place was given back twice"
        self._taken -= 1
        return None
