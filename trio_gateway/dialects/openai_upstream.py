"""Which of its two dialects OpenAI is spoken to in: Chat, unless the request needs what only Responses has."""

from __future__ import annotations

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Audio, Conversation, File, Image, Part, Reasoning, ToolResult


def needs_responses(conversation: Conversation, chat: Capabilities) -> bool:
    """Say whether `conversation` goes to Responses; `chat` is what the model takes in Chat.

    Some models refuse tools and reasoning together in Chat: that decides. Otherwise Responses is taken for what only
    it carries (thoughts to be shown or replayed, documents by URL, media in a tool's result), unless the request
    also asks for what only Chat has.
    """
    if conversation.tools and not chat.tools_with_reasoning and _thinks(conversation):
        return True
    parts = [part for turn in conversation.turns for part in turn.parts]
    return _gains(conversation, parts) and not _loses(conversation, parts)


def _thinks(conversation: Conversation) -> bool:
    asked = conversation.reasoning
    if asked is None or asked.mode == "disabled" or asked.effort == "none" or asked.budget_tokens == 0:
        return False
    return asked.effort is not None or asked.budget_tokens is not None or asked.mode is not None


def _gains(conversation: Conversation, parts: list[Part]) -> bool:
    asked = conversation.reasoning
    return (asked is not None and asked.show is True) or any(map(_only_responses_carries, parts))


def _only_responses_carries(part: Part) -> bool:
    match part:
        case Reasoning():
            return part.token is not None and part.token.issuer == "openai_responses"
        case File():
            return part.media.kind == "url"
        case ToolResult():
            return any(isinstance(inner, Image | File) for inner in part.parts)
        case _:
            return False


def _loses(conversation: Conversation, parts: list[Part]) -> bool:
    return (
        any(isinstance(part, Audio) for part in parts)
        or (conversation.n or 1) > 1
        or any(
            value is not None
            for value in (
                conversation.stop,
                conversation.seed,
                conversation.logit_bias,
                conversation.presence_penalty,
                conversation.frequency_penalty,
            )
        )
    )
