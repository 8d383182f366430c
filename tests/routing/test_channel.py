"""A channel at work: what it does to the words of its provider."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trio_gateway.config import validate
from trio_gateway.dialects.carriage import ChatCarriage
from trio_gateway.errors import UpstreamError
from trio_gateway.routing.channel import Channel


def channel(key: str, **more: Any) -> Channel:
    document = {"channels": {"c": {"provider": "openai", "api_key": key, "models": ["m"], **more}}}
    config = validate(document, {}, "test", Path())
    return Channel("c", config.channels["c"], config.timeouts)


@pytest.mark.parametrize("key", ["secret-1", "0123456789abcdef", "sk-short"])
def test_a_key_is_taken_out_of_what_a_provider_says(key: str) -> None:
    error = channel(key).redacted(UpstreamError(f"Bad key {key}."))
    assert key not in error.message
    assert "[key]" in error.message


@pytest.mark.parametrize("key", ["k", "none", "ollama", "1234567"])
def test_a_placeholder_is_none(key: str) -> None:
    said = f"The broken ollama has none of 1234567 tokens left: {key}"
    assert channel(key).without_keys(said) == said


def test_what_looks_like_a_key_is_taken_out_whosever_it_is() -> None:
    assert channel("none").without_keys("The key sk-abcdefgh is bad") == "The key [key] is bad"


COMPLETION = ChatCarriage("openai_completions", b'{"model":"m","prompt":"Hi"}')


@pytest.mark.parametrize(
    ("model", "speaks"),
    [
        ("m", "openai_chat"),
        ("gpt-3.5-turbo", "openai_chat"),
        ("gpt-3.5-turbo-instruct", "openai_completions"),
        ("ft:davinci-002:mine", "openai_completions"),
        ("raw-m", "openai_completions"),
    ],
)
def test_a_completion_passes_for_models_that_are_known_to_be_served_so(model: str, speaks: str) -> None:
    one = channel("none", capabilities={"raw-*": {"completions": True}})
    assert one.speaks(COMPLETION, model) == speaks
    assert one.has("openai_completions", model) == (speaks == "openai_completions")
    path = "/v1/completions" if speaks == "openai_completions" else "/v1/chat/completions"
    assert one.request_target("chat", model, stream=True, speaks=speaks) == path.encode()
    assert one.speaks(ChatCarriage("openai_chat", b'{"model":"m","messages":[]}'), model) == "openai_chat"


def test_a_completion_passes_to_nobody_who_speaks_something_else() -> None:
    one = channel("none", provider="anthropic", capabilities={"*": {"completions": True}})
    assert one.speaks(COMPLETION, "m") == "anthropic_messages"
    assert not one.has("ollama_generate", "m")
