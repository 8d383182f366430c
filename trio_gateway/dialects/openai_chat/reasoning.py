"""Reasoning and its opaque tokens in Chat's format, which officially has neither.

Text is `reasoning_content`. Where there is a token, redacted content or more than one stretch of reasoning,
`reasoning_details` lists every stretch as OpenRouter does, so that a client which sends the message back sends
the tokens back:

    {"type": "reasoning.text", "text": ..., "signature": ...}
    {"type": "reasoning.encrypted", "data": ...}     the token is the content: Anthropic's redacted thinking,
                                                     a Responses item without a summary

The token of a tool call is `extra_content.google.thought_signature` of the call, as Google writes it.
"""

from __future__ import annotations

from gateway_schemas.openai_chat import ExtraContent, GoogleExtra, ReasoningDetail, ThinkingBlock, ToolCall
from trio_gateway.dialects import opaque
from trio_gateway.dialects.conversation import Loss, Losses, Reasoning, Token

ME = "openai_chat"
TWICE = "the message's reasoning is given twice, and differs"


def details_of(stretches: list[Reasoning]) -> list[ReasoningDetail] | None:
    """Return `reasoning_details` for an answer's reasoning; None where `reasoning_content` alone says it all."""
    if all(stretch.token is None for stretch in stretches) and len(stretches) < 2:
        return None
    return [detail for stretch in stretches if (detail := detail_of(stretch)) is not None]


def detail_of(stretch: Reasoning) -> ReasoningDetail | None:
    """Return one entry; None for redacted content of which nothing is there."""
    token = opaque.carry(stretch.token, ME) if stretch.token else None
    if is_encrypted(stretch):
        return ReasoningDetail("reasoning.encrypted", data=token, id=stretch.id) if token else None
    return ReasoningDetail("reasoning.text", text=stretch.text, signature=token, id=stretch.id)


def is_encrypted(stretch: Reasoning) -> bool:
    """Say whether the token is all the content there is. A thought that is only signed (its text not shown) is not."""
    if stretch.redacted:
        return True
    return not stretch.text and stretch.token is not None and stretch.token.issuer == "openai_responses"


def reasoning_of(detail: ReasoningDetail, at: str = "") -> Reasoning | None:
    """Read one entry of `reasoning_details`; None for a type that is not known."""
    if detail.type == "reasoning.text":
        token = opaque.recognise(detail.signature, ME) if detail.signature else None
        return Reasoning(detail.text or "", at, token, id=detail.id)
    if detail.type == "reasoning.summary":
        return Reasoning(detail.summary or "", at, id=detail.id)
    if detail.type == "reasoning.encrypted" and detail.data:
        token = opaque.recognise(detail.data, ME)
        if token.issuer != "openai_responses":
            return Reasoning("", at, token, True, detail.id)
        return Reasoning("", at, token, False, detail.id, f"{at}/data" if at else None)
    return None


def thinking_of(block: ThinkingBlock, at: str = "") -> Reasoning | None:
    """Read one of litellm's `thinking_blocks`: Anthropic's own blocks, with Anthropic's own tokens."""
    if block.type == "redacted_thinking" and block.data:
        return Reasoning("", at, opaque.recognise(block.data, "anthropic_messages"), redacted=True)
    if block.type == "thinking":
        token = opaque.recognise(block.signature, "anthropic_messages") if block.signature else None
        return Reasoning(block.thinking or "", at, token)
    return None


def read_reasoning(
    details: list[ReasoningDetail] | None,
    blocks: list[ThinkingBlock] | None,
    plain: str | None,
    other: str | None,
    at: str,
    losses: Losses,
    joined: dict[str, list[str]],
) -> list[Reasoning]:
    """Read the reasoning of a whole message: the first of the four carriers that says anything.

    The others repeat it, as a rule; where they say something else they are a loss. `joined` is as in Conversation.
    """
    found: list[Reasoning] = []
    if details:
        found = _read_details(details, at, losses, joined)
    if blocks:
        read = _read_blocks(blocks, at, losses)
        if found:
            losses += [Loss(block.at, TWICE) for block in read if not any(_is_told(block, one) for one in found)]
        else:
            found = read
    text = "".join(stretch.text for stretch in found)
    for name, value in (("reasoning_content", plain), ("reasoning", other)):
        if value and not found:
            found.append(Reasoning(value, f"{at}/{name}"))
            text = value
        elif value and value != text:
            losses.append(Loss(f"{at}/{name}", TWICE))
    return found


def _read_details(
    details: list[ReasoningDetail], at: str, losses: Losses, joined: dict[str, list[str]]
) -> list[Reasoning]:
    found: list[Reasoning] = []
    for index, detail in enumerate(details):
        where = f"{at}/reasoning_details/{index}"
        stretch = reasoning_of(detail, where)
        if detail.format is not None:
            losses.append(Loss(f"{where}/format", "not carried"))
        if stretch is None:
            losses.append(Loss(where, f"a reasoning detail {detail.type!r} that cannot be read"))
        elif not _continues(details, index):
            found.append(stretch)
        else:
            joined.setdefault(found[-1].at, []).append(stretch.at)
            found[-1] = _joined(found[-1], stretch)
    return found


def _read_blocks(blocks: list[ThinkingBlock], at: str, losses: Losses) -> list[Reasoning]:
    found: list[Reasoning] = []
    for index, block in enumerate(blocks):
        where = f"{at}/thinking_blocks/{index}"
        stretch = thinking_of(block, where)
        if stretch is None:
            losses.append(Loss(where, f"a thinking block {block.type!r} that cannot be read"))
        else:
            found.append(stretch)
    return found


def _is_told(again: Reasoning, stretch: Reasoning) -> bool:
    """Say whether `stretch` says all that `again` does."""
    return again.text == stretch.text and again.token in (None, stretch.token)


def _continues(details: list[ReasoningDetail], index: int) -> bool:
    """Say whether an entry is a fragment of the one before it: what clients keep that list a stream's entries."""
    if index == 0:
        return False
    last, this = details[index - 1], details[index]
    both_text = last.type == this.type == "reasoning.text"
    return both_text and this.index is not None and this.index == last.index and not last.signature


def _joined(first: Reasoning, more: Reasoning) -> Reasoning:
    signed = more if more.token else first
    token_at = signed.token_at or f"{signed.at}/signature"
    return Reasoning(first.text + more.text, first.at, signed.token, False, first.id or more.id, token_at)


def token_of_call(call: ToolCall) -> Token | None:
    google = call.extra_content.google if call.extra_content else None
    return opaque.recognise(google.thought_signature, ME) if google and google.thought_signature else None


def extra_of_token(token: Token | None) -> ExtraContent | None:
    return ExtraContent(GoogleExtra(opaque.carry(token, ME))) if token else None
