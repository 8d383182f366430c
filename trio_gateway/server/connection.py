"""One HTTP/1.1 connection: a reader that always reads, and the exchanges, one after the other, that it can cancel.

Two tasks, for as long as the connection lives. The reader feeds the parser, notices every disconnect, whatever bytes
came before it, and watches the clock; the other runs the exchanges. All of them share one cancel scope: what cancels an
exchange (the client left, stalled, or broke the protocol) always ends the connection too, so none needs its own.
A client that half-closes has left: no client of an API does, and what is done for nobody costs money.

Reading stops only where a bound is met: too many body bytes the application has not taken, or too many bytes behind
the request at hand. Then the socket is watched for a hangup instead, which the kernel reports past unread bytes.
"""

from __future__ import annotations

from math import inf

import trio

from trio_gateway.errors import ClientError
from trio_gateway.server.call import Call, ClientGone
from trio_gateway.server.request_head import Request
from trio_gateway.server.request_parser import RequestParser
from trio_gateway.server.response import HELD, UNSTARTED
from trio_gateway.server.service import Service, log
from trio_gateway.server.streams import ByteStream

BODY_AHEAD_BYTES = 262_144
"""Body bytes kept for an application that has not taken them, before reading stops."""

PIPELINE_AHEAD_BYTES = 65_536
"""Bytes kept of requests behind the one at hand, before reading stops."""

LINGER_S = 2.0
"""Seconds a client gets to read our last words while it still sends: closing at once would reset them away."""

DRAIN_FRESH_S = 1.0
"""Seconds that, while draining, a new connection gets to send the request it was opened for."""

WRITES_PER_CHECKPOINT = 16
"""Writes that found room at once, after which others get their turn."""

GONE = (OSError, trio.BrokenResourceError, trio.ClosedResourceError)
Address = tuple[str, int | None]


class Connection:
    """Serves one client. `run` returns when the connection is closed; nothing it started is left then."""

    def __init__(
        self,
        service: Service,
        stream: ByteStream,
        *,
        client: Address | None = None,
        server: Address | None = None,
        scheme: str = "http",
    ) -> None:
        self.service = service
        self.stream = stream
        self.client = client
        self.server = server
        self.scheme = scheme
        self.gone = False
        self.arrivals = trio.lowlevel.ParkingLot()
        self._parser = RequestParser(service.config)
        self._call: Call | None = None
        self._requests = 0
        self._closing = False  # no further request will be read
        self._refusal: ClientError | None = None
        self._everything: trio.CancelScope  # the nursery's own, from when there is one
        self._calls = trio.CancelScope()
        self._waiting: trio.lowlevel.Task | None = None
        self._writing = False
        self._writes = 0
        self._parked: trio.CancelScope | None = None
        self._discarded = 0
        # The reader's clock. `_due` moves with every request; the scope's own deadline only when it must fire earlier,
        # since moving that costs as much as parsing a request.
        self._due = inf
        self._timer = trio.CancelScope()
        self._timed: Request | str | None = None  # what `_due` was set for

    async def run(self) -> None:
        """Serve until the client, the application, a limit or a shutdown ends it. Raises only what is a bug here."""
        self._arm("fresh", self.service.config.header_s)
        try:
            async with trio.open_nursery() as nursery:
                self._everything = nursery.cancel_scope
                self.service.add(self)
                if self.service.draining:
                    self.drain()
                nursery.start_soon(self._read, name="the reader of a connection")
                try:
                    with self._calls:
                        await self._answer_all()
                except Exception:
                    # An application's cancelled exchange may leave errors of its own behind.
                    log.exception("an exchange ended with an error")
                await self._last_words()
                nursery.cancel_scope.cancel(reason="the connection is done")
        finally:
            self.service.discard(self)
            self.gone = True
            self._call = None  # which refers to this connection: what is left is not to wait for the collector
            try:
                await self.stream.aclose()
            except GONE:
                pass

    def drain(self) -> None:
        if self._call is None and self._parser.idle:
            if self._requests:
                self.abort("draining: the connection is idle")
            else:
                self._arm("fresh", min(DRAIN_FRESH_S, self._due - trio.current_time()))

    def abort(self, reason: str) -> None:
        self._everything.cancel(reason=reason)

    # What exchanges ask for

    def must_close(self) -> bool:
        """The response at hand is this connection's last."""
        return self.service.draining

    def make_room(self) -> None:
        """The application has taken body bytes: read on, if reading had stopped."""
        if self._parked is not None:
            self._parked.cancel(reason="there is room to read on")

    def continue_sent(self) -> None:
        """The client was told to send its body: now its time runs."""
        self._tend_clock()

    async def write(self, data: bytes) -> None:
        """Write all of `data`. Blocks while the client reads slowly; see `Call.send`."""
        if self.gone or self._calls.cancel_called:
            await trio.lowlevel.checkpoint()
            raise ClientGone("the client has left")
        if self._writing:
            raise trio.BusyResourceError("the response is being written by another task")
        try:
            sent = self.stream.send_nowait(data)
            if sent < len(data):
                await self._write_rest(memoryview(data)[sent:])
                return
        except ClientGone:
            raise
        except GONE as error:
            await self._lost(error)
        self._writes += 1
        if self._writes % WRITES_PER_CHECKPOINT == 0:
            await trio.lowlevel.checkpoint()

    async def _write_rest(self, rest: memoryview) -> None:
        """The client is behind. It may read slowly for ever, but not stop for longer than `write_stall_s`."""
        self._writing = True
        try:
            while rest:
                with trio.move_on_after(self.service.config.write_stall_s) as stall:
                    rest = rest[await self.stream.send(rest) :]
                if stall.cancelled_caught:
                    self.stream.reset()
                    self._leave("the client has stopped reading")
                    await trio.lowlevel.checkpoint()
                    raise ClientGone("the client has stopped reading")
        finally:
            self._writing = False

    async def _lost(self, error: BaseException) -> None:
        self._leave("the connection broke while writing")
        await trio.lowlevel.checkpoint()
        raise ClientGone("the connection broke while writing") from error

    # The exchanges

    async def _answer_all(self) -> None:
        config = self.service.config
        while (request := await self._next_request()) is not None:
            self._requests += 1
            last = self._requests == config.requests_per_connection_max
            self._call = call = Call(self, request, keep_alive=not last)
            await call.run()
            if not call.response.keep_alive or not request.complete:
                break
            self._call = None
            try:
                self._parser.finish()
            except ClientError as error:
                self._refusal = error
            self._tend_clock()
            self.make_room()
        self._closing = True

    async def _next_request(self) -> Request | None:
        if self._parser.request is not None or self._refusal is not None:
            # Pipelined: it is here already. Others come first.
            await trio.lowlevel.checkpoint()
        while self._refusal is None and not self.gone:
            request = self._parser.request
            if request is not None:
                return request
            if self.service.draining and self._requests and self._parser.idle:
                return None
            self._waiting = trio.lowlevel.current_task()
            await trio.lowlevel.wait_task_rescheduled(self._stop_waiting)
        return None

    def _stop_waiting(self, _: object) -> trio.lowlevel.Abort:
        self._waiting = None
        return trio.lowlevel.Abort.SUCCEEDED

    def _wake(self) -> None:
        if self._waiting is not None:
            task, self._waiting = self._waiting, None
            trio.lowlevel.reschedule(task)
        elif self.arrivals:
            self.arrivals.unpark_all()

    async def _last_words(self) -> None:
        """Say why, if the client is at fault and nothing was said yet; then close so that it can still be read."""
        self._closing = True
        self._calls = trio.CancelScope()
        call = self._call
        refusal = self._refusal
        untouched = call is None or call.response.state in (UNSTARTED, HELD)
        unread = call is not None and not call.request.complete
        try:
            with self._calls:
                if refusal is not None and untouched and not self.gone:
                    head_only = call is not None and call.request.method == "HEAD"
                    await self.write(self.service.last_words(refusal, self._parser.asked, head_only=head_only))
                elif refusal is not None and call is not None and call.response.ends_with_connection:
                    self.stream.reset()
                if not self.gone and (refusal is not None or unread or self._parser.held_bytes):
                    self.stream.send_eof()
                    self._call = None  # from here on all that arrives is discarded
                    self.make_room()
                    with trio.move_on_after(LINGER_S):  # noqa: ASYNC912 (without a round there is nothing to wait for)
                        while not self.gone:
                            await self.arrivals.park()
        except GONE:
            pass

    # The reader

    async def _read(self) -> None:
        while not self.gone:
            self._timer = trio.CancelScope(deadline=self._due)
            with self._timer:
                await self._read_on()
            if not self.gone and self._due <= trio.current_time():
                self._expire()

    async def _read_on(self) -> None:
        try:
            while not self.gone:
                if self._is_full() and not await self._wait_for_room():
                    break
                # Without a name for what arrived, which would be kept until more does.
                if not self._arrived(await self.stream.receive()):
                    break
        except GONE:
            pass
        self._leave("the client has left")

    def _arrived(self, data: bytes) -> bool:
        """Take in what was received; False where that is the end."""
        if self._closing or self._refusal is not None:
            self._discarded += len(data)
            return bool(data)
        if not data:
            return False
        try:
            self._parser.feed(data)
        except ClientError as error:
            self._refuse(error)
            return True
        self._tend_clock()
        request = self._parser.request
        if request is not None and (self._call is None or self._call.request is request):
            self._wake()
        return True

    def _is_full(self) -> bool:
        if self._closing or self._refusal is not None:
            return self._discarded > PIPELINE_AHEAD_BYTES and self._call is not None
        request = self._parser.request
        if request is None:
            return False
        return self._parser.held_bytes >= (PIPELINE_AHEAD_BYTES if request.complete else BODY_AHEAD_BYTES)

    async def _wait_for_room(self) -> bool:
        """Watch for a hangup until there is room. Returns whether there is."""
        timed, left_s = self._timed, self._due - trio.current_time()
        self._due = inf  # the client cannot be blamed for what we do not read
        self._parked = parked = trio.CancelScope()
        try:
            with parked:
                await self.stream.wait_hangup()
        finally:
            self._parked = None
            if self._timed is timed and self._due == inf:
                self._set_due(trio.current_time() + left_s)
        return parked.cancelled_caught

    def _refuse(self, error: ClientError) -> None:
        """The client broke a rule. An exchange that is complete on its side may finish; no other."""
        self._refusal = error
        self._set_due(inf)
        if self._call is not None and not self._call.request.complete:
            self._calls.cancel(reason=error.message)
        self._wake()

    def _leave(self, reason: str) -> None:
        """There is nobody to answer any more: stop everything that is done for them."""
        self.gone = True
        self._calls.cancel(reason=reason)
        self._wake()

    # The clock

    def _tend_clock(self) -> None:
        """Set the deadline that fits what we wait for; leave it alone while that has not changed."""
        parser = self._parser
        request = parser.request
        if request is not None:
            if request.complete or request.expects_continue:
                self._timed = None
                self._due = inf
            elif self._timed is not request:
                self._arm(request, self.service.config.body_s)
        elif parser.idle:
            if self._requests and self._timed != "idle":
                self._arm("idle", self.service.config.idle_s)
        elif self._timed != "head":
            self._arm("head", self.service.config.header_s)

    def _arm(self, waiting_for: Request | str, seconds: float) -> None:
        self._timed = waiting_for
        self._set_due(trio.current_time() + seconds)

    def _set_due(self, due: float) -> None:
        self._due = due
        if due < self._timer.deadline:
            self._timer.deadline = due

    def _expire(self) -> None:
        config = self.service.config
        if self._timed == "idle" or (self._timed == "fresh" and self._parser.idle):
            self._leave("the connection was idle")
        elif isinstance(self._timed, Request):
            self._refuse(timed_out(f"the request's body did not arrive within {config.body_s:g} seconds"))
        else:
            self._refuse(timed_out(f"the request's head did not arrive within {config.header_s:g} seconds"))


def timed_out(message: str) -> ClientError:
    return ClientError(message, status=408, code="request_timeout")
