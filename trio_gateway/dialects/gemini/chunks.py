"""An answer's chunks, told as events. A whole answer is a stream of one chunk: the two cannot disagree.

When the model stopped is told at the very end: after a `finishReason` more may come, a signature or counts.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.arguments import unwrap
from trio_gateway.dialects.conversation import Loss, Losses, Stop, Token, Usage
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
from trio_gateway.dialects.gemini import shapes
from trio_gateway.dialects.gemini.errors import stream_error
from trio_gateway.dialects.gemini.grounding import citations
from trio_gateway.dialects.gemini.names import digest, synthesise_id
from trio_gateway.dialects.gemini.outcome import read_logprobs, read_stop, read_tier, read_usage
from trio_gateway.dialects.gemini.partial import PartialArguments
from trio_gateway.dialects.gemini.tokens import NAME, recognise
from trio_gateway.dialects.names import recognise_name
from trio_gateway.dialects.times import unix_seconds
from trio_gateway.dialects.wire import BAD_BODY
from trio_gateway.errors import UpstreamError

# Members that have no word here. Each is a loss once, however many chunks repeat it.
_OF_A_CANDIDATE = (
    "safety_ratings", "citation_metadata", "grounding_metadata", "grounding_attributions", "url_context_metadata",
    "avg_logprobs", "token_count", "continuation_token",
)  # fmt: skip
_OF_THE_USAGE = (
    "prompt_tokens_details", "cache_tokens_details", "candidates_tokens_details", "tool_use_prompt_tokens_details",
    "traffic_type",
)  # fmt: skip
_NO_COUNTERPART = "has no counterpart in other formats"
_FAULTS = ("error", "other")
_SIGNED = "signed text"


class _Candidate:
    """One candidate so far. At most one of its parts is open."""

    __slots__ = ("arguments", "calls", "cited", "custom", "empty", "index", "key", "kind", "stop", "texts", "token",
                 "unlost")  # fmt: skip

    def __init__(self, index: int) -> None:
        self.index = index
        self.key = 0
        self.kind = ""  # of the open part; empty where none is
        self.calls = 0
        self.empty = True
        self.stop: tuple[str, str | None] | None = None
        self.arguments: PartialArguments | None = None  # of a call that comes in fragments
        self.custom = False
        self.token: Token | None = None  # of the call that is open
        self.unlost: tuple[str, ...] = _OF_A_CANDIDATE
        self.texts: list[str] = []  # of the text that is open
        self.cited: set[bytes] = set()  # in it


class ChunkReader:
    """Reads the chunks of one answer. `ended` is set by the last event."""

    __slots__ = ("_blocked", "_candidates", "_here", "_key", "_lost", "_usage", "_usage_unlost", "_where",
                 "_wire_usage", "ended", "losses", "places", "started")  # fmt: skip

    def __init__(self, *, whole: bool = False) -> None:
        self.losses: Losses = []
        # Of a whole answer, the pointers of the parts by candidate.
        self.places: dict[int, list[str]] | None = {} if whole else None
        self._here = ""
        self.started = False
        self.ended = False
        self._candidates: dict[int, _Candidate] = {}
        self._key = 0
        self._where = "0"
        self._usage: Usage | None = None
        self._wire_usage: wire_gemini.UsageMetadata | None = None
        self._usage_unlost: tuple[str, ...] = _OF_THE_USAGE
        self._blocked: Stop | None = None
        self._lost: set[str] = set()

    def read(self, frame: bytes) -> list[AnswerEvent]:
        """Never raises: what cannot be read, or is an error, is a Fail."""
        events: list[AnswerEvent] = []
        try:
            chunk, odd = shapes.read_chunk(frame)
        except BAD_BODY:
            return self._fail(fail_broken("The provider's answer holds a chunk that cannot be read."))
        for loss in odd.losses if odd is not None else ():
            self._lose(loss.pointer, loss.reason)
        if chunk.error:
            return self._fail(Fail(stream_error(chunk.error)))
        if not self.started:
            self._start(chunk, events)
        for place, candidate in enumerate(chunk.candidates or ()):
            self._candidate(candidate, place, odd.opaque if odd is not None else {}, events)
        if chunk.prompt_feedback:
            self._feedback(chunk.prompt_feedback)
        if chunk.usage_metadata and chunk.usage_metadata != self._wire_usage:
            self._wire_usage = chunk.usage_metadata
            self._read_usage(chunk.usage_metadata, events)
        if chunk.model_status is not UNSET:
            self._lose("/modelStatus", _NO_COUNTERPART)
        return events

    def end(self, *, whole: bool) -> list[AnswerEvent]:
        """Return the last events. `whole` says that nothing can be missing, though no reason was given."""
        events: list[AnswerEvent] = []
        candidates = [self._candidates[index] for index in sorted(self._candidates)]
        if not candidates and self._blocked is None:
            return self._fail(fail_broken("The provider's answer ended without a candidate."))
        if not whole and self._blocked is None and any(candidate.stop is None for candidate in candidates):
            return self._fail(fail_broken("The provider's stream ended without a reason to stop."))
        stops = [self._stop(candidate) for candidate in candidates]
        if all(candidate.empty for candidate in candidates):
            for stop in stops:
                if stop is not None and stop.reason in _FAULTS:
                    detail = f": {stop.detail}" if stop.detail else "."
                    message = f"The model gave no answer, {stop.raw}{detail}"
                    return self._fail(Fail(UpstreamError(message, status=502, code=stop.raw)))
        for candidate, stop in zip(candidates, stops, strict=True):
            self._close(candidate, events)
            if stop is not None:
                events.append(Finish(stop, candidate.index))
        if not candidates and self._blocked is not None:
            events.append(Finish(self._blocked))
        events.append(End())
        self.ended = True
        return events

    def _stop(self, candidate: _Candidate) -> Stop | None:
        if candidate.stop is None:
            return self._blocked
        reason, message = candidate.stop
        return read_stop(reason, message, has_calls=candidate.calls > 0)

    def _fail(self, fail: Fail) -> list[AnswerEvent]:
        self.ended = True
        return [fail]

    def _lose(self, pointer: str, reason: str) -> None:
        if pointer not in self._lost:
            self._lost.add(pointer)
            self.losses.append(Loss(pointer, reason))

    # -- chunks

    def _start(self, chunk: wire_gemini.GenerateContentResponse, events: list[AnswerEvent]) -> None:
        self.started = True
        id_ = chunk.response_id or None
        self._where = digest(id_)
        created = unix_seconds(chunk.create_time) if chunk.create_time else None
        tier = (chunk.usage_metadata.service_tier or None) if chunk.usage_metadata else None
        events.append(Start(id_, chunk.model_version or None, created, read_tier(tier)))

    def _feedback(self, feedback: wire_gemini.PromptFeedback) -> None:
        if feedback.block_reason and feedback.block_reason != "BLOCKED_REASON_UNSPECIFIED":
            self._blocked = Stop("refusal", detail=feedback.block_reason_message or None, raw=feedback.block_reason)
        if feedback.safety_ratings is not UNSET:
            self._lose("/promptFeedback/safetyRatings", _NO_COUNTERPART)

    def _read_usage(self, wire: wire_gemini.UsageMetadata, events: list[AnswerEvent]) -> None:
        if self._usage_unlost:
            self._usage_unlost = self._lose_present(wire, self._usage_unlost, "/usageMetadata")
        usage = read_usage(wire)
        if usage != self._usage:
            self._usage = usage
            events.append(UsageUpdate(usage))

    def _lose_present(self, message: msgspec.Struct, fields: tuple[str, ...], at: str) -> tuple[str, ...]:
        """Return the fields that were not there: those that may still become a loss."""
        absent = tuple([name for name in fields if getattr(message, name) in (UNSET, None)])
        if len(absent) != len(fields):
            names = dict(zip(message.__struct_fields__, message.__struct_encode_fields__, strict=True))
            for name in fields:
                if name not in absent:
                    self._lose(f"{at}/{names[name]}", _NO_COUNTERPART)
        return absent

    # -- candidates

    def _candidate(
        self, wire: wire_gemini.Candidate, place: int, opaque: dict[str, tuple[str, Raw]], events: list[AnswerEvent]
    ) -> None:
        index = wire.index or 0
        candidate = self._candidates.get(index)
        if candidate is None:
            candidate = self._candidates[index] = _Candidate(index)
        if wire.logprobs_result:  # before the text that they are of, which a signature closes at once
            logprobs = read_logprobs(wire.logprobs_result)
            if logprobs is not None:
                events.append(LogprobsDelta(logprobs, index))
        if wire.content and wire.content.parts:
            for n, part in enumerate(wire.content.parts):
                if self.places is not None:
                    self._here = f"/candidates/{place}/content/parts/{n}"
                known = opaque.get(f"/candidates/{place}/content/parts/{n}") if opaque else None
                if known is not None:
                    self._whole(candidate, known[0], known[1], events)
                else:
                    self._part(candidate, part, events)
        if wire.finish_reason and wire.finish_reason != "FINISH_REASON_UNSPECIFIED":
            candidate.stop = (wire.finish_reason, wire.finish_message or None)
            if candidate.arguments is not None:
                # The end of a call in fragments may be missing; what a limit cut off is no whole call.
                self._end_call(candidate, events, whole=wire.finish_reason == "STOP")
        if wire.grounding_metadata and candidate.kind in ("text", _SIGNED):
            self._cite(candidate, wire.grounding_metadata, events)
        if (  # spelled out: this is asked of every chunk
            wire.safety_ratings is not UNSET
            or wire.grounding_metadata is not UNSET
            or wire.citation_metadata is not UNSET
            or wire.avg_logprobs is not UNSET
            or wire.url_context_metadata is not UNSET
            or wire.token_count is not UNSET
            or wire.grounding_attributions is not UNSET
            or wire.continuation_token is not UNSET
        ):
            candidate.unlost = self._lose_present(wire, candidate.unlost, f"/candidates/{place}")

    def _cite(self, candidate: _Candidate, grounding: Raw, events: list[AnswerEvent]) -> None:
        """Cite the pages that ground the text that is open: one that has ended says no more, streamed or not."""
        for citation in citations(grounding, "".join(candidate.texts)):
            if bytes(citation) not in candidate.cited:
                candidate.cited.add(bytes(citation))
                events.append(Cite(candidate.key, citation))

    def _part(self, candidate: _Candidate, part: wire_gemini.Part, events: list[AnswerEvent]) -> None:
        text = part.text or ""
        if part.function_call:
            self._call(candidate, part, part.function_call, events)
        elif part.inline_data or part.file_data or part.function_response:
            tag = "inlineData" if part.inline_data else "fileData" if part.file_data else "functionResponse"
            self._whole(candidate, tag, Raw(wire_gemini.encode(part)), events)
        elif part.thought_signature:
            self._signed(candidate, text, "reasoning" if part.thought else "text", part.thought_signature, events)
        elif text:
            kind = "reasoning" if part.thought else "text"
            if candidate.kind != kind:
                self._open(candidate, Open(0, "reasoning" if part.thought else "text"), events)
            events.append(Delta(candidate.key, text))
            if kind == "text":
                candidate.texts.append(text)
        elif part.thought and candidate.kind == "reasoning":
            self._close(candidate, events)  # an empty one says that the next thought is another: see THOUGHTS_BORDER

    def _signed(self, candidate: _Candidate, text: str, kind: str, signature: str, events: list[AnswerEvent]) -> None:
        """A signature is of its own part: Google wants both back as they came, never joined with others."""
        token, redacted = recognise(signature)
        if token.issuer == NAME or text or redacted or candidate.kind != kind:
            opened = Open(0, "redacted" if redacted else "reasoning" if kind == "reasoning" else "text")
            self._open(candidate, opened, events)
            if text:
                events.append(Delta(candidate.key, text))
                candidate.texts.append(text)
        # Else it is a foreign token, which another gateway could send only after the text that it is of.
        events.append(Sign(candidate.key, token))
        if candidate.kind == "text":
            candidate.kind = _SIGNED  # and no more is of it but what grounds it
        else:
            self._close(candidate, events)

    def _open(self, candidate: _Candidate, opened: Open, events: list[AnswerEvent]) -> None:
        self._close(candidate, events)
        opened.key = candidate.key = self._key
        opened.choice = candidate.index
        self._key += 1
        if self.places is not None:
            self.places.setdefault(candidate.index, []).append(self._here)
        candidate.kind, candidate.empty = opened.kind, False
        if candidate.texts:
            candidate.texts, candidate.cited = [], set()
        events.append(opened)

    def _close(self, candidate: _Candidate, events: list[AnswerEvent]) -> None:
        if candidate.arguments is not None:
            self._end_call(candidate, events, whole=False)
        elif candidate.kind:
            events.append(Close(candidate.key))
            candidate.kind = ""

    def _whole(self, candidate: _Candidate, tag: str, raw: Raw, events: list[AnswerEvent]) -> None:
        self._open(candidate, Open(0, "opaque", tag=tag, raw=raw, dialect=NAME), events)
        self._close(candidate, events)

    # -- calls

    def _call(
        self,
        candidate: _Candidate,
        part: wire_gemini.Part,
        call: wire_gemini.FunctionCall,
        events: list[AnswerEvent],
    ) -> None:
        if call.name:
            if candidate.arguments is not None:
                self._end_call(candidate, events, whole=True)  # the next call's name ends it as well
            self._open_call(candidate, call, call.name, events)
            candidate.token = recognise(part.thought_signature)[0] if part.thought_signature else None
            if call.partial_args or call.will_continue:
                candidate.arguments = PartialArguments()
            else:
                self._arguments(candidate, _text_of(call.args), events)
                self._close(candidate, events)
        if candidate.arguments is None:
            if not call.name:
                self._lose("/candidates/functionCall", "a fragment of a call that never began")
            return
        if call.partial_args:
            candidate.arguments.feed(call.partial_args)
        if not call.will_continue:
            self._end_call(candidate, events, whole=True)

    def _open_call(
        self, candidate: _Candidate, call: wire_gemini.FunctionCall, wire_name: str, events: list[AnswerEvent]
    ) -> None:
        name, candidate.custom = recognise_name(wire_name)
        where = f"{self._where}_{candidate.index}" if candidate.index else self._where
        id_ = call.id or synthesise_id(where, candidate.calls)
        candidate.calls += 1
        kind = Open(0, "custom_call" if candidate.custom else "call", id=id_, name=name)
        self._open(candidate, kind, events)

    def _arguments(self, candidate: _Candidate, text: str, events: list[AnswerEvent]) -> None:
        if candidate.custom:
            text = unwrap(text)
        if text:
            events.append(Delta(candidate.key, text))
        if candidate.token is not None:
            events.append(Sign(candidate.key, candidate.token))

    def _end_call(self, candidate: _Candidate, events: list[AnswerEvent], *, whole: bool) -> None:
        arguments, candidate.arguments = candidate.arguments, None
        assert arguments is not None, "called for a call in fragments"
        if arguments.problem is not None:
            self._lose("/candidates/functionCall/partialArgs", arguments.problem)
            whole = False
        self._arguments(candidate, arguments.text(whole=whole), events)
        self._close(candidate, events)


def _text_of(args: Raw | msgspec.UnsetType) -> str:
    if args is UNSET:
        return "{}"
    raw = bytes(args)
    if raw == b"null":
        return "{}"
    # Whole answers come indented; the blanks are the transport's, not the model's.
    return (msgspec.json.format(raw, indent=-1) if b"\n" in raw else raw).decode()
