"""Write a stream of Responses events.

    response.created, response.in_progress
    for each item      output_item.added, what is in it, output_item.done
    response.completed, .incomplete, or error and response.failed

Items get their `output_index` when they are opened, and several may be open at once. Texts and refusals in a row are
parts of one message, which is done when something else begins or the answer is finished. The last event repeats all
items, so the done ones are kept: one answer in memory, as large as the upstream sends.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.citations import left_out
from trio_gateway.dialects.conversation import AnswerContext, Loss, Losses, Reasoning, Stop, Token, ToolCall, Usage
from trio_gateway.dialects.events import (
    AnswerEvent,
    Cite,
    Close,
    Delta,
    End,
    Fail,
    Finish,
    LogprobsDelta,
    Open,
    Ping,
    Sign,
    Start,
    UsageUpdate,
)
from trio_gateway.dialects.openai_responses.answer_encoder import (
    ONE_CHOICE,
    ItemNames,
    call_item,
    carrier_item,
    lose_tier,
    reasoning_item,
    response_of,
)
from trio_gateway.dialects.openai_responses.errors import encode_stream_error, failure_of
from trio_gateway.dialects.openai_responses.items import (
    CONTENT_TAGS,
    ME,
    annotation_of,
    annotations_of,
    status_of,
    wire_usage,
)
from trio_gateway.dialects.openai_responses.logprobs import content_logprobs
from trio_gateway.dialects.openai_responses.open_parts import OpenMessage, OpenPart
from trio_gateway.errors import UpstreamBroke, UpstreamError

_encode = wire.encode


class AnswerEncoder:
    """See `dialects.AnswerEncoder`. Only the first choice is told: the format has no others."""

    __slots__ = ("_begun", "_context", "_done", "_ended", "_items", "_message", "_names", "_out", "_parts",
                 "_pending", "_refused", "_sequence", "_start", "_stop", "_unheard", "_usage", "losses")  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        self.losses: Losses = []
        self._context = context
        self._names = ItemNames(context)
        self._out: list[bytes] = []
        self._sequence = 0
        self._start = Start()
        self._begun = False
        self._ended = False
        self._items: list[msgspec.Raw | None] = []  # by output_index; None while they are open
        self._done: list[OpenMessage] = []  # messages that something else followed while a part of them was open
        self._message: OpenMessage | None = None  # the last item, if it is a message
        self._parts: dict[int, OpenPart] = {}
        self._pending: list[msgspec.Raw] = []  # logprobs that came before the text they belong to
        self._unheard: set[int] = set()  # keys of parts that are not told
        self._usage: Usage | None = None
        self._stop: Stop | None = None
        self._refused = False

    def feed(self, events: list[AnswerEvent]) -> bytes:
        for event in events:
            if self._ended:
                break
            if not self._begun and type(event) is not Start and type(event) is not Ping:
                self._begin()
            _EVENTS[type(event)](self, event)
        return self._taken()

    def close(self) -> bytes:
        if not self._ended:
            self._fail(UpstreamBroke("The provider's stream ended before the answer was whole."))
        return self._taken()

    def _taken(self) -> bytes:
        out = b"".join(self._out)
        self._out.clear()
        return out

    def _emit(self, event: bytes, members: bytes) -> None:
        self._out.append(
            b'event: %b\ndata: {"type":"%b",%b,"sequence_number":%d}\n\n' % (event, event, members, self._sequence)
        )
        self._sequence += 1

    # ---------------------------------------------------------------------------------- begin and end

    def _on_start(self, event: Start) -> None:
        if not self._begun:
            self._start = event
            self._begin()

    def _begin(self) -> None:
        self._begun = True
        self._emit(b"response.created", self._response("in_progress"))
        self._emit(b"response.in_progress", self._response("in_progress"))

    def _response(
        self,
        status: str,
        reason: str | None = None,
        error: wire.ResponseError | None = None,
        usage: wire.Usage | None = None,
    ) -> bytes:
        start = self._start
        response = response_of(
            start.id,
            start.created,
            start.model,
            self._context,
            status=status,
            output=[item for item in self._items if item is not None],
            reason=reason,
            error=error,
            usage=usage,
            tier=start.service_tier,
        )
        return b'"response":' + _encode(response)

    def _on_finish(self, event: Finish) -> None:
        if event.choice == 0:
            self._stop = event.stop
        else:  # a choice without a part is lost as well
            self._lose_choice(event.choice)

    def _lose_choice(self, choice: int) -> None:
        loss = Loss(f"/choices/{choice}", ONE_CHOICE)
        if loss not in self.losses:
            self.losses.append(loss)

    def _on_usage(self, event: UsageUpdate) -> None:
        self._usage = self._usage.updated(event.usage) if self._usage else event.usage

    def _on_end(self, _event: End) -> None:
        status, reason = status_of(self._stop, self._refused, self.losses)
        for key in list(self._parts):
            self._close_part(key)
        self._end_message(status)
        if self._pending:
            self.losses.append(Loss("/logprobs", "there is no text that they could belong to"))
        usage = wire_usage(self._usage, self.losses)
        lose_tier(self._start.service_tier, self.losses)
        self._emit(b"response.%b" % status.encode(), self._response(status, reason, usage=usage))
        self._ended = True

    def _on_fail(self, event: Fail) -> None:
        self._fail(event.error)

    def _fail(self, error: UpstreamError) -> None:
        if not self._begun:
            self._begin()  # clients' libraries take nothing before it, not even an error
        self._out.append(encode_stream_error(error, self._sequence))
        self._sequence += 1
        usage = wire_usage(self._usage, self.losses)
        self._emit(b"response.failed", self._response("failed", error=failure_of(error), usage=usage))
        self._ended = True

    # ------------------------------------------------------------------------------------------ items

    def _add_item(self, item: msgspec.Struct | msgspec.Raw) -> int:
        index = len(self._items)
        self._items.append(None)
        self._emit(b"response.output_item.added", b'"output_index":%d,"item":%b' % (index, _encode(item)))
        return index

    def _finish_item(self, index: int, item: msgspec.Struct | msgspec.Raw) -> None:
        raw = _encode(item)
        self._items[index] = msgspec.Raw(raw)
        self._emit(b"response.output_item.done", b'"output_index":%d,"item":%b' % (index, raw))

    def _next_id(self, prefix: str) -> str:
        return self._names.item(prefix, len(self._items))

    def _end_message(self, status: str = "completed") -> None:
        """Let the message that came last be done, at once or when its parts are closed: something else begins."""
        message, self._message = self._message, None
        if message is None:
            return
        if message.open:
            self._done.append(message)
        else:
            self._finish_item(message.index, wire.OutputMessage(message.id, status, message.parts))

    def _carry(self, token: Token, *, empty: bool = False) -> None:
        self._end_message()
        item = carrier_item(token, self._next_id("rs"), empty=empty)
        self._finish_item(self._add_item(item), item)

    # ------------------------------------------------------------------------------------------ parts

    def _on_open(self, event: Open) -> None:
        if event.choice != 0:
            self._lose_choice(event.choice)
            self._unheard.add(event.key)
            return
        match event.kind:
            case "text" | "refusal":
                self._open_content(event)
            case "call" | "custom_call":
                self._open_call(event)
            case "reasoning" | "redacted":
                self._end_message()
                item_id = self._names.reasoning(event.id, len(self._items))
                index = self._add_item(wire.ReasoningItem(item_id, []))
                self._parts[event.key] = part = OpenPart(event, index, item_id)
                part.delta_of(b"response.reasoning_summary_text.delta", b',"summary_index":0')
            case "opaque":
                self._tell_opaque(event)

    def _open_message(self) -> OpenMessage:
        message = self._message
        if message is None:
            item_id = self._next_id("msg")
            index = self._add_item(wire.OutputMessage(item_id, "in_progress", []))
            self._message = message = OpenMessage(item_id, index)
        return message

    def _open_content(self, event: Open) -> None:
        message = self._open_message()
        self._parts[event.key] = part = OpenPart(event, message.index, message.id)
        part.message, part.position = message, len(message.parts)
        part.place += b',"content_index":%d' % part.position
        message.parts.append(msgspec.Raw(b"null"))
        message.open += 1
        if event.kind == "refusal":
            self._refused = True
            part.delta_of(b"response.refusal.delta")
            empty: msgspec.Struct = wire.RefusalPart("")
        else:
            part.delta_of(b"response.output_text.delta", b',"logprobs":[]')
            empty = wire.OutputText([], [], "")
        self._emit(b"response.content_part.added", part.place + b',"part":' + _encode(empty))
        if self._pending and event.kind == "text":
            pending, self._pending = self._pending, []
            self._tell_logprobs(part, pending)

    def _open_call(self, event: Open) -> None:
        self._end_message()
        custom = event.kind == "custom_call"
        item_id = self._next_id("ctc" if custom else "fc")
        item = call_item(ToolCall(event.id, event.name, "", custom=custom, namespace=event.namespace), item_id)
        if isinstance(item, wire.FunctionCall):
            item.arguments, item.status = "", "in_progress"
        self._parts[event.key] = part = OpenPart(event, self._add_item(item), item_id)
        part.delta_of(b"response.custom_tool_call_input.delta" if custom else b"response.function_call_arguments.delta")

    def _tell_opaque(self, event: Open) -> None:
        self._unheard.add(event.key)
        if event.dialect != ME or event.raw is None:
            self.losses.append(Loss("", f"an answer holds no {event.tag} here"))
        elif event.tag.startswith(CONTENT_TAGS):
            message = self._open_message()
            place = b'"item_id":%b,"output_index":%d,"content_index":%d,"part":%b' % (
                _encode(message.id), message.index, len(message.parts), _encode(event.raw)
            )  # fmt: skip
            message.parts.append(event.raw)
            self._emit(b"response.content_part.added", place)
            self._emit(b"response.content_part.done", place)
        else:
            self._end_message()
            self._finish_item(self._add_item(event.raw), event.raw)

    def _on_delta(self, event: Delta) -> None:
        part = self._parts.get(event.key)
        if part is None:
            return
        if not part.texts and part.kind == "reasoning":
            self._emit(b"response.reasoning_summary_part.added", part.summary(""))
        part.texts.append(event.text)
        self._out.append(b'%b%b,"sequence_number":%d}\n\n' % (part.head, _encode(event.text), self._sequence))
        self._sequence += 1

    def _on_sign(self, event: Sign) -> None:
        part = self._parts.get(event.key)
        if part is None:
            return
        if part.kind not in ("call", "custom_call"):
            part.token = event.token
        elif part.index == len(self._items) - 1:
            # At once: parallel calls may stay open to the end, and the token is of the item right before it.
            self._carry(event.token)
        else:
            self.losses.append(Loss("", "a call's reasoning token that came after the next item had begun"))

    def _on_cite(self, event: Cite) -> None:
        part = self._parts.get(event.key)
        if part is None:
            return
        annotation = annotation_of(event.raw)
        if annotation is None:
            part.cited.append(event.raw)  # perhaps for the whole text, which is not known yet
        else:
            self._annotate(part, annotation)
            if (reason := left_out(event.raw, annotation)) is not None:
                self.losses.append(Loss("/citations", reason))

    def _annotate(self, part: OpenPart, annotation: msgspec.Raw) -> None:
        members = b'%b,"annotation_index":%d,"annotation":%b' % (part.place, len(part.annotations), _encode(annotation))
        part.annotations.append(annotation)
        self._emit(b"response.output_text.annotation.added", members)

    def _on_logprobs(self, event: LogprobsDelta) -> None:
        if event.choice != 0:
            return
        entries = content_logprobs(event.raw, self.losses)
        part = next((part for part in reversed(self._parts.values()) if part.kind == "text"), None)
        if part is None:
            self._pending += entries
        elif entries:
            self._tell_logprobs(part, entries)

    def _tell_logprobs(self, part: OpenPart, entries: list[msgspec.Raw]) -> None:
        part.logprobs += entries
        self._emit(b"response.output_text.delta", part.place + b',"logprobs":' + _encode(entries) + b',"delta":""')

    def _on_close(self, event: Close) -> None:
        if event.key in self._parts:
            self._close_part(event.key)
        self._unheard.discard(event.key)

    def _close_part(self, key: int) -> None:
        part = self._parts.pop(key)
        text = "".join(part.texts)
        if part.message is not None:
            self._close_content(part, part.message, text)
        elif part.kind in ("call", "custom_call"):
            self._close_call(part, text)
        else:
            self._close_reasoning(part, text)
            return
        if part.token is not None:
            self._carry(part.token, empty=not text)

    def _close_content(self, part: OpenPart, message: OpenMessage, text: str) -> None:
        whole: msgspec.Struct
        if part.kind == "refusal":
            whole = wire.RefusalPart(text)
            self._emit(b"response.refusal.done", part.place + b',"refusal":' + _encode(text))
        else:
            for annotation in annotations_of(part.cited, "/citations", self.losses, len(text)):
                self._annotate(part, annotation)
            whole = wire.OutputText(part.annotations, part.logprobs, text)
            members = b',"logprobs":' + _encode(part.logprobs) + b',"text":' + _encode(text)
            self._emit(b"response.output_text.done", part.place + members)
        raw = _encode(whole)
        message.parts[part.position] = msgspec.Raw(raw)
        message.open -= 1
        self._emit(b"response.content_part.done", part.place + b',"part":' + raw)
        if not message.open and message in self._done:
            self._done.remove(message)
            self._finish_item(message.index, wire.OutputMessage(message.id, "completed", message.parts))

    def _close_call(self, part: OpenPart, text: str) -> None:
        custom = part.kind == "custom_call"
        call = ToolCall(part.call_id, part.name, text, custom=custom, namespace=part.namespace)
        item = call_item(call, part.item_id)
        if isinstance(item, wire.FunctionCall):
            members = b',"name":' + _encode(part.name) + b',"arguments":' + _encode(item.arguments)
            self._emit(b"response.function_call_arguments.done", part.place + members)
        else:
            self._emit(b"response.custom_tool_call_input.done", part.place + b',"input":' + _encode(text))
        self._finish_item(part.index, item)

    def _close_reasoning(self, part: OpenPart, text: str) -> None:
        if text:
            members = part.place + b',"summary_index":0,"text":' + _encode(text)
            self._emit(b"response.reasoning_summary_text.done", members)
            self._emit(b"response.reasoning_summary_part.done", part.summary(text))
        reasoning = Reasoning(text, token=part.token, redacted=part.kind == "redacted")
        self._finish_item(part.index, reasoning_item(reasoning, part.item_id))

    def _skip(self, _event: AnswerEvent) -> None:
        pass


_EVENTS: dict[type[Any], Callable[[AnswerEncoder, Any], None]] = {
    Start: AnswerEncoder._on_start,
    Open: AnswerEncoder._on_open,
    Delta: AnswerEncoder._on_delta,
    Sign: AnswerEncoder._on_sign,
    Cite: AnswerEncoder._on_cite,
    Close: AnswerEncoder._on_close,
    LogprobsDelta: AnswerEncoder._on_logprobs,
    UsageUpdate: AnswerEncoder._on_usage,
    Finish: AnswerEncoder._on_finish,
    End: AnswerEncoder._on_end,
    Fail: AnswerEncoder._on_fail,
    Ping: AnswerEncoder._skip,
}
