"""Neutral events to Chat's stream.

    Start              nothing yet: id, created and model of every chunk
    Open               the choice's role chunk first, once; a call's id and name
    Delta              one chunk each, at once
    Sign, Cite         an entry of reasoning_details when the part closes, extra_content of a call, annotations
    Finish             the chunk with finish_reason
    End                the usage where the client asked for it, and [DONE]
    Fail               {"error": ...}, and nothing after it

Chunks are joined from bytes made once per part: what changes is the text.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from gateway_schemas import openai_chat as wire_chat
from trio_gateway.dialects.citations import left_out
from trio_gateway.dialects.conversation import AnswerContext, Loss, Losses, Reasoning, Token, Usage
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
from trio_gateway.dialects.openai_chat.answer import (
    JOINED_TEXTS,
    NO_PAGE,
    NO_TEXT_TOKENS,
    NOTHING_REDACTED,
    REASONING_AFTER_TEXT,
    REFUSAL_AFTER_CALL,
    REFUSED_TWICE,
    TEXT_AFTER_CALL,
    TEXT_AFTER_REFUSAL,
    TIERS,
    no_place_for_opaque,
)
from trio_gateway.dialects.openai_chat.errors import encode_stream_error
from trio_gateway.dialects.openai_chat.reasoning import detail_of, extra_of_token
from trio_gateway.dialects.openai_chat.words import (
    annotation_of,
    answer_id,
    call_id_at,
    finish_of,
    wire_usage,
)
from trio_gateway.errors import UpstreamBroke

_DONE = b"data: [DONE]\n\n"

_json = msgspec.json.Encoder().encode


class AnswerEncoder:
    """Turns events into the bytes of a Chat client's stream."""

    __slots__ = ("_choices", "_context", "_done", "_head", "_parts", "_tail", "_usage", "losses")

    def __init__(self, context: AnswerContext) -> None:
        self.losses: Losses = []
        self._context = context
        self._choices: dict[int, _Choice] = {}
        self._parts: dict[int, _Part] = {}
        self._usage: Usage | None = None
        self._done = False
        # Asked for usage, OpenAI writes it in every chunk, and null in all but the last.
        self._tail = b',"usage":null}\n\n' if context.include_usage else b"}\n\n"
        self._head = b""
        self._start(Start(), [])

    def feed(self, events: list[AnswerEvent]) -> bytes:
        out: list[bytes] = []
        parts = self._parts
        for event in events:
            if self._done:
                break
            if type(event) is Delta:
                part = parts.get(event.key)
                if part is not None:
                    text = event.text
                    part.length += len(text)
                    if part.thought is not None:
                        part.thought.append(text)
                    out += (part.head, _json(text), part.tail)
            else:
                _HANDLERS[type(event)](self, event, out)
        return b"".join(out)

    def close(self) -> bytes:
        """Say that no event will follow. Without End or Fail before it, the stream has broken."""
        if self._done:
            return b""
        return self.feed([Fail(UpstreamBroke("The answer broke off."))])

    def _lose(self, choice: int, reason: str) -> None:
        self.losses.append(Loss(f"/choices/{choice}", reason))

    def _choice(self, index: int, out: list[bytes]) -> _Choice:
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self._head, self._tail)
            out.append(choice.chunk(b'"role":"assistant","content":"","refusal":null'))
        return choice

    # ------------------------------------------------------------------------------------- event by event

    def _start(self, event: Start, out: list[bytes]) -> None:
        context = self._context
        created = context.created if event.created is None else event.created
        head = b'data: {"id":%b,"object":"chat.completion.chunk","created":%d,"model":%b,' % (
            _json(answer_id(event.id, context)),
            created,
            _json(event.model or context.model),
        )
        if event.service_tier in TIERS:
            head += b'"service_tier":%b,' % _json(event.service_tier)
        elif event.service_tier is not None:
            self.losses.append(Loss("/service_tier", f"Chat has no service tier {event.service_tier!r}"))
        self._head = head + b'"choices":['

    def _open(self, event: Open, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        kind = event.kind
        if kind == "opaque":
            self._lose(event.choice, no_place_for_opaque(event.dialect, event.tag))
            return
        if kind == "text":
            self._parts[event.key] = part = _Part(event, choice, b'"content":')
            if choice.calls:
                part.moved = TEXT_AFTER_CALL
            elif choice.refused:
                part.moved = TEXT_AFTER_REFUSAL
            elif self._has_text(choice):
                part.moved = JOINED_TEXTS
        elif kind in ("reasoning", "redacted"):
            if choice.calls or choice.refused or self._has_text(choice):
                self._lose(event.choice, REASONING_AFTER_TEXT)
            choice.tell_held(out)
            self._parts[event.key] = _Part(event, choice, b'"reasoning_content":')
        elif kind == "refusal":
            if choice.calls:
                self._lose(event.choice, REFUSAL_AFTER_CALL)
            choice.refused = True
            self._parts[event.key] = _Part(event, choice, b'"refusal":')
        else:
            self._open_call(event, choice, out)

    def _has_text(self, choice: _Choice) -> bool:
        """Say whether a text of the choice has been told. Of an empty one, that of a mark, there is nothing to join."""
        return choice.length > 0 or any(
            part.kind == "text" and part.length and part.choice is choice for part in self._parts.values()
        )

    def _open_call(self, event: Open, choice: _Choice, out: list[bytes]) -> None:
        index = choice.calls
        choice.calls += 1
        call_id = event.id or call_id_at(None, event.choice, index)
        custom = event.kind == "custom_call"
        kind, text = (b"custom", b"input") if custom else (b"function", b"arguments")
        out.append(
            choice.chunk(
                b'"tool_calls":[{"index":%d,"id":%b,"type":"%b","%b":{"name":%b,"%b":""}}]'
                % (index, _json(call_id), kind, kind, _json(event.name), text)
            )
        )
        part = _Part(event, choice, b'"tool_calls":[{"index":%d,"%b":{"%b":' % (index, kind, text), b"}}]")
        part.index = index
        self._parts[event.key] = part

    def _sign(self, event: Sign, out: list[bytes]) -> None:
        part = self._parts.get(event.key)
        if part is None:
            return
        if part.kind in ("reasoning", "redacted"):
            part.token = event.token
        elif part.kind in ("call", "custom_call"):
            # With a fragment of the call, though an empty one: clients take every chunk of a call to hold one.
            kind = b'"custom":{"input":""}' if part.kind == "custom_call" else b'"function":{"arguments":""}'
            extra = _json(extra_of_token(event.token))
            out.append(
                part.choice.chunk(b'"tool_calls":[{"index":%d,%b,"extra_content":%b}]' % (part.index, kind, extra))
            )
        else:
            self._lose(part.choice.index, NO_TEXT_TOKENS)

    def _cite(self, event: Cite, out: list[bytes]) -> None:
        part = self._parts.get(event.key)
        if part is not None:
            part.citations.append(event.raw)

    def _close(self, event: Close, out: list[bytes]) -> None:
        part = self._parts.pop(event.key, None)
        if part is None:
            return
        if part.kind == "text":
            self._close_text(part, out)
        elif part.kind == "call":
            if not part.length:
                out += (part.head, b'"{}"', part.tail)
        elif part.kind == "reasoning" or part.kind == "redacted":
            self._close_reasoning(part, out)

    def _close_text(self, part: _Part, out: list[bytes]) -> None:
        choice = part.choice
        start = choice.length
        choice.length += part.length
        if part.length and part.moved:
            self._lose(choice.index, part.moved)
        annotations = []
        for raw in part.citations:
            annotation = annotation_of(raw, start, choice.length)
            if annotation is None:
                self._lose(choice.index, NO_PAGE)
            else:
                annotations.append(annotation)
                if (reason := left_out(raw, annotation)) is not None:
                    self._lose(choice.index, reason)
        if annotations:
            out.append(choice.chunk(b'"annotations":' + _json(annotations)))

    def _close_reasoning(self, part: _Part, out: list[bytes]) -> None:
        choice = part.choice
        index = choice.stretches
        choice.stretches += 1
        stretch = Reasoning("".join(part.thought or ()), token=part.token, redacted=part.kind == "redacted", id=part.id)
        entry = detail_of(stretch)
        if entry is None:
            self._lose(choice.index, NOTHING_REDACTED)
            return
        entry.index = index
        told = choice.chunk(b'"reasoning_details":[' + _json(entry) + b"]")
        if part.token is not None or choice.detailed:
            choice.detailed = True
            out.append(told)
        else:
            choice.held = told

    def _logprobs(self, event: LogprobsDelta, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        out.append(choice.prefix + b'},"logprobs":' + bytes(event.raw) + b',"finish_reason":null}]' + self._tail)

    def _usage_update(self, event: UsageUpdate, out: list[bytes]) -> None:
        self._usage = self._usage.updated(event.usage) if self._usage else event.usage

    def _finish(self, event: Finish, out: list[bytes]) -> None:
        choice = self._choice(event.choice, out)
        if choice.finished:
            return
        stop = event.stop
        if stop.detail and stop.reason == "refusal":
            if choice.refused:
                self._lose(event.choice, REFUSED_TWICE)
            else:
                out.append(choice.chunk(b'"refusal":' + _json(stop.detail)))
        finish = finish_of(stop, choice.calls > 0, "", event.choice, self.losses)
        out.append(choice.finish(finish))

    def _end(self, event: End, out: list[bytes]) -> None:
        self._done = True
        unfinished = (choice for choice in self._choices.values() if not choice.finished)
        out.extend(choice.finish("tool_calls" if choice.calls else "stop") for choice in unfinished)
        if self._context.include_usage:
            usage = wire_usage(self._usage, self.losses)
            if usage is not None:
                out.append(self._head + b'],"usage":' + wire_chat.encode(usage) + b"}\n\n")
        out.append(_DONE)

    def _fail(self, event: Fail, out: list[bytes]) -> None:
        self._done = True
        out.append(encode_stream_error(event.error))

    def _ping(self, event: Ping, out: list[bytes]) -> None:
        """Chat's streams have no ping; the transport keeps itself alive."""


_HANDLERS: dict[type[AnswerEvent], Callable[[AnswerEncoder, Any, list[bytes]], None]] = {
    Start: AnswerEncoder._start,
    Open: AnswerEncoder._open,
    Sign: AnswerEncoder._sign,
    Cite: AnswerEncoder._cite,
    Close: AnswerEncoder._close,
    LogprobsDelta: AnswerEncoder._logprobs,
    UsageUpdate: AnswerEncoder._usage_update,
    Finish: AnswerEncoder._finish,
    End: AnswerEncoder._end,
    Fail: AnswerEncoder._fail,
    Ping: AnswerEncoder._ping,
}


class _Choice:
    """One choice of the stream. `held` is an unsigned stretch of reasoning, told only if another one follows."""

    __slots__ = (
        "_last", "calls", "detailed", "finished", "held", "index", "length", "prefix", "refused",
        "stretches", "tail",
    )  # fmt: skip

    def __init__(self, index: int, head: bytes, tail: bytes) -> None:
        self.index = index
        self.prefix = b'%b{"index":%d,"delta":{' % (head, index)
        self.tail = b'},"finish_reason":null}]' + tail
        self._last = tail
        self.finished = False
        self.refused = False
        self.calls = 0
        self.length = 0  # of the content told so far, in characters
        self.stretches = 0  # of reasoning
        self.detailed = False  # reasoning_details have been told: every stretch must be in them
        self.held = b""

    def chunk(self, delta: bytes) -> bytes:
        return self.prefix + delta + self.tail

    def finish(self, reason: str) -> bytes:
        self.finished = True
        return b'%b},"finish_reason":"%b"}]%b' % (self.prefix, reason.encode(), self._last)

    def tell_held(self, out: list[bytes]) -> None:
        if self.held:
            out.append(self.held)
            self.held = b""
            self.detailed = True


class _Part:
    """An open part: `head` and `tail` surround the text of each of its deltas."""

    __slots__ = ("choice", "citations", "head", "id", "index", "kind", "length", "moved", "tail", "thought", "token")

    def __init__(self, opened: Open, choice: _Choice, head: bytes, tail: bytes = b"") -> None:
        self.kind = opened.kind
        self.id = opened.id or None
        self.choice = choice
        self.head = choice.prefix + head
        self.tail = tail + choice.tail
        self.index = 0
        self.length = 0  # of what was told, in characters
        self.moved = ""  # why a text is not told in its place, if there is any text
        # A signed thought is told once more and whole, beside its token.
        self.thought: list[str] | None = [] if opened.kind == "reasoning" else None
        self.token: Token | None = None
        self.citations: list[msgspec.Raw] = []
