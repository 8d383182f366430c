"""A new configuration for a gateway that is running: read and checked first, then put in whole, or not at all.

Exchanges that run finish on the configuration they began with. What a process is bound to when it starts, the
[server] and [log] tables, is not changed by this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import trio

from trio_gateway.config import Config
from trio_gateway.errors import ConfigError
from trio_gateway.gateway import Gateway

logger = logging.getLogger("trio_gateway.reload")

LOOK_S = 2.0  # between two looks at the file's time


class Serving(Protocol):
    """Who has the gateway that new exchanges are given."""

    gateway: Gateway
    nursery: trio.Nursery


class Reloader:
    """`read` returns the configuration anew, or raises ConfigError. `path` is the file to look at."""

    def __init__(self, serving: Serving, path: Path, read: Callable[[], Config]) -> None:
        self._serving = serving
        self._path = path
        self._read = read
        self._seen = self._stamp()

    async def reload(self) -> bool:
        """Swap the configuration; where it is not valid, keep the old one, and log why."""
        self._seen = self._stamp()
        old = self._serving.gateway
        try:
            config = self._read()
            fresh = Gateway(config, old.log, old.watch)
        except ConfigError as error:
            logger.error("The configuration was not reloaded; the old one stays: %s", "; ".join(error.problems))
            return False
        if (config.server, config.log) != (old.config.server, old.config.log):
            logger.warning("Changes of the [server] and [log] tables take effect at the next start.")
        fresh.succeed(old)
        fresh.start(self._serving.nursery)
        self._serving.gateway = fresh
        await old.aclose()
        logger.info("The configuration was reloaded: %d channels, %d routes.", len(config.channels), len(config.routes))
        return True

    async def watch(self) -> None:
        """Reload whenever the file has changed, while the configuration says so. Runs until cancelled."""
        while True:
            await trio.sleep(LOOK_S)
            await self.look()

    async def look(self) -> None:
        """Reload if the file has changed, and the configuration says to."""
        if self._serving.gateway.config.reload_on_change and self.changed:
            await self.reload()

    @property
    def changed(self) -> bool:
        """Whether the file is another than the one that was read last."""
        return self._stamp() != self._seen

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = self._path.stat()
        except OSError:
            return None  # it is being replaced, perhaps
        return found.st_mtime_ns, found.st_size
