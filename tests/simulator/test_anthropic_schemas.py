"""What the simulated Anthropic refuses of a schema that it is to enforce, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from trio_gateway.simulator.anthropic_rules import check_messages
from trio_gateway.simulator.anthropic_schemas import check_schema
from trio_gateway.simulator.script import Rejected


def closed(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "additionalProperties": False}


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        (True, "valid dictionary"),
        ({"type": "object", "properties": {}}, "'additionalProperties' must be explicitly set to false"),
        (closed(a={"type": ["object", "null"]}), "'additionalProperties' must be explicitly set to false"),
        ({"$defs": {"A": {"anyOf": [{"type": "object"}]}}}, "'additionalProperties' must be explicitly set to false"),
        (closed(a={"type": "integer", "minimum": 1}), "For 'integer' type, property 'minimum' is not supported"),
        (closed(a={"type": ["string", "null"], "maxLength": 1}), "For 'string' type, property 'maxLength'"),
        (closed(a={"maxItems": 1}), "For 'array' type, property 'maxItems'"),
        ({"type": "array", "minItems": 2}, "'minItems' values other than 0 or 1"),
        ({"type": "string", "format": "int64"}, "format 'int64'"),
        ({"enum": [{}]}, "Complex types within enums"),
        ({"oneOf": [{"type": "null"}]}, "'oneOf' is not supported"),
        (closed(a={"$ref": "#"}), "Recursive"),
        (
            {"$ref": "#/$defs/A~1B", "$defs": {"A/B": closed(a={"items": {"$ref": "#/$defs/A~1B"}})}},
            "Recursive",
        ),
        ({"$ref": "https://example.com/"}, "External"),
        ({"$ref": "#/$defs/A"}, "not found"),
    ],
)
def test_what_is_refused_names_the_rule(schema: Any, message: str) -> None:
    with pytest.raises(Rejected) as caught:
        check_schema(schema, "here")
    assert caught.value.message.startswith("here: ")
    assert message in caught.value.message


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "string", "format": "date", "pattern": "a", "default": "b"},
        {"type": "array", "minItems": 1, "items": closed(minimum={"type": "integer"})},
        closed(a={"$ref": "#/$defs/A"}, b={"$ref": "#/$defs/A"}) | {"$defs": {"A": {"enum": ["a", None]}}},
    ],
)
def test_what_is_within_the_rules_passes(schema: Any) -> None:
    check_schema(schema, "here")


def test_the_schema_of_a_tool_counts_where_it_is_strict() -> None:
    tool = {"name": "f", "input_schema": {"type": "object"}}
    body: dict[str, Any] = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "a"}]}
    check_messages(body | {"tools": [tool]}, "2023-06-01", beta=False)
    with pytest.raises(Rejected, match=r"tools\.0\.custom: For 'object' type"):
        check_messages(body | {"tools": [tool | {"strict": True}]}, "2023-06-01", beta=False)
