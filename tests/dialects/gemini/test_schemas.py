from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from trio_gateway.dialects.gemini.schemas import to_json_schema
from trio_gateway.errors import InvalidRequest


def converted(schema: Any) -> Any:
    return json.loads(bytes(to_json_schema(msgspec.Raw(json.dumps(schema).encode()), "/at")))


@pytest.mark.parametrize(
    ("subset", "schema"),
    [
        ({"type": "STRING", "format": "enum", "enum": ["A"]}, {"type": "string", "format": "enum", "enum": ["A"]}),
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "STRING", "nullable": False}, {"type": "string"}),
        ({"type": "STRING", "nullable": True, "anyOf": None, "enum": None}, {"type": ["string", "null"]}),
        ({"type": "STRING", "nullable": True, "default": None}, {"type": ["string", "null"], "default": None}),
        ({"type": "STRING", "enum": ["A"], "nullable": True}, {"type": ["string", "null"], "enum": ["A", None]}),
        ({"anyOf": [{"type": "NUMBER"}], "nullable": True}, {"anyOf": [{"type": "number"}, {"type": "null"}]}),
        ({"any_of": [{"type": "NUMBER"}]}, {"anyOf": [{"type": "number"}]}),
        ({"type": "TYPE_UNSPECIFIED", "minItems": "3"}, {"minItems": 3}),
        ({"type": "ARRAY", "items": {"type": "INTEGER"}}, {"type": "array", "items": {"type": "integer"}}),
        ({"type": "STRING", "example": "x"}, {"type": "string", "examples": ["x"]}),
        (
            {"ref": "#/$defs/a", "defs": {"a": {"type": "NULL"}}},
            {"$ref": "#/$defs/a", "$defs": {"a": {"type": "null"}}},
        ),
        (True, True),
    ],
)
def test_google_s_subset_becomes_json_schema(subset: Any, schema: Any) -> None:
    assert converted(subset) == schema


def test_a_property_may_be_called_like_a_keyword() -> None:
    schema = {"type": "OBJECT", "properties": {"type": {"type": "STRING"}, "nullable": {"type": "BOOLEAN"}}}
    assert converted(schema) == {
        "type": "object",
        "properties": {"type": {"type": "string"}, "nullable": {"type": "boolean"}},
    }


def test_an_example_or_an_enum_is_no_schema() -> None:
    assert converted({"type": "OBJECT", "default": {"type": "STRING"}})["default"] == {"type": "STRING"}


def test_the_properties_come_in_the_order_that_was_asked_for() -> None:
    subset = {"type": "OBJECT", "properties": {"a": {}, "b": {}, "c": {}}, "propertyOrdering": ["c", "a", "none"]}
    assert list(converted(subset)["properties"]) == ["c", "a", "b"]


def test_what_is_json_schema_already_keeps_its_bytes() -> None:
    raw = msgspec.Raw(b'{ "type" : "object", "properties": {"x": {"type": "number", "minimum": 1.50}} }')
    assert to_json_schema(raw, "") is raw


def test_a_schema_that_is_too_deep_is_refused() -> None:
    deep = b'{"items":' * 300 + b"{}" + b"}" * 300
    with pytest.raises(InvalidRequest) as caught:
        to_json_schema(msgspec.Raw(deep), "/at")
    assert caught.value.pointer == "/at"
