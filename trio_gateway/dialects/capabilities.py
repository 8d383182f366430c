"""What a target model can take. Translators are told; they never guess from a model's name themselves.

The table of known models is data: capabilities.toml, beside this module. An operator's channel may override any
field of it, so that a new model needs no new release.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache, lru_cache
from importlib.resources import files
from typing import Literal, TypeAlias

import msgspec

from trio_gateway.errors import ConfigError

ThinkingType: TypeAlias = Literal["enabled", "adaptive", "disabled", "between_tools"]


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The defaults are those of a model nobody knows: what most models take."""

    # max_tokens where the client gave none and the dialect requires one; also the cap, where max_output is set
    default_max_output_tokens: int = 4096
    max_output_tokens: int | None = None
    # all: temperature, top_p and top_k go through; one: temperature or top_p, not both; none: they are refused,
    # even at their defaults
    sampling: Literal["all", "one", "none"] = "all"
    # Anthropic's ways of asking for thought; efforts the target has a word for, in OpenAI's scale
    thinking: frozenset[ThinkingType] = frozenset({"enabled", "disabled"})
    efforts: frozenset[str] = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})
    prefill: bool = True  # a last assistant turn is continued
    system_in_conversation: bool = False  # Anthropic: role system inside messages
    structured_output: bool = True
    image_urls: bool = True  # the target fetches http(s) images by itself
    images: bool = True
    files: bool = True
    audio: bool = True
    tools: bool = True
    tools_with_reasoning: bool = True  # OpenAI Chat refuses the two together on recent models
    stop_sequences: bool = True
    # Gemini: thoughts are asked for by a budget in tokens (2.5) or by a level (3)
    reasoning_by: Literal["effort", "budget"] = "effort"
    # Chat: explicit cache breakpoints are known (OpenAI refuses them before gpt-5.6)
    cache_breakpoints: bool = False
    # Chat: the target wants its earlier reasoning_content back (DeepSeek, MiMo), which OpenAI has no word for
    replay_reasoning: bool = False
    # Chat: the model is served at /v1/completions besides, and what is asked there passes as it is
    completions: bool = False
    # Gemini 3 refuses an earlier call that has no thought signature
    thought_signatures: bool = False


class _Row(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    dialect: str
    match: tuple[str, ...]
    can: dict[str, object]


class _Table(msgspec.Struct, forbid_unknown_fields=True):
    model: list[_Row]


def capabilities_for(dialect: str, model: str, overrides: Mapping[str, object] | None = None) -> Capabilities:
    """Return what `model` of an upstream speaking `dialect` can take.

    The first row of the table whose pattern matches the model's name, in lower case, decides; the defaults stand in
    for what it does not say. `overrides` are a channel's own and win: fields, or fields by pattern, of which the first
    that matches decides. Raises ConfigError for an override that is no field, or has the wrong type.
    """
    known = _known(dialect, model)
    if not overrides:
        return known
    fields: dict[str, object] = {}
    for name, value in overrides.items():
        if not isinstance(value, Mapping):
            fields[name] = value
        elif fnmatchcase(model.lower(), name.lower()):
            fields = dict(value) | fields
            break
    try:
        return msgspec.convert(msgspec.structs.asdict(known) | fields, Capabilities)
    except msgspec.ValidationError as error:
        raise ConfigError([f"capabilities of {model!r}: {error}"]) from error


# The bound is for channels that pass any model's name through; the names come from clients there.
@lru_cache(maxsize=1024)
def _known(dialect: str, model: str) -> Capabilities:
    name = model.lower()
    for row in _rows():
        if row.dialect == dialect and any(fnmatchcase(name, pattern) for pattern in row.match):
            return msgspec.convert(row.can, Capabilities)
    return Capabilities()


@cache
def _rows() -> list[_Row]:
    text = files("trio_gateway.dialects").joinpath("capabilities.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), _Table).model


# The scale from the least to the most thought.
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")

# Tokens to think with, for targets that take a budget in place of an effort. From low upwards the way there and back
# is exact; minimal shares low's, for no target takes less than 1024.
EFFORT_BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}


def effort_of_budget(budget_tokens: int) -> str:
    """Return the largest effort whose budget `budget_tokens` covers, low at least."""
    return max(
        (effort for effort in EFFORTS[2:] if EFFORT_BUDGETS[effort] <= budget_tokens),
        key=EFFORTS.index,
        default="low",
    )


def nearest_effort(effort: str, offered: frozenset[str]) -> str | None:
    """Return the effort of `offered` that is nearest to `effort`, the lesser of two; None where there is none.

    `none` is not thinking at all: it stands for nothing else, and nothing else for it.
    """
    if effort in offered:
        return effort
    if effort not in EFFORTS or effort == "none":
        return None
    wanted = EFFORTS.index(effort)
    places = [place for place, name in enumerate(EFFORTS) if name in offered and name != "none"]
    return EFFORTS[min(places, key=lambda place: (abs(place - wanted), place))] if places else None
