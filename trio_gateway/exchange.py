"""One client request and all that is done for it.

An exchange runs in a task that is cancelled when its client leaves; the app sees to that under every server.
Nothing it starts outlives it: the upstream's response is closed before `serve` returns, however it returns.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Awaitable, Mapping
from functools import partial
from typing import Any

import trio

from trio_gateway.body import read_body
from trio_gateway.dialects import ClientSide, client_side
from trio_gateway.dialects.carriage import Carriage
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.endpoints import Endpoint
from trio_gateway.errors import GatewayError, InvalidRequest
from trio_gateway.gateway import Gateway
from trio_gateway.ledger.record import Record
from trio_gateway.patience import Waiting
from trio_gateway.replies import JSON, Headers, Receive, Send, error_headers, id_headers, loss_header, reply
from trio_gateway.routing import prompts
from trio_gateway.routing.ask import Ask, Underway
from trio_gateway.routing.attempt import OpenAnswer
from trio_gateway.routing.routes import Plan

logger = logging.getLogger("trio_gateway.exchange")
_FORGOTTEN: dict[Any, Any] = {}  # stays empty
_STREAM_HEADERS = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]


class Exchange:
    """Call `serve` once. It returns when the client has been answered, and raises nothing but cancellation."""

    __slots__ = ("_ask", "_begun", "_dialect", "_endpoint", "_gateway", "_headers", "_receive", "_record",
                 "_request_id", "_scope", "_send")  # fmt: skip

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
        self._dialect: ClientSide = client_side(endpoint.dialect)
        self._ask: Ask | None = None
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
            self._note_attempts()
            record.ended_s = trio.current_time()
            self._gateway.log.write(record)

    async def _serve(self) -> None:
        answer = await self._open()
        try:
            await self._begin(answer)
            if answer.passage is not None:
                self._forget_request()
                await self._relay_stream(answer, answer.passage)
        finally:
            await answer.aclose()

    async def _open(self) -> OpenAnswer:
        """Let the request in, read it, and find an answer to it. Blocks until its first event is there."""
        gateway, record = self._gateway, self._record
        client = self._scope.get("client")
        gateway.admit(
            self._headers, client[0] if client else None, self._scope.get("query_string", b""), record.started_s
        )
        body = await read_body(self._receive, self._headers, gateway.config.server.max_body_bytes)
        carriage = self._endpoint.read(body)
        record.model, record.stream = carriage.model, carriage.stream
        self._ask = ask = Ask(
            carriage=carriage,
            endpoint=self._endpoint.name,
            operation=self._endpoint.operation,
            body=body,
            headers=self._headers,
            request_id=record.request_id,
            started_s=record.started_s,
            fetcher=gateway.fetcher,
        )
        if b"x-gateway-strict" in self._headers:
            ask.strict = is_strict(self._headers)
        plan = gateway.routes.resolve(carriage.model)
        if b"x-gateway-timeout-s" in self._headers:
            ask.deadline_s = record.started_s + client_timeout_s(self._headers)
        if carriage.stream and self._dialect.KEEP_ALIVE:
            return await self._patiently(ask, partial(self._ask_router, plan, ask))
        return await self._ask_router(plan, ask)

    def _ask_router(self, plan: Plan, ask: Ask) -> Awaitable[OpenAnswer]:
        if self._endpoint.dialect == prompts.DIALECT:
            return prompts.open_prompts(self._gateway.router, plan, ask, partial(self._patiently, ask))
        return self._gateway.router.open(plan, ask)

    async def _patiently(self, ask: Ask, opening: prompts.Opening) -> OpenAnswer:
        """Open an answer; meanwhile the client is sent a comment now and then, where it takes long."""
        patience = self._gateway.patience
        waiting = Waiting(partial(self._comment, ask))
        patience.enter(waiting)
        answer: OpenAnswer | None = None
        try:
            answer = await opening()
            if waiting.begun:
                await waiting.stop()
            return answer
        except BaseException as error:
            if answer is not None:
                await answer.aclose()  # noqa: ASYNC102 (closes at once; where it waits, it has its own shield)
            if waiting.begun and isinstance(error, GatewayError):
                await waiting.stop()  # noqa: ASYNC102 (not on a cancellation: the error is the gateway's own)
            raise
        finally:
            patience.leave(waiting)
            waiting.abandon()

    async def _comment(self, ask: Ask) -> None:
        if not self._begun:
            await self._begin_stream(ask.carriage, self._early_marks(ask.underway))
        await self._send_more(self._dialect.KEEP_ALIVE)

    def _note_attempts(self) -> None:
        """Put into the record where the exchange went."""
        ask, record = self._ask, self._record
        if ask is not None and ask.state is not None:
            target = ask.state.target
            record.channel, record.target_model = target.channel, target.model
            record.attempts, record.hedges = ask.attempts, ask.hedges
            record.tried = [tried.line() for tried in ask.tried]

    def _forget_request(self) -> None:
        """Let go of what only the opening of the answer needed, before a stream that may last for an hour."""
        self._note_attempts()
        self._ask = None
        self._scope = self._headers = _FORGOTTEN

    async def _begin(self, answer: OpenAnswer) -> None:
        """Send the client a plain answer, or begin a stream."""
        record, carriage = self._record, answer.carriage
        record.first_event_s = trio.current_time()
        record.lost_of_request(carriage.losses)
        record.upstream_request_id = answer.request_id.decode("ascii") if answer.request_id else None
        marks = self._marks(carriage, answer)
        if answer.passage is None:
            record.usage = carriage.usage
            record.lost_of_answer(carriage.answer_losses)
            await self._reply(200, [JSON, *marks], answer.first)
        elif not self._begun:
            await self._begin_stream(carriage, marks)

    async def _relay_stream(self, answer: OpenAnswer, passage: StreamPassage) -> None:
        """Send the client events as they come. Blocks while it reads slowly, and reads no further upstream then."""
        try:
            await self._send_more(answer.take_first())
            while not passage.ended:
                relayed = await answer.next(passage)
                if relayed:
                    await self._send_more(relayed)
                del relayed  # not kept until the next is there
        finally:
            self._record.usage = passage.usage
            self._record.lost_of_answer(passage.losses)
        if passage.error is not None:
            self._record.failed(passage.error)  # the passage has told the client in-band
        await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    def _marks(self, carriage: Carriage, answer: OpenAnswer) -> Headers:
        """Return the headers that say where the request went and what was left out."""
        marks = id_headers(self._endpoint.dialect, self._request_id)
        marks += answer.channel.marks(answer.target.model)
        if answer.request_id is not None:
            marks.append((b"x-gateway-upstream-request-id", answer.request_id))
        if carriage.told is not None and self._endpoint.operation == "count":
            marks.append((b"x-gateway-estimate", b"true"))
        if self._ask is not None and self._ask.attempts > 1:
            marks.append((b"x-gateway-attempts", b"%d" % self._ask.attempts))
        if carriage.losses:
            marks += loss_header(b"x-gateway-loss", carriage.losses)
        if carriage.answer_losses:
            marks += loss_header(b"x-gateway-answer-loss", carriage.answer_losses)
        return marks

    def _early_marks(self, underway: Underway) -> Headers:
        """Return what `_marks` can say of the target that is waited for; the answer may be another's in the end."""
        marks = id_headers(self._endpoint.dialect, self._request_id)
        if underway.state is not None:
            target = underway.state.target
            marks += self._gateway.channels[target.channel].marks(target.model)
            marks += loss_header(b"x-gateway-loss", underway.losses)
        return marks

    async def _begin_stream(self, carriage: Carriage, marks: Headers) -> None:
        self._record.status = 200
        self._begun = True
        headers = [(b"content-type", carriage.stream_media_type), *_STREAM_HEADERS, *marks]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _send_more(self, relayed: bytes) -> None:
        await self._send({"type": "http.response.body", "body": relayed, "more_body": True})

    async def _refuse(self, error: GatewayError) -> None:
        """Tell the client what went wrong: by a status before the first byte, in-band after it."""
        self._record.failed(error)
        if self._begun:
            told = self._dialect.encode_stream_error(error)
            await self._send({"type": "http.response.body", "body": told, "more_body": False})
            return
        status, body = self._dialect.encode_error(error)
        headers = [JSON, *id_headers(self._endpoint.dialect, self._request_id), *error_headers(error)]
        ask = self._ask
        if ask is not None and ask.state is not None:
            target = ask.state.target
            headers += self._gateway.channels[target.channel].marks(target.model)
            headers.append((b"x-gateway-attempts", b"%d" % ask.attempts))
        await self._reply(status, headers, body)

    async def _reply(self, status: int, headers: Headers, body: bytes) -> None:
        self._record.status = status
        self._begun = True
        await reply(self._send, status, headers, body)


def client_timeout_s(headers: Mapping[bytes, bytes]) -> float:
    """Return how long the client gives the whole exchange. Raises InvalidRequest."""
    try:
        given_s = float(headers[b"x-gateway-timeout-s"])
    except ValueError:
        given_s = math.nan
    if not 0 < given_s < math.inf:
        raise InvalidRequest("The header x-gateway-timeout-s must be a number of seconds, more than 0.")
    return given_s


_STRICT = {b"true": True, b"1": True, b"false": False, b"0": False}


def is_strict(headers: Mapping[bytes, bytes]) -> bool:
    """Return whether the client wants all of its request carried, or none. Raises InvalidRequest."""
    said = _STRICT.get(headers[b"x-gateway-strict"].strip().lower())
    if said is None:
        raise InvalidRequest("The header x-gateway-strict must be true or false.")
    return said
