"""A provider's stream of events, read into ours.

message_start         Start, UsageUpdate      a second one, after content, is a fault
content_block_start   Open, and what it holds an unknown block: its content is gathered until it stops
content_block_delta   Delta, Sign, Cite       of a call of a custom tool: gathered, for it must be unwrapped
content_block_stop    Close
message_delta         UsageUpdate             the reason to stop is kept: a later one may correct it
message_stop          Close*, Finish, End
ping, error           Ping, Fail
anything else         nothing
the end without message_stop                  Fail
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.anthropic_messages.errors import stream_error
from trio_gateway.dialects.anthropic_messages.names import recognise_id
from trio_gateway.dialects.anthropic_messages.read_answer import caller_matters
from trio_gateway.dialects.anthropic_messages.stops import read_stop
from trio_gateway.dialects.anthropic_messages.usage import merge_usage, read_usage, unread_usage
from trio_gateway.dialects.arguments import unwrap
from trio_gateway.dialects.conversation import Loss, Losses, Stop
from trio_gateway.dialects.events import (
    AnswerEvent,
    Cite,
    Close,
    Delta,
    End,
    Fail,
    Finish,
    Open,
    Ping,
    Sign,
    Start,
    UsageUpdate,
    fail_broken,
)
from trio_gateway.dialects.framing import SseDecoder
from trio_gateway.dialects.names import recognise_name
from trio_gateway.dialects.opaque import recognise
from trio_gateway.dialects.unread import UNKNOWN, unread_members
from trio_gateway.dialects.unread_events import Events, UnreadOfEvents
from trio_gateway.dialects.wire import BAD_BODY, NULL, check_text
from trio_gateway.errors import UpstreamBroke

NAME = "anthropic_messages"

_EVENTS = Events(wire_shapes.StreamEvent, elsewhere=frozenset({"message", "usage"}))
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


class _Block:
    """A block between its start and its stop. `pieces` are arguments that cannot leave yet."""

    __slots__ = ("fallback", "key", "kind", "pieces", "raw", "seen", "tag")

    def __init__(self, key: int, kind: str, tag: str, raw: Raw | None = None, fallback: str = "") -> None:
        self.key = key
        self.kind = kind  # text, reasoning, redacted, call, custom_call, opaque
        self.tag = tag
        self.raw = raw
        self.fallback = fallback  # a call's arguments, where its start told them and no fragment follows
        self.pieces: list[str] = []
        self.seen = False  # a fragment


class AnswerDecoder:
    """Never raises on what a provider sends; see `dialects.AnswerDecoder`."""

    __slots__ = ("_blocks", "_done", "_has_call", "_next_key", "_sse", "_started", "_stop", "_unread", "_usage",
                 "ended_at", "losses")  # fmt: skip

    def __init__(self) -> None:
        self.losses: Losses = []
        self.ended_at: int | None = None
        self._sse = SseDecoder()
        self._unread = UnreadOfEvents(_EVENTS)
        self._blocks: dict[int, _Block] = {}
        self._next_key = 0
        self._started = False
        self._done = False
        self._has_call = False
        self._stop: Stop | None = None
        self._usage: wire_shapes.Usage | None = None

    def feed(self, chunk: bytes) -> list[AnswerEvent]:
        if self._done:
            return []
        events: list[AnswerEvent] = []
        try:
            found = self._sse.feed(chunk)
        except UpstreamBroke as error:
            self._fail(Fail(error), events)
            return events
        for place, data in enumerate(found):
            if not self._read(data, events):
                self.ended_at = place
                break
        return events

    def close(self) -> list[AnswerEvent]:
        events: list[AnswerEvent] = []
        if self._done:
            return events
        for place, data in enumerate(self._sse.close()):
            if not self._read(data, events):
                self.ended_at = place
                return events
        self._fail(fail_broken("The provider's stream ended without its terminal marker."), events)
        return events

    def _fail(self, fail: Fail, events: list[AnswerEvent]) -> None:
        self._done = True
        events.append(fail)

    def _read(self, data: bytes, events: list[AnswerEvent]) -> bool:
        """Read one event; say whether there can be more."""
        try:
            check_text(data)
            event = self._unread.decode(data)
        except BAD_BODY:
            looked_at = self._look(data)
            if looked_at is None:
                self._read_odd(data, events)
                return not self._done
            event = looked_at
        if event.type == "content_block_delta":
            self._on_delta(event, events)
        elif (handler := _HANDLERS.get(event.type)) is not None:
            if event.type == "message_start" and event.message is not UNSET:
                self._note_unread(_decode_object(data)["message"], wire_shapes.MessagesResponse, "")
            elif event.type == "message_delta":
                self._note_unread(data, wire_shapes.StreamEvent, "")
            handler(self, event, events)
        return not self._done

    def _look(self, data: bytes) -> wire_shapes.StreamEvent | None:
        """Read an event with members that nobody knows, and note them; None where it cannot be read."""
        try:
            check_text(data)
            event, unread = self._unread.look(data)
        except BAD_BODY:
            return None
        if event.type in _KNOWN and event.type != "message_delta" and _is_known_delta(event.delta):
            at = "" if event.index is UNSET else f"/content/{event.index}"
            for found in unread:
                if not found.is_null:
                    self._lose(at + found.pointer.removeprefix("/delta"), UNKNOWN)
            self._unread.learn(unread)
        return event

    def _read_odd(self, data: bytes, events: list[AnswerEvent]) -> None:
        """An event that is not as documented: it means nothing if its type does not, and otherwise all is lost."""
        if data.strip() == b"[DONE]":  # some proxies add it
            return
        try:
            known = wire_shapes.tag_decoder.decode(data).type in _KNOWN
        except BAD_BODY:
            known = True
        if known:
            self._fail(fail_broken("The provider's stream holds an event that cannot be read."), events)

    def _lose(self, pointer: str, reason: str) -> None:
        loss = Loss(pointer, reason)
        if loss not in self.losses:
            self.losses.append(loss)

    def _note_unread(self, raw: bytes | Raw, shape: type[msgspec.Struct], at: str) -> None:
        """Note what an event holds that nobody knows, with the pointer that it would have in a whole answer."""
        for loss in unread_members(raw, shape, at):
            if not at or not loss.pointer.endswith("/caller") or caller_matters(_decode_object(raw)["caller"]):
                self._lose(loss.pointer.removeprefix("/delta"), loss.reason)

    # -- the message

    def _on_start(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        if self._started:
            if self._next_key:
                self._fail(fail_broken("The provider began its answer anew in the middle of it."), events)
            return
        message = event.message
        if message is UNSET:
            self._begin(events)
            return
        self._started = True
        tier = message.usage.service_tier if message.usage is not None else None
        events.append(Start(message.id, message.model, service_tier=tier))
        if message.usage is not None:
            self._take_usage(message.usage, events)

    def _begin(self, events: list[AnswerEvent]) -> None:
        if not self._started:
            self._started = True
            events.append(Start())

    def _take_usage(self, usage: wire_shapes.Usage, events: list[AnswerEvent]) -> None:
        self._usage = merge_usage(self._usage, usage)
        events.append(UsageUpdate(read_usage(self._usage)))

    def _on_message_delta(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        self._begin(events)
        if event.usage is not UNSET and event.usage is not None:
            self._take_usage(event.usage, events)
        delta = event.delta
        if delta is UNSET:
            return
        if delta.container is not UNSET and delta.container != NULL:
            self._lose("/container", "has no counterpart in other formats")
        if delta.stop_reason is not UNSET and delta.stop_reason is not None:
            sequence = None if delta.stop_sequence is UNSET else delta.stop_sequence
            self._stop = read_stop(delta.stop_reason, sequence, delta.stop_details, self._has_call, self.losses)

    def _on_message_stop(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        if not self._started:
            self._fail(fail_broken("The provider's stream ended before it began."), events)
            return
        for index in list(self._blocks):
            self._close(index, events)
        if self._usage is not None:
            self.losses += unread_usage(self._usage, "/usage")
        events.append(Finish(self._stop or Stop("tool_calls" if self._has_call else "other")))
        events.append(End())
        self._done = True

    def _on_ping(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        if self._started:
            events.append(Ping())

    def _on_error(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        self._fail(Fail(stream_error(event.error, None if event.request_id is UNSET else event.request_id)), events)

    # -- blocks

    def _on_block_start(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        self._begin(events)
        if event.content_block is UNSET or event.index is UNSET:
            self._fail(fail_broken("The provider's stream begins a block without saying which."), events)
            return
        for index in list(self._blocks):  # blocks do not overlap: the stop of the one before was left out
            self._close(index, events)
        raw = event.content_block
        try:
            block = wire_shapes.start_block_decoder.decode(raw)
        except BAD_BODY:
            self._start_odd(raw, event.index, events)
            return
        key = self._next_key
        self._next_key += 1
        self._blocks[event.index] = self._open(key, event.index, block, raw, events)

    def _start_odd(self, raw: Raw, index: int, events: list[AnswerEvent]) -> None:
        try:
            tag = wire_shapes.tag_decoder.decode(raw).type
        except BAD_BODY:
            tag = "text"
        if tag in _KINDS:
            self._fail(fail_broken("The provider's stream holds a block that cannot be read."), events)
            return
        self._blocks[index] = _Block(self._next_key, "opaque", tag, raw)
        self._next_key += 1

    def _open(self, key: int, index: int, block: wire_shapes.StartBlock, raw: Raw, events: list[AnswerEvent]) -> _Block:
        if block.type in _KINDS:
            self._note_unread(raw, wire_shapes.StartBlock, f"/content/{index}")
        if block.type == "text":
            events.append(Open(key, "text"))
            if block.text:
                events.append(Delta(key, block.text))
            events += [Cite(key, citation) for citation in block.citations or ()]
            return _Block(key, "text", "text")
        if block.type == "thinking":
            events.append(Open(key, "reasoning"))
            if block.thinking:
                events.append(Delta(key, block.thinking))
            if block.signature:
                events.append(Sign(key, recognise(block.signature, NAME)))
            return _Block(key, "reasoning", "thinking")
        if block.type == "redacted_thinking":
            events += [Open(key, "redacted"), Sign(key, recognise(block.data or "", NAME))]
            return _Block(key, "redacted", block.type)
        if block.type == "tool_use":
            return self._open_call(key, index, block, events)
        return _Block(key, "opaque", block.type, raw)

    def _open_call(self, key: int, index: int, block: wire_shapes.StartBlock, events: list[AnswerEvent]) -> _Block:
        self._has_call = True
        name, custom = recognise_name(block.name or "")
        call_id = recognise_id(block.id or "") or f"call_{index}"
        given = bytes(block.input).decode() if block.input is not UNSET else "{}"
        events.append(Open(key, "custom_call" if custom else "call", id=call_id, name=name))
        return _Block(
            key, "custom_call" if custom else "call", "tool_use", fallback="" if given in ("{}", "null") else given
        )

    def _on_delta(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        block = self._blocks.get(event.index) if event.index is not UNSET else None
        delta = event.delta
        if block is None or delta is UNSET:
            self._begin(events)
            self._fail(fail_broken("The provider's stream adds to a block that is not open."), events)
            return
        kind = delta.type
        if kind == "text_delta" and block.kind == "text":
            if delta.text:  # neither absent nor empty
                events.append(Delta(block.key, delta.text))
        elif kind == "input_json_delta" and delta.partial_json is not UNSET:
            self._on_fragment(block, delta.partial_json, events)
        elif kind == "thinking_delta" and block.kind == "reasoning":
            if delta.thinking:
                events.append(Delta(block.key, delta.thinking))
        elif kind == "signature_delta" and block.kind == "reasoning":
            if delta.signature:
                events.append(Sign(block.key, recognise(delta.signature, NAME)))
        elif kind == "citations_delta" and block.kind == "text" and delta.citation is not UNSET:
            events.append(Cite(block.key, delta.citation))
        else:
            self._lose(f"/content/{event.index}", f"{kind or 'a delta without a type'} is unknown to this gateway")

    def _on_fragment(self, block: _Block, fragment: str, events: list[AnswerEvent]) -> None:
        if not fragment:
            return
        block.seen = True
        if block.kind == "call":
            events.append(Delta(block.key, fragment))
        elif block.kind in ("custom_call", "opaque"):
            block.pieces.append(fragment)

    def _on_block_stop(self, event: wire_shapes.StreamEvent, events: list[AnswerEvent]) -> None:
        if event.index is not UNSET and event.index in self._blocks:
            self._close(event.index, events)

    def _close(self, index: int, events: list[AnswerEvent]) -> None:
        block = self._blocks.pop(index)
        key = block.key
        if block.kind == "opaque":
            events.append(Open(key, "opaque", tag=block.tag, raw=_with_input(block), dialect=NAME))
        elif block.kind == "custom_call":
            if text := unwrap("".join(block.pieces) or block.fallback):
                events.append(Delta(key, text))
        elif block.kind == "call" and not block.seen and block.fallback:
            events.append(Delta(key, block.fallback))
        events.append(Close(key))


def _is_known_delta(delta: wire_shapes.Delta | UnsetType) -> bool:
    """Say whether its members are those of a kind that is read: any other is a loss as a whole."""
    return delta is UNSET or delta.type in _DELTAS


def _with_input(block: _Block) -> Raw:
    """Return an unknown block with the input that came in fragments."""
    raw = block.raw or Raw(b"{}")
    if not block.seen:
        return raw
    try:
        members = _decode_object(raw)
        members["input"] = Raw("".join(block.pieces).encode())
        _decode_object(members["input"])
        return Raw(_encode(members))
    except BAD_BODY:
        return raw


_DELTAS = frozenset({"text_delta", "input_json_delta", "thinking_delta", "signature_delta", "citations_delta"})
_KINDS = frozenset({"text", "thinking", "redacted_thinking", "tool_use"})
_HANDLERS: dict[str, Callable[[AnswerDecoder, wire_shapes.StreamEvent, list[AnswerEvent]], None]] = {
    "message_start": AnswerDecoder._on_start,
    "content_block_start": AnswerDecoder._on_block_start,
    "content_block_stop": AnswerDecoder._on_block_stop,
    "message_delta": AnswerDecoder._on_message_delta,
    "message_stop": AnswerDecoder._on_message_stop,
    "ping": AnswerDecoder._on_ping,
    "error": AnswerDecoder._on_error,
}
_KNOWN = frozenset({"content_block_delta", *_HANDLERS})
