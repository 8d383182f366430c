"""Whole answers, and the decoder of streamed ones."""

from __future__ import annotations

from typing import cast

from msgspec import UNSET, UnsetType

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.answer_places import citations_at, place
from trio_gateway.dialects.arguments import object_of, wrap
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Audio,
    Choice,
    File,
    Image,
    Loss,
    Losses,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Stop,
    Text,
    ToolCall,
)
from trio_gateway.dialects.events import AnswerEvent, Fail, fail_broken, fold
from trio_gateway.dialects.gemini.chunks import ChunkReader
from trio_gateway.dialects.gemini.frames import FrameDecoder, ObjectSplitter
from trio_gateway.dialects.gemini.names import wire_id
from trio_gateway.dialects.gemini.outcome import (
    MALFORMED_CALL,
    lose_tier,
    write_logprobs,
    write_stop,
    write_usage,
)
from trio_gateway.dialects.gemini.tokens import NAME, carry
from trio_gateway.dialects.names import mark_name
from trio_gateway.dialects.times import rfc3339
from trio_gateway.errors import UpstreamBroke

DONE = b"[DONE]"  # some gateways end every stream with it


def decode_answer(body: bytes, /) -> Answer:
    """Read a whole answer, or the array that a stream without `alt=sse` amounts to.

    Raises UpstreamBroke for a body that is no answer, UpstreamError for an error in its place.
    """
    reader = ChunkReader(whole=True)
    events: list[AnswerEvent] = []
    for frame in ObjectSplitter().feed(body) if body.lstrip()[:1] == b"[" else [body]:
        events += reader.read(frame)
        if reader.ended:
            break
    if not reader.ended:
        events += reader.end(whole=True)
    answer = fold(events, NAME)
    answer.unread = reader.losses
    places = reader.places or {}
    for choice in answer.choices:
        for part, at in zip(choice.parts, places.get(choice.index, ()), strict=True):
            part.at = at
    return answer


class AnswerDecoder:
    """Streams in either framing, fed bytes split anywhere. See the protocol in trio_gateway.dialects.

    `frames` has the JSON of the chunks that the last call completed, and `framing` how they were cut.
    """

    __slots__ = ("_reader", "ended_at", "frames", "framing")

    def __init__(self) -> None:
        self.framing = FrameDecoder()
        self.frames: list[bytes] = []
        self.ended_at: int | None = None
        self._reader = ChunkReader()

    @property
    def losses(self) -> Losses:
        return self._reader.losses

    def feed(self, chunk: bytes) -> list[AnswerEvent]:
        if self._reader.ended:
            return []
        try:
            frames = self.frames = self.framing.feed(chunk)
        except UpstreamBroke as error:
            return self._broke(error)
        if len(frames) == 1:
            events = self._read(frames[0])
            if self._is_over():
                self.ended_at = 0
            return events
        return self._read_all(frames)

    def _read_all(self, frames: list[bytes]) -> list[AnswerEvent]:
        events: list[AnswerEvent] = []
        for at, frame in enumerate(frames):
            events += self._read(frame)
            if self._is_over():
                self.ended_at = at
                break
        return events

    def _is_over(self) -> bool:
        return self._reader.ended

    def _read(self, frame: bytes) -> list[AnswerEvent]:
        return [] if frame.strip() == DONE else self._reader.read(frame)

    def close(self) -> list[AnswerEvent]:
        if self._reader.ended:
            return []
        try:
            frames = self.frames = self.framing.close()
        except UpstreamBroke as error:
            return self._broke(error)
        events = self._read_all(frames)
        if self._is_over():
            return events
        if not self._reader.started:
            quoted = " ".join(self.framing.seen.decode(errors="replace").split())
            self._reader.ended = True
            return [*events, fail_broken("The provider's stream holds no answer" + (f": {quoted}" if quoted else "."))]
        return events + self._reader.end(whole=False)

    def _broke(self, error: UpstreamBroke) -> list[AnswerEvent]:
        self._reader.ended = True
        self.frames = []
        return [Fail(error)]


# ---------------------------------------------------------------------------------------------- writing


def encode_answer(answer: Answer, context: AnswerContext, /) -> tuple[bytes, Losses]:
    source, losses = answer.source, list(answer.unread)
    lose_tier(answer.service_tier, losses, place(source, "service_tier"))
    created = answer.created if answer.created is not None else context.created
    response = wire_gemini.GenerateContentResponse(
        candidates=[_candidate(choice, source, losses) for choice in answer.choices],
        usage_metadata=write_usage(answer.usage, losses, place(source, "usage")) if answer.usage is not None else UNSET,
        model_version=answer.model or context.model,
        response_id=answer.id or context.id,
        create_time=rfc3339(created) if created else UNSET,
    )
    return wire_gemini.encode(response), losses


def _candidate(choice: Choice, source: str, losses: Losses) -> wire_gemini.Candidate:
    parts: list[wire_gemini.Part] = []
    malformed = refused = False
    last: Part | None = None  # of those that are told
    for part in choice.parts:
        written = write_part(part, part.at, losses)
        if written is not None:
            if last is not None and _runs_on(last, part):
                parts.append(THOUGHTS_BORDER)
            parts.append(written)
            last = part
        elif isinstance(part, ToolCall):
            malformed = True
        refused = refused or isinstance(part, Refusal)
    # Google itself ends an answer that has nothing to say with an empty text.
    content = wire_gemini.Content(parts or [wire_gemini.Part(text="")], "model")
    candidate = wire_gemini.Candidate(content=content, index=choice.index)
    candidate.finish_reason, message = finish(
        choice.stop, source, choice.index, losses, malformed=malformed, refused=refused
    )
    if message is not None:
        candidate.finish_message = message
    if choice.logprobs is not None:
        candidate.logprobs_result = write_logprobs(choice.logprobs, losses, place(source, "logprobs", choice.index))
    return candidate


# Unsigned thoughts in a row are one. Where they are not, and the second is signed, an empty one is between them: a
# signature is of its own text alone, and in a stream it comes after it.
THOUGHTS_BORDER = wire_gemini.Part(text="", thought=True)


def _runs_on(last: Part, part: Part) -> bool:
    return isinstance(last, Reasoning) and isinstance(part, Reasoning) and last.token is None and bool(last.text)


def finish(
    stop: Stop | None, source: str, choice: int, losses: Losses, *, malformed: bool, refused: bool
) -> tuple[str | UnsetType, str | None]:
    """Return finishReason and finishMessage. `malformed`: a call was left out, since its arguments are no object.

    `source` and `choice` are for the pointers of losses.
    """
    if stop is not None:
        if malformed and stop.reason != "length":
            losses.append(Loss(place(source, "stop", choice), f"{stop.raw or stop.reason} is told as {MALFORMED_CALL}"))
            return MALFORMED_CALL, stop.detail
        if refused and stop.reason == "stop":
            return "SAFETY", stop.detail
        if stop.sequence is not None or stop.reason == "stop_sequence":
            reason = "Gemini does not say which stop sequence matched"
            losses.append(Loss(place(source, "sequence", choice), reason))
    return write_stop(stop, place(source, "stop", choice), losses), stop.detail if stop is not None else None


def write_part(part: Part, at: str, losses: Losses) -> wire_gemini.Part | None:
    """Return the part for a client; None where it cannot be told."""
    if isinstance(part, Text):
        if part.citations:
            losses.append(Loss(citations_at(at), "Gemini's citations are of another kind"))
        if not part.text and part.token is None:
            return None
        return wire_gemini.Part(text=part.text, thought_signature=carry(part.token) if part.token else UNSET)
    if isinstance(part, Reasoning):
        if not part.text and part.token is None:
            return None
        signature = carry(part.token, redacted=part.redacted) if part.token else UNSET
        return wire_gemini.Part(text=part.text, thought=True, thought_signature=signature)
    if isinstance(part, ToolCall):
        return write_call(part, at, losses)
    if isinstance(part, Refusal):
        losses.append(Loss(at, "a refusal becomes text"))
        return wire_gemini.Part(text=part.text) if part.text else None
    if isinstance(part, Image | Audio | File) and part.media.kind == "base64" and part.media.media_type:
        return wire_gemini.Part(inline_data=wire_gemini.Blob(part.media.media_type, part.media.value))
    if isinstance(part, Opaque) and part.dialect == NAME:
        return cast(wire_gemini.Part, part.raw)  # written as the JSON it is
    losses.append(Loss(at, "Gemini has no such part in an answer"))
    return None


def write_call(part: ToolCall, at: str, losses: Losses) -> wire_gemini.Part | None:
    args = wrap(part.arguments) if part.custom else object_of(part.arguments)
    if args is None:
        losses.append(Loss(at, "the arguments are no JSON object: the call is left out"))
        return None
    call = wire_gemini.FunctionCall(wire_id(part.id), mark_name(part.name or "_", part.custom), args)
    return wire_gemini.Part(function_call=call, thought_signature=carry(part.token) if part.token else UNSET)
