"""Token counts. Anthropic's input leaves out what the cache gave or took; ours is the whole prompt."""

from __future__ import annotations

from msgspec import UNSET

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.conversation import Loss, Losses, Usage
from trio_gateway.dialects.wire import NULL


def read_usage(counts: wire_shapes.Usage) -> Usage:
    """Return the counts. The totals beside `iterations` are the serving model's, and stand as they are."""
    details = counts.output_tokens_details
    written = _written(counts)
    total = counts.input_tokens
    if total is not None:
        total += (counts.cache_read_input_tokens or 0) + (written or 0)
    return Usage(
        input=total,
        output=counts.output_tokens,
        cached=counts.cache_read_input_tokens,
        cache_write=written,
        reasoning=details.thinking_tokens if details is not None else None,
    )


def _written(counts: wire_shapes.Usage) -> int | None:
    if counts.cache_creation_input_tokens is not None or counts.cache_creation is None:
        return counts.cache_creation_input_tokens
    split = counts.cache_creation
    return (split.ephemeral_5m_input_tokens or 0) + (split.ephemeral_1h_input_tokens or 0)


def merge_usage(known: wire_shapes.Usage | None, later: wire_shapes.Usage) -> wire_shapes.Usage:
    """Return the counts known so far: a later one replaces an earlier one, unless it is absent or null."""
    if known is None:
        return later
    for name in wire_shapes.Usage.__struct_fields__:
        if getattr(later, name) in (None, UNSET):
            setattr(later, name, getattr(known, name))
    return later


def unread_usage(counts: wire_shapes.Usage, at: str) -> Losses:
    """Return losses for what other formats have no count for."""
    unread: Losses = []
    split = counts.cache_creation
    if split is not None and split.ephemeral_1h_input_tokens:
        unread.append(Loss(at + "/cache_creation", "other formats do not say how long a cache lives"))
    for name in ("server_tool_use", "inference_geo", "speed", "iterations"):
        value = getattr(counts, name)
        if value not in _SAYS_NOTHING:
            unread.append(Loss(f"{at}/{name}", "has no counterpart in other formats"))
    return unread


_SAYS_NOTHING = (None, UNSET, NULL, "standard", "not_available")


def write_usage(
    usage: Usage | None, losses: Losses, *, input_required: bool = True, at: str = "/usage"
) -> dict[str, object]:
    """Return the members of `usage`. Two counts are required by the format: what is unknown is 0 there, and a loss."""
    if usage is None:
        usage = Usage()
    members: dict[str, object] = {}
    if usage.input is not None:
        members["input_tokens"] = max(0, usage.input - (usage.cached or 0) - (usage.cache_write or 0))
    elif input_required:
        members["input_tokens"] = 0
    if usage.cache_write is not None:
        members["cache_creation_input_tokens"] = usage.cache_write
    if usage.cached is not None:
        members["cache_read_input_tokens"] = usage.cached
    members["output_tokens"] = usage.output or 0
    if usage.reasoning is not None:
        members["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.output is None or (usage.input is None and input_required):
        losses.append(Loss(at, "unknown counts are written as 0, for the format requires a number"))
    return members
