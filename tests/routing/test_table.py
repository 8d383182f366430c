import pytest

from trio_gateway.config import ChannelConfig
from trio_gateway.errors import UnknownModel
from trio_gateway.routing.table import RoutingTable, Target

TABLE = RoutingTable(
    {
        "openai": ChannelConfig(provider="openai", models=["gpt-*", "o3*"], rename={"fast": "gpt-5-mini"}),
        "claude": ChannelConfig(provider="anthropic", models=["claude-*", "gpt-4-clone"]),
        "org": ChannelConfig(provider="ollama", models=["meta/llama-?", "exact[1]"]),
    }
)


@pytest.mark.parametrize(
    ("model", "target"),
    [
        ("gpt-5", Target("openai", "gpt-5")),
        ("o3-mini", Target("openai", "o3-mini")),
        ("gpt-4-clone", Target("openai", "gpt-4-clone")),  # the first in file order wins
        ("claude/gpt-4-clone", Target("claude", "gpt-4-clone")),
        ("claude-x", Target("claude", "claude-x")),
        ("meta/llama-3", Target("org", "meta/llama-3")),
        ("org/anything/at all", Target("org", "anything/at all")),
        ("fast", Target("openai", "gpt-5-mini")),
        ("openai/fast", Target("openai", "gpt-5-mini")),
    ],
)
def test_a_model_goes_to_the_first_channel_that_matches_or_the_one_it_names(model: str, target: Target) -> None:
    assert TABLE.resolve(model) == target
    assert TABLE.resolve(model) == target  # and is remembered rightly


def test_a_name_that_two_channels_have_is_suggested_once() -> None:
    channels = {
        "a": ChannelConfig(provider="anthropic", models=["my-claude"]),
        "b": ChannelConfig(provider="anthropic", models=["other"], rename={"my-claude": "claude"}),
    }
    with pytest.raises(UnknownModel, match=r"Did you mean my-claude\?"):
        RoutingTable(channels).resolve("models/my-claude")


@pytest.mark.parametrize("model", ["GPT-5", "gpt", "xgpt-5", "openai/", "/x", "", "nobody/gpt-5", "meta/llama-33"])
def test_a_model_that_nobody_serves_is_told_what_would_work(model: str) -> None:
    with pytest.raises(UnknownModel) as caught:
        TABLE.resolve(model)
    assert (caught.value.status, caught.value.code) == (404, "model_not_found")
    assert "Names that would work" in caught.value.message or "Did you mean" in caught.value.message


def test_a_name_that_is_nearly_right_is_suggested() -> None:
    with pytest.raises(UnknownModel, match="Did you mean fast"):
        TABLE.resolve("fsat")


def test_only_names_that_are_spelled_out_are_listed() -> None:
    assert TABLE.exact_names() == {"fast": "openai"}


def test_a_huge_name_is_not_quoted_whole() -> None:
    with pytest.raises(UnknownModel) as caught:
        TABLE.resolve("x" * 100_000)
    assert len(caught.value.message) < 1000
