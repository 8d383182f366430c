"""A whole answer of the provider's."""

from __future__ import annotations

from typing import Any, Union

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.anthropic_messages.errors import stream_error
from trio_gateway.dialects.anthropic_messages.names import recognise_id
from trio_gateway.dialects.anthropic_messages.stops import read_stop
from trio_gateway.dialects.anthropic_messages.usage import read_usage, unread_usage
from trio_gateway.dialects.arguments import unwrap
from trio_gateway.dialects.conversation import (
    Answer,
    Choice,
    Loss,
    Losses,
    Opaque,
    Part,
    Reasoning,
    Text,
    ToolCall,
)
from trio_gateway.dialects.names import recognise_name
from trio_gateway.dialects.opaque import recognise
from trio_gateway.dialects.unread import strict_twin, unread_members
from trio_gateway.dialects.wire import BAD_BODY, NULL, check_text, present, read_answer

NAME = "anthropic_messages"

_UNMODELLED = ("container", "diagnostics", "context_management")


class _ErrorInBody(msgspec.Struct):
    type: str | None = None
    error: Raw | UnsetType = UNSET
    request_id: str | None = None


_RESPONSE = msgspec.json.Decoder(wire_shapes.MessagesResponse)
_decode_error_in_body = msgspec.json.Decoder(_ErrorInBody).decode
_KNOWN = (
    wire_shapes.TextBlock,
    wire_shapes.ThinkingBlock,
    wire_shapes.RedactedThinkingBlock,
    wire_shapes.ToolUseBlock,
)
_decode_strictly = msgspec.json.Decoder(strict_twin(wire_shapes.MessagesResponse)).decode
_decode_known: Any = msgspec.json.Decoder(Union[_KNOWN]).decode  # noqa: UP007  of a tuple
_decode_known_strictly: Any = msgspec.json.Decoder(Union[tuple(strict_twin(shape) for shape in _KNOWN)]).decode  # noqa: UP007


def decode_answer(body: bytes) -> Answer:
    """Raises UpstreamBroke for a body that is no answer, UpstreamError for an error inside a 200."""
    unread: Losses = []
    try:
        check_text(body)
        message = _decode_strictly(body)
    except BAD_BODY:
        message = _read_leniently(body, unread)
    parts = [_part(raw, i, unread) for i, raw in enumerate(message.content)]
    has_call = any(type(part) is ToolCall for part in parts)
    stop = read_stop(message.stop_reason, message.stop_sequence, message.stop_details, has_call, unread)
    unread += unread_usage(message.usage, "/usage")
    unread += [Loss("/" + name, "has no counterpart in other formats") for name, _ in present(message, _UNMODELLED)]
    return Answer(
        source=NAME,
        choices=[Choice(parts, stop)],
        id=message.id,
        model=message.model,
        usage=read_usage(message.usage),
        service_tier=message.usage.service_tier,
        unread=unread,
    )


def _read_leniently(body: bytes, unread: Losses) -> wire_shapes.MessagesResponse:
    """Read an answer with members that nobody knows, or raise what it is instead."""
    try:
        check_text(body)
        message = wire_shapes.response_decoder.decode(body)
    except BAD_BODY:
        _raise_error_in(body)
        return read_answer(_RESPONSE, body)  # raises, in the provider's name
    unread += unread_members(body, wire_shapes.MessagesResponse)
    return message


def _raise_error_in(body: bytes) -> None:
    try:
        found = _decode_error_in_body(body)
    except BAD_BODY:
        return
    if found.error is not UNSET and found.error != NULL:
        raise stream_error(found.error, found.request_id)


def _part(raw: Raw, index: int, unread: Losses) -> Part:
    at = f"/content/{index}"
    try:
        block = _decode_known_strictly(raw)
    except BAD_BODY:
        try:
            block = _decode_known(raw)
            unread += unread_members(raw, type(block), at)
        except BAD_BODY:
            return Opaque(NAME, _tag(raw), raw, at)
    if isinstance(block, wire_shapes.TextBlock):
        return Text(block.text, at, citations=(block.citations or None) if block.citations is not UNSET else None)
    if isinstance(block, wire_shapes.ThinkingBlock):
        return Reasoning(block.thinking, at, recognise(block.signature, NAME) if block.signature else None)
    if isinstance(block, wire_shapes.RedactedThinkingBlock):
        return Reasoning("", at, recognise(block.data, NAME), redacted=True)
    return _call(block, index, at, unread)


def _call(block: wire_shapes.ToolUseBlock, index: int, at: str, unread: Losses) -> ToolCall:
    if caller_matters(block.caller):
        unread.append(Loss(at + "/caller", "has no counterpart in other formats"))
    if block.toolset_name is not UNSET and block.toolset_name is not None:
        unread.append(Loss(at + "/toolset_name", "has no counterpart in other formats"))
    name, custom = recognise_name(block.name)
    arguments = bytes(block.input).decode()
    call_id = recognise_id(block.id) or f"call_{index}"
    return ToolCall(call_id, name, unwrap(arguments) if custom else arguments, at, custom)


def caller_matters(caller: Any) -> bool:
    if caller is UNSET or caller == NULL:
        return False
    try:
        return wire_shapes.tag_decoder.decode(caller).type != "direct"
    except BAD_BODY:
        return True


def _tag(raw: Raw) -> str:
    try:
        return wire_shapes.tag_decoder.decode(raw).type
    except BAD_BODY:
        return ""
