"""An answer, written for a client of Anthropic's API."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
from msgspec import Raw

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.answer_places import citations_at, place
from trio_gateway.dialects.anthropic_messages.blocks import input_of
from trio_gateway.dialects.anthropic_messages.citations import own_citations
from trio_gateway.dialects.anthropic_messages.names import carry_id
from trio_gateway.dialects.anthropic_messages.stops import write_stop
from trio_gateway.dialects.anthropic_messages.usage import write_usage
from trio_gateway.dialects.arguments import wrap
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
    Token,
    ToolCall,
)
from trio_gateway.dialects.names import mark_name
from trio_gateway.dialects.opaque import carry
from trio_gateway.dialects.wire import BAD_BODY

NAME = "anthropic_messages"

_TIERS = {"standard": "standard", "default": "standard", "priority": "priority", "batch": "batch"}

# The blocks of the vendor's own that an answer may hold, whatever they hold in turn.
OWN_TAGS = frozenset(
    {
        "server_tool_use",
        "web_search_tool_result",
        "web_fetch_tool_result",
        "code_execution_tool_result",
        "bash_code_execution_tool_result",
        "text_editor_code_execution_tool_result",
        "tool_search_tool_result",
        "container_upload",
        "mcp_tool_use",
        "mcp_tool_result",
        "advisor_tool_result",
        "compaction",
        "fallback",
    }
)

# Reasons of losses that streams have as well.
ONE_CHOICE = "the client's format holds one choice"
NO_LOGPROBS = "the client's format has no log probabilities"
FOREIGN_CITATIONS = "its citations are of another provider's kind"
REFUSED = "the refusal is told as text"
NO_THOUGHTS = "there is nothing in these thoughts"

_encode = msgspec.json.Encoder().encode


def encode_answer(answer: Answer, context: AnswerContext) -> tuple[bytes, Losses]:
    source, losses = answer.source, list(answer.unread)
    choice = answer.choices[0] if answer.choices else Choice([])
    losses += [Loss(place(source, "choice", other.index), ONE_CHOICE) for other in answer.choices[1:]]
    if choice.logprobs is not None:
        losses.append(Loss(place(source, "logprobs", choice.index), NO_LOGPROBS))
    content: list[object] = []
    for part in choice.parts:
        _write_part(part, content, losses)
    kinds = {type(part) for part in choice.parts}
    stop = write_stop(choice.stop, ToolCall in kinds, Refusal in kinds, losses, source)
    usage = write_usage(answer.usage, losses, at=place(source, "usage"))
    if (tier := written_tier(answer.service_tier, losses, source)) is not None:
        usage["service_tier"] = tier
    message = message_of(answer.id, answer.model, context) | {"content": content} | stop | {"usage": usage}
    return _encode(message), losses


def written_tier(tier: str | None, losses: Losses, source: str = "") -> str | None:
    if tier is None:
        return None
    if (written := _TIERS.get(tier)) is not None:
        return written
    losses.append(Loss(place(source, "service_tier"), "the client's format has no such tier"))
    return None


def message_of(id_: str | None, model: str | None, context: AnswerContext) -> dict[str, Any]:
    """Return the members that every message begins with."""
    return {
        "id": id_ or f"msg_{context.id}",
        "type": "message",
        "role": "assistant",
        "model": model or context.model,
    }


def _write_part(part: Part, content: list[object], losses: Losses) -> None:
    write = _WRITE.get(type(part))
    if write is None:
        losses.append(Loss(part.at, f"the client's format has no {type(part).__name__.lower()} in answers"))
        return
    block = write(part, losses)
    if block is not None:
        content.append(block)
    if (type(part) is Text or type(part) is ToolCall) and part.token is not None:
        content.append(carrier(part.token))


def carrier(token: Token) -> wire_shapes.ThinkingBlock:
    """Return the block that brings back the token of the part before it: texts and calls have no place for one."""
    return wire_shapes.ThinkingBlock("", carry(token, NAME))


def _text(part: Text, losses: Losses) -> object | None:
    citations = own_citations(part.citations or [])
    if part.citations and len(citations) < len(part.citations):
        losses.append(Loss(citations_at(part.at), FOREIGN_CITATIONS))
    if not part.text:
        if citations:
            losses.append(Loss(citations_at(part.at), "citations without a text"))
        return None  # the API sends such a block, but refuses it when it comes back
    block = wire_shapes.TextBlock(part.text)
    if citations:
        block.citations = citations
    return block


def _reasoning(part: Reasoning, losses: Losses) -> object | None:
    if part.redacted:
        if part.token is None:
            losses.append(Loss(part.at, NO_THOUGHTS))
            return None
        return wire_shapes.RedactedThinkingBlock(carry(part.token, NAME))
    if part.token is None and not part.text:
        return None
    return wire_shapes.ThinkingBlock(part.text, carry(part.token, NAME) if part.token is not None else "")


def _call(part: ToolCall, losses: Losses) -> object:
    if part.custom:
        input_ = wrap(part.arguments)
    else:
        input_, reason = input_of(part.arguments)
        if reason is not None:
            losses.append(Loss(part.at, reason))
    return wire_shapes.ToolUseBlock(carry_id(part.id), mark_name(part.name, part.custom), input_)


def _refusal(part: Refusal, losses: Losses) -> object | None:
    losses.append(Loss(part.at, REFUSED))
    return wire_shapes.TextBlock(part.text) if part.text else None


def _opaque(part: Opaque, losses: Losses) -> Raw | None:
    if is_own_block(part.dialect, part.tag, part.raw):
        return part.raw
    losses.append(Loss(part.at, f"{part.tag} has no counterpart in the client's format"))
    return None


def is_own_block(source: str, tag: str, raw: Raw | None) -> bool:
    """Whether an opaque part is one of Anthropic's blocks: it says so, or looks like one and does not say whose."""
    if source or raw is None:
        return source == NAME
    if tag not in OWN_TAGS:
        return False
    try:
        return wire_shapes.tag_decoder.decode(raw).type == tag
    except BAD_BODY:
        return False


_WRITE: dict[type, Callable[[Any, Losses], object | None]] = {
    Text: _text,
    Reasoning: _reasoning,
    ToolCall: _call,
    Refusal: _refusal,
    Opaque: _opaque,
}
