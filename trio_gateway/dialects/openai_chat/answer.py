"""Whole answers of Chat: body to Answer, and Answer to body."""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway_schemas import openai_chat as wire_chat
from trio_gateway.dialects import wire
from trio_gateway.dialects.answer_places import citations_at, place
from trio_gateway.dialects.citations import left_out
from trio_gateway.dialects.conversation import (
    Answer,
    AnswerContext,
    Choice,
    Loss,
    Losses,
    Opaque,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
)
from trio_gateway.dialects.openai_chat.errors import error_of_frame
from trio_gateway.dialects.openai_chat.reasoning import (
    ME,
    details_of,
    extra_of_token,
    read_reasoning,
    token_of_call,
)
from trio_gateway.dialects.openai_chat.words import (
    annotation_of,
    answer_id,
    call_id_at,
    finish_of,
    lose_counts,
    stop_of,
    usage_of,
    wire_usage,
)
from trio_gateway.dialects.unread import strict_twin, unread_members
from trio_gateway.errors import UpstreamBroke

_STRICT = msgspec.json.Decoder(
    strict_twin(wire_chat.Answer, {(wire_chat.ToolCall, "type"): Literal["function", "custom"] | None})
).decode


class _TopLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _TokenLogprob(_TopLogprob):
    top_logprobs: list[_TopLogprob] | None = None


class _KnownLogprobs(msgspec.Struct):
    """Logprobs down to their tokens, which the wire's struct leaves as they are."""

    content: list[_TokenLogprob] | None = None
    refusal: list[_TokenLogprob] | None = None


_decode_logprobs = msgspec.json.Decoder(_KnownLogprobs).decode
_decode_logprobs_strictly = msgspec.json.Decoder(strict_twin(_KnownLogprobs)).decode

UNMODELLED = ("system_fingerprint", "metadata", "moderation")
NULL = msgspec.Raw(b"null")

NO_PAGE = "a citation that is no web page with a title"
TEXT_AFTER_CALL = "Chat has no text after a tool call: it moves before it"
TEXT_AFTER_REFUSAL = "Chat has no text after a refusal: it moves before it"
JOINED_TEXTS = "Chat has one text in a message: this one is joined to the one before"
REFUSAL_AFTER_CALL = "Chat has no refusal after a tool call: it moves before it"
REASONING_AFTER_TEXT = "Chat has no reasoning after text or calls: it moves before them"
NO_TEXT_TOKENS = "Chat's texts carry no reasoning token"
NOTHING_REDACTED = "redacted reasoning of which nothing is there"
REFUSED_TWICE = "there is a refusal besides"


def decode_answer(body: bytes, /) -> Answer:
    """Return a provider's answer.

    Raises UpstreamBroke for a body that is none, UpstreamError for an error object inside a 200. What the neutral
    model has no word for is in the answer's `unread`.
    """
    losses: Losses = []
    try:
        wire.check_text(body)
        answer = _STRICT(body)
    except wire.BAD_BODY:
        answer = wire.read_answer(wire_chat.response_decoder, body)
        losses = unread_members(body, wire_chat.Answer)
    if (error := error_of_frame(answer.error, answer.object, body)) is not None:
        raise error
    if not answer.choices:
        raise UpstreamBroke("The provider's answer has no choices.")
    for name, _ in wire.present(answer, UNMODELLED):
        losses.append(Loss("/" + name, "not carried to other dialects"))
    usage = answer.usage or None
    if usage is not None:
        lose_counts(usage, losses)
    choices = [_choice(choice, answer.id, position, losses) for position, choice in enumerate(answer.choices)]
    return Answer(
        source=ME,
        choices=choices,
        id=answer.id or None,
        model=answer.model or None,
        created=None if answer.created is None else int(answer.created),
        usage=None if usage is None else usage_of(usage),
        service_tier=answer.service_tier or None,
        unread=losses,
    )


def _choice(choice: wire_chat.Choice, answer_id: str | None, position: int, losses: Losses) -> Choice:
    at, message = f"/choices/{position}", choice.message
    if message is None:
        raise UpstreamBroke("A choice of the provider's answer has no message.")
    index = position if choice.index is None else choice.index
    parts = _parts(message, answer_id, index, f"{at}/message", losses)
    called = any(type(part) is ToolCall for part in parts)
    stop = stop_of(choice.finish_reason, called) if choice.finish_reason else None
    return Choice(parts, stop, index, checked_logprobs(choice.logprobs, at, losses))


def checked_logprobs(raw: msgspec.Raw | msgspec.UnsetType, at: str, losses: Losses) -> msgspec.Raw | None:
    """Return logprobs of Chat's shape, and of that alone; other shapes, and members beside it, are a loss."""
    if isinstance(raw, msgspec.UnsetType) or raw == NULL:
        return None
    try:
        _decode_logprobs_strictly(raw)
        return raw
    except wire.BAD_BODY:
        pass
    try:
        logprobs = _decode_logprobs(raw)
    except wire.BAD_BODY:
        losses.append(Loss(at + "/logprobs", "not of the documented shape"))
        return None
    losses += unread_members(raw, _KnownLogprobs, at + "/logprobs")
    return None if logprobs.content is None and logprobs.refusal is None else msgspec.Raw(wire_chat.encode(logprobs))


def _parts(message: wire_chat.AnswerMessage, answer_id: str | None, choice: int, at: str, losses: Losses) -> list[Part]:
    parts: list[Part] = []
    parts += read_reasoning(
        message.reasoning_details or None,
        message.thinking_blocks or None,
        message.reasoning_content or None,
        message.reasoning or None,
        at,
        losses,
        {},
    )
    if isinstance(message.content, str):
        if message.content:
            parts.append(Text(message.content, at + "/content"))
    elif message.content is not None:
        parts += [read_content_part(raw, f"{at}/content/{i}") for i, raw in enumerate(message.content)]
    if message.annotations:
        text = next((part for part in parts if isinstance(part, Text)), None)
        if text is None:
            parts.append(text := Text("", at + "/annotations"))
        text.citations = message.annotations
    if message.refusal:
        parts.append(Refusal(message.refusal, at + "/refusal"))
    if not isinstance(message.audio, msgspec.UnsetType) and message.audio != NULL:
        parts.append(Opaque(ME, "audio", message.audio, at + "/audio"))
    seen: set[str] = set()
    for position, call in enumerate(message.tool_calls or ()):
        call_id = call.id if call.id and call.id not in seen else call_id_at(answer_id, choice, position)
        seen.add(call_id)
        parts.append(_call(call, call_id, f"{at}/tool_calls/{position}"))
    if message.function_call:
        legacy = wire_chat.ToolCall(function=message.function_call)
        parts.append(_call(legacy, call_id_at(answer_id, choice, len(seen)), at + "/function_call"))
    return parts


def _call(call: wire_chat.ToolCall, call_id: str, at: str) -> ToolCall:
    token = token_of_call(call)
    if call.custom is not None and call.type != "function":
        return ToolCall(call_id, call.custom.name or "", call.custom.input or "", at, custom=True, token=token)
    function = call.function or wire_chat.FunctionCall()
    return ToolCall(call_id, function.name or "", function.arguments or "{}", at, token=token)


class _ContentPart(msgspec.Struct):
    type: str = ""
    text: str | None = None


_content_part = msgspec.json.Decoder(_ContentPart).decode


def read_content_part(raw: msgspec.Raw, at: str = "") -> Text | Opaque:
    """Read one part of a content that is a list, as some compatible servers answer."""
    try:
        part = _content_part(raw)
    except wire.BAD_BODY:
        return Opaque(ME, "", raw, at)
    if part.type == "text" and part.text is not None:
        return Text(part.text, at)
    return Opaque(ME, part.type, raw, at)


# --------------------------------------------------------------------------------------------- encoding


def encode_answer(answer: Answer, context: AnswerContext, /) -> tuple[bytes, Losses]:
    """Return the body for a Chat client, and what it could not hold."""
    losses: Losses = list(answer.unread)
    usage = wire_usage(answer.usage, losses, place(answer.source, "usage"))
    body = wire_chat.Answer(
        id=answer_id(answer.id, context),
        created=context.created if answer.created is None else answer.created,
        model=answer.model or context.model,
        choices=[_wire_choice(choice, answer.source, losses) for choice in answer.choices],
        usage=msgspec.UNSET if usage is None else usage,
        service_tier=answer.service_tier if answer.service_tier in TIERS else msgspec.UNSET,
    )
    if answer.service_tier is not None and answer.service_tier not in TIERS:
        losses.append(Loss(place(answer.source, "service_tier"), f"Chat has no service tier {answer.service_tier!r}"))
    return wire_chat.encode(body), losses


TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})


def _wire_choice(choice: Choice, source: str, losses: Losses) -> wire_chat.Choice:
    message = _MessageWriter(losses).write(choice.parts)
    stop, called = choice.stop, bool(message.tool_calls)
    if stop is not None and stop.detail and stop.reason == "refusal":
        if message.refusal is None:
            message.refusal = stop.detail
        else:
            losses.append(Loss(place(source, "detail", choice.index), REFUSED_TWICE))
    finish = finish_of(stop, called, source, choice.index, losses)
    logprobs = NULL if choice.logprobs is None else choice.logprobs
    return wire_chat.Choice(message, finish, choice.index, logprobs)


class _MessageWriter:
    __slots__ = ("_annotations", "_calls", "_losses", "_refusals", "_texts", "_thoughts")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        self._annotations: list[msgspec.Raw] = []
        self._calls: list[wire_chat.ToolCall] = []
        self._refusals: list[str] = []
        self._texts: list[str] = []
        self._thoughts: list[Reasoning] = []

    def write(self, parts: list[Part]) -> wire_chat.AnswerMessage:
        message = wire_chat.AnswerMessage()
        for part in parts:
            if isinstance(part, Text):
                self._text(part)
            elif isinstance(part, ToolCall):
                self._call(part)
            elif isinstance(part, Reasoning):
                self._reasoning(part)
            elif isinstance(part, Refusal):
                if self._calls:
                    self._lose(part, REFUSAL_AFTER_CALL)
                self._refusals.append(part.text)
            elif isinstance(part, Opaque) and part.dialect == ME and part.tag == "audio":
                message.audio = part.raw
            else:
                self._lose(part, no_place_for(part))
        self._finish(message)
        return message

    def _lose(self, part: Part, reason: str) -> None:
        self._losses.append(Loss(part.at, reason))

    def _text(self, part: Text) -> None:
        if self._calls and part.text:
            self._lose(part, TEXT_AFTER_CALL)
        elif self._refusals and part.text:
            self._lose(part, TEXT_AFTER_REFUSAL)
        elif self._texts and part.text:
            self._lose(part, JOINED_TEXTS)
        if part.token is not None:
            self._lose(part, NO_TEXT_TOKENS)
        start = sum(map(len, self._texts))
        for raw in part.citations or ():
            annotation = annotation_of(raw, start, start + len(part.text))
            if annotation is None:
                self._losses.append(Loss(citations_at(part.at), NO_PAGE))
            else:
                self._annotations.append(annotation)
                if (reason := left_out(raw, annotation)) is not None:
                    self._losses.append(Loss(citations_at(part.at), reason))
        if part.text:
            self._texts.append(part.text)

    def _reasoning(self, part: Reasoning) -> None:
        if self._calls or self._texts or self._refusals:
            self._lose(part, REASONING_AFTER_TEXT)
        if part.redacted and part.token is None:
            self._lose(part, NOTHING_REDACTED)
        else:
            self._thoughts.append(part)

    def _call(self, part: ToolCall) -> None:
        call = wire_chat.ToolCall(part.id, extra_content=extra_of_token(part.token))
        if part.custom:
            call.type, call.custom = "custom", wire_chat.CustomCall(part.name, part.arguments)
        else:
            call.type, call.function = "function", wire_chat.FunctionCall(part.name, part.arguments or "{}")
        self._calls.append(call)

    def _finish(self, message: wire_chat.AnswerMessage) -> None:
        if self._texts:
            message.content = "".join(self._texts)
        if self._refusals:
            message.refusal = "".join(self._refusals)
        if self._annotations:
            message.annotations = self._annotations
        if self._calls:
            message.tool_calls = self._calls
        if self._thoughts:
            message.reasoning_content = "".join(thought.text for thought in self._thoughts) or msgspec.UNSET
            details = details_of(self._thoughts)
            if details is not None:
                message.reasoning_details = details


def no_place_for(part: Part) -> str:
    if isinstance(part, Opaque):
        return no_place_for_opaque(part.dialect, part.tag)
    return f"an answer of Chat has no place for a part of the kind {type(part).__name__.lower()}"


def no_place_for_opaque(source: str, tag: str) -> str:
    return f"an answer of Chat has no place for {source or 'the source'}'s {tag}"
