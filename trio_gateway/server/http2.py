"""HTTP/2 over TLS, as Hypercorn speaks it. Off unless asked for.

Its limits, which are Hypercorn's: what a client does not read is buffered without bound; a disconnect reaches the
application as `http.disconnect`, not as a cancellation; none of the server's own limits but those of the TLS
handshake and of idle connections apply.
"""

from __future__ import annotations

from typing import Any

import trio
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.config import Config
from hypercorn.trio.tcp_server import TCPServer
from hypercorn.trio.worker_context import WorkerContext
from hypercorn.typing import ConnectionState

from trio_gateway.server.service import Service, log


class Http2:
    """The HTTP/2 connections of one worker."""

    def __init__(self, service: Service, config: Config) -> None:
        self._service = service
        self._config = config
        self._context = WorkerContext(None)

    async def serve(self, stream: trio.SSLStream[trio.SocketStream]) -> None:
        """One connection. Its failures are logged and end with it."""
        app: Any = ASGIWrapper(self._service.app)  # type: ignore[arg-type]  # Hypercorn types ASGI messages by TypedDict
        state: Any = ConnectionState(self._service.state.copy())
        try:
            await TCPServer(app, self._config, self._context, state, stream).run()
        except Exception:
            log.exception("an HTTP/2 connection ended with an error")

    async def drain(self) -> None:
        """Close idle connections; those in use end with the exchanges they carry, or with the drain."""
        await self._context.terminated.set()
