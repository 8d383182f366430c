"""The ASGI lifespan protocol: the application's own startup and shutdown, around everything that serves it."""

from __future__ import annotations

from typing import Any

import trio

from trio_gateway.errors import GatewayError
from trio_gateway.server.service import App, Message, log

STARTUP_S = 60.0
SHUTDOWN_S = 60.0


class LifespanFailed(GatewayError):
    """The application could not start, or did not in time. Serving it would be a lie."""


class Lifespan:
    """Run `run` in a nursery, then `startup`, and `shutdown` at the end. `state` is what the application put there."""

    def __init__(self, app: App) -> None:
        self.state: dict[str, Any] = {}
        self._app = app
        self._started = trio.Event()
        self._stopping = trio.Event()
        self._stopped = trio.Event()
        self._asked = False
        self._failure: str | None = None

    async def run(self) -> None:
        """The application's lifespan call, until it returns. One that does not know lifespan is served without."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        try:
            await self._app(scope, self._receive, self._send)
        except Exception:
            if self._failure is None:
                if self._started.is_set():
                    log.exception("the application's lifespan failed")
                else:
                    # The ASGI specification: an exception here says that lifespan is not supported.
                    log.warning("the application does not support lifespan; serving it without", exc_info=True)
        finally:
            self._started.set()
            self._stopped.set()

    async def startup(self) -> None:
        """Wait until the application has started. Raises `LifespanFailed`."""
        with trio.move_on_after(STARTUP_S) as late:
            await self._started.wait()
        if late.cancelled_caught:
            raise LifespanFailed(f"the application did not start within {STARTUP_S:g} seconds")
        if self._failure is not None:
            raise LifespanFailed(f"the application failed to start: {self._failure}")

    async def shutdown(self) -> None:
        """Let the application clean up, for at most `SHUTDOWN_S`. Raises `LifespanFailed` when it says it could not."""
        self._stopping.set()
        with trio.move_on_after(SHUTDOWN_S) as late:
            await self._stopped.wait()
        if late.cancelled_caught:
            log.error("the application did not shut down within %g seconds", SHUTDOWN_S)
        elif self._failure is not None:
            raise LifespanFailed(f"the application failed to shut down: {self._failure}")

    async def _receive(self) -> Message:
        if not self._asked:
            self._asked = True
            return {"type": "lifespan.startup"}
        await self._stopping.wait()
        return {"type": "lifespan.shutdown"}

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind in ("lifespan.startup.failed", "lifespan.shutdown.failed"):
            self._failure = message.get("message", "") or "it did not say why"
        if kind in ("lifespan.startup.complete", "lifespan.startup.failed"):
            self._started.set()
        elif kind in ("lifespan.shutdown.complete", "lifespan.shutdown.failed"):
            self._stopped.set()
        else:
            raise TypeError(f"not a lifespan event: {kind!r}")
