"""A value that fits a JSON Schema: for the arguments of a simulated tool call, and for structured answers."""

from __future__ import annotations

from typing import Any

_MAX_DEPTH = 12


def example(schema: object) -> Any:
    """Return a small value that `schema` allows, where it uses the everyday keywords; None where nothing fits.

    Objects hold their required properties, or all of them when none is required. Deterministic. References are
    followed within the schema; a recursion ends after some steps.
    """
    return _example(schema, schema, 0)


def _example(schema: object, root: object, depth: int) -> Any:
    if not isinstance(schema, dict):
        return "example" if schema is True else None
    if depth > _MAX_DEPTH:
        return None
    if isinstance(reference := schema.get("$ref"), str):
        return _example(_resolve(reference, root), root, depth + 1)
    if "const" in schema:
        return schema["const"]
    for key in ("default", "example"):
        if key in schema:
            return schema[key]
    if isinstance(options := schema.get("enum"), list) and options:
        return options[0]
    for key in ("anyOf", "oneOf", "allOf"):
        if isinstance(branches := schema.get(key), list):
            for branch in branches:
                if (value := _example(branch, root, depth + 1)) is not None:
                    return value
    return _by_type(schema, root, depth)


def _by_type(schema: dict[str, Any], root: object, depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), "null")
    # Gemini writes its types in capitals.
    kind = kind.lower() if isinstance(kind, str) else ("object" if "properties" in schema else None)
    if kind == "object":
        return _object(schema, root, depth)
    if kind == "array":
        return [_example(schema.get("items", True), root, depth + 1)]
    if kind in ("integer", "number"):
        least = schema.get("minimum")
        return least if isinstance(least, int | float) else 1
    if kind == "boolean":
        return True
    if kind == "string":
        least = schema.get("minLength")
        return "example".ljust(min(least, 10_000), "x") if isinstance(least, int) else "example"
    return None


def _object(schema: dict[str, Any], root: object, depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return {}
    required = schema.get("required")
    names = required if isinstance(required, list) and required else list(properties)
    return {
        name: _example(properties[name], root, depth + 1)
        for name in names
        if isinstance(name, str) and name in properties
    }


def _resolve(reference: str, root: object) -> object:
    node = root
    for step in reference.removeprefix("#").split("/"):
        if step:
            node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
    return node
