"""What the rich answers of all dialects are made of: tokens, log probabilities, sources, members nobody knows."""

from __future__ import annotations

import base64
from typing import Any

from hypothesis import strategies as st
from values import bad_arguments, good_arguments, texts, words

NEW = "brand_new"

maybe_text = st.just("") | texts
usages = st.none() | st.fixed_dictionaries(
    {
        "fresh": st.integers(1, 99),
        "cached": st.integers(0, 9),
        "write": st.integers(0, 9),
        "text": st.integers(1, 99),
        "reasoning": st.integers(0, 9),
    }
)


def some(strategy: st.SearchStrategy[Any], most: int) -> st.SearchStrategy[list[Any]]:
    return st.lists(strategy, max_size=most)


class Tokens:
    """Opaque tokens of one answer, no two alike, in base64 as all vendors write them."""

    def __init__(self) -> None:
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return base64.b64encode(f"signature {self._count} \x7f".encode()).decode()


class Ids:
    """Ids of the calls of one answer."""

    def __init__(self, prefix: str = "call_") -> None:
        self._prefix = prefix
        self._count = 0

    def new(self) -> str:
        self._count += 1
        return f"{self._prefix}{self._count}"


@st.composite
def logprobs(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Draw entries in the shape that OpenAI and Ollama share. `bytes` may be half a character."""
    return draw(st.lists(_logprob(), min_size=1, max_size=3))


@st.composite
def _logprob(draw: st.DrawFn) -> dict[str, Any]:
    def alternative() -> dict[str, Any]:
        token = draw(st.sampled_from(("a", " the", "日", "\ufffd", "")))
        spelled = draw(st.sampled_from((list(token.encode()), None, [0xE6, 0x97])))
        return {"token": token, "logprob": -draw(st.integers(0, 40)) / 8, "bytes": spelled}

    return alternative() | {"top_logprobs": [alternative() for _ in range(draw(st.integers(0, 2)))]}


def spread(entries: list[Any], count: int) -> list[list[Any]]:
    """Return `entries` over `count` chunks, in order, the last with what is left."""
    if count == 0:
        return []
    return [entries[place : place + 1] if place < count - 1 else entries[place:] for place in range(count)]


# Arguments as models write them, now and then no object at all.
arguments = good_arguments | good_arguments | good_arguments | bad_arguments
names = words
urls = st.sampled_from(("https://example.com/", "https://example.org/a?b=c#d"))
planting = st.sampled_from((False, False, False, True))
plants = st.fixed_dictionaries(dict.fromkeys(("root", "choice", "part", "usage"), planting))


def plant(value: dict[str, Any], flag: bool) -> dict[str, Any]:
    return {**value, NEW: 1} if flag else value
