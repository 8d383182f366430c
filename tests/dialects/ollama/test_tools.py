from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from trio_gateway.dialects.conversation import Conversation, Losses, Tool
from trio_gateway.dialects.ollama.tools import encode_tools


def lost(parameters: bytes | None, source: str = "openai_chat") -> list[str]:
    losses: Losses = []
    tool = Tool("f", at="/tools/0", parameters=None if parameters is None else Raw(parameters))
    encode_tools(Conversation(source=source, model="m", turns=[], tools=[tool]), losses)
    return [loss.pointer for loss in losses]


def test_every_keyword_that_ollama_drops_is_named_where_it_stands() -> None:
    schema: dict[str, Any] = {
        "type": "object",
        "$defs": {"x": {"format": "kept as it is"}},
        "additionalProperties": False,
        "required": ["a"],
        "properties": {
            "a": {"type": ["string", "null"], "description": "d", "enum": ["x"], "minLength": 1},
            "type": {"$ref": "#/$defs/x"},
            "o/o": {"type": "object", "properties": {"inner": {"type": "integer", "default": 1}}, "required": []},
            "u": {"anyOf": [{"type": "string", "format": "date"}, {"type": "null"}]},
            "l": {"type": "array", "items": {"type": "string", "pattern": "kept, too"}},
        },
    }
    assert lost(json.dumps(schema).encode()) == [
        "/tools/0/function/parameters" + pointer
        for pointer in (
            "/additionalProperties",
            "/properties/a/minLength",
            "/properties/o~1o/properties/inner/default",
            "/properties/type/$ref",
            "/properties/u/anyOf/0/format",
        )
    ]


def test_the_schema_is_pointed_at_in_the_clients_own_words() -> None:
    assert lost(b'{"title":"T"}', "anthropic_messages") == ["/tools/0/input_schema/title"]
    assert lost(b'{"title":"T"}', "openai_responses") == ["/tools/0/parameters/title"]


def test_large_schemas_are_read_like_small_ones() -> None:
    description = json.dumps("x" * 10_000).encode()
    assert lost(b'{"properties":{"a":{"description":%b,"const":1}}}' % description) == [
        "/tools/0/function/parameters/properties/a/const"
    ]


@pytest.mark.parametrize("parameters", [None, b"null", b"{}"])
def test_a_tool_without_parameters_has_none_to_give(parameters: bytes | None) -> None:
    assert lost(parameters) == []


def test_a_schema_that_is_no_object_is_lost() -> None:
    assert lost(b"true") == ["/tools/0/function/parameters"]


def test_a_schema_that_nests_deeply_is_no_trouble() -> None:
    depth = 200
    schema = b'{"properties":{"a":' * depth + b"{}" + b"}}" * depth
    assert lost(schema) == []


def test_the_schema_goes_out_byte_for_byte() -> None:
    schema = Raw(b'{"properties": {"a":{"type" :"number","default":1.0}},  "type":"object"}')
    tools = encode_tools(Conversation(source="ollama", model="m", turns=[], tools=[Tool("f", parameters=schema)]), [])
    assert tools[0].function.parameters == schema


@given(st.recursive(st.none() | st.booleans() | st.text(), lambda i: st.lists(i) | st.dictionaries(st.text(), i)))
def test_any_schema_is_looked_through(schema: object) -> None:
    lost(json.dumps(schema).encode())
