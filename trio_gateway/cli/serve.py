"""`trio-gateway serve`: the gateway itself."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator

import trio

from trio_gateway.app import GatewayApp, as_asgi, build_app
from trio_gateway.config import Config
from trio_gateway.errors import ConfigError
from trio_gateway.observe.logs import configure_logging, form_for
from trio_gateway.server.serve import Server
from trio_gateway.server.serve import serve as serve_app
from trio_gateway.startup import configuration

logger = logging.getLogger("trio_gateway.serve")


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal. Raises ConfigError."""
    config = configuration(options.config, os.environ, sys.stderr, _overrides(options))
    configure_logging(form_for(config.log.format, sys.stderr))
    return run(serve_config, config)


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    given = {"bind": options.bind, "workers": options.workers}
    return {name: value for name, value in given.items() if value is not None}


def run(main: Callable[..., Awaitable[int]], *arguments: object) -> int:
    """Run `main` on trio. A ConfigError that nurseries have wrapped on its way up is raised by itself."""
    try:
        return trio.run(main, *arguments)
    except BaseExceptionGroup as group:
        found, rest = group.split(ConfigError)
        if found is None or rest is not None:
            raise
        problems = [problem for error in _leaves(found) for problem in error.problems]
        raise ConfigError(problems) from None


def _leaves(group: BaseExceptionGroup[ConfigError]) -> Iterator[ConfigError]:
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            yield from _leaves(error)
        else:
            yield error


async def serve_config(config: Config) -> int:
    """Serve a configuration until SIGTERM or SIGINT, and then until running exchanges are over.

    A second signal cancels them now. SIGHUP reads the TLS certificate again. Raises ConfigError.
    """
    app = build_app(config)
    shutdown = trio.Event()
    async with trio.open_nursery() as nursery:
        server: Server | None = None
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:

            async def serving(task_status: trio.TaskStatus[Server]) -> None:
                await serve_app(as_asgi(app), config.server, shutdown=shutdown, task_status=task_status)
                nursery.cancel_scope.cancel(reason="the server has stopped")

            server = await nursery.start(serving)
            async for number in signals:
                if number == signal.SIGHUP:
                    _reload_tls(server)
                elif shutdown.is_set():
                    nursery.cancel_scope.cancel(reason="a second signal")
                else:
                    _drain(app, shutdown, config.server.drain_s)
    return 0


def _drain(app: GatewayApp, shutdown: trio.Event, drain_s: float) -> None:
    logger.info("Stopping: running exchanges have %g seconds to finish; a second signal cancels them.", drain_s)
    app.gateway.draining = True
    shutdown.set()


def _reload_tls(server: Server) -> None:
    try:
        server.reload_tls()
    except ConfigError as error:
        logger.error("The old certificate stays in use: %s", error)
