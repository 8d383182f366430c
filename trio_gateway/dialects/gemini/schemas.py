"""Google's subset of OpenAPI's schemas, as JSON Schema.

Types are upper-case there, null is a flag, and 64-bit counts are strings (the Schema message of the Gemini API).
"""

from __future__ import annotations

from functools import lru_cache
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
_MAX_CACHED_BYTES = 8192
_TOO_DEEP = b"too deep"


def to_json_schema(raw: msgspec.Raw, at: str) -> msgspec.Raw:
    """Return `raw` as JSON Schema; the very bytes where it is that already. Raises InvalidRequest."""
    text = bytes(raw)
    converted = _converted_cached(text) if len(text) <= _MAX_CACHED_BYTES else _converted(text)
    if converted is _TOO_DEEP:
        raise InvalidRequest("The schema is nested too deeply.", code="invalid_value", pointer=at)
    return raw if converted is None else msgspec.Raw(converted)


def _converted(text: bytes) -> bytes | None:
    """Return the JSON Schema; None where `text` is that already."""
    try:
        schema: Any = _decode(text)
        converted = _convert(schema, 0)
    except _TooDeep:
        return _TOO_DEEP
    except BAD_BODY:  # a number beyond a float's range: no schema of Google's
        return None
    return None if converted == schema else _encode(converted)


# An agent sends the same tools with every request of its session.
_converted_cached = lru_cache(maxsize=256)(_converted)


class _TooDeep(Exception):
    pass


def _convert(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict):
        return schema
    if depth > _MAX_DEPTH:
        raise _TooDeep
    result: dict[str, Any] = {}
    for written, value in schema.items():
        keyword = _RENAMED.get(written) or str(written)
        if value is None and keyword not in ("default", "example"):
            continue  # as proto3 reads it: not given
        if keyword in ("properties", "$defs") and isinstance(value, dict):
            result[keyword] = {name: _convert(member, depth + 1) for name, member in value.items()}
        elif keyword in ("items", "additionalProperties"):
            result[keyword] = _convert(value, depth + 1)
        elif keyword == "anyOf" and isinstance(value, list):
            result[keyword] = [_convert(member, depth + 1) for member in value]
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
