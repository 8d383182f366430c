"""Chat's stream to neutral events.

chunk with an id or choices    Start, once
delta.content, .refusal        text and refusal; a change of kind closes what was open
delta.reasoning_*              reasoning
delta.tool_calls               see call_tracker
finish_reason                  everything of the choice closes; Finish
usage                          UsageUpdate, wherever it comes
data: {"error": ...}           Fail
[DONE], or the end             End where every choice has finished, else Fail
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway_schemas import openai_chat as wire_chat
from gateway_schemas.openai_chat import Chunk, ChunkChoice
from gateway_schemas.openai_chat import Delta as WireDelta
from trio_gateway.dialects import wire
from trio_gateway.dialects.conversation import Loss, Losses, Reasoning, Text, Usage
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
from trio_gateway.dialects.framing import SseDecoder
from trio_gateway.dialects.openai_chat.answer import checked_logprobs, read_content_part
from trio_gateway.dialects.openai_chat.audio import AudioGatherer
from trio_gateway.dialects.openai_chat.call_tracker import LEGACY_INDEX, CallTracker
from trio_gateway.dialects.openai_chat.errors import error_of_frame
from trio_gateway.dialects.openai_chat.reasoning import ME, reasoning_of, thinking_of
from trio_gateway.dialects.openai_chat.words import lose_counts, stop_of, usage_of
from trio_gateway.dialects.unread import UNKNOWN
from trio_gateway.dialects.unread_events import Events, UnreadOfEvents
from trio_gateway.errors import UpstreamBroke

_CHUNKS = Events(Chunk)
_UNSET = msgspec.UNSET
_NOTHING = Usage()


class AnswerDecoder:
    """Turns the bytes of a Chat stream, split anywhere, into events. Never raises."""

    __slots__ = ("_choices", "_done", "_key", "_lost", "_sse", "_started", "_unread", "answer_id", "ended_at",
                 "losses")  # fmt: skip

    def __init__(self) -> None:
        self.losses: Losses = []
        self.ended_at: int | None = None
        self.answer_id: str | None = None
        self._sse = SseDecoder()
        self._unread = UnreadOfEvents(_CHUNKS)
        self._choices: dict[int, _Choice] = {}
        self._lost: set[str] = set()
        self._key = -1
        self._started = False
        self._done = False

    def feed(self, chunk: bytes) -> list[AnswerEvent]:
        events: list[AnswerEvent] = []
        if self._done:
            return events
        try:
            for place, data in enumerate(self._sse.feed(chunk)):
                self._read(data, events)
                if self._is_over():
                    self.ended_at = place
                    break
        except UpstreamBroke as error:
            self._fail(Fail(error), events)
        return events

    def close(self) -> list[AnswerEvent]:
        """Say that no byte will follow. An answer whose choices have all finished is whole without [DONE]."""
        events: list[AnswerEvent] = []
        if self._done:
            return events
        for place, data in enumerate(self._sse.close()):
            self._read(data, events, last=True)
            if self._is_over():
                self.ended_at = place
                return events
        self._end(events)
        return events

    def _is_over(self) -> bool:
        return self._done

    def lose(self, at: str, reason: str) -> None:
        """Record a loss, once for each place: chunks repeat themselves."""
        if at not in self._lost:
            self._lost.add(at)
            self.losses.append(Loss(at, reason))

    def new_key(self) -> int:
        self._key += 1
        return self._key

    def _read(self, data: bytes, events: list[AnswerEvent], last: bool = False) -> None:
        if data.startswith(b"[DONE]"):
            self._end(events)
            return
        try:
            wire.check_text(data)
            chunk = self._unread.decode(data)
        except wire.BAD_BODY:
            if not data.strip():
                return
            try:
                chunk = self._decode_leniently(data)
            except wire.BAD_BODY:
                if last and self._finished():
                    self._end(events)  # cut off in the chunk with the usage: the answer itself is whole
                else:
                    self._fail(fail_broken("The provider's stream holds a chunk that cannot be read."), events)
                return
        if (chunk.error is not _UNSET or chunk.object == "error") and (
            error := error_of_frame(chunk.error, chunk.object, data)
        ) is not None:
            self._fail(Fail(error), events)
            return
        if not self._started and (chunk.id or chunk.choices):
            self._start(chunk, events)
        for choice in chunk.choices or ():
            self._read_choice(choice, events)
        usage = chunk.usage
        if usage is not None and not isinstance(usage, msgspec.UnsetType):
            self._usage(usage, events)

    def _decode_leniently(self, data: bytes) -> Chunk:
        """Decode a chunk with members that nobody knows, and note them."""
        wire.check_text(data)
        chunk, unread = self._unread.look(data)
        for found in unread:
            if not found.is_null:
                self.lose(found.pointer, UNKNOWN)
        self._unread.learn(unread)
        return chunk

    def _start(self, chunk: Chunk, events: list[AnswerEvent]) -> None:
        self._started = True
        tier = chunk.service_tier or None
        created = int(chunk.created) if chunk.created else None
        self.answer_id = chunk.id or None
        events.append(Start(self.answer_id, chunk.model or None, created, tier))
        for name, _ in wire.present(chunk, ("system_fingerprint", "moderation")):
            self.lose("/" + name, "not carried to other dialects")

    def _read_choice(self, wire_choice: ChunkChoice, events: list[AnswerEvent]) -> None:
        index = wire_choice.index or 0
        choice = self._choices.get(index)
        if choice is None:
            choice = self._choices[index] = _Choice(index, self)
        delta = wire_choice.delta
        if choice.finished:
            if delta is not None and (delta.content or delta.tool_calls or delta.refusal):
                self.lose(f"/choices/{index}", "the choice went on after its finish_reason")
            return
        if delta is not None:
            # The commonest chunk by far: more of the text.
            content = delta.content
            if content and choice.kind == "text" and type(content) is str and delta.tool_calls is None:
                events.append(Delta(choice.key, content))
                if delta.annotations:
                    choice.cite(delta.annotations, events)
            else:
                choice.read(delta, events)
        if wire_choice.logprobs is not _UNSET:
            found: Losses = []
            raw = checked_logprobs(wire_choice.logprobs, f"/choices/{index}", found)
            for loss in found:
                self.lose(loss.pointer, loss.reason)
            if raw is not None:
                events.append(LogprobsDelta(raw, index))
        if wire_choice.finish_reason:
            choice.finish(wire_choice.finish_reason, events)

    def _usage(self, wire_usage: wire_chat.Usage, events: list[AnswerEvent]) -> None:
        usage = usage_of(wire_usage)
        if usage != _NOTHING:
            events.append(UsageUpdate(usage))
        found: Losses = []
        lose_counts(wire_usage, found)
        for loss in found:
            self.lose(loss.pointer, loss.reason)

    def _finished(self) -> bool:
        return bool(self._choices) and all(choice.finished for choice in self._choices.values())

    def _end(self, events: list[AnswerEvent]) -> None:
        if self._finished():
            self._done = True
            events.append(End())
        else:
            self._fail(fail_broken("The provider's stream ended without a finish_reason."), events)

    def _fail(self, fail: Fail, events: list[AnswerEvent]) -> None:
        self._done = True
        events.append(fail)


class _Choice:
    """One choice of the stream. `kind` and `key` are of the part that is open beside the calls; kind "" is none."""

    __slots__ = ("_audio", "_calls", "_decoder", "_group", "_index", "_plain", "finished", "key", "kind")

    def __init__(self, index: int, decoder: AnswerDecoder) -> None:
        self.kind: Literal["", "text", "reasoning", "refusal"] = ""
        self.key = -1
        self.finished = False
        self._index = index
        self._decoder = decoder
        self._calls = CallTracker(index, decoder.answer_id, decoder.new_key)
        self._audio: AudioGatherer | None = None
        self._group: int | None = None  # the index of the reasoning detail that is open
        # The latest reasoning as reasoning_content told it, for details that repeat it; None where details told it.
        self._plain: list[str] | None = None

    def read(self, delta: WireDelta, events: list[AnswerEvent]) -> None:
        self._read_reasoning(delta, events)
        content = delta.content
        if content:
            if isinstance(content, str):
                self._tell("text", content, events)
            else:
                self._read_parts(content, events)
        if delta.annotations:
            self.cite(delta.annotations, events)
        if delta.refusal:
            self._tell("refusal", delta.refusal, events)
        if delta.audio is not _UNSET and delta.audio != _NULL:
            self._hear(delta.audio)
        if delta.tool_calls:
            self._end_audio(events)
            self._shut(events)
            for position, fragment in enumerate(delta.tool_calls):
                self._calls.feed(fragment, position, events)
        if delta.function_call is not None:
            self._shut(events)
            legacy = wire_chat.ToolCall(function=delta.function_call, index=LEGACY_INDEX)
            self._calls.feed(legacy, 0, events)

    def finish(self, finish_reason: str, events: list[AnswerEvent]) -> None:
        self.finished = True
        self._end_audio(events)
        self._shut(events)
        self._calls.finish(events)
        events.append(Finish(stop_of(finish_reason, self._calls.called), self._index))

    def _hear(self, fragment: msgspec.Raw) -> None:
        if self._audio is None:
            self._audio = AudioGatherer()
        if not self._audio.feed(fragment):
            self._decoder.lose(
                f"/choices/{self._index}/delta/audio", "audio that cannot be read, or is too long to keep"
            )

    def _end_audio(self, events: list[AnswerEvent]) -> None:
        """Tell the audio as a whole: no other dialect could do anything with fragments of it."""
        if self._audio is not None:
            self._shut(events)
            key = self._decoder.new_key()
            raw, self._audio = self._audio.whole(), None
            events += (Open(key, "opaque", self._index, tag="audio", raw=raw, dialect=ME), Close(key))

    def cite(self, annotations: list[msgspec.Raw], events: list[AnswerEvent]) -> None:
        if self.kind != "text":
            self._open("text", events)
        events.extend(Cite(self.key, raw) for raw in annotations)

    def _open(self, kind: Literal["text", "reasoning", "refusal"], events: list[AnswerEvent], id_: str = "") -> None:
        self._shut(events)
        self.kind, self.key = kind, self._decoder.new_key()
        events.append(Open(self.key, kind, self._index, id_))

    def _shut(self, events: list[AnswerEvent]) -> None:
        if self.kind:
            events.append(Close(self.key))
            self.kind = ""

    def _tell(self, kind: Literal["text", "refusal"], text: str, events: list[AnswerEvent]) -> None:
        if self.kind != kind:
            self._open(kind, events)
        events.append(Delta(self.key, text))

    def _read_parts(self, content: list[msgspec.Raw], events: list[AnswerEvent]) -> None:
        for raw in content:
            part = read_content_part(raw)
            if not isinstance(part, Text):
                self._shut(events)
                key = self._decoder.new_key()
                events.append(Open(key, "opaque", self._index, tag=part.tag, raw=part.raw, dialect=ME))
                events.append(Close(key))
            elif part.text:
                self._tell("text", part.text, events)

    # ---------------------------------------------------------------------------------------- reasoning

    def _read_reasoning(self, delta: WireDelta, events: list[AnswerEvent]) -> None:
        if delta.reasoning_details:
            for detail in delta.reasoning_details:
                self._tell_stretch(reasoning_of(detail), detail.index, detail.type, events)
        elif delta.thinking_blocks:
            for block in delta.thinking_blocks:
                self._tell_stretch(thinking_of(block), None, block.type, events)
        elif text := delta.reasoning_content or delta.reasoning:
            if self.kind != "reasoning":
                self._open("reasoning", events)
                self._plain = []
            if self._plain is not None:
                self._plain.append(text)
            events.append(Delta(self.key, text))

    def _tell_stretch(self, stretch: Reasoning | None, group: int | None, tag: str, events: list[AnswerEvent]) -> None:
        """Tell a reasoning detail, or a fragment of one."""
        if stretch is None:
            self._decoder.lose(f"/choices/{self._index}/delta", f"a reasoning detail {tag!r} that cannot be read")
            return
        if tag in ("reasoning.encrypted", "redacted_thinking"):
            self._tell_encrypted(stretch, events)
            return
        if self._repeats(stretch):
            self._sign(stretch, events)
            return
        if self.kind != "reasoning" or self._plain is not None or group != self._group:
            self._open("reasoning", events, stretch.id or "")
            self._plain, self._group = None, group
        if stretch.text:
            events.append(Delta(self.key, stretch.text))
        if stretch.token is not None:
            self._sign(stretch, events)

    def _repeats(self, stretch: Reasoning) -> bool:
        """Say whether a detail is what reasoning_content told already: it only adds the token, and an end."""
        if self._plain is None:
            return False
        return not stretch.text or "".join(self._plain).endswith(stretch.text)

    def _sign(self, stretch: Reasoning, events: list[AnswerEvent]) -> None:
        """End the open reasoning with its token. Where it has ended before, the token came too late."""
        if self.kind == "reasoning":
            if stretch.token is not None:
                events.append(Sign(self.key, stretch.token))
            self._shut(events)
        elif stretch.token is not None:
            self._decoder.lose(f"/choices/{self._index}/delta", "a reasoning token that came after its text had ended")
        self._plain = None

    def _tell_encrypted(self, stretch: Reasoning, events: list[AnswerEvent]) -> None:
        self._shut(events)
        key = self._decoder.new_key()
        kind: Literal["redacted", "reasoning"] = "redacted" if stretch.redacted else "reasoning"
        events.append(Open(key, kind, self._index, stretch.id or ""))
        if stretch.token is not None:
            events.append(Sign(key, stretch.token))
        events.append(Close(key))


_NULL = msgspec.Raw(b"null")
