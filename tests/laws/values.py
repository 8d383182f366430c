"""Texts, JSON values, schemas, names and images: what requests and answers of every dialect are made of."""

from __future__ import annotations

import base64
import json
from typing import Any

from hypothesis import strategies as st

# Where translators are known to trip: separators of lines that are none in JSON, joiners, markup, escapes, spaces.
NASTY_TEXTS = (
    "a",
    "Hello, world.",
    " leading",
    "two\nlines",
    "two\n\nparagraphs",
    'quote " and \\ backslash',
    "\u2028\u2029\x85",
    "data: [DONE]\n\n",
    "日本語 🎉",
    "e\u0301",
    "\x00\x1f",
    "</thinking>",
    "trio:anthropic_messages:x",
    "{}",
    "null",
    "\ufeff",
    "a\r\nb",
    "x" * 300,
)

characters = st.characters(exclude_categories=("Cs",))
texts = st.sampled_from(NASTY_TEXTS) | st.text(characters, min_size=1, max_size=12)
visible_texts = texts.filter(lambda text: bool(text.strip()) and text == text.strip())
words = st.sampled_from(("a", "get_weather", "Find", "x_1", "search-web", "run", "b" * 40, "z9"))

_scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**53), 2**53),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.text(characters, max_size=6),
)
keys = st.sampled_from(("a", "b", "properties", "type", "required", "city", "$ref", "é", "__proto__", ""))
json_values = st.recursive(
    _scalars,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(keys, inner, max_size=2),
    max_leaves=4,
)
json_objects = st.dictionaries(keys, json_values, max_size=3)

_leaf_schemas: st.SearchStrategy[dict[str, Any]] = st.sampled_from(
    (
        {"type": "string"},
        {"type": "integer", "description": "how many"},
        {"type": "string", "enum": ["celsius", "kelvin"]},
        {"type": "array", "items": {"type": "number"}},
        {"type": "boolean"},
    )
)


@st.composite
def object_schemas(draw: st.DrawFn) -> dict[str, Any]:
    """Draw an object's schema of the keywords that every format has: type, properties, required, enum, items."""
    fields = draw(
        st.dictionaries(st.sampled_from(("city", "unit", "type", "properties", "n")), _leaf_schemas, max_size=3)
    )
    schema: dict[str, Any] = {"type": "object", "properties": fields}
    if fields and draw(st.booleans()):
        schema["required"] = sorted(fields)[:1]
    return schema


wild_schemas: st.SearchStrategy[Any] = object_schemas() | st.sampled_from(
    (
        {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"type": ["string", "null"]}}},
        {"type": "object", "additionalProperties": False, "properties": {}},
        {"type": "object", "properties": {"a": {"const": 1}, "b": {"oneOf": [{"type": "string"}, {"type": "null"}]}}},
        {"type": "object", "properties": {"properties": {"type": "object"}}, "required": ["properties"]},
        {"type": "object"},
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "additionalProperties": True},
        {"$ref": "#/$defs/T", "$defs": {"T": {"type": "object", "properties": {"t": {"$ref": "#/$defs/T"}}}}},
        {"type": "string", "enum": ["a", "b"], "maxLength": 1},
    )
)

_HEADS = {
    "image/png": b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR",
    "image/jpeg": b"\xff\xd8\xff\xe0\x00\x10JFIF",
    "image/gif": b"GIF89a\x01\x00\x01\x00",
    "image/webp": b"RIFF\x24\x00\x00\x00WEBPVP8 ",
}


@st.composite
def images(draw: st.DrawFn) -> tuple[str, str]:
    """Draw a media type and base64 whose first bytes say the same."""
    media_type = draw(st.sampled_from(sorted(_HEADS)))
    return media_type, base64.b64encode(_HEADS[media_type] + draw(st.binary(max_size=6))).decode()


pdfs = st.binary(max_size=6).map(lambda tail: base64.b64encode(b"%PDF-1.7\n" + tail).decode())

# Arguments as text, as models write them: nearly always an object, spelled anyhow; sometimes none.
good_arguments = json_objects.map(json.dumps) | st.sampled_from(
    ('{"a": 1.0}', '{ "b" :[ ] }', "{}", '{"n":1e2,"m":-0.5}')
)
bad_arguments = st.sampled_from(
    ('"x"', "[1]", "null", "3", '{"a":', '{}{"a":1}', '{"a":1}x', "nonsense", '{"a":1e400}', '{"a":NaN}')
)


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def data_url(image: tuple[str, str]) -> str:
    return f"data:{image[0]};base64,{image[1]}"


@st.composite
def pieces(draw: st.DrawFn, text: str) -> list[str]:
    """Draw a way to cut `text` into pieces, none of them empty."""
    if len(text) < 2:
        return [text] if text else []
    cuts = sorted(set(draw(st.lists(st.integers(1, len(text) - 1), max_size=3))))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
