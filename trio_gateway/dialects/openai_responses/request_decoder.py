"""Read a client's Responses request.

The gateway keeps no conversations: what refers to one that the provider keeps (previous_response_id, conversation,
a prompt template, a background run) is refused, for a request that is translated goes to a provider without it.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    Loss,
    Losses,
    OutputFormat,
    ReasoningRequest,
    Text,
    Tool,
    ToolChoice,
    Turn,
)
from trio_gateway.dialects.names import NOT_OFFERED, NOTHING_ALLOWED, OwnName
from trio_gateway.dialects.openai_responses.item_decoder import ItemReader
from trio_gateway.dialects.openai_responses.items import EMPTY_LISTS, ME, given, unread_members
from trio_gateway.dialects.wire import BAD_BODY, invalid, read_request
from trio_gateway.errors import InvalidRequest

_FALSE, _EMPTY_OBJECT = msgspec.Raw(b"false"), msgspec.Raw(b"{}")

_CARRIED = frozenset(
    {
        "model", "input", "instructions", "tools", "tool_choice", "parallel_tool_calls", "max_output_tokens",
        "temperature", "top_p", "top_logprobs", "reasoning", "text", "include", "store", "prompt_cache_key",
        "prompt_cache_options", "metadata", "safety_identifier", "service_tier", "stream", "stream_options",
    }
)  # fmt: skip
_DEFAULTS = {
    "background": (_FALSE,),
    "truncation": (msgspec.Raw(b'"disabled"'),),
    "context_management": EMPTY_LISTS,
    "metadata": (_EMPTY_OBJECT,),
}
_TOOL_DEFAULTS = {
    "defer_loading": (_FALSE,),
    "async": (_FALSE,),
    "allowed_callers": (msgspec.Raw(b'["direct"]'),),
}
_NAMESPACE_DEFAULTS = {"description": (msgspec.Raw(b'""'),)}
_FUNCTION = frozenset({"type", "name", "description", "parameters", "strict"})
_CUSTOM = frozenset({"type", "name", "description", "format"})
_NAMESPACE = frozenset({"type", "name", "tools"})
_CHOICE = frozenset({"type", "name", "namespace"})
_CHOICE_OF_SOME = frozenset({"type", "mode", "tools"})
_ALLOWED = frozenset({"type", "name", "namespace"})
_REASONING = frozenset({"effort", "summary", "generate_summary", "context", "mode"})
_TEXT = frozenset({"format", "verbosity"})
_FORMATS = {
    "text": frozenset({"type"}),
    "json_object": frozenset({"type"}),
    "json_schema": frozenset({"type", "name", "schema", "strict", "description"}),
}
_STREAM_OPTIONS = frozenset({"include_obfuscation"})
_CACHE_OPTIONS = frozenset({"mode", "ttl"})

# What has another name, or another place, than in a Conversation.
_POINTERS = {
    "logprobs": "/include",
    "verbosity": "/text/verbosity",
    "output": "/text/format",
    "cache": "/prompt_cache_options",
    "cache_key": "/prompt_cache_key",
    "user": "/safety_identifier",
}

_OLDER_SUMMARY = {"/reasoning/summary": "/reasoning/generate_summary"}


def decode_request(body: bytes) -> Conversation:
    """Return the request as a Conversation. Raises InvalidRequest."""
    request = read_request(wire.request_decoder, body)
    try:
        return _conversation(request, body)
    except BAD_BODY as error:  # in a part that is decoded by itself, and nearer to the recursion limit there
        raise invalid(error) from error


def _conversation(request: wire.CreateResponse, body: bytes) -> Conversation:
    _refuse_state(request)
    losses: Losses = []
    carried = _CARRIED if request.safety_identifier is not None else _CARRIED | {"user"}
    members = unread_members(body, carried, wire.CreateResponse, "", losses, _DEFAULTS)
    metadata = given(request.metadata)
    read = _read_turns(request, losses)
    tools = _tools(request, losses)
    return Conversation(
        source=ME,
        model=request.model,
        turns=read.turns,
        tools=tools,
        tool_choice=_tool_choice(request.tool_choice, members.get("tool_choice"), tools, losses),
        parallel_tool_calls=request.parallel_tool_calls,
        max_output_tokens=request.max_output_tokens,
        temperature=request.temperature,
        top_p=request.top_p,
        logprobs=_included(request.include, losses) or None,
        top_logprobs=request.top_logprobs or None,
        reasoning=_reasoning(request.reasoning, members.get("reasoning"), losses),
        output=_output(request.text, members.get("text"), losses),
        verbosity=request.text.verbosity if request.text else None,
        user=request.user if request.safety_identifier is None else request.safety_identifier,
        metadata=None if metadata == _EMPTY_OBJECT else metadata,
        store=request.store,
        service_tier=request.service_tier,
        cache=_cache(request.prompt_cache_options, members.get("prompt_cache_options"), losses),
        cache_key=request.prompt_cache_key,
        stream=_streams(request, members.get("stream_options"), losses),
        pointers=_POINTERS if request.safety_identifier is not None else _POINTERS | {"user": "/user"},
        joined=read.joined,
        spelled=_OLDER_SUMMARY if _has_older_summary(request.reasoning) else {},
        unread=losses,
    )


def _refuse_state(request: wire.CreateResponse) -> None:
    if request.previous_response_id is not None:
        _refuse("previous_response_id", "send the whole history in input, with store set to false")
    if given(request.conversation) is not None:
        _refuse("conversation", "send the whole history in input, with store set to false")
    if given(request.prompt) is not None:
        _refuse("prompt", "send the template's text in instructions and input")
    if request.background:
        _refuse("background", "leave it out, and stream the answer")


def _refuse(field: str, instead: str) -> None:
    raise InvalidRequest(
        f"{field} refers to what OpenAI keeps, and the model asked for is another provider's: {instead}.",
        code="unsupported_parameter",
        pointer="/" + field,
    )


def _read_turns(request: wire.CreateResponse, losses: Losses) -> ItemReader:
    reader = ItemReader(losses)
    if request.instructions:
        reader.turns.append(Turn("system", [Text(request.instructions, "/instructions")], "/instructions"))
    if request.input is None:
        raise InvalidRequest("The request needs its input.", code="missing_required_parameter", pointer="/input")
    if isinstance(request.input, str):
        reader.turns.append(Turn("user", [Text(request.input, "/input")] if request.input else [], "/input"))
        return reader
    for index, raw in enumerate(request.input):
        reader.read(raw, f"/input/{index}")
    return reader


def _tools(request: wire.CreateResponse, losses: Losses) -> list[Tool]:
    tools = []
    for index, raw in enumerate(request.tools or ()):
        at = f"/tools/{index}"
        kind = read_request(wire.item_head_decoder, raw, at).type
        if kind == "namespace":
            tools += _namespace(raw, at, losses)
        else:
            tools.append(_tool(kind, raw, at, losses))
    return tools


def _namespace(raw: msgspec.Raw, at: str, losses: Losses) -> list[Tool]:
    """Return the tools in a namespace. One without any that others could be offered stays whole, as a hosted tool."""
    namespace = read_request(wire.namespace_tool_decoder, raw, at)
    if not namespace.name:
        raise InvalidRequest(
            f"A namespace needs a name, at {at}/name.", code="missing_required_parameter", pointer=at + "/name"
        )
    found: Losses = []
    tools = []
    for index, inner in enumerate(namespace.tools):
        inner_at = f"{at}/tools/{index}"
        tool = _tool(read_request(wire.item_head_decoder, inner, inner_at).type, inner, inner_at, found)
        tool.namespace = namespace.name
        tools.append(tool)
    if all(tool.kind == "hosted" for tool in tools):
        return [Tool("namespace", "hosted", at, raw=raw)]
    unread_members(raw, _NAMESPACE, wire.NamespaceTool, at, losses, _NAMESPACE_DEFAULTS)
    losses += found
    return tools


def _tool(kind: str | None, raw: msgspec.Raw, at: str, losses: Losses) -> Tool:
    """Return one tool. `strict` left out is None: OpenAI then makes the schema strict where it can."""
    if kind == "function":
        function = read_request(wire.function_tool_decoder, raw, at)
        unread_members(raw, _FUNCTION, wire.FunctionTool, at, losses, _TOOL_DEFAULTS)
        return Tool(
            function.name,
            at=at,
            description=function.description or None,
            parameters=given(function.parameters),
            strict=function.strict,
        )
    if kind == "custom":
        custom = read_request(wire.custom_tool_decoder, raw, at)
        unread_members(raw, _CUSTOM, wire.CustomTool, at, losses, _TOOL_DEFAULTS)
        return Tool(
            custom.name,
            "custom",
            at,
            custom.description or None,
            format=given(custom.format),
        )
    if kind is None:
        raise InvalidRequest(
            f"A tool needs its type, at {at}/type.", code="missing_required_parameter", pointer=at + "/type"
        )
    return Tool(kind, "hosted", at, raw=raw)


def _tool_choice(
    choice: str | wire.ToolChoice | None, raw: msgspec.Raw | None, tools: list[Tool], losses: Losses
) -> ToolChoice | None:
    at = "/tool_choice"
    match choice:
        case None:
            return None
        case "auto" | "none" | "required":
            return ToolChoice(choice, at)
        case str():
            raise InvalidRequest(f"{at} must be auto, none, required or an object.", code="invalid_value", pointer=at)
    if raw is not None:
        carried = _CHOICE_OF_SOME if choice.type == "allowed_tools" else _CHOICE
        unread_members(raw, carried, wire.ToolChoice, at, losses)
    if choice.type in ("function", "custom"):
        if not choice.name:
            raise InvalidRequest(
                f"The choice needs a name, at {at}/name.", code="missing_required_parameter", pointer=at + "/name"
            )
        meant = _meant(choice.name, choice.namespace, tools)
        if len(meant) > 1:
            losses.append(Loss(at + "/name", f"several namespaces have one: that in {meant[0].namespace} is meant"))
        return _choice("named", at, meant[:1], custom=choice.type == "custom")
    if choice.type == "allowed_tools":
        return _allowed(choice, at, tools, losses)
    losses.append(Loss(at, f"a hosted tool ({choice.type}) cannot be asked for of another provider"))
    return None


def _allowed(choice: wire.ToolChoice, at: str, tools: list[Tool], losses: Losses) -> ToolChoice:
    offered = [OwnName(tool.name, tool.namespace) for tool in tools if tool.kind != "hosted"]
    allowed: list[OwnName] = []
    for index, raw in enumerate(choice.tools or ()):
        entry = read_request(wire.tool_name_decoder, raw, f"{at}/tools/{index}")
        if entry.type == "namespace":
            meant = [own for own in offered if entry.name and own.namespace == entry.name]
        elif entry.type in ("function", "custom"):
            meant = [own for own in _meant(entry.name or "", entry.namespace, tools) if own in offered]
        else:
            losses.append(Loss(f"{at}/tools/{index}", f"a hosted tool ({entry.type}) cannot be allowed elsewhere"))
            continue
        if meant:
            unread_members(raw, _ALLOWED, wire.ToolName, f"{at}/tools/{index}", losses)
        else:
            losses.append(Loss(f"{at}/tools/{index}", NOT_OFFERED))
        allowed += meant
    if not allowed:
        losses.append(Loss(at, NOTHING_ALLOWED))
        return ToolChoice("none", at)
    return _choice("allowed", at, allowed, required=choice.mode == "required")


def _meant(name: str, namespace: str | None, tools: list[Tool]) -> list[OwnName]:
    """Return the tools that are chosen by a name. One alone means those of any namespace, if none is outside of all."""
    if namespace:
        return [OwnName(name, namespace)]
    named = [OwnName(name, tool.namespace) for tool in tools if tool.name == name and tool.kind != "hosted"]
    own = OwnName(name)
    return [own] if own in named or not named else list(dict.fromkeys(named))


def _choice(
    mode: Literal["named", "allowed"], at: str, chosen: list[OwnName], *, required: bool = False, custom: bool = False
) -> ToolChoice:
    namespaces = [own.namespace for own in chosen]
    names = [own.name for own in chosen]
    return ToolChoice(mode, at, names, required, custom, namespaces if any(namespaces) else [])


def _included(include: list[str] | None, losses: Losses) -> bool:
    """Say whether logprobs are asked for. Encrypted reasoning always comes back, in whoever's encryption."""
    for index, name in enumerate(include or ()):
        if name not in ("reasoning.encrypted_content", "message.output_text.logprobs"):
            losses.append(Loss(f"/include/{index}", f"{name} belongs to a hosted tool"))
    return include is not None and "message.output_text.logprobs" in include


def _reasoning(reasoning: wire.Reasoning | None, raw: msgspec.Raw | None, losses: Losses) -> ReasoningRequest | None:
    if reasoning is None or raw is None:
        return None
    at = "/reasoning"
    unread_members(raw, _REASONING, wire.Reasoning, at, losses)
    if reasoning.context not in (None, "auto"):
        losses.append(Loss(at + "/context", "has no counterpart in other dialects"))
    if reasoning.mode not in (None, "standard"):
        losses.append(Loss(at + "/mode", "has no counterpart in other dialects"))
    name = "summary" if reasoning.summary is not None else "generate_summary"
    summary = reasoning.summary or reasoning.generate_summary
    if reasoning.generate_summary not in (None, summary):
        losses.append(Loss(f"{at}/generate_summary", "the summary is given too, and counts"))
    if summary not in (None, "auto"):
        losses.append(Loss(f"{at}/{name}", "how detailed a summary is cannot be asked for elsewhere"))
    if reasoning.effort is None and summary is None:
        return None
    return ReasoningRequest(reasoning.effort, at, show=None if summary is None else True)


def _has_older_summary(reasoning: wire.Reasoning | None) -> bool:
    return reasoning is not None and reasoning.summary is None and reasoning.generate_summary is not None


def _output(text: wire.TextConfig | None, raw: msgspec.Raw | None, losses: Losses) -> OutputFormat | None:
    if text is None or raw is None:
        return None
    members = unread_members(raw, _TEXT, wire.TextConfig, "/text", losses)
    format_, at = text.format, "/text/format"
    if format_ is None:
        return None
    if format_.type not in _FORMATS:
        raise InvalidRequest(
            f"{at}/type must be text, json_object or json_schema.", code="invalid_value", pointer=at + "/type"
        )
    unread_members(members["format"], _FORMATS[format_.type], wire.TextFormat, at, losses)
    if format_.type == "text":
        return None
    if format_.type == "json_object":
        return OutputFormat("json_object", at)
    schema = given(format_.schema)
    if schema is None:
        raise InvalidRequest(
            f"The format needs its schema, at {at}/schema.",
            code="missing_required_parameter",
            pointer=at + "/schema",
        )
    return OutputFormat("json_schema", at, format_.name, schema, format_.strict, format_.description)


def _cache(options: wire.PromptCacheOptions | None, raw: msgspec.Raw | None, losses: Losses) -> CacheMark | None:
    if options is None or raw is None:
        return None
    unread_members(raw, _CACHE_OPTIONS, wire.PromptCacheOptions, "/prompt_cache_options", losses)
    if options.mode not in (None, "implicit"):
        losses.append(Loss("/prompt_cache_options/mode", "that nothing but marked parts is cached cannot be said"))
        if options.ttl is not None:
            losses.append(Loss("/prompt_cache_options/ttl", "has no counterpart in other dialects"))
        return None
    return CacheMark(options.ttl)


def _streams(request: wire.CreateResponse, raw: msgspec.Raw | None, losses: Losses) -> bool:
    options = request.stream_options
    if options is not None and raw is not None:
        unread_members(raw, _STREAM_OPTIONS, wire.StreamOptions, "/stream_options", losses)
        if options.include_obfuscation:
            losses.append(Loss("/stream_options/include_obfuscation", "events are not padded"))
    return bool(request.stream)
