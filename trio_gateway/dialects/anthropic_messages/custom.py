"""Free text for a custom tool, in and out of the only argument of the function that stands for it."""

from __future__ import annotations

import msgspec

from trio_gateway.dialects.wire import BAD_BODY

SCHEMA = msgspec.Raw(
    b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"],"additionalProperties":false}'
)


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    input: str


_decode = msgspec.json.Decoder(_Wrapped).decode
_encode = msgspec.json.Encoder().encode


def wrap(text: str) -> msgspec.Raw:
    return msgspec.Raw(b'{"input":%b}' % _encode(text))


def unwrap(arguments: str) -> str:
    """Return the text; arguments of another shape, or cut off, are returned as they are."""
    try:
        return _decode(arguments).input
    except BAD_BODY:
        return arguments
