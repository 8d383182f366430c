"""Why the model stopped, in Anthropic's words and ours."""

from __future__ import annotations

from msgspec import UNSET, UnsetType

from gateway_schemas.anthropic_messages import StopDetails
from trio_gateway.dialects.answer_places import place
from trio_gateway.dialects.conversation import Loss, Losses, Stop, StopReason

_READ: dict[str, StopReason] = {
    "end_turn": "stop",
    "stop_sequence": "stop_sequence",
    "max_tokens": "length",
    "model_context_window_exceeded": "context_window",
    "tool_use": "tool_calls",
    "refusal": "refusal",
    "pause_turn": "pause",
}
_WRITE = {reason: word for word, reason in _READ.items()}


def read_stop(
    word: str | None,
    sequence: str | None,
    details: StopDetails | UnsetType | None,
    has_call: bool,
    unread: Losses,
) -> Stop:
    """Return the reason; one that this gateway does not know is `other`, with the word."""
    reason = _READ.get(word or "", "other")
    if reason == "stop" and has_call:
        reason = "tool_calls"
    detail = None
    if details is not UNSET and details is not None:
        detail = details.explanation
        if details.category is not None:
            unread.append(Loss("/stop_details/category", "has no counterpart in other formats"))
    return Stop(reason, sequence, detail, word)


def write_stop(stop: Stop | None, has_call: bool, refused: bool, losses: Losses, source: str = "") -> dict[str, object]:
    """Return the members that tell why: stop_reason, stop_sequence and, of a refusal, stop_details.

    `source` is for the pointers of losses.
    """
    reason = stop.reason if stop is not None else "stop"
    if refused and reason in ("stop", "stop_sequence"):
        reason = "refusal"
    elif has_call and reason in ("stop", "stop_sequence", "other"):
        if stop is not None and reason == "other":
            losses.append(Loss(place(source, "stop"), f"{stop.raw or reason} is told as tool_use"))
        reason = "tool_calls"
    elif reason == "tool_calls" and not has_call:
        losses.append(Loss(place(source, "stop"), "there is no call: it is told as end_turn"))
        reason = "stop"
    word = _WRITE.get(reason)
    if word is None:
        word = "end_turn"
        raw = stop.raw if stop is not None else None
        losses.append(Loss(place(source, "stop"), f"{raw or reason} is told as end_turn"))
    members: dict[str, object] = {"stop_reason": word, "stop_sequence": None}
    if stop is not None and stop.sequence is not None:
        if word == "stop_sequence":
            members["stop_sequence"] = stop.sequence
        else:
            losses.append(Loss(place(source, "sequence"), f"an answer that ends with {word} names no stop sequence"))
    if stop is not None and stop.detail is not None:
        if word == "refusal":
            members["stop_details"] = StopDetails(explanation=stop.detail)
        else:
            losses.append(Loss(place(source, "detail"), "only a refusal is explained"))
    return members
