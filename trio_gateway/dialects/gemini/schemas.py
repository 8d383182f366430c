"""Google's subset of OpenAPI's schemas, as JSON Schema.

Types are upper-case there, null is a flag, and 64-bit counts are strings (the Schema message of the Gemini API).
"""

from __future__ import annotations

from typing import Any

import msgspec

from trio_gateway.dialects.wire import BAD_BODY
from trio_gateway.errors import InvalidRequest

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_RENAMED = {
    "any_of": "anyOf",
    "max_items": "maxItems",
    "max_length": "maxLength",
    "max_properties": "maxProperties",
    "min_items": "minItems",
    "min_length": "minLength",
    "min_properties": "minProperties",
    "property_ordering": "propertyOrdering",
    "additional_properties": "additionalProperties",
    "defs": "$defs",
    "ref": "$ref",
}
_COUNTS = frozenset({"maxItems", "maxLength", "maxProperties", "minItems", "minLength", "minProperties"})
_MAX_DEPTH = 200  # the API itself allows far less


def to_json_schema(raw: msgspec.Raw, at: str) -> msgspec.Raw:
    """Return `raw` as JSON Schema; the very bytes where it is that already. Raises InvalidRequest."""
    try:
        schema: Any = _decode(raw)
    except BAD_BODY:  # a number beyond a float's range: no schema of Google's
        return raw
    converted = _convert(schema, at, 0)
    return raw if converted == schema else msgspec.Raw(_encode(converted))


def _convert(schema: Any, at: str, depth: int) -> Any:
    if not isinstance(schema, dict):
        return schema
    if depth > _MAX_DEPTH:
        raise InvalidRequest("The schema is nested too deeply.", code="invalid_value", pointer=at)
    result: dict[str, Any] = {}
    for written, value in schema.items():
        keyword = _RENAMED.get(written) or str(written)
        if keyword in ("properties", "$defs") and isinstance(value, dict):
            result[keyword] = {name: _convert(member, at, depth + 1) for name, member in value.items()}
        elif keyword in ("items", "additionalProperties"):
            result[keyword] = _convert(value, at, depth + 1)
        elif keyword == "anyOf" and isinstance(value, list):
            result[keyword] = [_convert(member, at, depth + 1) for member in value]
        elif keyword == "type":
            if value != "TYPE_UNSPECIFIED":
                result[keyword] = _lower(value)
        elif keyword in _COUNTS and isinstance(value, str) and value.isdecimal():
            result[keyword] = int(value)
        elif keyword == "example":
            result["examples"] = [value]
        elif keyword not in ("nullable", "propertyOrdering"):
            result[keyword] = value
    _order(result, schema.get("propertyOrdering", schema.get("property_ordering")))
    return _with_null(result) if schema.get("nullable") is True else result


def _lower(kind: Any) -> Any:
    if isinstance(kind, list):
        return [_lower(member) for member in kind]
    return kind.lower() if isinstance(kind, str) else kind


def _order(result: dict[str, Any], ordering: Any) -> None:
    """Put the properties into the order asked for: JSON Schema has no keyword for it, but models read from the top."""
    properties = result.get("properties")
    if isinstance(ordering, list) and isinstance(properties, dict):
        first = {name: properties[name] for name in ordering if isinstance(name, str) and name in properties}
        result["properties"] = first | properties


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        return schema | {"anyOf": [*schema["anyOf"], {"type": "null"}]}
    if isinstance(schema.get("type"), str):
        schema = schema | {"type": [schema["type"], "null"]}
    if isinstance(schema.get("enum"), list) and None not in schema["enum"]:
        schema = schema | {"enum": [*schema["enum"], None]}
    return schema
