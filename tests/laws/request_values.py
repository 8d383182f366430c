"""Values that requests have in every format, and the objects and lists that hold them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from values import data_url, images

MODEL = "a-model"

ids = st.sampled_from(("call_1", "call_2", "toolu_3", "a.b:c|d", "fc-4", "x" * 70))
tool_names = st.sampled_from(
    (
        "get_weather",
        "search",
        "mcp.files/read",
        "mcp_x2E_files_x2F_read",
        "tile_x20_y",
        "ünï",
        "n" * 70,
        "n" * 140,
        "9lives",
        "mcp__files__search",
    )
)
namespaces = st.sampled_from(("mcp__files", "mcp__files__", "mcp.files", "search", "ünï", "m" * 70))
numbers = st.sampled_from((0, 0.0, 0.5, 1, 1.0, 1.7))
tokens = st.sampled_from(
    ("c2lnbmF0dXJl", "trio:anthropic_messages:c2ln", "trio:gemini:Z2Vt", "trio:openai_responses:rs_1:enc")
)
image_urls = images().map(data_url) | st.sampled_from(
    ("https://example.com/a.png", "data:image/png;charset=x;base64,iVBORw0KGgo=")
)
ttls = st.sampled_from(("5m", "1h", "30m"))


def members(required: dict[str, Any], **optional: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Return objects with the `required` members, values or strategies of them, and any of the `optional` ones."""
    always = {
        name: value if isinstance(value, st.SearchStrategy) else st.just(value) for name, value in required.items()
    }
    return st.fixed_dictionaries(always, optional=optional)


def some(item: st.SearchStrategy[Any], least: int = 0, most: int = 2) -> st.SearchStrategy[list[Any]]:
    return st.lists(item, min_size=least, max_size=most)
