"""A process that serves: its signals, and its link to the supervisor if it has one."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from functools import partial

import trio

from trio_gateway.errors import ConfigError
from trio_gateway.server.response import Refuse, refuse
from trio_gateway.server.serve import Server, serve
from trio_gateway.server.service import App, log
from trio_gateway.server_config import ServerConfig

LINK = "TRIO_GATEWAY_SUPERVISOR_FD"
"""Names, in a worker's environment, its end of a socket pair: it writes `READY`, and stops when the other closes."""

READY = b"ready\n"


async def run_worker(
    app: App,
    config: ServerConfig,
    *,
    environ: Mapping[str, str] = os.environ,
    on_drain: Callable[[], None] = lambda: None,
    on_hangup: Callable[[], Awaitable[object]] | None = None,
    refuse: Refuse = refuse,
    task_status: trio.TaskStatus[Server] = trio.TASK_STATUS_IGNORED,
) -> int:
    """Serve `app` in this process until SIGTERM or SIGINT, and return the exit status.

    The first signal drains (status 0); the second cancels what still runs, the third the application's shutdown too
    (128 and the signal's number). SIGHUP reads the certificate again, and calls `on_hangup`. Started by a supervisor,
    it says when it is ready, and drains when the supervisor dies. `on_drain` is called as draining begins; `refuse`
    words the server's own errors. Call it from the main thread; raises what `serve` raises.
    """
    return await Worker(app, config, environ.get(LINK), on_drain, on_hangup, refuse).run(task_status)


class Worker:
    """`run_worker`, taken apart."""

    def __init__(
        self,
        app: App,
        config: ServerConfig,
        link: str | None,
        on_drain: Callable[[], None],
        on_hangup: Callable[[], Awaitable[object]] | None = None,
        refuse: Refuse = refuse,
    ) -> None:
        self._app = app
        self._config = config
        self._link = socket.socket(fileno=int(link)) if link is not None else None
        if self._link is not None:
            self._link.set_inheritable(False)  # whatever the application starts is not to keep it open
        self._on_drain = on_drain
        self._on_hangup = on_hangup
        self._refuse = refuse
        self._shutdown = trio.Event()
        self._server: Server | None = None
        self._everything = trio.CancelScope()
        self._status = 0

    async def run(self, task_status: trio.TaskStatus[Server]) -> int:
        # Receivers first: a signal during the application's startup must not be lost.
        with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals, self._everything:
            async with trio.open_nursery() as listening:
                listening.start_soon(self._obey, signals)
                async with trio.open_nursery() as serving:
                    serve_app = partial(serve, self._app, self._config, shutdown=self._shutdown, refuse=self._refuse)
                    self._server = await serving.start(serve_app)
                    if self._link is not None:
                        listening.start_soon(self._keep_link, self._link)
                    task_status.started(self._server)
                listening.cancel_scope.cancel(reason="the server has stopped")
        return self._status

    async def _obey(self, signals: AsyncIterator[int]) -> None:
        async for number in signals:
            if number == signal.SIGHUP:
                self._reload_tls()
                if self._on_hangup is not None:
                    await self._on_hangup()
            elif not self._shutdown.is_set():
                log.info("stopping: running exchanges have %g seconds", self._config.drain_s)
                self._drain()
            elif self._status == 0 and self._server is not None:
                self._status = 128 + number
                self._server.abort("told to stop twice")
            else:
                self._status = 128 + number
                self._everything.cancel(reason="told to stop again")

    def _reload_tls(self) -> None:
        if self._server is None:
            return  # it is about to read the files anyway
        try:
            self._server.reload_tls()
        except ConfigError as error:
            log.error("the certificate was not reloaded: %s", error)
        else:
            log.info("the certificate was reloaded")

    async def _keep_link(self, link: socket.socket) -> None:
        """Say that we are ready, then stay until the supervisor is no more: nobody would ever stop us then."""
        with link:
            link.setblocking(False)
            try:
                link.send(READY)
                await trio.lowlevel.wait_readable(link)
            except OSError:
                pass
            log.warning("the supervisor is gone: stopping")
            self._drain()

    def _drain(self) -> None:
        self._on_drain()
        self._shutdown.set()
