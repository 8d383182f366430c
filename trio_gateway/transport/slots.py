"""How many requests may be with an upstream at once, and who is next."""

from __future__ import annotations

from collections import OrderedDict

import trio


class Slots:
    """A counted resource with one fair queue. Like trio.CapacityLimiter, without an owner to look up and with a way in
    that costs no checkpoint: try `acquire_nowait`, and only where it says no `await acquire()`.

    A slot given back goes straight to whoever has waited longest, so that nobody can slip in ahead of the queue.
    """

    __slots__ = ("_free", "_total", "_waiters")

    def __init__(self, total: int) -> None:
        if total < 1:
            raise ValueError("at least one slot")
        self._total = total
        self._free = total
        self._waiters: OrderedDict[trio.lowlevel.Task, None] = OrderedDict()

    def __repr__(self) -> str:
        return f"<Slots {self.in_use} of {self._total} in use, {len(self._waiters)} waiting>"

    @property
    def in_use(self) -> int:
        return self._total - self._free

    @property
    def waiting(self) -> int:
        return len(self._waiters)

    def acquire_nowait(self) -> bool:
        """Take a slot if one is free."""
        if self._free:
            self._free -= 1
            return True
        return False

    async def acquire(self) -> None:
        """Wait for a slot, first come first served. Cancelled, it leaves the queue at once and holds nothing."""
        await trio.lowlevel.checkpoint_if_cancelled()
        if self.acquire_nowait():
            await trio.lowlevel.cancel_shielded_checkpoint()
            return
        task = trio.lowlevel.current_task()
        self._waiters[task] = None

        def leave(_: object) -> trio.lowlevel.Abort:
            del self._waiters[task]
            return trio.lowlevel.Abort.SUCCEEDED

        # Once release() has chosen this task trio no longer calls `leave`: a slot is never lost on the way.
        await trio.lowlevel.wait_task_rescheduled(leave)

    def release(self) -> None:
        """Give a slot back."""
        if self._waiters:
            task, _ = self._waiters.popitem(last=False)
            trio.lowlevel.reschedule(task)
            return
        assert self._free < self._total, "a slot was given back twice"
        self._free += 1
