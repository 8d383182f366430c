"""Our events, written as the stream of a client of Anthropic's API.

    Start, UsageUpdate   kept, for message_start tells the usage known so far
    Open                 content_block_start: of a call at once, of text and thoughts with their first piece, of
                         redacted thoughts when their content is known
    Delta, Cite          content_block_delta
    Sign                 signature_delta, right before content_block_stop
    Close                content_block_stop
    Finish, UsageUpdate  kept for message_delta
    End                  message_delta, message_stop
    Fail                 error, and nothing more

One block is open at a time. What a source tells of another part meanwhile is queued until the open one closes.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.anthropic_messages.citations import is_own_citation
from trio_gateway.dialects.anthropic_messages.errors import encode_stream_error
from trio_gateway.dialects.anthropic_messages.names import carry_id
from trio_gateway.dialects.anthropic_messages.stops import write_stop
from trio_gateway.dialects.anthropic_messages.usage import write_usage
from trio_gateway.dialects.anthropic_messages.write_answer import (
    FOREIGN_CITATIONS,
    NO_LOGPROBS,
    NO_THOUGHTS,
    ONE_CHOICE,
    REFUSED,
    carrier,
    is_own_block,
    message_of,
    written_tier,
)
from trio_gateway.dialects.conversation import AnswerContext, Loss, Losses, Stop, Token, Usage
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
from trio_gateway.dialects.framing import sse_named
from trio_gateway.dialects.names import mark_name
from trio_gateway.dialects.opaque import carry
from trio_gateway.errors import UpstreamBroke

NAME = "anthropic_messages"

_encode = msgspec.json.Encoder().encode

_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":%b}}\n\n'
_PIECES = {
    "text": b'"text_delta","text":',
    "refusal": b'"text_delta","text":',
    "reasoning": b'"thinking_delta","thinking":',
    "call": b'"input_json_delta","partial_json":',
    "custom_call": b'"input_json_delta","partial_json":',
    "signature": b'"signature_delta","signature":',
    "citation": b'"citations_delta","citation":',
}
_BLOCK_START = b'event: content_block_start\ndata: {"type":"content_block_start","index":%d,"content_block":%b}\n\n'
_BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_MESSAGE_STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_EMPTY_TEXT = b'{"type":"text","text":""}'
_EMPTY_THINKING = b'{"type":"thinking","thinking":"","signature":""}'


class _Part:
    """A part of the source. `begun` says that its block is open; `queue` holds what comes before its turn."""

    __slots__ = ("begun", "closed", "kind", "open", "piece", "queue", "token")

    def __init__(self, event: Open) -> None:
        self.open = event
        self.kind = event.kind
        self.piece = _PIECES.get(event.kind, b"")
        self.begun = False
        self.closed = False
        self.token: Token | None = None
        self.queue: list[Delta | Sign | Cite] = []


class AnswerEncoder:
    """See `dialects.AnswerEncoder`. `losses` is whole once the stream has ended."""

    __slots__ = ("_called", "_context", "_current", "_done", "_index", "_parts", "_refused", "_skipped", "_start",
                 "_started", "_stop", "_usage", "_waiting", "losses")  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        self.losses: Losses = []
        self._context = context
        self._start = Start()
        self._usage: Usage | None = None
        self._stop: Stop | None = None
        self._started = False
        self._done = False
        self._called = False
        self._refused = False
        self._index = 0  # of the open block, or of the next one
        self._parts: dict[int, _Part] = {}
        self._current: _Part | None = None
        self._waiting: deque[_Part] = deque()
        self._skipped: set[int] = set()  # parts of other choices

    def feed(self, events: list[AnswerEvent]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._done:
                break
            if type(event) is Delta:
                part = self._parts.get(event.key)
                if part is not None and part is self._current:
                    if not part.begun:
                        self._begin_block(part, out)
                    self._write_piece(part, event.text, out)
                    continue
            _HANDLERS[type(event)](self, event, out)
        return b"".join(out)

    def close(self) -> bytes:
        if self._done:
            return b""
        self._done = True
        return encode_stream_error(UpstreamBroke("The provider's stream ended without its terminal marker."))

    def _lose(self, pointer: str, reason: str) -> None:
        loss = Loss(pointer, reason)
        if loss not in self.losses:
            self.losses.append(loss)

    # -- the message

    def _on_start(self, event: Start, out: list[bytes]) -> None:
        self._start = event

    def _on_usage(self, event: UsageUpdate, out: list[bytes]) -> None:
        self._usage = self._usage.updated(event.usage) if self._usage is not None else event.usage

    def _begin_message(self, out: list[bytes]) -> None:
        if self._started:
            return
        self._started = True
        usage = write_usage(self._usage, [])  # what is not known yet is 0 here: message_delta corrects it
        if (tier := written_tier(self._start.service_tier, self.losses)) is not None:
            usage["service_tier"] = tier
        members: dict[str, object] = {"content": [], "stop_reason": None, "stop_sequence": None, "usage": usage}
        message = message_of(self._start.id, self._start.model, self._context) | members
        out.append(sse_named(b"message_start", _encode({"type": "message_start", "message": message})))

    def _on_finish(self, event: Finish, out: list[bytes]) -> None:
        if event.choice == 0:
            self._stop = event.stop
        else:  # a choice without a part is lost as well
            self._lose(f"/choices/{event.choice}", ONE_CHOICE)

    def _on_end(self, event: End, out: list[bytes]) -> None:
        self._begin_message(out)
        for part in list(self._parts.values()):  # this isn't expected to find any: parts close before their choice ends
            part.closed = True
        if self._current is not None:
            self._finish(self._current, out)
        delta = write_stop(self._stop, self._called, self._refused, self.losses)
        usage = write_usage(self._usage, self.losses, input_required=False)
        out.append(sse_named(b"message_delta", _encode({"type": "message_delta", "delta": delta, "usage": usage})))
        out.append(_MESSAGE_STOP)
        self._done = True

    def _on_fail(self, event: Fail, out: list[bytes]) -> None:
        out.append(encode_stream_error(event.error))
        self._done = True

    def _on_ping(self, event: Ping, out: list[bytes]) -> None:
        self._begin_message(out)
        out.append(_PING)

    def _on_logprobs(self, event: LogprobsDelta, out: list[bytes]) -> None:
        if event.choice == 0:
            self._lose("/logprobs", NO_LOGPROBS)

    # -- parts

    def _on_open(self, event: Open, out: list[bytes]) -> None:
        self._begin_message(out)
        if event.choice != 0:
            self._skipped.add(event.key)
            self._lose(f"/choices/{event.choice}", ONE_CHOICE)
            return
        part = _Part(event)
        self._parts[event.key] = part
        if self._current is None:
            self._take(part, out)
        else:
            self._waiting.append(part)

    def _on_piece(self, event: Delta | Sign | Cite, out: list[bytes]) -> None:
        part = self._parts.get(event.key)
        if part is None:
            return  # of another choice
        if part is self._current:
            self._write(part, event, out)
        else:
            part.queue.append(event)

    def _on_close(self, event: Close, out: list[bytes]) -> None:
        part = self._parts.pop(event.key, None)
        if part is None:
            return
        part.closed = True
        if part is self._current:
            self._finish(part, out)

    def _take(self, part: _Part, out: list[bytes]) -> None:
        """Make `part` the one that is written, and write what came of it before its turn."""
        self._current = part
        if part.kind in _AT_ONCE:
            self._begin_block(part, out)
        for event in part.queue:
            self._write(part, event, out)
        part.queue.clear()

    def _finish(self, part: _Part, out: list[bytes]) -> None:
        """End the part, and turn to those that waited: to the first that is not closed yet."""
        self._end_block(part, out)
        self._current = None
        while self._waiting and self._current is None:
            following = self._waiting.popleft()
            self._take(following, out)
            if following.closed:
                self._end_block(following, out)
                self._current = None

    # -- blocks

    def _begin_block(self, part: _Part, out: list[bytes]) -> None:
        part.begun = True
        opened, kind = part.open, part.kind
        if kind == "reasoning":
            block = _EMPTY_THINKING
        elif kind == "redacted":
            block = _encode(wire_shapes.RedactedThinkingBlock(carry(part.token, NAME) if part.token else ""))
        elif kind == "opaque":
            block = bytes(opened.raw or b"{}")
        elif kind in ("call", "custom_call"):
            self._called = True
            name = mark_name(opened.name, kind == "custom_call")
            block = _encode(wire_shapes.ToolUseBlock(carry_id(opened.id), name, _EMPTY_INPUT))
        else:
            if kind == "refusal":
                self._refused = True
                self._lose("/content", REFUSED)
            block = _EMPTY_TEXT
        out.append(_BLOCK_START % (self._index, block))
        if kind == "custom_call":
            self._piece(part.piece, _encode('{"input":"'), out)

    def _write(self, part: _Part, event: Delta | Sign | Cite, out: list[bytes]) -> None:
        if type(event) is Sign:
            part.token = event.token
            return
        if type(event) is Cite:
            self._write_citation(part, event, out)
            return
        if not part.begun:
            self._begin_block(part, out)
        self._write_piece(part, event.text, out)  # type: ignore[union-attr]  # of the three, a Delta is left

    def _write_piece(self, part: _Part, text: str, out: list[bytes]) -> None:
        piece = _encode(text)
        if part.kind == "custom_call":
            piece = _encode(piece[1:-1].decode())  # inside of a JSON string inside of a JSON string
        out.append(_DELTA % (self._index, part.piece + piece))

    def _piece(self, piece: bytes, value: bytes, out: list[bytes]) -> None:
        out.append(_DELTA % (self._index, piece + value))

    def _write_citation(self, part: _Part, event: Cite, out: list[bytes]) -> None:
        if part.kind != "text" or not is_own_citation(event.raw):
            self._lose("/citations", FOREIGN_CITATIONS)
            return
        if not part.begun:
            self._begin_block(part, out)
        self._piece(_PIECES["citation"], bytes(event.raw), out)

    def _end_block(self, part: _Part, out: list[bytes]) -> None:
        kind, token = part.kind, part.token
        if kind == "opaque":
            self._write_opaque(part, out)
            return
        if not part.begun and token is not None and kind in ("reasoning", "redacted"):
            self._begin_block(part, out)
        elif not part.begun and kind == "redacted":
            self._lose("/content", NO_THOUGHTS)
        if part.begun:
            if kind == "custom_call":
                self._piece(part.piece, _encode('"}'), out)
            elif kind == "reasoning" and token is not None:
                self._piece(_PIECES["signature"], _encode(carry(token, NAME)), out)
            self._stop_block(out)
        if token is not None and kind in ("text", "call", "custom_call"):
            out.append(_BLOCK_START % (self._index, _EMPTY_THINKING))
            self._piece(_PIECES["signature"], _encode(carrier(token).signature), out)
            self._stop_block(out)

    def _write_opaque(self, part: _Part, out: list[bytes]) -> None:
        if is_own_block(part.open.dialect, part.open.tag, part.open.raw):
            self._begin_block(part, out)
            self._stop_block(out)
        else:
            self._lose("/content", f"{part.open.tag} has no counterpart in the client's format")

    def _stop_block(self, out: list[bytes]) -> None:
        out.append(_BLOCK_STOP % self._index)
        self._index += 1


_AT_ONCE = frozenset({"call", "custom_call"})
_EMPTY_INPUT = msgspec.Raw(b"{}")
_HANDLERS: dict[type, Callable[[AnswerEncoder, Any, list[bytes]], None]] = {
    Start: AnswerEncoder._on_start,
    UsageUpdate: AnswerEncoder._on_usage,
    Open: AnswerEncoder._on_open,
    Delta: AnswerEncoder._on_piece,
    Sign: AnswerEncoder._on_piece,
    Cite: AnswerEncoder._on_piece,
    Close: AnswerEncoder._on_close,
    LogprobsDelta: AnswerEncoder._on_logprobs,
    Finish: AnswerEncoder._on_finish,
    End: AnswerEncoder._on_end,
    Fail: AnswerEncoder._on_fail,
    Ping: AnswerEncoder._on_ping,
}
