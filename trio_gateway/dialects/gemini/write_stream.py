"""Events, told to a client as chunks: server-sent events, or the items of one JSON array.

Text leaves at once; a call is one whole part, so that its arguments are kept until it closes. Why the model stopped,
and what it cost, are in the last chunk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.conversation import AnswerContext, Loss, Losses, Stop, Token, ToolCall, Usage
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
from trio_gateway.dialects.gemini.answer import THOUGHTS_BORDER, finish, write_call
from trio_gateway.dialects.gemini.errors import encode_error
from trio_gateway.dialects.gemini.outcome import lose_tier, write_logprobs, write_usage
from trio_gateway.dialects.gemini.tokens import NAME, carry
from trio_gateway.dialects.times import rfc3339
from trio_gateway.errors import GatewayError, UpstreamBroke

_encode = msgspec.json.Encoder().encode
_EMPTY_TEXT = b'{"text":""}'
_THOUGHTS_BORDER = wire_gemini.encode(THOUGHTS_BORDER)


class _OpenPart:
    __slots__ = ("choice", "id", "kind", "name", "pieces", "token", "told")

    def __init__(self, opened: Open) -> None:
        self.kind = opened.kind
        self.choice = opened.choice
        self.id = opened.id
        self.name = opened.name
        self.pieces: list[str] = []  # of a call's arguments
        self.token: Token | None = None
        self.told = False  # some of a thought


class AnswerEncoder:
    """See the protocol in trio_gateway.dialects. `context.array` chooses the framing."""

    def __init__(self, context: AnswerContext, /) -> None:
        self.losses: Losses = []
        self._context = context
        self._array = context.array
        self._written = False
        self._ended = False
        self._tail = self._tail_of(Start())
        self._parts: dict[int, _OpenPart] = {}
        self._usage: Usage | None = None
        self._stops: dict[int, Stop] = {}
        self._malformed: set[int] = set()
        self._refused: set[int] = set()
        self._lost: set[tuple[int, str]] = set()
        self._thinking: set[int] = set()  # choices whose latest part is a thought that nothing has ended

    def feed(self, events: list[AnswerEvent]) -> bytes:
        out: list[bytes] = []
        for event in events:
            if self._ended:
                break
            handle = _HANDLERS[type(event)]
            chunk = handle(self, event)
            if chunk is not None:
                out.append(chunk)
        return b"".join(out)

    def close(self) -> bytes:
        if self._ended:
            return b""
        return self._error(UpstreamBroke("The provider's answer ended in the middle."))

    # -- frames

    def _frame(self, data: bytes) -> bytes:
        if not self._array:
            return b"data: %b\n\n" % data
        start, self._written = b",\n" if self._written else b"[", True
        return start + data

    def _part(self, choice: int, part: bytes) -> bytes:
        if self._thinking:
            self._thinking.discard(choice)
        data = b'{"candidates":[{"content":{"parts":[%b],"role":"model"},"index":%d}]%b' % (part, choice, self._tail)
        return self._frame(data)

    def _end(self, frame: bytes) -> bytes:
        self._ended = True
        return frame + b"]" if self._array else frame

    def _error(self, error: GatewayError) -> bytes:
        return self._end(self._frame(encode_error(error)[1]))

    def _lose(self, choice: int, reason: str) -> None:
        if (choice, reason) not in self._lost:
            self._lost.add((choice, reason))
            self.losses.append(Loss(f"/choices/{choice}", reason))

    # -- events

    def _tail_of(self, start: Start) -> bytes:
        """Return how every chunk ends."""
        context = self._context
        created = start.created if start.created is not None else context.created
        created_text = b',"createTime":%b' % _encode(rfc3339(created)) if created else b""
        names = (_encode(start.model or context.model), _encode(start.id or context.id), created_text)
        return b',"modelVersion":%b,"responseId":%b%b}' % names

    def _start(self, event: Start) -> None:
        self._tail = self._tail_of(event)
        lose_tier(event.service_tier, self.losses)

    def _open(self, event: Open) -> bytes | None:
        self._parts[event.key] = _OpenPart(event)
        if event.choice in self._thinking and event.kind in ("reasoning", "redacted"):
            return self._part(event.choice, _THOUGHTS_BORDER)
        if event.kind == "opaque" and event.dialect == NAME and event.raw is not None:
            return self._part(event.choice, _on_one_line(bytes(event.raw)))
        if event.kind == "opaque":
            self._lose(event.choice, "Gemini has no such part in an answer")
        elif event.kind == "refusal":
            self._refused.add(event.choice)
            self._lose(event.choice, "a refusal becomes text")
        return None

    def _delta(self, event: Delta) -> bytes | None:
        part = self._parts[event.key]
        kind = part.kind
        if kind == "text" or kind == "refusal":
            return self._part(part.choice, b'{"text":%b}' % _encode(event.text))
        if kind == "reasoning":
            part.told = True
            return self._part(part.choice, b'{"text":%b,"thought":true}' % _encode(event.text))
        part.pieces.append(event.text)
        return None

    def _sign(self, event: Sign) -> bytes | None:
        part = self._parts[event.key]
        if part.kind in ("call", "custom_call"):
            part.token = event.token
            return None
        if part.kind not in ("text", "reasoning", "redacted"):
            self._lose(part.choice, "only text, thoughts and calls keep their tokens")
            return None
        part.token = event.token
        # What it is of has left already: a signature comes in an empty part of its own, as Google's do.
        signature = _encode(carry(event.token, redacted=part.kind == "redacted"))
        thought = b"" if part.kind == "text" else b',"thought":true'
        return self._part(part.choice, b'{"text":""%b,"thoughtSignature":%b}' % (thought, signature))

    def _cite(self, event: Cite) -> None:
        self._lose(self._parts[event.key].choice, "Gemini's citations are of another kind")

    def _close_part(self, event: Close) -> bytes | None:
        part = self._parts.pop(event.key)
        if part.kind == "reasoning" and part.told and part.token is None:
            self._thinking.add(part.choice)
        if part.kind not in ("call", "custom_call"):
            return None
        call = ToolCall(part.id, part.name, "".join(part.pieces), custom=part.kind == "custom_call", token=part.token)
        written = write_call(call, f"/choices/{part.choice}", self.losses)
        if written is None:
            self._malformed.add(part.choice)
            return None
        return self._part(part.choice, _on_one_line(wire_gemini.encode(written)))

    def _logprobs(self, event: LogprobsDelta) -> bytes | None:
        result = write_logprobs(event.raw, self.losses)
        if result is msgspec.UNSET:
            return None
        data = b'{"candidates":[{"index":%d,"logprobsResult":%b}]%b'
        return self._frame(data % (event.choice, wire_gemini.encode(result), self._tail))

    def _usage_update(self, event: UsageUpdate) -> None:
        self._usage = self._usage.updated(event.usage) if self._usage is not None else event.usage

    def _finish(self, event: Finish) -> None:
        self._stops[event.choice] = event.stop

    def _end_event(self, _event: End) -> bytes:
        candidates = b",".join([self._last(choice) for choice in sorted(self._stops)])
        usage = b""
        if self._usage is not None:
            usage = b',"usageMetadata":' + wire_gemini.encode(write_usage(self._usage, self.losses))
        return self._end(self._frame(b'{"candidates":[%b]%b%b' % (candidates, usage, self._tail)))

    def _last(self, choice: int) -> bytes:
        reason, message = finish(
            self._stops[choice],
            "",
            choice,
            self.losses,
            malformed=choice in self._malformed,
            refused=choice in self._refused,
        )
        text = b',"finishMessage":' + _encode(message) if message is not None else b""
        content = b'{"parts":[%b],"role":"model"}' % _EMPTY_TEXT
        return b'{"content":%b,"finishReason":%b%b,"index":%d}' % (content, _encode(reason), text, choice)

    def _fail(self, event: Fail) -> bytes:
        return self._error(event.error)

    def _ping(self, _event: Ping) -> None:
        """There is no such thing in either framing."""


def _on_one_line(data: bytes) -> bytes:
    """Return JSON that was somebody else's without its line ends, which would end the event; they are blanks in it."""
    return data.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in data or b"\r" in data else data


_HANDLERS: dict[type, Callable[[AnswerEncoder, Any], bytes | None]] = {
    Start: AnswerEncoder._start,
    Open: AnswerEncoder._open,
    Delta: AnswerEncoder._delta,
    Sign: AnswerEncoder._sign,
    Cite: AnswerEncoder._cite,
    Close: AnswerEncoder._close_part,
    LogprobsDelta: AnswerEncoder._logprobs,
    UsageUpdate: AnswerEncoder._usage_update,
    Finish: AnswerEncoder._finish,
    End: AnswerEncoder._end_event,
    Fail: AnswerEncoder._fail,
    Ping: AnswerEncoder._ping,
}
