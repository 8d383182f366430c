"""Reading a request body without trusting any of it. Shared by the simulated providers."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable
from typing import Any

import msgspec

from trio_gateway.simulator.script import Rejected

_decode = msgspec.json.Decoder().decode


def read_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that the body is; Rejected if it is none."""
    try:
        value = _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Rejected(400, f"We could not parse the JSON body of your request: {error}") from None
    if not isinstance(value, dict):
        raise Rejected(400, "The body of your request is not a JSON object.")
    return value


def required(request: dict[str, Any], field: str, kind: type, message: str) -> Any:
    """Return a field that must be there, non-empty, and of a type."""
    value = request.get(field)
    if not isinstance(value, kind) or not value:
        raise Rejected(400, message, param=field)
    return value


def tag(value: object, key: str = "type") -> str | None:
    """Return the string under `key`, where `value` is an object that has one."""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else None


def listed(value: object) -> list[Any]:
    """Return a list; anything else counts as an empty one."""
    return value if isinstance(value, list) else []


def names(text: str) -> frozenset[str]:
    """Return the words of a table of names."""
    return frozenset(text.split())


def text_of(content: object, key: str = "text") -> str:
    """Return the text in a string, or in the parts of a list: what stands under `key` in them."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    return "\n".join(part[key] for part in content if isinstance(part, dict) and isinstance(part.get(key), str))


def characters_of(values: Iterable[object]) -> int:
    """Return how many characters of text there are in `values`, at any depth. Keys are not counted."""
    total = 0
    open_values = list(values)
    while open_values:
        value = open_values.pop()
        if isinstance(value, str):
            total += len(value)
        elif isinstance(value, dict):
            open_values.extend(value.values())
        elif isinstance(value, list):
            open_values.extend(value)
    return total


def is_base64(text: object) -> bool:
    if not isinstance(text, str) or not text:
        return False
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return False
    return True


def as_object(arguments: str) -> bytes:
    """Return arguments as the JSON object that some dialects need; Rejected for a text that is none."""
    try:
        value = _decode(arguments.encode("utf-8", "surrogatepass"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise Rejected(400, "Simulator directive: this dialect carries arguments as an object, and 'args' is none.")
    return arguments.encode()
