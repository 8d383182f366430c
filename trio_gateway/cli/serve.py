"""`trio-gateway serve`: the gateway itself."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import trio

from trio_gateway.app import GatewayApp, as_asgi, build_app
from trio_gateway.collector import spare_the_collector
from trio_gateway.config import TOKEN_VARIABLE, Config, load
from trio_gateway.errors import ConfigError
from trio_gateway.observe.logs import configure_logging, form_for
from trio_gateway.reload import Reloader
from trio_gateway.replies import refuse
from trio_gateway.server.supervisor import WorkerCommand, WorkerFailed, supervise
from trio_gateway.server.worker import LINK, run_worker
from trio_gateway.startup import configuration, made_token, require_channels, tell_token


def serve(options: argparse.Namespace) -> int:
    """Serve until a signal; return the exit status. Raises ConfigError."""
    config = configuration(options.config, os.environ, _overrides(options))
    configure_logging(form_for(config.log.format, sys.stderr))
    if config.server.workers == 1 or LINK in os.environ:
        return run(_serve_here, config, options.config, _overrides(options))
    try:
        return run(partial(supervise, _worker_command(options, config), task_status=Told(config)))
    except WorkerFailed as error:
        print(error.message, file=sys.stderr)
        return error.exit_status


def _overrides(options: argparse.Namespace) -> dict[str, object]:
    given = {"bind": options.bind, "workers": options.workers}
    return {name: value for name, value in given.items() if value is not None}


async def _serve_here(config: Config, path: str | None, overrides: dict[str, object]) -> int:
    app = build_app(config)
    if path is not None:
        app.reloader = Reloader(app, Path(path), partial(_read_again, app, Path(path), overrides))

    def on_drain() -> None:
        app.gateway.draining = True

    on_hangup = None if app.reloader is None else app.reloader.reload
    spare_the_collector()
    return await run_worker(
        as_asgi(app), config.server, on_drain=on_drain, on_hangup=on_hangup, refuse=refuse, task_status=Told(config)
    )


class Told(trio.TaskStatus[object]):
    """Tells a token that was made at start, once the gateway serves: not to one whose port was taken.

    On stdout, since stderr is the log.
    """

    def __init__(self, config: Config) -> None:
        self._config = config

    def started(self, value: object = None) -> None:
        tell_token(self._config, sys.stdout)


def _read_again(app: GatewayApp, path: Path, overrides: dict[str, object]) -> Config:
    """Return the file's configuration, with the tokens as they are where it gives none. Raises ConfigError."""
    config = load(path, os.environ, overrides)
    require_channels(config, str(path))
    if config.auth.tokens:
        return config
    auth = msgspec.structs.replace(config.auth, tokens=app.gateway.config.auth.tokens)
    return msgspec.structs.replace(config, auth=auth)


def _worker_command(options: argparse.Namespace, config: Config) -> WorkerCommand:
    """A worker is this very command again: it reads the same configuration, and finds its link in the environment."""
    argv = [sys.executable, "-m", "trio_gateway", "serve", "--workers", str(config.server.workers)]
    for name in ("config", "bind"):
        if (value := getattr(options, name)) is not None:
            argv += [f"--{name}", value]
    env = dict(os.environ)
    if (made := made_token(config)) is not None:
        env[TOKEN_VARIABLE] = made.reveal()  # one token for all workers
    binds = [config.server.bind] if isinstance(config.server.bind, str) else config.server.bind
    return WorkerCommand(
        argv=argv,
        workers=config.server.workers,
        drain_s=config.server.drain_s,
        env=env,
        binds=binds,
    )


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
