"""What Anthropic refuses of a schema that it is to enforce: that of an answer, and that of a strict tool.

Source: Anthropic's documentation of structured outputs, and reported error messages.
"""

from __future__ import annotations

from typing import Any

from trio_gateway.simulator.reading import names
from trio_gateway.simulator.script import Rejected

_BOUNDS = {
    "integer": names("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
    "number": names("minimum maximum exclusiveMinimum exclusiveMaximum multipleOf"),
    "string": names("minLength maxLength"),
    "array": names("maxItems uniqueItems contains minContains maxContains prefixItems"),
    "object": names("minProperties maxProperties patternProperties propertyNames dependentRequired dependentSchemas"),
}
_EVERYWHERE = names("oneOf not if then else")
_FORMATS = names("date-time time date duration email hostname uri ipv4 ipv6 uuid")


def check_schema(schema: Any, where: str) -> None:
    """Raise Rejected as the provider would."""
    if not isinstance(schema, dict):
        raise Rejected(400, f"{where}: Input should be a valid dictionary")
    _check(schema, schema, where, ())


def _check(node: Any, root: dict[str, Any], where: str, holders: tuple[int, ...]) -> None:
    """`holders` are the schemas that this one is in, by way of references too."""
    if isinstance(node, list):
        for one in node:
            _check(one, root, where, holders)
    if not isinstance(node, dict):
        return
    if id(node) in holders:
        raise Rejected(400, f"{where}: Recursive schemas are not supported")
    holders = (*holders, id(node))
    _check_keywords(node, where)
    if isinstance(reference := node.get("$ref"), str):
        _check(_referred(root, reference, where), root, where, holders)
    for keyword in ("properties", "$defs", "definitions"):
        if isinstance(inner := node.get(keyword), dict):
            _check(list(inner.values()), root, where, holders)
    for keyword in ("items", "anyOf", "allOf"):
        _check(node.get(keyword), root, where, holders)


def _check_keywords(node: dict[str, Any], where: str) -> None:
    kinds = node["type"] if isinstance(node.get("type"), list) else [node.get("type")]
    for keyword in node:
        for kind, bounds in _BOUNDS.items():
            if keyword in bounds and (kind in kinds or kinds == [None]):
                raise Rejected(400, f"{where}: For '{kind}' type, property '{keyword}' is not supported")
        if keyword in _EVERYWHERE:
            raise Rejected(400, f"{where}: Schema keyword '{keyword}' is not supported")
    if node.get("minItems", 0) not in (0, 1):
        raise Rejected(400, f"{where}: For 'array' type, 'minItems' values other than 0 or 1 are not supported")
    if "format" in node and node["format"] not in _FORMATS:
        raise Rejected(400, f"{where}: For 'string' type, format '{node['format']}' is not supported")
    if any(isinstance(value, dict | list) for value in node.get("enum") or ()):
        raise Rejected(400, f"{where}: Complex types within enums are not supported")
    if "object" in kinds and node.get("additionalProperties") is not False:
        raise Rejected(400, f"{where}: For 'object' type, 'additionalProperties' must be explicitly set to false")


def _referred(root: dict[str, Any], reference: str, where: str) -> Any:
    found: Any = root
    if not reference.startswith("#"):
        raise Rejected(400, f"{where}: External $ref is not supported")
    for step in reference.split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or step not in found:
            raise Rejected(400, f"{where}: $ref '{reference}' not found")
        found = found[step]
    return found
