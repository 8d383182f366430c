"""Read an upstream's stream of Responses events.

What an event belongs to is told by `output_index`, and within a message by `content_index`: ids change between events
behind some proxies. Deltas count; what a `.done` event holds beyond them is the missing rest, and of an item that was
never begun all of it. A call is told when its name is known. What has been told of each part is in `stream_parts`.

What to do with an event stands in _EVENTS, by its type; unknown types are skipped.
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import Loss, Losses, Opaque, Token
from trio_gateway.dialects.events import (
    AnswerEvent,
    Delta,
    End,
    Fail,
    Finish,
    LogprobsDelta,
    Sign,
    Start,
    UsageUpdate,
    fail_broken,
)
from trio_gateway.dialects.framing import SseDecoder
from trio_gateway.dialects.names import OwnName
from trio_gateway.dialects.openai_responses.answer_decoder import (
    CALLS,
    call_of,
    check_status,
    content_of,
    created_of,
    reason_of,
    reasoning_of,
    tier_of,
    unread_of_content,
    unread_of_item,
    unread_of_response,
)
from trio_gateway.dialects.openai_responses.errors import error_of, read_error_member
from trio_gateway.dialects.openai_responses.items import ME, stop_of, usage_of
from trio_gateway.dialects.openai_responses.logprobs import logprobs_of
from trio_gateway.dialects.openai_responses.stream_parts import Kind, StreamParts
from trio_gateway.dialects.unread import UNKNOWN
from trio_gateway.dialects.unread_events import Events, UnreadOfEvents
from trio_gateway.dialects.wire import BAD_BODY, check_text
from trio_gateway.errors import UpstreamBroke, UpstreamError

# What these say is padding, or in the item that is done.
_SAYS_NOTHING = frozenset({("obfuscation",), ("name",), ("status",)})
_READ = Events(wire.StreamEvent, known=_SAYS_NOTHING, elsewhere=frozenset({"response"}))


class _Holder(msgspec.Struct):
    """An event that begins a stream, or ends one."""

    response: msgspec.Raw = msgspec.Raw(b"{}")


_decode_holder = msgspec.json.Decoder(_Holder).decode


class AnswerDecoder:
    """See `dialects.AnswerDecoder`. `number` is that of the last event that could be read; -1 where none had one.

    With `keeps_response`, `response` is the response's object as the stream began with it; None where it did not.
    `told_error` says that an `error` event ended the stream: a response that failed often follows it, and is not read.
    """

    __slots__ = ("_ended", "_has_calls", "_keeps_response", "_parts", "_sse", "_started", "_thought_ids", "_unread",
                 "ended_at", "losses", "number", "response", "told_error")  # fmt: skip

    def __init__(self, *, keeps_response: bool = False) -> None:
        self.losses: Losses = []
        self.ended_at: int | None = None
        self.number = -1
        self.response: msgspec.Raw | None = None
        self.told_error = False
        self._keeps_response = keeps_response
        self._sse = SseDecoder()
        self._unread = UnreadOfEvents(_READ)
        self._parts = StreamParts()
        self._thought_ids: dict[int, str] = {}  # by output_index
        self._started = False
        self._ended = False
        self._has_calls = False

    def feed(self, chunk: bytes) -> list[AnswerEvent]:
        if self._ended:
            return []
        try:
            datas = self._sse.feed(chunk)
        except UpstreamError as error:
            return self._fail(Fail(error))
        return self._read(datas)

    def close(self) -> list[AnswerEvent]:
        if self._ended:
            return []
        events = self._read(self._sse.close())
        if not self._ended:
            events += self._fail(fail_broken("The provider's stream ended without its terminal event."))
        return events

    def _fail(self, fail: Fail) -> list[AnswerEvent]:
        self._ended = True
        self._parts.open.clear()
        return [fail]

    def _read(self, datas: list[bytes]) -> list[AnswerEvent]:
        self._parts.events = events = []
        for place, data in enumerate(datas):
            try:
                self._event(data)
            except BAD_BODY as error:
                events += self._fail(fail_broken(f"An event of the provider's stream cannot be read: {error}."))
            except UpstreamError as error:
                events += self._fail(Fail(error))
            if self._ended:
                self.ended_at = place
                break
        return events

    def _event(self, data: bytes) -> None:
        check_text(data)
        try:
            event = self._unread.decode(data)
        except msgspec.ValidationError:
            # Types that are not read have other members, and members of other types by the same names.
            odd = wire.event_type_decoder.decode(data)
            kind = odd.type
            if kind and kind not in _EVENTS:
                if type(odd.sequence_number) is int:
                    self.number = odd.sequence_number
                return
            try:
                event = self._look(data)
            except msgspec.ValidationError:
                if kind:
                    raise
                return
        except msgspec.DecodeError:
            if data.strip() == b"[DONE]":  # not the official stream's, but several servers write it
                return
            raise
        reader = _EVENTS.get(event.type)
        if reader is not None:
            if event.type in _LAST:
                self._unread_of_last(data)
            if not self._started:
                if event.type not in _LIFECYCLE:
                    self._start(None)
                elif self._keeps_response and event.response is not None:
                    self.response = _decode_holder(data).response
            reader(self, event)
        elif not event.type and event.error is not msgspec.UNSET:
            self._on_error(event)
        if event.sequence_number is not None:
            self.number = event.sequence_number

    def _look(self, data: bytes) -> wire.StreamEvent:
        """Read an event with members that nobody knows, and note them."""
        event, unread = self._unread.look(data)
        at = "" if event.output_index is None else f"/output/{event.output_index}"
        losses = [Loss(at + found.pointer, UNKNOWN) for found in unread if not found.is_null]
        self.losses += [loss for loss in losses if loss not in self.losses]
        self._unread.learn(unread)
        return event

    def _unread_of_last(self, data: bytes) -> None:
        """Note what the whole response says that nobody knows: its last event holds it."""
        whole = _decode_holder(data).response
        response = wire.response_decoder.decode(whole)
        self.losses += unread_of_response(response, whole)

    # --------------------------------------------------------------------------------------- lifecycle

    def _start(self, response: wire.Response | None) -> None:
        if self._started:
            return
        self._started = True
        if response is None:
            self._parts.events.append(Start())
        else:
            self._parts.events.append(Start(response.id, response.model, created_of(response), tier_of(response)))

    def _on_begun(self, event: wire.StreamEvent) -> None:
        self._start(event.response)

    def _on_finished(self, event: wire.StreamEvent) -> None:
        response = event.response
        if response is None:
            raise UpstreamBroke("The provider's last event holds no response.")
        status = "incomplete" if event.type == "response.incomplete" else check_status(response)
        self._start(response)
        if not self._parts.seen:
            for index, raw in enumerate(response.output or ()):
                self._finish_item(index, raw)
        for place in list(self._parts.open):
            self._parts.close(place)
        if isinstance(response.usage, wire.Usage):
            self._parts.events.append(UsageUpdate(usage_of(response.usage)))
        stop = stop_of(status, reason_of(response), self._has_calls, self._parts.has_refusal)
        self._parts.events += (Finish(stop), End())
        self._ended = True

    def _on_failed(self, event: wire.StreamEvent) -> None:
        response = event.response
        failure = response.error if response is not None else None
        if failure is None:
            failure = wire.ResponseError(message=f"The provider says {event.type}, and not why.")
        raise error_of(failure)

    def _on_error(self, event: wire.StreamEvent) -> None:
        """An error has its members at the top, by the document, or in `error`, by recordings."""
        self.told_error = True
        if event.sequence_number is not None:
            self.number = event.sequence_number
        if event.error is not msgspec.UNSET and event.error != msgspec.Raw(b"null"):
            raise error_of(read_error_member(event.error))
        raise error_of(wire.ErrorBody(event.message, None, event.param, event.code))

    # ------------------------------------------------------------------------------------------- items

    def _on_item_added(self, event: wire.StreamEvent) -> None:
        self._parts.seen = True
        if type(event.item) is not msgspec.Raw or event.item == _NULL:
            return
        index = event.output_index or 0
        item = wire.item_head_decoder.decode(event.item)
        if item.type == "reasoning" and item.id is not None:
            self._thought_ids[index] = item.id
            self._parts.announced[index, 0] = ("reasoning", item.id)
        elif item.type in CALLS:
            call = wire.output_item_decoder.decode(event.item)
            if call.name:
                self._call(index, call, item.type)

    def _on_content_added(self, event: wire.StreamEvent) -> None:
        place = (event.output_index or 0, event.content_index or 0)
        if type(event.part) is msgspec.Raw and event.part != _NULL and place not in self._parts.open:
            kind = _CONTENT.get(wire.item_head_decoder.decode(event.part).type or "")
            if kind is not None and place[0] not in self._parts.items_done:
                self._parts.announced[place] = (kind, "")

    def _on_content_done(self, event: wire.StreamEvent) -> None:
        index, position = place = (event.output_index or 0, event.content_index or 0)
        self._parts.announced.pop(place, None)
        if type(event.part) is not msgspec.Raw or event.part == _NULL or index in self._parts.items_done:
            return
        if place not in self._parts.told:
            self._finish_content(index, position, content_of(event.part))
            if place in self._parts.open:
                self._parts.close(place)
            self._parts.told.add(place)

    def _on_item_done(self, event: wire.StreamEvent) -> None:
        self._parts.seen = True
        if type(event.item) is msgspec.Raw and event.item != _NULL:
            self._finish_item(event.output_index or 0, event.item)

    def _finish_item(self, index: int, raw: msgspec.Raw) -> None:
        """Tell what of an item is still missing, and close it."""
        if index in self._parts.items_done:
            return
        self._parts.items_done.add(index)
        for place in [place for place in self._parts.announced if place[0] == index]:
            del self._parts.announced[place]
        kind = wire.item_head_decoder.decode(raw).type or "message"
        self.losses += unread_of_item(raw, kind, f"/output/{index}")
        if kind == "message":
            self._finish_message(index, wire.output_item_decoder.decode(raw))
        elif kind in CALLS:
            item = wire.output_item_decoder.decode(raw)
            self._call(index, item, kind)
            self._parts.rest(index, 0, "call", item.input if kind == "custom_tool_call" else item.arguments)
        elif kind == "reasoning":
            self._finish_reasoning(index, wire.reasoning_decoder.decode(raw))
        else:
            self._parts.tell_opaque(Opaque(ME, kind, raw))
        for place in [place for place in self._parts.open if place[0] == index]:
            self._parts.close(place)

    def _call(self, index: int, item: wire.OutputItem, kind: str) -> None:
        if (index, 0) in self._parts.open:
            return
        call = call_of(item, kind, f"/{index}")
        self._has_calls = True
        name = OwnName(call.name, call.namespace)
        self._parts.begin(index, 0, "custom_call" if call.custom else "call", call.id, name)

    def _finish_message(self, index: int, message: wire.OutputItem) -> None:
        content = message.content
        if isinstance(content, str):
            self._parts.rest(index, 0, "text", content)
            return
        for position, raw in enumerate(content or ()):
            part = content_of(raw)
            if not isinstance(part, Opaque):
                self.losses += unread_of_content(raw, f"/output/{index}/content/{position}")
            self._finish_content(index, position, part)

    def _finish_content(self, index: int, position: int, part: wire.ContentPart | Opaque) -> None:
        if (index, position) in self._parts.told:
            return
        if isinstance(part, Opaque):
            self._parts.tell_opaque(part)
            return
        if part.type == "refusal":
            self._parts.rest(index, position, "refusal", part.refusal)
            return
        unheard = (index, position) not in self._parts.open
        self._parts.rest(index, position, "text", part.text)
        for citation in (part.annotations or [])[self._parts.citations(index, position) :]:
            self._parts.cite(index, position, citation)
        if unheard and part.logprobs:
            self._parts.events.append(LogprobsDelta(logprobs_of(part.logprobs)))

    def _finish_reasoning(self, index: int, item: wire.ReasoningItem) -> None:
        reasoning = reasoning_of(item)
        if reasoning is None:
            return
        if reasoning.token is None:
            self._parts.rest(index, 0, "reasoning", reasoning.text, reasoning.id or "")
            return
        kind: Kind = "redacted" if reasoning.redacted and (index, 0) not in self._parts.open else "reasoning"
        self._parts.rest(index, 0, kind, reasoning.text, reasoning.id or "")
        self._sign(index, kind, reasoning.token, reasoning.id or "")

    def _sign(self, index: int, kind: Kind, token: Token, item_id: str) -> None:
        part = self._parts.open.get((index, 0)) or self._parts.begin(index, 0, kind, item_id)
        self._parts.events.append(Sign(part.key, token))

    def _on_text_delta(self, event: wire.StreamEvent) -> None:
        index, position = event.output_index or 0, event.content_index or 0
        if event.delta:
            self._parts.tell(index, position, "text", event.delta)
        if event.logprobs:
            self._parts.events.append(LogprobsDelta(logprobs_of(event.logprobs)))

    def _on_text_done(self, event: wire.StreamEvent) -> None:
        if (event.output_index or 0) not in self._parts.items_done:
            unheard = (event.output_index or 0, event.content_index or 0) not in self._parts.open
            self._parts.rest(event.output_index or 0, event.content_index or 0, "text", event.text)
            if unheard and event.logprobs:
                self._parts.events.append(LogprobsDelta(logprobs_of(event.logprobs)))

    def _on_refusal_delta(self, event: wire.StreamEvent) -> None:
        if event.delta:
            self._parts.tell(event.output_index or 0, event.content_index or 0, "refusal", event.delta)

    def _on_refusal_done(self, event: wire.StreamEvent) -> None:
        if (event.output_index or 0) not in self._parts.items_done:
            self._parts.rest(event.output_index or 0, event.content_index or 0, "refusal", event.refusal)

    def _on_annotation(self, event: wire.StreamEvent) -> None:
        if type(event.annotation) is msgspec.Raw and event.annotation != _NULL:
            self._parts.cite(event.output_index or 0, event.content_index or 0, event.annotation)

    def _on_call_delta(self, event: wire.StreamEvent) -> None:
        # A call that has no name yet is told when its item is done: until then nobody knows what is called.
        part = self._parts.open.get((event.output_index or 0, 0))
        if part is not None and event.delta:
            part.length += len(event.delta)
            self._parts.events.append(Delta(part.key, event.delta))

    def _on_call_done(self, event: wire.StreamEvent) -> None:
        if (event.output_index or 0, 0) in self._parts.open:
            self._parts.rest(event.output_index or 0, 0, "call", event.arguments or event.input)

    def _on_thought_delta(self, event: wire.StreamEvent) -> None:
        if not event.delta:
            return
        index = event.output_index or 0
        # The texts of one item are one thought: two summary parts are two paragraphs of it.
        paragraph = (event.summary_index or 0) if event.summary_index is not None else -1 - (event.content_index or 0)
        part = self._parts.open.get((index, 0))
        if part is not None and part.length and part.last_index != paragraph:
            self._parts.tell(index, 0, "reasoning", "\n\n")
        self._parts.tell(index, 0, "reasoning", event.delta, self._thought_ids.get(index) or event.item_id or "")
        part = self._parts.open.get((index, 0))
        if part is not None:  # none where the item was done before
            part.last_index = paragraph


_CONTENT: dict[str, Kind] = {"output_text": "text", "refusal": "refusal"}
_NULL = msgspec.Raw(b"null")
_LAST = frozenset({"response.completed", "response.incomplete"})
_LIFECYCLE = frozenset(
    {
        "response.created", "response.queued", "response.in_progress", "response.completed", "response.incomplete",
        "response.failed", "response.cancelled", "error",
    }
)  # fmt: skip

_EVENTS: dict[str, Callable[[AnswerDecoder, wire.StreamEvent], None]] = {
    "response.output_text.delta": AnswerDecoder._on_text_delta,
    "response.output_text.done": AnswerDecoder._on_text_done,
    "response.output_text.annotation.added": AnswerDecoder._on_annotation,
    "response.refusal.delta": AnswerDecoder._on_refusal_delta,
    "response.refusal.done": AnswerDecoder._on_refusal_done,
    "response.function_call_arguments.delta": AnswerDecoder._on_call_delta,
    "response.function_call_arguments.done": AnswerDecoder._on_call_done,
    "response.custom_tool_call_input.delta": AnswerDecoder._on_call_delta,
    "response.custom_tool_call_input.done": AnswerDecoder._on_call_done,
    "response.reasoning_summary_text.delta": AnswerDecoder._on_thought_delta,
    "response.reasoning_text.delta": AnswerDecoder._on_thought_delta,
    "response.content_part.added": AnswerDecoder._on_content_added,
    "response.content_part.done": AnswerDecoder._on_content_done,
    "response.output_item.added": AnswerDecoder._on_item_added,
    "response.output_item.done": AnswerDecoder._on_item_done,
    "response.created": AnswerDecoder._on_begun,
    "response.queued": AnswerDecoder._on_begun,
    "response.in_progress": AnswerDecoder._on_begun,
    "response.completed": AnswerDecoder._on_finished,
    "response.incomplete": AnswerDecoder._on_finished,
    "response.failed": AnswerDecoder._on_failed,
    "response.cancelled": AnswerDecoder._on_failed,
    "error": AnswerDecoder._on_error,
}
