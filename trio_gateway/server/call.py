"""One ASGI call: the application's `receive` and `send`, over the connection that owns it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from trio_gateway.errors import GatewayError
from trio_gateway.server.request_head import Asked, Request
from trio_gateway.server.response import COMPLETE, HELD, UNSTARTED, Response
from trio_gateway.server.service import Message, Scope, log

if TYPE_CHECKING:
    from trio_gateway.server.connection import Connection

CANCELS_ON_DISCONNECT = "trio_gateway.cancels_on_disconnect"
"""In `scope["extensions"]`: the app is cancelled when the client is gone, and need not watch `receive`."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class ClientGone(OSError):
    """The client has left, and the application was shielded from the cancellation that says so. ASGI: `send` raises."""


class Call:
    """One request and the response to it. Of no use once `run` has returned: nothing can be sent late."""

    __slots__ = ("_body_given", "_connection", "_over", "request", "response")

    def __init__(self, connection: Connection, request: Request, keep_alive: bool) -> None:
        self._connection = connection
        self._body_given = False
        self._over = False
        self.request = request
        self.response = Response(
            head_only=request.method == "HEAD", http_10=request.http_10, keep_alive=keep_alive and request.keep_alive
        )

    async def run(self) -> None:
        """Call the application and see that there is one whole response. Only cancellation leaves here."""
        connection = self._connection
        try:
            await connection.service.app(self._scope(), self.receive, self.send)
        except ClientGone:
            pass  # a shielded application was told, and stopped
        except Exception:
            log.exception("%s %s: the application failed", self.request.method, self.request.path)
        else:
            if self.response.state is not COMPLETE and not connection.gone:
                log.error("%s %s: the application left no whole response", self.request.method, self.request.path)
        finally:
            self._over = True
            if connection.arrivals:
                connection.arrivals.unpark_all()
        if self.response.state is not COMPLETE and not connection.gone:
            await self._make_up()

    async def receive(self) -> Message:
        """ASGI `receive`: all of the body that is here; at its end, and after it, `http.disconnect`.

        Blocks until bytes arrive, or the client has left. Does not yield when there is something to return at once.
        """
        request = self.request
        connection = self._connection
        while not (self._over or connection.gone):
            if not self._body_given:
                if request.unread or request.complete:
                    self._body_given = request.complete
                    body = request.take_body()
                    connection.make_room()
                    return {"type": "http.request", "body": body, "more_body": not request.complete}
                if request.expects_continue:
                    request.expects_continue = False
                    connection.continue_sent()
                    await connection.write(CONTINUE)
                    continue
            await connection.arrivals.park()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI `send`. The head waits for the first body event and leaves with it.

        Blocks while the client reads slowly; cancels the exchange when it reads nothing for `write_stall_s`. Raises
        `InvalidResponse` for what would not be one HTTP response, and `ClientGone` to a shielded application.
        """
        connection = self._connection
        if self._over:
            raise ClientGone("the exchange is over")
        kind = message["type"]
        if kind == "http.response.body":
            response = self.response
            if response.state is HELD and (connection.must_close() or not self.request.complete):
                # What is left of an unread body would have to be read first: the connection ends with this response.
                response.keep_alive = False
            more = message.get("more_body", False)
            data = response.body(message.get("body", b""), more, connection.service.date_line())
            if data:
                await connection.write(data)
        elif kind == "http.response.start":
            self.response.start(message["status"], message.get("headers", ()))
        else:
            raise TypeError(f"this server does not know the event {kind!r}")

    async def _make_up(self) -> None:
        """For a response that the application did not finish: a 500 if nothing was written, else a cut that shows."""
        connection = self._connection
        if self.response.state in (UNSTARTED, HELD):
            keep_alive = self.response.keep_alive and self.request.complete and not connection.must_close()
            request = self.request
            self.response = Response(head_only=request.method == "HEAD", http_10=request.http_10, keep_alive=keep_alive)
            error = GatewayError("the server failed to answer", code="internal_error")
            told = connection.service.refusal(error, Asked(request.path))
            self.response.start(told.status, told.headers)
            await connection.write(self.response.body(told.body, False, connection.service.date_line()))
        else:
            self.response.keep_alive = False
            if self.response.ends_with_connection:
                connection.stream.reset()

    def _scope(self) -> Scope:
        request = self.request
        connection = self._connection
        headers, request.headers = request.headers, []  # the application's from here on: it may forget them early
        scope: dict[str, Any] = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.0" if request.http_10 else "1.1",
            "method": request.method,
            "scheme": connection.scheme,
            "path": request.path,
            "raw_path": request.raw_path,
            "query_string": request.query_string,
            "root_path": "",
            "headers": headers,
            "client": connection.client,
            "server": connection.server,
            "state": connection.service.state.copy(),
            "extensions": {CANCELS_ON_DISCONNECT: {}},
        }
        return scope
