"""Arguments of calls where a dialect takes JSON objects alone, and the free text of custom tools inside of one.

A tool that takes free text is offered, where there is no such thing, as a function with the single argument `input`.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from trio_gateway.dialects.conversation import Loss, Losses, Tool
from trio_gateway.dialects.members import member
from trio_gateway.dialects.wire import BAD_BODY

FREE_TEXT_SCHEMA = Raw(b'{"type":"object","properties":{"input":{"type":"string"}},"required":["input"]}')

_EMPTY = Raw(b"{}")


class _Format(msgspec.Struct):
    type: str


def lost_grammar(tool: Tool, source: str) -> Losses:
    """Return what a tool's `format` says to a dialect that has none: nothing, or that its text follows a grammar."""
    if tool.kind != "custom" or tool.format is None:
        return []
    try:
        if _decode_format(tool.format).type == "text":
            return []
    except BAD_BODY:
        pass
    return [Loss(member(source, tool.at, "format"), "the provider has no grammars: the tool's text is free")]


class _Wrapped(msgspec.Struct, forbid_unknown_fields=True):
    input: str


def object_of(arguments: str) -> Raw | None:
    """Return the very text of arguments that are one JSON object, None for others; no text at all is the empty object.

    Byte for byte, since that is how providers' caches know it.
    """
    if not arguments or arguments == "{}":
        return _EMPTY
    try:
        text = arguments.encode()
        _decode_members(text)
    except (*BAD_BODY, UnicodeEncodeError):
        return None if arguments.strip() else _EMPTY
    return Raw(text)


def wrap(text: str) -> Raw:
    """Return the object that a custom tool's text becomes, or the arguments that are none."""
    # Half a surrogate pair, which a cut-off escape may leave, has no UTF-8.
    return Raw(b'{"input":%b}' % _encode(text.encode(errors="replace").decode()))


def unwrap(arguments: str) -> str:
    """Return the text that `wrap` was given; arguments of another shape, or cut off, are returned as they are."""
    try:
        return _decode_wrapped(arguments).input
    except BAD_BODY:
        return arguments


_encode = msgspec.json.Encoder().encode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_wrapped = msgspec.json.Decoder(_Wrapped).decode
_decode_format = msgspec.json.Decoder(_Format).decode
