"""JSON Schemas as Anthropic enforces them: a subset, in which every object is closed.

Source: Anthropic's documentation of structured outputs and strict tools, its own Python client, which rewrites schemas
in much this way, and reported error messages. A schema that is no more than told to the model, a tool's, may be any.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote

import msgspec

from trio_gateway.dialects.wire import BAD_BODY, escape

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_MAX_DEPTH = 200  # the API itself allows far less
_MAX_CACHED_BYTES = 8192

# By what they hold: schemas by name, a list of schemas, a schema.
_BY_NAME = ("properties", "$defs", "definitions")
_LISTS = ("anyOf", "allOf", "oneOf")
_ALONE = ("items",)

_UNSUPPORTED = frozenset({
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf",
    "minLength", "maxLength", "contentEncoding", "contentMediaType", "contentSchema",
    "maxItems", "uniqueItems", "contains", "minContains", "maxContains", "prefixItems", "additionalItems",
    "unevaluatedItems",
    "minProperties", "maxProperties", "patternProperties", "propertyNames", "unevaluatedProperties",
    "dependencies", "dependentRequired", "dependentSchemas",
    "not", "if", "then", "else",
})  # fmt: skip
_FORMATS = frozenset({
    "date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid",
})  # fmt: skip
_UNSUPPORTED_PATTERN = re.compile(r"\(\?[=!<]|\\[bB1-9]")  # looking around, word borders, references back


class Fitted(NamedTuple):
    """A schema made to fit. `text` is None where it fits as it is, or not at all: then `refusal` says why.

    `losses` are pointers within the schema as it was, and reasons.
    """

    text: bytes | None = None
    losses: tuple[tuple[str, str], ...] = ()
    refusal: str | None = None


def fit(schema: msgspec.Raw) -> Fitted:
    """Return the schema as the provider enforces it.

    An object that does not say whether it is closed is closed, without a loss: nothing that was written is left out.
    """
    text = bytes(schema)
    return _fit_cached(text) if len(text) <= _MAX_CACHED_BYTES else _fit(text)


def _fit(text: bytes) -> Fitted:
    try:
        schema: Any = _decode(text)
    except BAD_BODY:  # a number beyond a float's range, say: then the schema goes as it is, and Anthropic will say so
        return Fitted()
    if not isinstance(schema, dict):
        return Fitted(refusal="the provider takes only an object as a schema")
    if _is_open(schema) and not schema.get("properties"):
        return Fitted(refusal="the provider has no JSON mode for an object of any members")
    try:
        if _is_recursive(schema):
            return Fitted(refusal="the provider takes no recursive schema")
        fitting = _Fitting()
        fitted = fitting.node(schema, "", 0)
        if fitting.losses:
            _is_recursive(fitted)  # raises for a reference to what fell
    except _Unfit as error:
        return Fitted(refusal=str(error))
    losses = tuple(fitting.losses)
    return Fitted(_encode(fitted) if losses or fitted != schema else None, losses)


# A client asks for the same answer with every request of its session.
_fit_cached = lru_cache(maxsize=256)(_fit)


class _Unfit(Exception):
    pass


def _is_object(schema: dict[str, Any]) -> bool:
    kind = schema.get("type")
    return (
        kind == "object" or (isinstance(kind, list) and "object" in kind) or (kind is None and "properties" in schema)
    )


def _is_open(schema: dict[str, Any]) -> bool:
    """Say whether it is an object of members that it does not name: it says so, or says nothing of members at all."""
    if not _is_object(schema):
        return False
    return schema.get("additionalProperties", "properties" not in schema) is not False


class _Fitting:
    def __init__(self) -> None:
        self.losses: list[tuple[str, str]] = []

    def node(self, schema: Any, at: str, depth: int) -> Any:
        if not isinstance(schema, dict):
            return schema
        if depth > _MAX_DEPTH:
            raise _Unfit("the schema is nested too deeply")
        result: dict[str, Any] = {}
        for keyword, value in schema.items():
            here = f"{at}/{escape(keyword)}"
            if reason := _why_not(keyword, value):
                self.losses.append((here, reason))
            elif keyword in _BY_NAME and isinstance(value, dict):
                members = value.items()
                result[keyword] = {name: self.node(one, f"{here}/{escape(name)}", depth + 1) for name, one in members}
            elif keyword in _LISTS and isinstance(value, list):
                branches = [self.node(one, f"{here}/{place}", depth + 1) for place, one in enumerate(value)]
                self._write_branches(keyword, branches, "anyOf" in schema, result, here)
            elif keyword in _ALONE:
                result[keyword] = self.node(value, here, depth + 1)
            else:
                result[keyword] = value
        if _is_object(schema):
            self._close(schema, result, at)
        return result

    def _write_branches(
        self, keyword: str, branches: list[Any], has_any: bool, result: dict[str, Any], at: str
    ) -> None:
        if keyword != "oneOf":
            result[keyword] = branches
        elif has_any:
            self.losses.append((at, "the provider has no oneOf"))
        else:
            self.losses.append((at, "the provider has no oneOf: it is anyOf, which takes what fits several as well"))
            result["anyOf"] = branches

    def _close(self, schema: dict[str, Any], result: dict[str, Any], at: str) -> None:
        if schema.get("additionalProperties", False) is not False:
            self.losses.append((f"{at}/additionalProperties", "the provider takes only objects that are closed"))
        elif _is_open(schema):
            self.losses.append((at, "the provider takes only objects that are closed: without members it stays empty"))
        result["additionalProperties"] = False


def _why_not(keyword: str, value: Any) -> str | None:
    """Return why the provider does not take the keyword with this value; None where it does."""
    if keyword in _UNSUPPORTED or (keyword == "items" and isinstance(value, list)):
        return "the provider's schemas have no such keyword"
    if keyword == "minItems" and value not in (0, 1):
        return "the provider takes 0 or 1 only"
    if keyword == "format" and not (isinstance(value, str) and value in _FORMATS):
        return "the provider's schemas have no such format"
    if keyword == "pattern" and isinstance(value, str) and _UNSUPPORTED_PATTERN.search(value):
        return "the provider's patterns look neither around nor back"
    if keyword == "enum" and isinstance(value, list) and any(isinstance(one, dict | list) for one in value):
        return "the provider takes only plain values to choose among"
    if keyword == "const" and isinstance(value, dict | list):
        return "the provider takes only a plain value"
    return None


# ------------------------------------------------------------------------------------------ recursion


def _is_recursive(root: dict[str, Any]) -> bool:
    """Say whether a schema holds itself, by way of references. Not recursive itself: chains of them may be long."""
    open_: set[int] = set()
    done: set[int] = set()
    waiting: list[tuple[dict[str, Any], bool]] = [(root, False)]
    while waiting:
        node, is_left = waiting.pop()
        if is_left:
            open_.discard(id(node))
            done.add(id(node))
        elif id(node) in open_:
            return True
        elif id(node) not in done:
            open_.add(id(node))
            waiting.append((node, True))
            waiting += [(one, False) for one in _inside(root, node) if isinstance(one, dict)]
    return False


def _inside(root: dict[str, Any], node: dict[str, Any]) -> Iterator[Any]:
    for keyword in _BY_NAME:
        if isinstance(node.get(keyword), dict):
            yield from node[keyword].values()
    for keyword in _LISTS:
        if isinstance(node.get(keyword), list):
            yield from node[keyword]
    for keyword in _ALONE:
        yield node.get(keyword)
    reference = node.get("$ref")
    if isinstance(reference, str):
        yield _referred(root, reference)
    if "$dynamicRef" in node or "$recursiveRef" in node:
        raise _Unfit("the provider takes no recursive schema")


def _referred(root: dict[str, Any], reference: str) -> Any:
    """Return what a reference is to. Raises _Unfit for one that leads out of the schema, or nowhere."""
    found: Any = root
    if not reference.startswith("#"):
        raise _Unfit("the provider takes no reference to another document")
    for step in unquote(reference[1:]).split("/")[1:]:
        step = step.replace("~1", "/").replace("~0", "~")
        if isinstance(found, dict) and step in found:
            found = found[step]
        elif isinstance(found, list) and step.isdecimal() and int(step) < len(found):
            found = found[int(step)]
        else:
            raise _Unfit("the schema refers to what it does not hold")
    return found
