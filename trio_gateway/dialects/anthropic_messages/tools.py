"""Tools on offer, and the choice among them."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import anthropic_messages as wire_shapes
from trio_gateway.dialects.anthropic_messages.caching import CacheMarks
from trio_gateway.dialects.anthropic_messages.schemas import fit
from trio_gateway.dialects.arguments import FREE_TEXT_SCHEMA, lost_grammar
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import Conversation, Loss, Losses, Tool
from trio_gateway.dialects.members import member, required_at, untaken_tools
from trio_gateway.dialects.names import carry_name
from trio_gateway.dialects.wire import BAD_BODY

NAME = "anthropic_messages"

_EMPTY_SCHEMA = Raw(b'{"type":"object","properties":{}}')


class _SchemaRoot(msgspec.Struct):
    type: Raw | UnsetType = UNSET


_decode_schema_root = msgspec.json.Decoder(_SchemaRoot).decode
_encode = msgspec.json.Encoder().encode


def write_tools(
    conversation: Conversation, capabilities: Capabilities, marks: CacheMarks, losses: Losses
) -> list[object]:
    """Return the tools that the target is told of. Only the vendor's own hosted tools can be carried, as they are."""
    if not conversation.tools:
        return []
    if not capabilities.tools:
        losses += untaken_tools(conversation)
        return []
    written: list[object] = []
    for tool in _offered(conversation, losses):
        if tool.kind != "hosted":
            written.append(_write_tool(tool, conversation.source, marks, losses))
        elif conversation.source == NAME and tool.raw is not None:
            written.append(tool.raw)
        else:
            losses.append(Loss(tool.at, "the provider does not host this tool"))
    return written


def _offered(conversation: Conversation, losses: Losses) -> list[Tool]:
    """Return the tools among which the model may choose: there is no other way to allow some of them only."""
    choice = conversation.tool_choice
    if choice is None or choice.mode != "allowed":
        return conversation.tools
    losses.append(Loss(choice.at, "the tools that are not allowed are left out, which empties the prompt's cache"))
    return [tool for tool in conversation.tools if tool.name in choice.names]


def _write_tool(tool: Tool, source: str, marks: CacheMarks, losses: Losses) -> wire_shapes.Tool:
    is_custom = tool.kind == "custom"
    name = carry_name(tool.name, tool.at, is_custom)
    written = wire_shapes.Tool(name, FREE_TEXT_SCHEMA if is_custom else _input_schema(tool, losses))
    if tool.description is not None:
        written.description = tool.description
    if tool.strict is False or (tool.strict and _is_enforceable(tool, written.input_schema, source, losses)):
        written.strict = tool.strict
    losses += lost_grammar(tool, source)
    marks.add("tools", written, tool.cache, tool.at)
    return written


def _is_enforceable(tool: Tool, schema: Raw, source: str, losses: Losses) -> bool:
    """Say whether the provider enforces the schema as it is. If not, the model is told all of it, and strictness falls.

    For a tool's schema says more, with all of its keywords, than strictness about some of them does.
    """
    text, dropped, refusal = fit(schema)
    if text is None and refusal is None:
        return True
    reason = refusal or (dropped[0][1] if dropped else "each object of a strict tool must be closed")
    losses.append(Loss(member(source, tool.at, "strict"), f"the schema is not enforced: {reason}"))
    return False


def _input_schema(tool: Tool, losses: Losses) -> Raw:
    """Return the schema byte for byte, for the prompt's cache, unless its root does not say that it is an object."""
    schema = tool.parameters
    if schema is None or (text := bytes(schema)) == b"null":
        return _EMPTY_SCHEMA
    try:
        root = _decode_schema_root(schema)
    except BAD_BODY:
        losses.append(Loss(tool.at, "the provider takes only a schema that is an object: any arguments are allowed"))
        return _EMPTY_SCHEMA
    if root.type is not UNSET:
        return schema
    losses.append(Loss(tool.at, "the provider requires a schema of type object: it was added"))
    rest = text.lstrip()[1:].lstrip()
    return Raw(b'{"type":"object"%b%b' % (b"" if rest == b"}" else b",", rest))


def write_stand_ins(messages: list[dict[str, Any]], body: dict[str, Any]) -> None:
    """Write tools for the calls of a history where there are none on offer, which the provider refuses.

    None of them may be called, which is what the client asked for.
    """
    called = {
        block.name: wire_shapes.Tool(block.name, _EMPTY_SCHEMA)
        for message in messages
        for block in message["content"]
        if type(block) is wire_shapes.ToolUseBlock
    }
    if called:
        body["tools"] = list(called.values())
        body["tool_choice"] = {"type": "none"}


def write_tool_choice(
    conversation: Conversation, body: dict[str, Any], has_tools: bool, thinks_by_budget: bool, losses: Losses
) -> None:
    choice, serial = conversation.tool_choice, conversation.parallel_tool_calls is False
    if choice is None and not serial:
        return
    if not has_tools:
        if choice is not None and choice.mode != "none":
            losses.append(Loss(choice.at, "there is no tool to choose"))
        if serial:
            losses.append(Loss(conversation.pointer("parallel_tool_calls"), "there is no tool to call"))
        return
    written: dict[str, object] = {"type": "auto"}
    if choice is not None:
        if choice.mode == "none":
            written = {"type": "none"}
        elif choice.mode == "required" or (choice.mode == "allowed" and choice.required):
            written = {"type": "any"}
        elif choice.mode == "named":
            written = {"type": "tool", "name": carry_name(choice.names[0], choice.at, choice.custom)}
        if thinks_by_budget and written["type"] in ("any", "tool"):
            at = required_at(conversation.source, choice)
            losses.append(Loss(at, "this model cannot be made to call a tool while it thinks"))
            written = {"type": "auto"}
    if serial and written["type"] == "none":
        losses.append(Loss(conversation.pointer("parallel_tool_calls"), "no tool may be called"))
    elif serial:
        written["disable_parallel_tool_use"] = True
    body["tool_choice"] = written
