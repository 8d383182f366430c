"""What a target model can take. Translators are told; they never guess from a model's name themselves."""

from __future__ import annotations

from typing import Literal

import msgspec


class Capabilities(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The defaults are those of a model nobody knows: what most models take."""

    # max_tokens where the client gave none and the dialect requires one; also the cap, where max_output is set
    default_max_output_tokens: int = 4096
    max_output_tokens: int | None = None
    # all: temperature, top_p and top_k go through; none: they are refused, even at their defaults
    sampling: Literal["all", "none"] = "all"
    # Anthropic's ways of asking for thought; efforts the target has a word for, in OpenAI's scale
    thinking: frozenset[Literal["enabled", "adaptive", "disabled", "between_tools"]] = frozenset(
        {"enabled", "disabled"}
    )
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
