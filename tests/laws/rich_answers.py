"""Answers with all that their format has, whole and streamed, drawn dialect by dialect.

Where `answers.py` draws what all dialects can say, this draws what each of them says: citations, refusals, log
probabilities, several choices, the provider's own tools, thoughts that are redacted, encrypted or signed, audio,
free-text calls, every reason to stop. A sketch is one dialect's; `whole` and `frames` write either kind of sketch.

NEW is a member that nobody knows. Where a sketch plants one, in whole answers, a loss has to name it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import answer_streams as shared
import rich_blocks
import rich_openai
from answer_streams import Cut
from answers import Sketch, answers
from answers import whole as whole_shared
from hypothesis import strategies as st
from rich_values import NEW
from values import dumps

_RICH: dict[str, Any] = {
    "openai_chat": (rich_openai.chat_sketches, rich_openai.chat, rich_openai.chat_frames),
    "openai_responses": (rich_openai.responses_sketches, rich_openai.responses, rich_openai.responses_frames),
    "anthropic_messages": (rich_blocks.anthropic_sketches, rich_blocks.anthropic, rich_blocks.anthropic_frames),
    "gemini": (rich_blocks.gemini_sketches, rich_blocks.gemini, rich_blocks.gemini_frames),
    "ollama": (rich_blocks.ollama_sketches, rich_blocks.ollama, rich_blocks.ollama_frames),
}


def rich_answers(name: str) -> st.SearchStrategy[Sketch]:
    """Draw an answer of the dialect `name` with all it may have."""
    sketches: Callable[[], st.SearchStrategy[Sketch]] = _RICH[name][0]
    return sketches().map(lambda sketch: {"dialect": name, **sketch})


def any_answers(name: str) -> st.SearchStrategy[Sketch]:
    return rich_answers(name) | answers()


def whole(name: str, sketch: Sketch) -> bytes:
    if "dialect" not in sketch:
        return whole_shared(name, sketch)
    return dumps(_RICH[name][1](sketch))


def _frames(name: str, sketch: Sketch, cut: Cut) -> list[bytes]:
    written: list[bytes] = (_RICH[name][2] if "dialect" in sketch else shared.STREAMED[name])(sketch, cut)
    return written


@st.composite
def frames(draw: st.DrawFn, name: str, sketch: Sketch) -> list[bytes]:
    """Draw the stream of an answer, a frame an item, its deltas cut anywhere."""
    return _frames(name, sketch, Cut(draw))


def uncut(name: str, sketch: Sketch) -> list[bytes]:
    return _frames(name, sketch, Cut(None))


def malformed(name: str) -> st.SearchStrategy[list[bytes]]:
    """Draw a stream that is wrong, of either kind of answer."""
    return shared.malformed(name, any_answers(name).flatmap(lambda sketch: frames(name, sketch)))


# Members that are known, and have no counterpart in any other dialect.
_UNMODELLED = frozenset({
    NEW, "system_fingerprint", "total_duration", "eval_duration", "phase", "groundingMetadata", "server_tool_use",
})  # fmt: skip


def planted(value: Any, at: str = "") -> Iterator[str]:
    """Yield the pointers of the members of a whole answer that nobody knows, or no other dialect has."""
    if isinstance(value, dict):
        for key, member in value.items():
            if key in _UNMODELLED and not (key == "server_tool_use" and at != "/usage"):
                yield f"{at}/{key}"
            else:
                yield from planted(member, f"{at}/{key}")
    elif isinstance(value, list):
        for place, member in enumerate(value):
            yield from planted(member, f"{at}/{place}")
