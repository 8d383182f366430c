from __future__ import annotations

from typing import Any

import jsonschema
import pytest

from trio_gateway.simulator.examples import example

SCHEMAS: list[dict[str, Any]] = [
    {"type": "object", "properties": {"a": {"type": "string"}, "b": {"type": "integer"}}, "required": ["a"]},
    {"type": "object", "properties": {"a": {"type": ["null", "number"]}, "b": {"type": "boolean"}}},
    {"type": "array", "items": {"enum": ["x", "y"]}},
    {"anyOf": [{"type": "null"}, {"const": 7}]},
    {"type": "string", "minLength": 20},
    {"type": "integer", "minimum": 100},
    {"$defs": {"p/q": {"type": "string", "default": "z"}}, "properties": {"a": {"$ref": "#/$defs/p~1q"}}},
    {"type": "object"},
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_an_example_fits_its_schema(schema: dict[str, Any]) -> None:
    value = example(schema)
    assert value is not None
    jsonschema.validate(value, schema)


def test_required_properties_go_before_optional_ones() -> None:
    assert example(SCHEMAS[0]) == {"a": "example"}


def test_geminis_capital_types_are_understood() -> None:
    assert example({"type": "OBJECT", "properties": {"a": {"type": "INTEGER"}}}) == {"a": 1}


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "#/nowhere"}, {"anyOf": []}, 5, None, {"type": 3}])
def test_what_leads_nowhere_ends(schema: object) -> None:
    assert example(schema) is None


def test_a_recursion_ends() -> None:
    assert isinstance(example({"type": "object", "properties": {"next": {"$ref": "#"}}}), dict)
