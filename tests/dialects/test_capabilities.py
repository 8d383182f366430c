import tomllib
from fnmatch import fnmatchcase
from importlib.resources import files

import pytest

from trio_gateway.dialects.capabilities import (
    EFFORT_BUDGETS,
    EFFORTS,
    Capabilities,
    capabilities_for,
    effort_of_budget,
    nearest_effort,
)
from trio_gateway.errors import ConfigError

ANTHROPIC = "anthropic_messages"


@pytest.mark.parametrize(
    ("model", "sampling", "thinking"),
    [
        ("claude-fable-5-2", "none", {"adaptive"}),
        ("claude-mythos-preview", "none", {"adaptive"}),
        ("claude-opus-5-5", "none", {"adaptive", "disabled"}),
        ("claude-opus-4-8", "none", {"adaptive", "disabled"}),
        ("claude-opus-4-7", "none", {"adaptive", "disabled"}),
        ("anthropic/claude-opus-4.7", "none", {"adaptive", "disabled"}),
        ("us.anthropic.claude-opus-4-7-v1:0", "none", {"adaptive", "disabled"}),
        ("Claude-Sonnet-5", "none", {"adaptive", "disabled"}),
        ("claude-opus-4-6", "one", {"adaptive", "enabled", "disabled"}),
        ("claude-haiku-4-5-20251001", "one", {"enabled", "disabled"}),
        ("claude-opus-4-20250514", "all", {"enabled", "disabled"}),
        ("claude-3-7-sonnet-latest", "all", {"enabled", "disabled"}),
        ("claude-3-5-haiku-latest", "all", set()),
        ("claude-from-the-future-9", "none", {"adaptive"}),
        ("kimi-k3", "all", {"enabled", "disabled"}),
    ],
)
def test_a_claude_models_generation_decides_sampling_and_thinking(
    model: str, sampling: str, thinking: set[str]
) -> None:
    known = capabilities_for(ANTHROPIC, model)
    assert (known.sampling, known.thinking) == (sampling, thinking)


@pytest.mark.parametrize(
    ("model", "allowed"),
    [("claude-opus-4-8", True), ("claude-sonnet-5", True), ("claude-opus-4-7", False), ("claude-haiku-4-5", False)],
)
def test_system_messages_in_the_middle_are_for_recent_models(model: str, allowed: bool) -> None:
    assert capabilities_for(ANTHROPIC, model).system_in_conversation is allowed


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses"])
@pytest.mark.parametrize(
    ("model", "breakpoints", "efforts"),
    [
        ("gpt-6.1-sol", True, {"none", "low", "medium", "high", "xhigh", "max"}),
        ("gpt-5.6-terra", True, {"none", "low", "medium", "high", "xhigh", "max"}),
        ("gpt-5.5", False, {"none", "low", "medium", "high", "xhigh", "max"}),
        ("gpt-5.1-chat-latest", False, set()),
        ("gpt-5-chat-latest", False, set()),
        ("gpt-5-nano", False, {"minimal", "low", "medium", "high"}),
    ],
)
def test_an_openai_models_generation_decides_efforts_and_cache_breakpoints_in_both_its_dialects(
    dialect: str, model: str, breakpoints: bool, efforts: set[str]
) -> None:
    known = capabilities_for(dialect, model)
    assert (known.cache_breakpoints, known.efforts) == (breakpoints, efforts)


@pytest.mark.parametrize(("model", "allowed"), [("claude-opus-4-6", False), ("claude-haiku-4-5", True)])
def test_prefill_ends_with_4_6(model: str, allowed: bool) -> None:
    assert capabilities_for(ANTHROPIC, model).prefill is allowed


def test_the_default_limit_never_exceeds_the_cap() -> None:
    for row in table():
        known = capabilities_for(row["dialect"], row["match"][0].replace("*", "").replace("[.-]", "-"))
        assert known.max_output_tokens is None or known.default_max_output_tokens <= known.max_output_tokens


def test_a_model_and_a_dialect_nobody_knows_have_the_defaults() -> None:
    assert capabilities_for("openai_chat", "some-model") == Capabilities()
    assert capabilities_for("klingon", "claude-opus-4-7") == Capabilities()


def test_every_row_of_the_table_can_be_reached_and_read() -> None:
    for row in table():
        for pattern in row["match"]:
            name = sample(pattern)
            first = next(r for r in table() if r["dialect"] == row["dialect"] and any_match(name, r["match"]))
            assert first == row, f"{pattern} is shadowed by {first['match']}"
            capabilities_for(row["dialect"], name)


def test_a_channels_overrides_win_over_the_table() -> None:
    known = capabilities_for(ANTHROPIC, "claude-opus-4-7", {"sampling": "all", "thinking": ["enabled"]})
    assert known.sampling == "all"
    assert known.thinking == {"enabled"}
    assert known.prefill is False  # what is not overridden stays
    assert capabilities_for(ANTHROPIC, "claude-opus-4-7").sampling == "none"  # for this call only


def test_a_channel_may_override_by_pattern_and_the_first_that_matches_decides() -> None:
    overrides = {"claude-opus-*": {"prefill": True}, "*": {"prefill": False, "sampling": "all"}}
    assert capabilities_for(ANTHROPIC, "claude-opus-4-7", overrides).prefill is True
    assert capabilities_for(ANTHROPIC, "claude-opus-4-7", overrides).sampling == "none"
    assert capabilities_for(ANTHROPIC, "claude-fable-5", overrides).sampling == "all"


@pytest.mark.parametrize("wrong", [{"samplings": "all"}, {"sampling": "some"}, {"max_output_tokens": "many"}])
def test_a_wrong_override_is_the_operators_error_and_names_the_model(wrong: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match="claude-opus-4-7"):
        capabilities_for(ANTHROPIC, "claude-opus-4-7", wrong)


def test_without_overrides_the_same_struct_is_returned() -> None:
    assert capabilities_for(ANTHROPIC, "claude-opus-4-7") is capabilities_for(ANTHROPIC, "claude-opus-4-7")


def test_an_effort_survives_the_way_through_a_budget_and_back() -> None:
    for effort in EFFORTS[2:]:
        assert effort_of_budget(EFFORT_BUDGETS[effort]) == effort
    assert effort_of_budget(3000) == "medium"
    assert effort_of_budget(10) == "low"


@pytest.mark.parametrize(
    ("effort", "offered", "nearest"),
    [
        ("minimal", {"low", "high"}, "low"),
        ("xhigh", {"none", "low", "medium", "high", "max"}, "high"),
        ("max", {"low", "medium"}, "medium"),
        ("none", {"low"}, None),
        ("low", {"none"}, None),
        ("ultra", {"low", "max"}, None),
        ("high", set(), None),
    ],
)
def test_the_nearest_effort_is_found_on_the_scale(effort: str, offered: set[str], nearest: str | None) -> None:
    assert nearest_effort(effort, frozenset(offered)) == nearest


def table() -> list[dict]:
    return tomllib.loads(files("trio_gateway.dialects").joinpath("capabilities.toml").read_text("utf-8"))["model"]


def any_match(name: str, patterns: list[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def sample(pattern: str) -> str:
    """Return the shortest name that `pattern` matches."""
    name, rest = "", pattern
    while rest:
        if rest[0] == "[":
            name, rest = name + rest[1], rest[rest.index("]") + 1 :]
        else:
            name, rest = name + rest[0].replace("*", ""), rest[1:]
    return name
