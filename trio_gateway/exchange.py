"""One client request and all that is done for it.

An exchange runs in a task that is cancelled when its client leaves; the app sees to that under every server.
Nothing it starts outlives it: the upstream's response is closed before `serve` returns, however it returns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from typing import Any

import trio

from trio_gateway.body import read_body
from trio_gateway.dialects import Dialect, dialect
from trio_gateway.dialects.carriage import Carriage, Load
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.endpoints import Endpoint
from trio_gateway.errors import GatewayError, InvalidRequest, UpstreamBroke, UpstreamError, UpstreamTimeout
from trio_gateway.gateway import Gateway
from trio_gateway.ledger.record import Record
from trio_gateway.replies import JSON, Headers, Receive, Send, error_headers, loss_headers, reply
from trio_gateway.routing.channel import Channel
from trio_gateway.routing.table import Target
from trio_gateway.transport.upstream import UpstreamResponse

logger = logging.getLogger("trio_gateway.exchange")

ANSWER_MAX_BYTES = 256 * 1024 * 1024  # of a plain answer, which is held whole
ERROR_MAX_BYTES = 1024 * 1024  # of a provider's error body
_STREAM_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Exchange:
    """Call `serve` once. It returns when the client has been answered, and raises nothing but cancellation."""

    __slots__ = ("_begun", "_dialect", "_endpoint", "_gateway", "_headers", "_receive", "_record", "_request_id",
                 "_scope", "_send")  # fmt: skip

    def __init__(
        self, gateway: Gateway, endpoint: Endpoint, scope: Mapping[str, Any], receive: Receive, send: Send
    ) -> None:
        self._gateway = gateway
        self._endpoint = endpoint
        self._scope = scope
        self._receive = receive
        self._send = send
        self._headers: dict[bytes, bytes] = dict(scope["headers"])
        self._request_id = gateway.request_id(self._headers)
        self._dialect: Dialect = dialect(endpoint.dialect)
        self._begun = False  # the answer's head has been sent
        self._record = Record(
            request_id=self._request_id.decode("ascii"), endpoint=endpoint.name, started_s=trio.current_time()
        )

    async def serve(self) -> None:
        record = self._record
        try:
            await self._serve()
            if record.error is None:
                record.outcome = "ok"
        except GatewayError as error:
            await self._refuse(error)
        except Exception:
            logger.exception("A bug ended the exchange %s", record.request_id)
            await self._refuse(GatewayError("The gateway failed. Its log has the reason, under this request id."))
        finally:
            # Until here the outcome is `cancelled`: that is what it stays when the client leaves.
            record.ended_s = trio.current_time()
            self._gateway.log.write(record)

    async def _serve(self) -> None:
        gateway, record = self._gateway, self._record
        client = self._scope.get("client")
        gateway.admit(self._headers, client[0] if client else None)
        body = await read_body(self._receive, self._headers, gateway.config.server.max_body_bytes)
        carriage = self._endpoint.read(body)
        record.model, record.stream = carriage.model, carriage.stream
        target = gateway.table.resolve(carriage.model)
        record.channel, record.target_model = target.channel, target.model
        channel = gateway.channels[target.channel]
        path = channel.request_target(self._endpoint.operation, target.model, carriage.stream)
        carriage.load(self._load(channel, target))
        self._check_losses(carriage)
        await self._attempt(carriage, channel, target, path)

    def _load(self, channel: Channel, target: Target) -> Load:
        return Load(
            dialect=channel.dialect_name,
            model=target.model,
            capabilities=channel.capabilities(target.model),
            id=self._record.request_id.removeprefix("req_"),
            created=int(time.time()),
        )

    def _check_losses(self, carriage: Carriage) -> None:
        losses = carriage.losses
        self._record.losses = len(losses)
        if losses and self._headers.get(b"x-gateway-strict", b"").strip().lower() in (b"true", b"1"):
            told = "; ".join(f"{loss.pointer}: {loss.reason}" for loss in losses[:20])
            raise InvalidRequest(
                f"The target cannot carry all of this request, and x-gateway-strict is set: {told}",
                code="translation_loss",
                pointer=losses[0].pointer,
            )

    async def _attempt(self, carriage: Carriage, channel: Channel, target: Target, path: bytes) -> None:
        """Ask the target and relay its answer. The scope's deadline is that of what is waited for now."""
        deadlines = Deadlines(channel)
        with trio.CancelScope(deadline=deadlines.first_event_s) as scope:
            response = await channel.upstream.open(b"POST", path, channel.headers, carriage.body)
            try:
                self._record.upstream_request_id = _upstream_request_id(response)
                if response.status != 200:
                    raise channel.redacted(await _read_error(channel, response))
                if carriage.stream:
                    await self._relay_stream(carriage, channel, target, response, scope, deadlines)
                else:
                    await self._relay_plain(carriage, channel, target, response)
            finally:
                await response.aclose()
        if scope.cancelled_caught:
            raise deadlines.error(self._begun)

    async def _relay_plain(
        self, carriage: Carriage, channel: Channel, target: Target, response: UpstreamResponse
    ) -> None:
        body = await response.read(ANSWER_MAX_BYTES)
        self._record.first_event_s = trio.current_time()
        try:
            answer = carriage.answer(body)
        except UpstreamError as error:
            raise channel.redacted(error) from error
        self._record.usage = carriage.usage
        await self._reply(200, [JSON, *self._marks(carriage, channel, target)], answer)

    async def _relay_stream(
        self,
        carriage: Carriage,
        channel: Channel,
        target: Target,
        response: UpstreamResponse,
        scope: trio.CancelScope,
        deadlines: Deadlines,
    ) -> None:
        """Blocks while the client reads slowly, and reads no further from the upstream meanwhile."""
        if (response.header(b"content-type") or b"").startswith(b"application/json"):
            raise channel.redacted(await _read_unstreamed(carriage, channel, response))
        passage = carriage.open_stream(channel.redacted)
        try:
            while not passage.ended:
                chunk = await response.receive_some()
                relayed = passage.feed(chunk) if chunk else passage.close()
                if relayed:
                    scope.deadline = deadlines.total_s  # a slow client is not the provider's fault
                    if not self._begun:
                        await self._begin_stream(carriage, channel, target)
                    await self._send({"type": "http.response.body", "body": relayed, "more_body": True})
                if passage.begun:
                    scope.deadline = deadlines.next_event_s()
        finally:
            self._record.usage = passage.usage
        await self._end_stream(passage, channel)

    async def _begin_stream(self, carriage: Carriage, channel: Channel, target: Target) -> None:
        self._record.first_event_s = trio.current_time()
        self._record.status = 200
        self._begun = True
        headers = [
            (b"content-type", carriage.stream_media_type),
            *_STREAM_HEADERS,
            *self._marks(carriage, channel, target),
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _end_stream(self, passage: StreamPassage, channel: Channel) -> None:
        if passage.error is not None:
            if not self._begun:
                raise channel.redacted(passage.error)
            self._record.failed(passage.error)  # the client has been told in-band, by the passage
        elif not self._begun:
            raise UpstreamBroke("The provider's stream held no answer.")
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _marks(self, carriage: Carriage, channel: Channel, target: Target) -> Headers:
        """Return the headers that say where the request went and what was left out."""
        marks = [(b"x-request-id", self._request_id), *channel.marks(target.model)]
        if self._record.upstream_request_id is not None:
            marks.append((b"x-gateway-upstream-request-id", self._record.upstream_request_id.encode("ascii")))
        return marks + loss_headers(carriage.losses) if carriage.losses else marks

    async def _refuse(self, error: GatewayError) -> None:
        """Tell the client what went wrong: by a status before the first byte, in-band after it."""
        self._record.failed(error)
        if self._begun:
            told = self._dialect.encode_stream_error(error)
            await self._send({"type": "http.response.body", "body": told, "more_body": False})
            return
        status, body = self._dialect.encode_error(error)
        headers = [JSON, (b"x-request-id", self._request_id), *error_headers(error)]
        if (channel := self._gateway.channels.get(self._record.channel or "")) is not None:
            headers += channel.marks(self._record.target_model or "")
        await self._reply(status, headers, body)

    async def _reply(self, status: int, headers: Headers, body: bytes) -> None:
        self._record.status = status
        self._begun = True
        await reply(self._send, status, headers, body)


class Deadlines:
    """When what an attempt waits for is too late, on the event loop's clock."""

    __slots__ = ("_timeouts", "first_event_s", "total_s")

    def __init__(self, channel: Channel) -> None:
        self._timeouts = channel.timeouts
        now_s = trio.current_time()
        self.total_s = now_s + self._timeouts.total_s
        self.first_event_s = min(self.total_s, now_s + self._timeouts.first_event_s)

    def next_event_s(self) -> float:
        return min(self.total_s, trio.current_time() + self._timeouts.gap_s)

    def error(self, begun: bool) -> UpstreamTimeout:
        """Return what to tell once a deadline has passed; `begun` says whether it was in the middle of a stream."""
        timeouts = self._timeouts
        if trio.current_time() >= self.total_s:
            return UpstreamTimeout(f"The provider took longer than total_s = {timeouts.total_s:g} for its answer.")
        if begun:
            return UpstreamTimeout(f"The provider stopped in mid-answer for longer than gap_s = {timeouts.gap_s:g}.")
        return UpstreamTimeout(f"The provider did not answer within first_event_s = {timeouts.first_event_s:g}.")


def _upstream_request_id(response: UpstreamResponse) -> str | None:
    """Return the provider's own id of the request, for its support."""
    value = response.header(b"x-request-id") or response.header(b"request-id")
    return None if value is None else value.decode("ascii", "replace").encode("ascii", "replace").decode()[:200]


async def _read_error(channel: Channel, response: UpstreamResponse) -> UpstreamError:
    if response.status < 400:
        return UpstreamBroke(f"The provider answered with the status {response.status}, which is no answer.")
    body = await response.read(ERROR_MAX_BYTES)
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in response.headers}
    return channel.dialect.decode_error(response.status, headers, body)


async def _read_unstreamed(carriage: Carriage, channel: Channel, response: UpstreamResponse) -> UpstreamError:
    """Return why a JSON body in the place of a stream is none."""
    body = await response.read(ERROR_MAX_BYTES)
    try:
        carriage.answer(body)
    except UpstreamError as error:
        return error
    return UpstreamBroke("The provider answered a request for a stream with a plain answer.")
