"""Requests with everything their format has, unknown members and parts too. Requests that are refused are among them.

Every member is there or not by its own chance, so that each is seen alone and with the others. Tool results answer
calls that were made, mostly; ids are what clients write, mostly.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st
from rich_requests_of_openai import openai_chat, openai_responses
from rich_requests_of_others import anthropic_messages, gemini, ollama
from seldom import with_something_seldom
from spellings import either_spelling, snake_case
from values import dumps

RICH: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "anthropic_messages": anthropic_messages,
    "gemini": gemini,
    "ollama": ollama,
}

_CLIENTS_OWN = frozenset(
    {
        "parameters",
        "schema",
        "arguments",
        "args",
        "input_schema",
        "parametersJsonSchema",
        "responseJsonSchema",
        "responseSchema",
        "response",
        "format",
        "metadata",
        "logit_bias",
        "labels",
        "hologram",
        "prediction",
        "web_search_options",
        "annotations",
        "citations",
        "safetySettings",
        "mcp_servers",
        "googleSearch",
        "executableCode",
    }
)
# What lies below these is the client's own JSON, in which nothing is unknown.
OPAQUE = _CLIENTS_OWN | frozenset(map(snake_case, _CLIENTS_OWN))
_OPAQUE_TYPES = frozenset(
    {
        "hologram",
        "input_hologram",
        "web_search_call",
        "server_tool_use",
        "web_search",
        "web_search_20250305",
        "bash_20250124",
        "image_generation_call",
        "compaction",
        "container_upload",
        "tool_reference",
    }
)


def objects(value: Any, at: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the objects of a body that belong to the format, each with its pointer."""
    if isinstance(value, dict):
        if value.get("type") in _OPAQUE_TYPES:
            return
        yield at, value
        for name, member in value.items():
            if name not in OPAQUE and not (name == "input" and "tool_use" in str(value.get("type"))):
                yield from objects(member, f"{at}/{name}")
    elif isinstance(value, list):
        for place, item in enumerate(value):
            yield from objects(item, f"{at}/{place}")


@st.composite
def sprinkled(draw: st.DrawFn, body: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a body with an unknown member somewhere, now and then."""
    drawn = json.loads(json.dumps(draw(body)))
    if draw(st.integers(0, 3)) == 0:
        _, found = draw(st.sampled_from(list(objects(drawn))))
        found["x_new"] = draw(st.sampled_from((1, "a", {"b": 1}, None)))
    return drawn  # type: ignore[no-any-return]  # JSON of an object is an object


# Where Gemini has a list, a single item is as good.
_SINGLE = frozenset({"contents", "parts", "tools", "functionDeclarations", "stopSequences"})


@st.composite
def _with_single_items(draw: st.DrawFn, body: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a request to Gemini, some of whose lists of one are the item itself."""
    drawn = draw(body)
    chosen = draw(st.just(frozenset[str]()) | st.sets(st.sampled_from(sorted(_SINGLE))))
    for _, holder in list(objects(drawn)):
        for name in chosen & holder.keys():
            if isinstance(holder[name], list) and len(holder[name]) == 1:
                [holder[name]] = holder[name]
    return drawn


@st.composite
def respelled(draw: st.DrawFn, body: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """Draw a body of Gemini's with its members in either spelling."""
    drawn = draw(body)
    draw(either_spelling([found for _, found in objects(drawn)]))
    return drawn


def rich_requests(name: str) -> st.SearchStrategy[bytes]:
    """Return requests of the dialect `name`, as bytes; not all of them are taken."""
    drawn = sprinkled(with_something_seldom(name, RICH[name]))
    return (respelled(_with_single_items(drawn)) if name == "gemini" else drawn).map(dumps)
