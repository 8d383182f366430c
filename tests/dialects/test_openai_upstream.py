"""Which of its two dialects OpenAI is spoken to in."""

from __future__ import annotations

import msgspec
import pytest

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Media,
    Reasoning,
    ReasoningRequest,
    Text,
    Token,
    Tool,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.openai_upstream import needs_responses

BOTH = Capabilities()
NOT_TOGETHER = Capabilities(tools_with_reasoning=False)
PLAIN = Conversation(source="test", model="m", turns=[Turn("user", [Text("Hi")])])
TOOL = Tool("look")
IMAGE = Image(Media("base64", "AAAA"))


def talk(*parts: object) -> Conversation:
    return msgspec.structs.replace(PLAIN, turns=[Turn("user", list(parts))])  # type: ignore[arg-type]  # parts


@pytest.mark.parametrize(
    ("asked", "together"),
    [
        (ReasoningRequest(effort="low"), True),
        (ReasoningRequest(budget_tokens=1024), True),
        (ReasoningRequest(mode="adaptive"), True),
        (ReasoningRequest(effort="none"), False),
        (ReasoningRequest(mode="disabled"), False),
        (ReasoningRequest(budget_tokens=0), False),
        (ReasoningRequest(), False),
        (None, False),
    ],
)
def test_tools_and_reasoning_together_need_responses_where_chat_refuses_them(
    asked: ReasoningRequest | None, together: bool
) -> None:
    conversation = msgspec.structs.replace(PLAIN, tools=[TOOL], reasoning=asked, stop=["END"])
    assert needs_responses(conversation, NOT_TOGETHER) is together
    assert not needs_responses(conversation, BOTH)
    assert not needs_responses(msgspec.structs.replace(conversation, tools=[]), NOT_TOGETHER)


@pytest.mark.parametrize(
    ("conversation", "wanted"),
    [
        (PLAIN, False),
        (talk(IMAGE), False),
        (talk(File(Media("url", "https://a.test/x.pdf"))), True),
        (talk(File(Media("base64", "AAAA"))), False),
        (talk(ToolResult("1", [IMAGE])), True),
        (talk(ToolResult("1", [Text("18 degrees")])), False),
        (talk(Reasoning("", token=Token("openai_responses", "x"))), True),
        (talk(Reasoning("", token=Token("anthropic_messages", "x"))), False),
        (talk(Reasoning("Hm")), False),
        (msgspec.structs.replace(PLAIN, reasoning=ReasoningRequest(show=True)), True),
        (msgspec.structs.replace(PLAIN, reasoning=ReasoningRequest(show=False)), False),
    ],
)
def test_responses_is_taken_for_what_only_it_carries(conversation: Conversation, wanted: bool) -> None:
    assert needs_responses(conversation, BOTH) is wanted


@pytest.mark.parametrize("only_chat", [{"stop": ["END"]}, {"n": 2}, {"seed": 1}, {"presence_penalty": 0.5}])
def test_chat_is_kept_where_the_request_has_what_only_chat_takes(only_chat: dict[str, object]) -> None:
    shown = msgspec.structs.replace(PLAIN, reasoning=ReasoningRequest(show=True))
    assert not needs_responses(msgspec.structs.replace(shown, **only_chat), BOTH)
    spoken = talk(Audio(Media("base64", "AAAA")), ToolResult("1", [IMAGE]))
    assert not needs_responses(spoken, BOTH)
