"""Whole answers of a provider: the response object, read."""

from __future__ import annotations

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import (
    Answer,
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
from trio_gateway.dialects.events import join_logprobs
from trio_gateway.dialects.openai_responses.errors import error_of
from trio_gateway.dialects.openai_responses.items import (
    ME,
    read_token,
    stop_of,
    unmark_redacted,
    unread_members,
    usage_of,
)
from trio_gateway.dialects.openai_responses.logprobs import logprobs_of
from trio_gateway.dialects.unread import unread_members as walk_unread
from trio_gateway.dialects.wire import BAD_BODY, present, read_answer
from trio_gateway.errors import UpstreamBroke


def decode_answer(body: bytes) -> Answer:
    """Return the answer. Raises UpstreamError for a failed response, UpstreamBroke for what is none."""
    response = read_answer(wire.response_decoder, body)
    status = check_status(response)
    reader = AnswerReader()
    reader.losses += unread_of_response(response, body)
    parts: list[Part] = []
    for index, raw in enumerate(response.output or ()):
        try:
            parts += reader.parts(raw, f"/output/{index}")
        except BAD_BODY as error:
            raise UpstreamBroke(f"The item {index} of the provider's answer cannot be read: {error}.") from error
    has_calls = any(type(part) is ToolCall for part in parts)
    has_refusal = any(type(part) is Refusal for part in parts)
    logprobs = join_logprobs(reader.logprobs) if reader.logprobs else None
    choice = Choice(parts, stop_of(status, reason_of(response), has_calls, has_refusal), logprobs=logprobs)
    return Answer(
        source=ME,
        choices=[choice],
        id=response.id,
        model=response.model,
        created=created_of(response),
        usage=usage_of(response.usage) if isinstance(response.usage, wire.Usage) else None,
        service_tier=tier_of(response),
        unread=reader.losses,
    )


def check_status(response: wire.Response) -> str:
    """Return the status of a response that is an answer; raise what it is otherwise."""
    if response.error is not None:
        raise error_of(response.error)
    status = response.status if isinstance(response.status, str) else None
    match status:
        case "failed":
            raise error_of(wire.ResponseError())
        case "cancelled" | "queued" | "in_progress":
            raise UpstreamBroke(f"The provider's answer is {status}: there is none.")
        case None if response.output is None:
            raise UpstreamBroke("The provider's answer is no response object.")
    return status or "completed"


def reason_of(response: wire.Response) -> str | None:
    return response.incomplete_details.reason if response.incomplete_details is not None else None


def created_of(response: wire.Response) -> int | None:
    created = response.created_at
    return int(created) if created is not None and 0 <= created < 1e15 else None


def tier_of(response: wire.Response) -> str | None:
    """Return the tier that served. `auto` is what was asked for, while it is not known yet."""
    tier = response.service_tier
    return tier if isinstance(tier, str) and tier != "auto" else None


class AnswerReader:
    """Reads output items. Texts that are empty are no parts; `losses` and `logprobs` grow."""

    __slots__ = ("logprobs", "losses")

    def __init__(self) -> None:
        self.losses: Losses = []
        self.logprobs: list[msgspec.Raw] = []

    def parts(self, raw: msgspec.Raw, at: str) -> list[Part]:
        """Return the parts that an item is. Raises what msgspec raises."""
        kind = wire.item_head_decoder.decode(raw).type or "message"
        self.losses += unread_of_item(raw, kind, at)
        if kind == "message":
            return self._message(wire.output_item_decoder.decode(raw), at)
        if kind in CALLS:
            return [call_of(wire.output_item_decoder.decode(raw), kind, at)]
        if kind == "reasoning":
            part = reasoning_of(wire.reasoning_decoder.decode(raw), at)
            return [] if part is None else [part]
        return [Opaque(ME, kind, raw, at)]

    def _message(self, message: wire.OutputItem, at: str) -> list[Part]:
        if isinstance(message.content, str):
            return [Text(message.content, at + "/content")] if message.content else []
        parts: list[Part] = []
        for index, raw in enumerate(message.content or ()):
            part_at = f"{at}/content/{index}"
            part = content_of(raw, part_at)
            if isinstance(part, Opaque):
                parts.append(part)
                continue
            self.losses += unread_of_content(raw, part_at)
            if part.type == "refusal":
                if part.refusal:
                    parts.append(Refusal(part.refusal, part_at))
            elif part.text or part.annotations:
                parts.append(Text(part.text or "", part_at, citations=part.annotations or None))
                if part.logprobs:
                    self.logprobs.append(logprobs_of(part.logprobs))
        return parts


_TEXTS = frozenset({"output_text", "text", "refusal"})


# What the neutral model has a word for, or what is a matter of course.
_MESSAGE = frozenset({"type", "id", "role", "status", "content"})
_CALL = frozenset({"type", "id", "call_id", "name", "arguments", "input", "status"})
_REASONING = frozenset({"type", "id", "summary", "content", "encrypted_content", "status"})
_CONTENT = frozenset({"type", "text", "annotations", "logprobs", "refusal"})
_ANSWERED = ("moderation", "tool_usage", "prompt_cache_diagnostics", "input_transformations")
_SAYS_NOTHING = {"async": (msgspec.Raw(b"false"),), "caller": (msgspec.Raw(b'{"type":"direct"}'),)}


def unread_of_item(raw: msgspec.Raw, kind: str, at: str) -> Losses:
    """Return a loss for each member of an item that no other dialect has. Items of other kinds are opaque."""
    losses: Losses = []
    if kind == "message":
        unread_members(raw, _MESSAGE, wire.OutputItem, at, losses)
    elif kind in CALLS:
        unread_members(raw, _CALL, wire.FunctionCall, at, losses, _SAYS_NOTHING)
    elif kind == "reasoning":
        unread_members(raw, _REASONING, wire.ReasoningItem, at, losses)
    return losses


def unread_of_content(raw: msgspec.Raw, at: str) -> Losses:
    """Return a loss for each member of a text or refusal that no other dialect has."""
    losses: Losses = []
    unread_members(raw, _CONTENT, wire.ContentPart, at, losses)
    return losses


def unread_of_response(response: wire.Response, body: bytes | msgspec.Raw) -> Losses:
    """Return a loss for what a response, and not its items, says and no other dialect has.

    What it repeats of the request is no news to anybody.
    """
    losses = [Loss("/" + name, "has no counterpart in other dialects") for name, _ in present(response, _ANSWERED)]
    return losses + walk_unread(body, wire.Response)


def content_of(raw: msgspec.Raw, at: str = "") -> wire.ContentPart | Opaque:
    """Return a text or a refusal; anything else is opaque, whatever its members are."""
    tag = wire.item_head_decoder.decode(raw).type or "output_text"
    return wire.part_decoder.decode(raw) if tag in _TEXTS else Opaque(ME, tag, raw, at)


CALLS = frozenset({"function_call", "custom_tool_call"})


def call_of(item: wire.OutputItem, kind: str, at: str) -> ToolCall:
    """Return a call. Where a server gives no call_id, the item's id will do.

    A namespace is a loss besides: no client but one of Responses has offered any.
    """
    call_id = item.call_id or item.id or "call_" + at.rpartition("/")[2]
    name, namespace = item.name or "", item.namespace or None
    if kind == "custom_tool_call":
        return ToolCall(call_id, name, item.input or "", at, custom=True, namespace=namespace)
    return ToolCall(call_id, name, item.arguments or "{}", at, namespace=namespace)


def reasoning_of(item: wire.ReasoningItem, at: str = "") -> Reasoning | None:
    """Return an item's reasoning; None where there is neither text nor token."""
    text = "\n\n".join(part.text for part in (*item.summary, *(item.content or ())))
    if not item.encrypted_content:
        return Reasoning(text, at, id=item.id or None) if text else None
    token, redacted = unmark_redacted(read_token(item.id or None, item.encrypted_content))
    return Reasoning(text, at, token, redacted, item.id or None)
