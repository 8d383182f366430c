"""How much to think: an effort where the model takes one, a budget where it does not."""

from __future__ import annotations

from typing import Any, Literal

from gateway_schemas.anthropic_messages import RedactedThinkingBlock, ThinkingBlock, ToolResultBlock
from trio_gateway.dialects.capabilities import (
    EFFORT_BUDGETS,
    Capabilities,
    ThinkingType,
    effort_of_budget,
    nearest_effort,
)
from trio_gateway.dialects.conversation import Conversation, Loss, Losses, ReasoningRequest
from trio_gateway.dialects.members import member

BUDGET_MIN = 1024

_Written = Literal["enabled", "adaptive", "disabled", "between_tools"] | None


def write_thinking(
    conversation: Conversation, capabilities: Capabilities, body: dict[str, Any], losses: Losses
) -> _Written:
    """Write `thinking` and `output_config.effort`; return the type of thinking that was written."""
    request = conversation.reasoning
    if request is None:
        return None
    offered = capabilities.thinking
    if request.mode == "disabled" or request.effort == "none":
        return _write_off(request, offered, body, losses)
    if request.mode is None and request.effort is None:
        return _write_show_only(request, offered, body, losses)
    budget = request.budget_tokens or EFFORT_BUDGETS.get(request.effort or "")
    if request.mode == "enabled" and "enabled" in offered and budget is not None:
        return _write_budget(request, budget, body, losses)
    if request.mode == "between_tools" and "between_tools" in offered:
        body["thinking"] = {"type": "between_tools"}
        _write_effort(conversation, capabilities, body, losses)
        return "between_tools"
    if "adaptive" in offered:
        _write_adaptive(request, body, losses)
        _write_effort(conversation, capabilities, body, losses)
        return "adaptive"
    if "enabled" not in offered:
        losses.append(Loss(request.at, "this model does not think"))
        return None
    if request.effort is None:
        budget = budget or EFFORT_BUDGETS["medium"]
    if budget is None:
        losses.append(Loss(request.at, f"{request.effort!r} is no effort that this gateway knows"))
        return None
    if request.effort == "minimal" or request.mode in ("adaptive", "between_tools"):
        losses.append(Loss(request.at, f"a budget of {budget} tokens to think is the nearest that this model takes"))
    return _write_budget(request, budget, body, losses)


def why_no_thought(messages: list[dict[str, Any]]) -> str | None:
    """Return why a model that thinks by a budget refuses to, after these messages; None where it thinks.

    The turn whose calls are answered last must begin with a thought that the provider signed.
    """
    turns = [message for message in messages if message["role"] != "system"]
    if turns[-1]["role"] == "assistant":
        return "this model does not think while it continues a message"
    if len(turns) < 2 or type(turns[-1]["content"][0]) is not ToolResultBlock:
        return None
    return None if type(turns[-2]["content"][0]) in _THOUGHTS else NO_THOUGHT_IN_LOOP


_THOUGHTS = (ThinkingBlock, RedactedThinkingBlock)
NO_THOUGHT_IN_LOOP = "this model does not think where the call whose result it is given follows no thought of its own"


def _write_off(
    request: ReasoningRequest, offered: frozenset[ThinkingType], body: dict[str, Any], losses: Losses
) -> _Written:
    if "disabled" in offered:
        body["thinking"] = {"type": "disabled"}
        return "disabled"
    if offered:
        losses.append(Loss(request.at, "this model always thinks"))
    return None


def _write_show_only(
    request: ReasoningRequest, offered: frozenset[ThinkingType], body: dict[str, Any], losses: Losses
) -> _Written:
    """Thoughts are to be shown or hidden, and how much to think is left to the model."""
    if request.show is None:
        return None
    if "adaptive" not in offered:
        if request.show:
            losses.append(Loss(request.at, "this model only shows thoughts when it is told how much to think"))
        return None
    body["thinking"] = {"type": "adaptive", "display": _display(request.show)}
    return "adaptive"


def _write_budget(request: ReasoningRequest, budget: int, body: dict[str, Any], losses: Losses) -> _Written:
    """The budget is part of max_tokens, at least 1024 and less than it."""
    max_tokens: int = body["max_tokens"]
    if max_tokens <= BUDGET_MIN:
        losses.append(Loss(request.at, f"there is no room to think in {max_tokens} tokens"))
        return None
    fitting = min(max(budget, BUDGET_MIN), max_tokens - 1)
    if fitting != budget:
        losses.append(Loss(request.at, f"the budget to think is {fitting} tokens, to fit into max_tokens"))
    body["thinking"] = {"type": "enabled", "budget_tokens": fitting}
    if request.show is not None:
        body["thinking"]["display"] = _display(request.show)
    return "enabled"


def _write_adaptive(request: ReasoningRequest, body: dict[str, Any], losses: Losses) -> None:
    body["thinking"] = {"type": "adaptive"}
    if request.show is not None:
        body["thinking"]["display"] = _display(request.show)
    if request.mode == "between_tools":
        losses.append(Loss(request.at, "this model decides by itself when to think"))
    elif request.budget_tokens is not None:
        losses.append(Loss(request.at, "this model takes an effort in place of a budget to think"))


def _write_effort(conversation: Conversation, capabilities: Capabilities, body: dict[str, Any], losses: Losses) -> None:
    request = conversation.reasoning
    assert request is not None, "there is thinking to be written"
    effort = request.effort
    if effort is None and request.budget_tokens is not None:
        effort = effort_of_budget(request.budget_tokens)
    if effort is None:
        return
    nearest = nearest_effort(effort, capabilities.efforts - {"none", "minimal"})
    if nearest is not None:
        body.setdefault("output_config", {})["effort"] = nearest
    if nearest != effort:
        at = request.at if request.effort is None else member(conversation.source, request.at, "effort")
        what = f"{nearest!r} is the nearest effort that this model takes" if nearest else "this model takes no effort"
        losses.append(Loss(at, what))


def _display(show: bool) -> str:
    return "summarized" if show else "omitted"
