"""Tools and calls where Ollama is particular: arguments are objects, and of a schema it reads a few keywords only."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import msgspec

from gateway_schemas import ollama
from trio_gateway.dialects.arguments import FREE_TEXT_SCHEMA, lost_grammar
from trio_gateway.dialects.conversation import Conversation, Loss, Losses, Tool
from trio_gateway.dialects.members import mark_at, member, required_at
from trio_gateway.dialects.wire import BAD_BODY, escape

# What Ollama's Go types have a field for (api/types.go: ToolFunctionParameters and ToolProperty). The rest is gone
# once the server has put the schema into the prompt. `items` and `$defs` are kept as they are, whatever they hold.
_ROOT = frozenset({"type", "$defs", "items", "required", "properties"})
_PROPERTY = frozenset({"anyOf", "type", "items", "description", "enum", "properties", "required"})

_NO_PARAMETERS = msgspec.Raw(b'{"type":"object","properties":{}}')
_MAX_CACHED_BYTES = 8192

_decode_object = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


def encode_tools(conversation: Conversation, losses: Losses) -> list[ollama.Tool]:
    """Return the tools in Ollama's shape, without those that tool_choice leaves out."""
    choice = conversation.tool_choice
    tools = conversation.tools
    if choice is not None:
        if choice.mode == "none":
            return []
        if choice.mode == "allowed":
            allowed = frozenset(choice.names)
            tools = [tool for tool in tools if tool.name in allowed]
            losses.append(Loss(choice.at, "carried by leaving the other tools out"))
            if choice.required:
                losses.append(Loss(required_at(conversation.source, choice), "Ollama cannot be made to call a tool"))
        elif choice.mode != "auto":
            losses.append(Loss(choice.at, "Ollama cannot be made to call a tool"))
    encoded = (_encode_tool(tool, conversation.source, losses) for tool in tools)
    return [tool for tool in encoded if tool is not None]


def _encode_tool(tool: Tool, source: str, losses: Losses) -> ollama.Tool | None:
    if tool.kind == "hosted":
        losses.append(Loss(tool.at, "Ollama runs no tools of other providers"))
        return None
    if tool.cache is not None:
        losses.append(Loss(mark_at(tool.cache, tool.at), "Ollama has no cache marks"))
    if tool.strict:
        losses.append(Loss(member(source, tool.at, "strict"), "Ollama has no strict tools"))
    function = ollama.ToolFunction(tool.name)
    if tool.description is not None:
        function.description = tool.description
    if tool.kind == "custom":
        losses.append(Loss(tool.at, "a tool that takes free text becomes a function with one argument, input"))
        losses += lost_grammar(tool, source)
        function.parameters = FREE_TEXT_SCHEMA
    else:
        function.parameters = _parameters(tool, source, losses)
    return ollama.Tool(function)


def _parameters(tool: Tool, source: str, losses: Losses) -> msgspec.Raw:
    if tool.parameters is None:
        return _NO_PARAMETERS
    schema = bytes(tool.parameters)
    if schema in (b"null", b"{}"):
        return _NO_PARAMETERS
    at = member(source, tool.at, "parameters")
    dropped = (_dropped_cached if len(schema) <= _MAX_CACHED_BYTES else _dropped)(schema)
    if dropped is None:
        losses.append(Loss(at, "Ollama takes only the schema of an object: any arguments are allowed"))
        return _NO_PARAMETERS
    losses += [Loss(at + pointer, "Ollama does not read this schema keyword") for pointer in dropped]
    return tool.parameters


def _dropped(schema: bytes) -> tuple[str, ...] | None:
    """Return the pointers of the keywords that Ollama drops, None for a schema of anything but an object.

    Not recursive: schemas nest as deeply as they like.
    """
    try:
        root: Any = _decode_any(schema)
    except BAD_BODY:  # a number beyond a float's range, say: then the schema goes as it is, and Ollama will say so
        return () if schema.startswith(b"{") else None
    if not isinstance(root, dict) or root.get("type", "object") != "object":
        return None
    found: list[str] = []
    nodes: list[tuple[str, Any, frozenset[str]]] = [("", root, _ROOT)]
    while nodes:
        at, node, known = nodes.pop()
        if not isinstance(node, dict):
            continue
        found += [f"{at}/{escape(keyword)}" for keyword in node if keyword not in known]
        properties = node.get("properties")
        if isinstance(properties, dict):
            nodes += [(f"{at}/properties/{escape(name)}", value, _PROPERTY) for name, value in properties.items()]
        branches = node.get("anyOf")
        if known is _PROPERTY and isinstance(branches, list):
            nodes += [(f"{at}/anyOf/{index}", value, _PROPERTY) for index, value in enumerate(branches)]
    return tuple(sorted(found))


# An agent sends the same tools with every request of its session.
_dropped_cached = lru_cache(maxsize=256)(_dropped)
