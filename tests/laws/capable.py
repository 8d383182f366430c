"""What models can do: all there is, and less."""

from __future__ import annotations

from typing import Any

import msgspec
from hypothesis import strategies as st

from trio_gateway.dialects.capabilities import Capabilities

ALL = Capabilities(
    thinking=frozenset({"enabled", "adaptive", "disabled", "between_tools"}),
    system_in_conversation=True,
    cache_breakpoints=True,
    replay_reasoning=True,
    completions=True,
)

# For every field of Capabilities, what a model has that can do less.
LESS: dict[str, Any] = {
    "default_max_output_tokens": 1025,
    "max_output_tokens": 100,
    "sampling": "none",
    "thinking": frozenset(),
    "efforts": frozenset(),
    "prefill": False,
    "system_in_conversation": False,
    "structured_output": False,
    "image_urls": False,
    "images": False,
    "files": False,
    "audio": False,
    "tools": False,
    "tools_with_reasoning": False,
    "stop_sequences": False,
    "reasoning_by": "budget",
    "cache_breakpoints": False,
    "replay_reasoning": False,
    "completions": False,
    "thought_signatures": True,
}


def _lacking(base: Capabilities, names: set[str]) -> Capabilities:
    return msgspec.structs.replace(base, **{name: LESS[name] for name in names})


# Of a model that nobody knows, of one that can do everything, and of such as lack some of it.
capabilities: st.SearchStrategy[Capabilities] = st.just(Capabilities()) | st.builds(
    _lacking, st.sampled_from((Capabilities(), ALL)), st.sets(st.sampled_from(sorted(LESS)), max_size=3)
)
