"""Comments on a stream whose first event is a long time coming, so that no load balancer on the way cuts it.

What a comment is, and whether there is such a thing, the client's dialect says: `KEEP_ALIVE`.

One task looks after all who wait: a task and a nursery for every stream would cost more than relaying a short one.
A comment is sent by a task of its own, which is over before the exchange goes on, and cancelled with it.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable

import trio

logger = logging.getLogger("trio_gateway.exchange")

LOOKS_AFTER_MAX_S = 1.0  # how much later than due a comment may be


class Waiting:
    """A stream that waits for its first event. `comment` sends one, after the answer's head where that is due."""

    __slots__ = ("_comment", "_lock", "_over", "_scope", "begun")

    def __init__(self, comment: Callable[[], Awaitable[None]]) -> None:
        self._comment = comment
        self._lock = trio.Lock()
        self._scope = trio.CancelScope()
        self._over = False
        self.begun = False  # a task sends comments

    async def keep_alive(self, every_s: float) -> None:
        """Send comments until `stop` or `abandon`."""
        with self._scope:
            while await self._send_one():  # noqa: ASYNC110 (a comment is due every so often, and for no other reason)
                await trio.sleep(every_s)

    async def _send_one(self) -> bool:
        """Send a comment; False once none is wanted any more."""
        async with self._lock:
            if self._over:
                return False
            try:
                await self._comment()
            except Exception:
                # The client has left, most likely: the exchange finds out for itself.
                logger.debug("A comment could not be sent.", exc_info=True)
                return False
            return True

    async def stop(self) -> None:
        """Let a comment that is being sent be finished, and send no more."""
        self._over = True
        async with self._lock:
            self._scope.cancel(reason="the first event is there")

    def abandon(self) -> None:
        """The exchange is cancelled: so is this."""
        self._over = True
        self._scope.cancel(reason="the exchange has ended")


class Patience:
    """Everybody who waits, in the order in which they are due: all are, `keep_alive_s` after they came."""

    def __init__(self, keep_alive_s: float) -> None:
        self.keep_alive_s = keep_alive_s
        self._due_s: dict[Waiting, float] = {}

    def enter(self, waiting: Waiting) -> None:
        self._due_s[waiting] = trio.current_time() + self.keep_alive_s

    def leave(self, waiting: Waiting) -> None:
        self._due_s.pop(waiting, None)

    async def run(self, nursery: trio.Nursery) -> None:
        """Look after them, until cancelled. Tasks that send comments live in `nursery`."""
        while True:
            await trio.sleep(min(LOOKS_AFTER_MAX_S, self.keep_alive_s / 4))
            now_s = trio.current_time()
            due = [waiting for waiting, due_s in self._due_s.items() if due_s <= now_s]
            for waiting in due:
                del self._due_s[waiting]
                waiting.begun = True
                nursery.start_soon(waiting.keep_alive, self.keep_alive_s)
