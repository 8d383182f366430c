"""A channel at work: what it does to the words of its provider."""

from __future__ import annotations

from pathlib import Path

import pytest

from trio_gateway.config import validate
from trio_gateway.errors import UpstreamError
from trio_gateway.routing.channel import Channel


def channel(key: str) -> Channel:
    document = {"channels": {"c": {"provider": "openai", "api_key": key, "models": ["m"]}}}
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
