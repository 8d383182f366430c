"""Streams of /api/chat, both ways: one JSON object a line, the last of which is done.

Reading:  a line's thoughts, text and calls, in this order   Start once, then parts
          done                                               UsageUpdate, Finish, End
          {"error": ...}                                     Fail
          the end without either                             Fail
Writing:  a delta of text or thought                         a line
          a call                                             held until it is closed, then a line
          End                                                the line that is done
          Fail, or close without End or Fail                 {"error": ...}
"""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw

from gateway_schemas import ollama
from trio_gateway.dialects.arguments import object_of, wrap
from trio_gateway.dialects.conversation import AnswerContext, Loss, Losses, Stop, Usage
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
    Sign,
    Start,
    UsageUpdate,
    fail_broken,
)
from trio_gateway.dialects.framing import LineDecoder
from trio_gateway.dialects.ollama import answer_decode as reading
from trio_gateway.dialects.ollama import answer_encode as writing
from trio_gateway.dialects.ollama.errors import encode_stream_error, error_in_answer
from trio_gateway.dialects.times import rfc3339
from trio_gateway.errors import UpstreamBroke

_BOM = b"\xef\xbb\xbf"
_NO_END = "The provider's stream ended without its last line."

_TAIL = b'},"done":false}\n'
_PLACES = {"reasoning": 0, "redacted": 0, "text": 1, "refusal": 1, "call": 3, "custom_call": 3}

_encode = msgspec.json.Encoder().encode


class AnswerDecoder:
    """Turn an upstream's lines into events. Never raises; after Fail or End it gives nothing."""

    __slots__ = ("_called", "_decode", "_ended", "_ids", "_key", "_lines", "_open", "ended_at", "losses")

    def __init__(self, decode: Callable[[bytes, Losses], reading.Line] = reading.read_line) -> None:
        """`decode` reads one line; see `read_line`."""
        self.losses: Losses = []
        self._decode = decode
        self.ended_at: int | None = None
        self._lines = LineDecoder()
        self._ids: reading.CallIds | None = None  # made with the first line
        self._key = -1  # of the latest part
        self._open: str | None = None  # its kind, while it is open
        self._called = False
        self._ended = False

    def feed(self, chunk: bytes) -> list[AnswerEvent]:
        if self._ended:
            return []
        try:
            lines = self._lines.feed(chunk)
        except UpstreamBroke as error:
            self._ended = True
            return [Fail(error)]
        return self._read(lines)

    def close(self) -> list[AnswerEvent]:
        if self._ended:
            return []
        events = self._read(self._lines.close())
        if not self._ended:
            self._ended = True
            events.append(fail_broken(_NO_END))
        return events

    def _read(self, lines: list[bytes]) -> list[AnswerEvent]:
        events: list[AnswerEvent] = []
        for place, line in enumerate(lines):
            try:
                self._tell(self._read_line(line), events)
            except UpstreamBroke as error:
                self._ended = True
                events.append(Fail(error))
            if self._ended:
                self.ended_at = place
                break
        return events

    def _read_line(self, line: bytes) -> reading.Line:
        if self._ids is None:
            line = line.removeprefix(_BOM)
        unknown: Losses = []
        read = self._decode(line, unknown)
        if unknown:
            self._lose(unknown)
        return read

    def _tell(self, line: reading.Line, events: list[AnswerEvent]) -> None:
        if line.error is not UNSET and line.error != reading.NULL:
            self._ended = True
            events.append(Fail(error_in_answer(line.error)))
            return
        if self._ids is None:
            self._ids = reading.CallIds(line)
            events.append(Start(None, line.model or None, reading.created_of(line)))
        message = line.message
        if message:
            if message.thinking:
                self._delta("reasoning", message.thinking, events)
            if message.content:
                self._delta("text", message.content, events)
            if message.images:
                self._tell_images(message.images, events)
            if message.tool_calls:
                self._tell_calls(message.tool_calls, self._ids, events)
        if line.logprobs:
            events.append(LogprobsDelta(reading.chat_logprobs(line) or Raw(b"{}")))
        if line.done is True:
            self._finish(line, events)

    def _delta(self, kind: str, text: str, events: list[AnswerEvent]) -> None:
        if self._open != kind:
            self._close_part(events)
            self._open = kind
            self._key += 1
            events.append(Open(self._key, "text" if kind == "text" else "reasoning"))
        events.append(Delta(self._key, text))

    def _tell_calls(self, calls: list[ollama.ToolCall], ids: reading.CallIds, events: list[AnswerEvent]) -> None:
        self._close_part(events)
        self._called = True
        for call in calls:
            arguments = reading.arguments_of(call)
            key = self._key = self._key + 1
            events += (
                Open(key, "call", id=ids.of(call, arguments), name=call.function.name),
                Delta(key, arguments),
                Close(key),
            )

    def _tell_images(self, images: list[str], events: list[AnswerEvent]) -> None:
        self._close_part(events)
        for image in images:
            self._key += 1
            events += (
                Open(self._key, "opaque", tag="image", raw=reading.image_part(image), dialect="ollama"),
                Close(self._key),
            )

    def _close_part(self, events: list[AnswerEvent]) -> None:
        if self._open is not None:
            self._open = None
            events.append(Close(self._key))

    def _finish(self, line: reading.Line, events: list[AnswerEvent]) -> None:
        self._ended = True
        self._close_part(events)
        self._lose(reading.unread(line))
        usage = reading.usage_of(line)
        if usage is not None:
            events.append(UsageUpdate(usage))
        events += (Finish(reading.stop_of(line.done_reason, called=self._called)), End())

    def _lose(self, losses: Losses) -> None:
        """Note each loss once, on however many lines it is."""
        self.losses += [loss for loss in losses if loss not in self.losses]


class AnswerEncoder:
    """Turn events into lines. What a stream's events lose has no better pointer than the whole answer's: empty."""

    __slots__ = (
        "_created",
        "_created_at",
        "_done",
        "_doubtful",
        "_finished",
        "_joined",
        "_kinds",
        "_model",
        "_open_calls",
        "_place",
        "_separated",
        "_stop",
        "_text_head",
        "_thought_head",
        "_told_calls",
        "_usage",
        "_wrote_text",
        "_wrote_thought",
        "losses",
    )  # fmt: skip

    def __init__(self, context: AnswerContext) -> None:
        self.losses: Losses = []
        self._kinds: dict[int, str] = {}  # of the parts that are told, by key
        self._open_calls: dict[int, tuple[Open, list[str]]] = {}  # with the arguments so far
        self._doubtful: list[tuple[Open, str]] = []  # closed calls whose arguments are no object
        self._told_calls = 0
        self._place = 0  # of the latest part
        self._wrote_text = self._wrote_thought = False
        self._separated: set[int] = set()  # thoughts that a break belongs before, and no delta has come of
        self._joined: set[int] = set()  # texts behind another one that no delta has come of
        self._stop: Stop | None = None
        self._usage: Usage | None = None
        self._done = False
        self._begin(context.model, context.created)

    def _begin(self, model: str, created: int) -> None:
        self._model, self._created, self._created_at = model, created, rfc3339(created)
        head = b'{"model":%b,"created_at":"%b","message":{"role":"assistant","content":' % (
            _encode(model),
            self._created_at.encode(),
        )
        self._text_head = head
        self._thought_head = head + b'"","thinking":'

    def feed(self, events: list[AnswerEvent]) -> bytes:
        lines: list[bytes] = []
        for event in events:
            if self._done:
                break
            if type(event) is Delta:
                self._delta(event, lines)
            else:
                self._tell(event, lines)
        return b"".join(lines)

    def close(self) -> bytes:
        if self._done:
            return b""
        self._done = True
        return encode_stream_error(UpstreamBroke(_NO_END))

    def _delta(self, event: Delta, lines: list[bytes]) -> None:
        key = event.key
        kind = self._kinds.get(key)
        if kind == "text":
            self._wrote_text = True
            if key in self._joined:
                self._joined.remove(key)
                self._lose(writing.JOINED_TEXTS)
            lines.append(b"%b%b%b" % (self._text_head, _encode(event.text), _TAIL))
        elif kind == "reasoning":
            text = event.text
            if key in self._separated:
                self._separated.remove(key)
                text = writing.THOUGHTS_BREAK + text
                self._lose(writing.JOINED_THOUGHTS)
            self._wrote_thought = True
            lines.append(b"%b%b%b" % (self._thought_head, _encode(text), _TAIL))
        elif key in self._open_calls:
            self._open_calls[key][1].append(event.text)

    def _tell(self, event: AnswerEvent, lines: list[bytes]) -> None:
        match event:
            case Open():
                self._open(event)
            case Close():
                self._kinds.pop(event.key, None)
                if event.key in self._open_calls:
                    self._close_call(event.key, lines)
            case Start():
                self._begin(event.model or self._model, self._created if event.created is None else event.created)
                if event.service_tier is not None:
                    self._lose(writing.NO_SERVICE_TIERS)
            case UsageUpdate():
                self._usage = self._usage.updated(event.usage) if self._usage else event.usage
            case Finish():
                if event.choice == 0:
                    self._stop = event.stop
                else:  # a choice without a part is lost as well
                    self._lose(writing.OTHER_CHOICES)
            case LogprobsDelta():
                self._logprobs(event, lines)
            case Sign() if self._is_told(event.key):
                self._lose(writing.NO_TOKENS)
            case Cite() if self._is_told(event.key):
                self._lose(writing.NO_CITATIONS)
            case End():
                self._end(lines)
            case Fail():
                self._done = True
                lines.append(encode_stream_error(event.error))

    def _is_told(self, key: int) -> bool:
        return key in self._kinds or key in self._open_calls

    def _open(self, event: Open) -> None:
        if event.choice != 0:
            self._lose(writing.OTHER_CHOICES)
            return
        place = _PLACES.get(event.kind, self._place)
        if place < self._place:
            self._lose(writing.REORDERED)
        self._place = place
        if event.kind in ("text", "refusal"):
            self._kinds[event.key] = "text"
            if event.kind == "refusal":
                self._lose(writing.REFUSED)
            elif self._wrote_text:
                self._joined.add(event.key)
        elif event.kind == "reasoning":
            self._kinds[event.key] = "reasoning"
            if self._wrote_thought:
                self._separated.add(event.key)
        elif event.kind in ("call", "custom_call"):
            self._open_calls[event.key] = (event, [])
        elif event.kind == "redacted":
            self._lose(writing.NO_TOKENS)
        else:
            self._lose(f"Ollama has nothing like {event.tag or event.kind}")

    def _close_call(self, key: int, lines: list[bytes]) -> None:
        opened, pieces = self._open_calls.pop(key)
        text = "".join(pieces)
        arguments = wrap(text) if opened.kind == "custom_call" else object_of(text)
        if opened.kind == "custom_call":
            self._lose(writing.WRAPPED)
        if arguments is None:
            self._doubtful.append((opened, text))
        else:
            self._call(writing.call_of(opened.id, opened.name, arguments, self._told_calls), lines)

    def _call(self, call: ollama.ToolCall, lines: list[bytes]) -> None:
        self._told_calls += 1
        lines.append(b'%b"","tool_calls":[%b]%b' % (self._text_head, _encode(call), _TAIL))

    def _logprobs(self, event: LogprobsDelta, lines: list[bytes]) -> None:
        logprobs = writing.ollama_logprobs(event.raw, self.losses) if event.choice == 0 else None
        if logprobs:
            lines.append(b'%b""},"done":false,"logprobs":%b}\n' % (self._text_head, _encode(logprobs)))

    def _end(self, lines: list[bytes]) -> None:
        self._done = True
        for key in sorted(self._open_calls):
            self._close_call(key, lines)
        for opened, text in self._doubtful:
            call = writing.settled(opened.id, opened.name, text, self._stop, self._told_calls)
            self._lose(writing.WRAPPED if call else writing.CUT_OFF)
            if call:
                self._call(call, lines)
        last = ollama.ChatResponse(
            model=self._model,
            created_at=self._created_at,
            message=ollama.Message("assistant", ""),
            done=True,
            done_reason=writing.done_reason(self._stop, "", self.losses),
        )
        if self._usage is not None:
            writing.put_usage(self._usage, last, self.losses)
        lines.append(ollama.encode(last) + b"\n")

    def _lose(self, reason: str) -> None:
        loss = Loss("", reason)
        if loss not in self.losses:
            self.losses.append(loss)
