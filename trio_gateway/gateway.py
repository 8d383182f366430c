"""The gateway's long-lived state: what every exchange of one process shares."""

from __future__ import annotations

import random
import re
import sys
import time
from collections.abc import Mapping

import trio

from trio_gateway.access.lockout import Lockout
from trio_gateway.access.tokens import Tokens
from trio_gateway.config import Config
from trio_gateway.errors import TooManyRequests, Unauthorized
from trio_gateway.observe.logs import ExchangeLog, form_for
from trio_gateway.patience import Patience
from trio_gateway.request_ids import RequestIds
from trio_gateway.routing.catalogue import Catalogue
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.router import Router
from trio_gateway.routing.routes import Routes
from trio_gateway.routing.table import RoutingTable
from trio_gateway.routing.targets import Targets
from trio_gateway.transport.fetch import Fetcher
from trio_gateway.transport.watch import Watch

_EXPIRE_EVERY_S = 5.0
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9][A-Za-z0-9._:/+=-]{0,127}")


class Gateway:
    """Made once, before serving; closed with `aclose` after it."""

    def __init__(self, config: Config, log: ExchangeLog | None = None, watch: Watch | None = None) -> None:
        """`watch` is that of the gateway whose place this one takes.

        Raises ConfigError for certificates that cannot be read.
        """
        self.config = config
        self.tokens = Tokens(config.auth.tokens)
        self.lockout = Lockout(config.auth)
        self.table = RoutingTable(config.channels)
        self.watch = watch or Watch()
        self.channels = {
            name: Channel(name, channel, config.timeouts, self.watch) for name, channel in config.channels.items()
        }
        self.targets = Targets(config.breaker, {name: channel.keys for name, channel in self.channels.items()})
        chance = random.Random()  # noqa: S311 (it spreads load and guards nothing)
        self.routes = Routes(config.routes, self.table, self.targets, chance)
        self.router = Router(self.channels, chance)
        self.catalogue = Catalogue(self.channels, self.table, self.routes.exact_names())
        self.fetcher = Fetcher(config.fetch) if config.fetch.enabled else None
        self.log = log or ExchangeLog(form_for(config.log.format, sys.stderr), sys.stderr, time.time)
        self.patience = Patience(config.timeouts.keep_alive_s)
        self.draining = False
        self._discovering = trio.CancelScope()
        self._expiring = trio.CancelScope()
        self._ids = RequestIds()

    def admit(self, headers: Mapping[bytes, bytes], address: str | None, query: bytes, now_s: float) -> None:
        """Let a request in, by its headers, query and client's address. Raises Unauthorized or TooManyRequests."""
        remaining_s = self.lockout.remaining_s(address, now_s)
        if remaining_s > 0:
            raise TooManyRequests(
                "Too many requests with a wrong token came from this address. Wait, and check the token.",
                code="locked_out",
                retry_after_s=remaining_s,
            )
        try:
            self.tokens.check(headers, query)
        except Unauthorized:
            self.lockout.failed(address, now_s)
            raise

    def request_id(self, headers: Mapping[bytes, bytes]) -> bytes:
        """Return the client's x-request-id if it is a sane one, a new one otherwise."""
        given = headers.get(b"x-request-id")
        if given is not None and _SANE_REQUEST_ID.fullmatch(given):
            return given
        return next(self._ids)

    def start(self, nursery: trio.Nursery) -> None:
        """Begin what goes on beside exchanges, in a nursery that outlives them: the lifespan's."""
        self.router.flights.nursery = nursery
        if any(channel.config.discover for channel in self.channels.values()):
            nursery.start_soon(self._discover)
        nursery.start_soon(self._expire_idle)

    async def _expire_idle(self) -> None:
        """Close what upstreams at rest have kept for too long: those at work see to it themselves."""
        with self._expiring:
            while True:
                await trio.sleep(_EXPIRE_EVERY_S)
                for channel in self.channels.values():
                    channel.upstream.expire()

    async def _discover(self) -> None:
        with self._discovering:
            await self.catalogue.keep_fresh()

    def succeed(self, old: Gateway) -> None:
        """Take over from the gateway of the configuration before: what it learnt, and who waits."""
        self.targets.inherit(old.targets)
        self.lockout = old.lockout
        self.patience = old.patience
        self.patience.keep_alive_s = self.config.timeouts.keep_alive_s
        self.draining = old.draining
        self._ids = old._ids

    async def aclose(self) -> None:
        """Close what is idle; exchanges that still run finish, and close what is theirs."""
        self._discovering.cancel(reason="the gateway is closed")
        self._expiring.cancel(reason="the gateway is closed")
        for channel in self.channels.values():
            await channel.upstream.aclose()
