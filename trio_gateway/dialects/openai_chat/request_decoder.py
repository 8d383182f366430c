"""Read a Chat request: body to Conversation."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

from gateway_schemas import openai_chat as wire_chat
from gateway_schemas.openai_chat import Message, Request
from trio_gateway.dialects import wire
from trio_gateway.dialects.capabilities import EFFORTS
from trio_gateway.dialects.conversation import (
    CacheMark,
    Conversation,
    Loss,
    Losses,
    Opaque,
    OutputFormat,
    ReasoningRequest,
    Tool,
    ToolChoice,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.names import NOT_OFFERED, NOTHING_ALLOWED
from trio_gateway.dialects.openai_chat.message_decoder import MessageReader
from trio_gateway.dialects.openai_chat.reasoning import ME
from trio_gateway.dialects.unread import strict_twin, unread_members
from trio_gateway.errors import InvalidRequest

# Content parts and tools are flat, so that unknown types can be read at all. The strict twin knows the types.
_STRICT = msgspec.json.Decoder(
    strict_twin(
        Request,
        {
            (wire_chat.ContentPart, "type"): Literal["text", "image_url", "input_audio", "file", "refusal"],
            (wire_chat.Tool, "type"): Literal["function", "custom"],
            (wire_chat.ToolCall, "type"): Literal["function", "custom"] | None,
            (wire_chat.ToolRef, "type"): Literal["function", "custom"],
        },
    )
).decode


class _RawMessage(msgspec.Struct):
    content: str | list[msgspec.Raw] | None = None


class _RawRequest(msgspec.Struct):
    """The parts and tools as they were written: for those of a type that is not known."""

    messages: list[_RawMessage]
    tools: list[msgspec.Raw] | None = None


_raw_decoder = msgspec.json.Decoder(_RawRequest)

Raws: TypeAlias = list[msgspec.Raw] | None

# Known members that the neutral model has no word for.
_UNMODELLED = ("audio", "prediction", "web_search_options", "moderation", "prompt_cache_retention")


def decode_request(body: bytes, /) -> Conversation:
    """Return the conversation that a Chat request asks to continue.

    Raises InvalidRequest, with a JSON pointer, for a body that is not one. What is read and has no place in the
    conversation is in its `unread`.
    """
    try:
        wire.check_text(body)
        request = _STRICT(body)
    except wire.BAD_BODY:
        request = wire.read_request(wire_chat.request_decoder, body)
        raw = wire.read_request(_raw_decoder, body)
        losses = unread_members(body, Request)
        contents = [message.content if isinstance(message.content, list) else None for message in raw.messages]
        conversation = _conversation(request, losses, contents, raw.tools)
        conversation.unread = _outside(_kept_whole(conversation), losses)
        return conversation
    return _conversation(request, [], None, None)


def _kept_whole(conversation: Conversation) -> set[str]:
    """Return the pointers of the parts and tools that are carried as they were written, whatever is in them."""
    kept = {tool.at for tool in conversation.tools if tool.kind == "hosted"}
    for turn in conversation.turns:
        for part in turn.parts:
            for each in part.parts if isinstance(part, ToolResult) else (part,):
                if isinstance(each, Opaque):
                    kept.add(each.at)
    return kept


def _outside(kept: set[str], losses: Losses) -> Losses:
    """Return the losses that are not inside one of `kept`: /tools/0, or /messages/0/content/0."""
    if not kept:
        return losses
    steps = ((loss, loss.pointer.split("/")) for loss in losses)
    return [loss for loss, path in steps if "/".join(path[:3]) not in kept and "/".join(path[:5]) not in kept]


def _conversation(request: Request, losses: Losses, contents: list[Raws] | None, raw_tools: Raws) -> Conversation:
    pointers: dict[str, str] = {}
    if not request.messages:
        raise _invalid("A request needs at least one message", "/messages")
    cache = _cache(request, losses, pointers)
    options = request.stream_options
    reader = MessageReader(losses)
    tools = _tools(request, losses, raw_tools)
    conversation = Conversation(
        source=ME,
        model=request.model,
        turns=_turns(reader, request.messages, contents),
        tools=tools,
        tool_choice=_tool_choice(request, tools, losses),
        parallel_tool_calls=request.parallel_tool_calls,
        max_output_tokens=_max_output_tokens(request, losses, pointers),
        temperature=request.temperature,
        top_p=request.top_p,
        seed=request.seed,
        presence_penalty=request.presence_penalty,
        frequency_penalty=request.frequency_penalty,
        stop=[request.stop] if type(request.stop) is str else request.stop,  # type: ignore[arg-type]  # str is excluded
        n=request.n,
        logit_bias=given(request.logit_bias),
        logprobs=request.logprobs,
        top_logprobs=request.top_logprobs,
        reasoning=_reasoning(request, losses),
        output=_output(request, losses),
        verbosity=request.verbosity,
        user=_user(request, losses, pointers),
        metadata=given(request.metadata),
        store=request.store,
        service_tier=request.service_tier,
        cache=cache,
        cache_key=request.prompt_cache_key,
        stream=request.stream is True,
        include_usage=options is not None and options.include_usage is True,
        pointers=pointers,
        joined=reader.joined,
        unread=losses,
    )
    for name, _ in wire.present(request, _UNMODELLED):
        losses.append(Loss("/" + name, "not carried to other dialects"))
    if request.modalities is not None and request.modalities != ["text"]:
        losses.append(Loss("/modalities", "only text is answered"))
    if options is not None and options.include_obfuscation:
        losses.append(Loss("/stream_options/include_obfuscation", "chunks are not padded"))
    if isinstance(request.stop, str):
        pointers["stop.only"] = "/stop"
    pointers["include_usage"] = "/stream_options/include_usage"
    pointers["cache_key"] = "/prompt_cache_key"
    return conversation


_NULL = msgspec.Raw(b"null")


def given(raw: msgspec.Raw | msgspec.UnsetType) -> msgspec.Raw | None:
    """Return raw JSON that is there and not null."""
    return None if isinstance(raw, msgspec.UnsetType) or raw == _NULL else raw


def _invalid(sentence: str, at: str) -> InvalidRequest:
    return InvalidRequest(f"{sentence}, at {at}.", code="invalid_value", pointer=at)


def _turns(reader: MessageReader, messages: list[Message], contents: list[Raws] | None) -> list[Turn]:
    if contents is None:
        return [reader.read(message, index, None) for index, message in enumerate(messages)]
    return [reader.read(message, index, contents[index]) for index, message in enumerate(messages)]


def _tools(request: Request, losses: Losses, raw_tools: Raws) -> list[Tool]:
    tools: list[Tool] = []
    for index, tool in enumerate(request.tools or ()):
        at = f"/tools/{index}"
        mark = CacheMark(tool.cache_control.ttl, at + "/cache_control") if tool.cache_control else None
        if tool.type == "function":
            if tool.function is None:
                raise _invalid("A function tool needs its function", at + "/function")
            if tool.custom is not None:
                losses.append(Loss(at + "/custom", "not read in a function tool"))
            tools.append(_function(tool.function, at, mark))
        elif tool.type == "custom":
            custom = tool.custom
            if custom is None:
                raise _invalid("A custom tool needs its definition", at + "/custom")
            if tool.function is not None:
                losses.append(Loss(at + "/function", "not read in a custom tool"))
            format_ = given(custom.format)
            tools.append(Tool(custom.name, "custom", at, description=custom.description, format=format_, cache=mark))
        else:
            raw = raw_tools[index] if raw_tools else None
            tools.append(Tool(tool.type, "hosted", at, raw=raw))
    for index, function in enumerate(request.functions or ()):
        tools.append(_function(function, f"/functions/{index}", None))
    if request.functions:
        losses.append(Loss("/functions", "the answer calls tools in tool_calls, not in function_call"))
    return tools


def _function(function: wire_chat.Function, at: str, mark: CacheMark | None) -> Tool:
    return Tool(
        function.name,
        at=at,
        description=function.description,
        parameters=given(function.parameters),
        strict=function.strict,
        cache=mark,
    )


def _tool_choice(request: Request, tools: list[Tool], losses: Losses) -> ToolChoice | None:
    choice = request.tool_choice
    if choice is None:
        return _legacy_choice(request)
    if request.function_call is not None:
        losses.append(Loss("/function_call", "tool_choice is given too, and counts"))
    at = "/tool_choice"
    if isinstance(choice, str):
        if choice not in ("auto", "none", "required"):
            raise _invalid(f"tool_choice is auto, none, required or an object, not {choice!r}", at)
        return ToolChoice(choice, at)  # type: ignore[arg-type]  # checked the line before
    for name in ("function", "custom", "allowed_tools"):
        if name != choice.type and getattr(choice, name) is not None:
            losses.append(Loss(f"{at}/{name}", f"not read in a tool_choice of the type {choice.type}"))
    if choice.type == "function" and choice.function is not None:
        return ToolChoice("named", at, [choice.function.name])
    if choice.type == "custom" and choice.custom is not None:
        return ToolChoice("named", at, [choice.custom.name], custom=True)
    if choice.type == "allowed_tools" and choice.allowed_tools is not None:
        names = []
        offered = {tool.name for tool in tools}
        for index, ref in enumerate(choice.allowed_tools.tools):
            named = ref.custom if ref.type == "custom" else ref.function
            if named is None or named.name not in offered:
                losses.append(Loss(f"{at}/allowed_tools/tools/{index}", NOT_OFFERED))
            else:
                names.append(named.name)
        if choice.allowed_tools.mode not in ("auto", "required"):
            raise _invalid("mode is auto or required", at + "/allowed_tools/mode")
        if not names:
            losses.append(Loss(at, NOTHING_ALLOWED))
            return ToolChoice("none", at)
        return ToolChoice("allowed", at, names, required=choice.allowed_tools.mode == "required")
    raise _invalid(f"a tool_choice of the type {choice.type!r} is not known, or lacks its {choice.type}", at)


def _legacy_choice(request: Request) -> ToolChoice | None:
    choice, at = request.function_call, "/function_call"
    if choice is None:
        return None
    if isinstance(choice, str):
        if choice not in ("auto", "none"):
            raise _invalid(f"function_call is auto, none or an object, not {choice!r}", at)
        return ToolChoice(choice, at)  # type: ignore[arg-type]  # checked the line before
    return ToolChoice("named", at, [choice.name])


def _max_output_tokens(request: Request, losses: Losses, pointers: dict[str, str]) -> int | None:
    tokens, legacy = request.max_completion_tokens, request.max_tokens
    if tokens is None:
        pointers["max_output_tokens"] = "/max_tokens"
        return legacy
    pointers["max_output_tokens"] = "/max_completion_tokens"
    if legacy is not None and legacy != tokens:
        losses.append(Loss("/max_tokens", "max_completion_tokens is given too, and counts"))
    return tokens


def _user(request: Request, losses: Losses, pointers: dict[str, str]) -> str | None:
    user, legacy = request.safety_identifier, request.user
    if user is None:
        return legacy
    pointers["user"] = "/safety_identifier"
    if legacy is not None and legacy != user:
        losses.append(Loss("/user", "safety_identifier is given too, and counts"))
    return user


def _reasoning(request: Request, losses: Losses) -> ReasoningRequest | None:
    effort = request.reasoning_effort
    if effort is None:
        return None
    if effort not in EFFORTS:
        losses.append(Loss("/reasoning_effort", f"{effort!r} is not an effort this gateway knows"))
        return None
    return ReasoningRequest(effort, "/reasoning_effort")


def _output(request: Request, losses: Losses) -> OutputFormat | None:
    wanted, at = request.response_format, "/response_format"
    if wanted is None:
        return None
    schema = wanted.json_schema
    if wanted.type == "json_schema":
        if schema is None:
            raise _invalid("A response_format of the type json_schema needs it", at + "/json_schema")
        return OutputFormat("json_schema", at, schema.name, given(schema.schema), schema.strict, schema.description)
    if schema is not None:
        losses.append(Loss(at + "/json_schema", f"not read in a response_format of the type {wanted.type}"))
    if wanted.type in ("text", "json_object"):
        return OutputFormat(wanted.type, at)  # type: ignore[arg-type]  # checked the line before
    raise _invalid(f"a response_format of the type {wanted.type!r} is not known", at + "/type")


def _cache(request: Request, losses: Losses, pointers: dict[str, str]) -> CacheMark | None:
    options, at = request.prompt_cache_options, "/prompt_cache_options"
    if options is None:
        return None
    pointers["cache"] = at
    for name, _ in wire.present(options, ("prewarm", "comparison_response_id")):
        losses.append(Loss(f"{at}/{name}", "not carried to other dialects"))
    if options.mode not in (None, "implicit"):
        losses.append(Loss(at, "other dialects have no explicit-only caching with a lifetime for the whole request"))
        return None
    return CacheMark(options.ttl) if options.ttl is not None else None
