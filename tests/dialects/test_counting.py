"""Counting tokens where nobody can be asked."""

from __future__ import annotations

import msgspec
import pytest

from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.carriage import Load
from trio_gateway.dialects.conversation import Conversation, File, Image, Media, Text, Tool, ToolCall, ToolResult, Turn
from trio_gateway.dialects.counting import CountCarriage, estimate
from trio_gateway.dialects.envelope import Envelope
from trio_gateway.errors import InvalidRequest

ANTHROPIC = b'{"model":"fast","messages":[{"role":"user","content":"Hello there"}]}'
GEMINI = b'{"contents":[{"role":"user","parts":[{"text":"Hello there"}]}]}'


def load(dialect: str, model: str = "m") -> Load:
    return Load(dialect=dialect, model=model, capabilities=Capabilities(), id="1", created=0)


def talk(*parts: object) -> Conversation:
    return Conversation(source="test", model="m", turns=[Turn("user", list(parts))])  # type: ignore[arg-type]  # parts


def test_a_provider_of_the_same_dialect_is_asked_with_the_models_name_there() -> None:
    carriage = CountCarriage("anthropic_messages", ANTHROPIC, None)
    carriage.load(load("anthropic_messages", "slow"))
    assert (carriage.model, carriage.told, carriage.same) == ("fast", None, True)
    assert carriage.body == ANTHROPIC.replace(b"fast", b"slow")
    in_url = CountCarriage("gemini", GEMINI, Envelope("fast"))
    in_url.load(load("gemini", "slow"))
    assert (in_url.model, in_url.body, in_url.told) == ("fast", GEMINI, None)


def test_any_other_is_not_asked_and_both_shapes_tell_the_same_estimate() -> None:
    anthropic = CountCarriage("anthropic_messages", ANTHROPIC, None)
    gemini = CountCarriage("gemini", GEMINI, Envelope("fast"))
    for carriage in (anthropic, gemini):
        carriage.load(load("openai_chat"))
    assert anthropic.told is not None
    assert gemini.told is not None
    assert msgspec.json.decode(anthropic.told)["input_tokens"] == msgspec.json.decode(gemini.told)["totalTokens"] == 7


def test_a_wrapped_request_that_is_wrong_is_told_with_its_whole_place() -> None:
    carriage = CountCarriage("gemini", b'{"generateContentRequest":{"contents":[]}}', Envelope("m"))
    with pytest.raises(InvalidRequest) as caught:
        carriage.load(load("openai_chat"))
    assert caught.value.pointer == "/generateContentRequest/contents"


def test_everything_that_is_sent_counts() -> None:
    little = estimate(talk(Text("Hi")))
    parts = [
        Text("word " * 100),
        Text("語" * 100),
        Image(Media("base64", "AAAA")),
        File(Media("base64", "AAAA" * 10_000)),
        File(Media("text", "word " * 100)),
        ToolCall("1", "look", '{"city":"Paris"}'),
        ToolResult("1", [Text("18 degrees")]),
    ]
    for part in parts:
        assert estimate(talk(part)) > little
    with_tool = talk(Text("Hi"))
    with_tool.tools = [Tool("look", description="Look.", parameters=msgspec.Raw(b'{"type":"object"}'))]
    assert estimate(with_tool) > little


WEB = {"type": "web_search_20250305", "name": "web_search"}
SERVERS = [{"type": "url", "url": "https://mcp.example", "name": "n"}]


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses", "gemini", "ollama"])
def test_what_a_translation_would_lose_is_not_counted_and_told(target: str) -> None:
    body = msgspec.json.decode(ANTHROPIC) | {"tools": [WEB], "mcp_servers": SERVERS}
    carriage = CountCarriage("anthropic_messages", msgspec.json.encode(body), None)
    carriage.load(load(target))
    assert [loss.pointer for loss in carriage.losses] == ["/mcp_servers", "/tools/0"]
    carriage.load(load("anthropic_messages"))
    assert carriage.losses == [], "whoever is asked counts it all"


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses", "anthropic_messages", "ollama"])
@pytest.mark.parametrize("wrapped", ["", "/generateContentRequest", "/generate_content_request"])
def test_a_loss_in_a_wrapped_request_is_told_with_its_whole_place(wrapped: str, target: str) -> None:
    body = msgspec.json.decode(GEMINI) | {"cachedContent": "cachedContents/1", "tools": [{"googleSearch": {}}]}
    whole = {wrapped[1:]: {"model": "models/m"} | body} if wrapped else body
    carriage = CountCarriage("gemini", msgspec.json.encode(whole), Envelope("m"))
    carriage.load(load(target))
    assert [loss.pointer for loss in carriage.losses] == [wrapped + "/cachedContent", wrapped + "/tools/0/googleSearch"]


@pytest.mark.parametrize("target", ["openai_chat", "openai_responses", "gemini", "ollama"])
def test_what_counts_loses_nothing_and_has_no_limit_that_could_be_lost(target: str) -> None:
    tools = [{"name": "t", "description": "What it does", "input_schema": {"type": "object"}}]
    body = msgspec.json.decode(ANTHROPIC) | {"tools": tools, "system": "Be terse."}
    carriage = CountCarriage("anthropic_messages", msgspec.json.encode(body), None)
    carriage.load(load(target))
    assert carriage.losses == []


@pytest.mark.parametrize("target", ["openai_chat", "gemini", "ollama"])
def test_media_by_url_counts_where_a_request_would_have_it_fetched(target: str) -> None:
    image = {"type": "image", "source": {"type": "url", "url": "https://pictures.example/1.png"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [image]}]}
    carriage = CountCarriage("anthropic_messages", msgspec.json.encode(body), None)
    can = Capabilities(image_urls=False)
    carriage.load(Load(dialect=target, model="m", capabilities=can, id="1", created=0))
    assert carriage.losses == []
    assert carriage.told is not None
    assert msgspec.json.decode(carriage.told).popitem()[1] > 1000


def test_what_a_target_could_not_do_without_is_told_and_the_rest_counted() -> None:
    file = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    body = {"model": "m", "messages": [{"role": "user", "content": [file, {"type": "text", "text": "Hi"}]}]}
    carriage = CountCarriage("anthropic_messages", msgspec.json.encode(body), None)
    carriage.load(load("openai_chat"))
    assert [loss.pointer for loss in carriage.losses] == ["/messages/0/content/0"]
    assert carriage.told is not None


def test_a_count_is_of_the_dialect_that_the_conversation_would_be_answered_in() -> None:
    thinks = msgspec.json.decode(ANTHROPIC) | {"thinking": {"type": "enabled", "budget_tokens": 2000}}
    thinks["tools"] = [{"name": "t", "input_schema": {"type": "object"}}]
    carriage = CountCarriage("anthropic_messages", msgspec.json.encode(thinks), None)
    assert carriage.wants_responses(Capabilities(tools_with_reasoning=False))
    assert not CountCarriage("anthropic_messages", ANTHROPIC, None).wants_responses(Capabilities())
