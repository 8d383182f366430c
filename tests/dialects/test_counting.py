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


def test_a_whole_request_to_count_names_the_model_as_it_is_there() -> None:
    body = b'{"generateContentRequest":{"model":"models/fast","contents":[{"parts":[{"text":"Hi"}]}]}}'
    carriage = CountCarriage("gemini", body, Envelope("fast"))
    carriage.load(load("gemini", "slow"))
    assert carriage.body == body.replace(b"fast", b"slow")
    carriage.load(load("gemini", "fast"))
    assert carriage.body == body


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
