"""Write a Conversation as a Responses request.

`store` is false unless the client asked for it: left out, OpenAI keeps the answer. A function without `strict` gets
`strict: false`: left out, OpenAI rewrites its schema. Turns of every role are items of `input`, in their places.
"""

from __future__ import annotations

from itertools import groupby

import msgspec

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.capabilities import Capabilities, effort_of_budget, nearest_effort
from trio_gateway.dialects.conversation import Conversation, Loss, Losses, Tool, ToolChoice
from trio_gateway.dialects.end_user import hashed_id
from trio_gateway.dialects.members import as_written, mark_at, member, untaken_tools
from trio_gateway.dialects.names import chosen_names
from trio_gateway.dialects.openai_responses.item_encoder import ItemWriter
from trio_gateway.dialects.openai_responses.items import ME, NULL, TTLS, written_name

_OUTPUT_TOKENS_MIN = 16  # OpenAI refuses less
_TEMPERATURE_MAX = 2.0
_USER_MAX = 64

_SERVICE_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast", "ultrafast"})
_OTHER_TIERS = {"standard": "default", "standard_only": "default"}
_VERBOSITIES = frozenset({"low", "medium", "high"})

# Sampling that the format has no word for, and the values that ask for nothing.
_UNSAID: dict[str, tuple[object, ...]] = {
    "top_k": (),
    "min_p": (),
    "seed": (),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "stop": ([],),
    "n": (1,),
    "logit_bias": (NULL, msgspec.Raw(b"{}")),
    "keep_alive": (),
}


def encode_request(conversation: Conversation, model: str, capabilities: Capabilities) -> tuple[bytes, Losses]:
    """Return the body and all that it could not carry. Raises InvalidRequest."""
    losses = list(conversation.unread)
    history = () if conversation.source == ME else conversation.turns  # its own client's is that client's affair
    writer = ItemWriter(conversation.source, capabilities, losses, history)
    for turn in conversation.turns:
        writer.write(turn)
    writer.end()
    tools, choice = _tools(conversation, capabilities, losses)
    request = wire.CreateResponse(
        model=model,
        input=writer.items,
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=conversation.parallel_tool_calls,
        max_output_tokens=_max_output_tokens(conversation, capabilities, losses),
        top_logprobs=conversation.top_logprobs,
        reasoning=_reasoning(conversation, capabilities, losses),
        text=_text(conversation, capabilities, losses),
        include=_include(conversation, capabilities),
        store=bool(conversation.store),
        prompt_cache_key=conversation.cache_key,
        prompt_cache_options=_cache(conversation, capabilities, losses),
        metadata=msgspec.UNSET if conversation.metadata is None else conversation.metadata,
        safety_identifier=_user(conversation, losses),
        service_tier=_service_tier(conversation, losses),
        stream=True if conversation.stream else None,
    )
    _sample(request, conversation, capabilities, losses)
    return wire.encode(request), as_written(conversation, losses)


def _sample(request: wire.CreateResponse, conversation: Conversation, can: Capabilities, losses: Losses) -> None:
    for field, nothing in _UNSAID.items():
        value = getattr(conversation, field)
        if value is not None and value not in nothing:
            losses.append(Loss(conversation.pointer(field), "Responses has no word for it"))
    temperature, top_p = conversation.temperature, conversation.top_p
    if can.sampling == "none":
        for field, number in (("temperature", temperature), ("top_p", top_p)):
            if number is not None:
                losses.append(Loss(conversation.pointer(field), "this model refuses it"))
        return
    if can.sampling == "one" and temperature is not None and top_p is not None:
        losses.append(Loss(conversation.pointer("top_p"), "this model takes temperature or top_p, not both"))
        top_p = None
    if temperature is not None and temperature > _TEMPERATURE_MAX:
        losses.append(Loss(conversation.pointer("temperature"), f"the highest possible is {_TEMPERATURE_MAX}"))
        temperature = _TEMPERATURE_MAX
    request.temperature, request.top_p = temperature, top_p


def _max_output_tokens(conversation: Conversation, can: Capabilities, losses: Losses) -> int | None:
    wanted = conversation.max_output_tokens
    if wanted is None:
        return None
    allowed = max(wanted, _OUTPUT_TOKENS_MIN)
    if can.max_output_tokens is not None:
        allowed = min(allowed, can.max_output_tokens)
    if allowed != wanted:
        losses.append(Loss(conversation.pointer("max_output_tokens"), f"{allowed} is the nearest that is taken"))
    return allowed


# ------------------------------------------------------------------------------------------------- tools


def _tools(
    conversation: Conversation, can: Capabilities, losses: Losses
) -> tuple[list[msgspec.Raw] | None, str | wire.ToolChoice | None]:
    """Return the tools, and the choice among them: OpenAI takes none without tools."""
    tools: list[msgspec.Raw] = []
    if can.tools:
        for namespace, group in groupby(conversation.tools, lambda tool: tool.namespace):
            found = (_tool(tool, conversation.source, losses) for tool in group)
            written = [tool for tool in found if tool is not None]
            if namespace is None:
                tools += written
            elif written:
                tools.append(msgspec.Raw(wire.encode(wire.NamespaceTool(namespace, tools=written))))
    else:
        losses += untaken_tools(conversation)
    choice = conversation.tool_choice
    if tools:
        return tools, None if choice is None else _choice(choice, conversation.tools)
    if choice is not None:
        losses.append(Loss(choice.at, "there is no tool to choose"))
    return None, None


def _tool(tool: Tool, source: str, losses: Losses) -> msgspec.Raw | None:
    if tool.kind == "hosted":
        if source == ME and tool.raw is not None:
            return tool.raw
        losses.append(Loss(tool.at, f"the hosted tool {tool.name} is another provider's"))
        return None
    if tool.cache is not None:
        losses.append(Loss(mark_at(tool.cache, tool.at), "a tool has no cache mark here"))
    name = written_name(tool.name, tool.at)
    if tool.kind == "custom":
        custom = wire.CustomTool(name, tool.description, _format(tool, losses))
        return msgspec.Raw(wire.encode(custom))
    function = wire.FunctionTool(
        name,
        NULL if tool.parameters is None else tool.parameters,
        bool(tool.strict),
        msgspec.UNSET if tool.description is None else tool.description,
    )
    return msgspec.Raw(wire.encode(function))


class _Format(msgspec.Struct):
    grammar: wire.GrammarFormat | None = None  # Chat nests what Responses has flat


_format_decoder = msgspec.json.Decoder(_Format)


def _format(tool: Tool, losses: Losses) -> msgspec.Raw | msgspec.UnsetType:
    if tool.format is None:
        return msgspec.UNSET
    try:
        nested = _format_decoder.decode(tool.format).grammar
    except msgspec.ValidationError:
        losses.append(Loss(tool.at, "the format of a custom tool is not understood"))
        return msgspec.UNSET
    return tool.format if nested is None else msgspec.Raw(wire.encode(nested))


def _choice(choice: ToolChoice, tools: list[Tool]) -> str | wire.ToolChoice:
    match choice.mode:
        case "named":
            kind = "custom" if choice.custom else "function"
            own = chosen_names(choice)[0]
            return wire.ToolChoice(kind, written_name(own.name, choice.at), own.namespace)
        case "allowed":
            custom = {(tool.name, tool.namespace) for tool in tools if tool.kind == "custom"}
            allowed = [
                wire.ToolName(
                    "custom" if own in custom else "function", written_name(own.name, choice.at), own.namespace
                )
                for own in chosen_names(choice)
            ]
            entries = [msgspec.Raw(wire.encode(entry)) for entry in allowed]
            return wire.ToolChoice("allowed_tools", mode="required" if choice.required else "auto", tools=entries)
    return choice.mode


# --------------------------------------------------------------------------------- reasoning, text, cache


def _reasoning(conversation: Conversation, can: Capabilities, losses: Losses) -> wire.Reasoning | None:
    wanted = conversation.reasoning
    if wanted is None:
        return None
    effort = wanted.effort
    if effort is None and wanted.mode == "disabled":
        effort = "none"
    if effort is None and wanted.budget_tokens is not None:
        effort = effort_of_budget(wanted.budget_tokens)
    taken = None if effort is None else nearest_effort(effort, can.efforts)
    if wanted.budget_tokens is not None:
        at = member(conversation.source, wanted.at, "budget_tokens")
        losses.append(Loss(at, f"a budget of tokens cannot be set: effort {taken or 'by default'}"))
    if taken != effort and (wanted.budget_tokens is None or wanted.effort is not None):
        losses.append(Loss(wanted.at, f"the effort {effort} is not taken: {taken or 'the default'} is used"))
    elif wanted.budget_tokens is None and (
        wanted.mode == "between_tools" or (effort is None and wanted.mode is not None)
    ):
        losses.append(Loss(wanted.at, f"thinking {wanted.mode} cannot be asked for: the default is used"))
    summary = "auto" if wanted.show and can.efforts else None
    if wanted.show and not can.efforts and effort != "none":
        losses.append(Loss(member(conversation.source, wanted.at, "show"), "this model does not think"))
    if taken is None and summary is None:
        return None
    return wire.Reasoning(taken, summary)


def _include(conversation: Conversation, can: Capabilities) -> list[str] | None:
    """Return what the answer shall hold besides. Models that never reason refuse to be asked for their reasoning."""
    include = ["message.output_text.logprobs"] if conversation.logprobs else []
    wanted = conversation.reasoning
    off = wanted is not None and (wanted.effort == "none" or (wanted.effort is None and wanted.mode == "disabled"))
    if can.efforts - {"none"} and not off:
        include.append("reasoning.encrypted_content")
    return include or None


def _text(conversation: Conversation, can: Capabilities, losses: Losses) -> wire.TextConfig | None:
    output, verbosity = conversation.output, conversation.verbosity
    if verbosity is not None and verbosity not in _VERBOSITIES:
        losses.append(Loss(conversation.pointer("verbosity"), f"the verbosity {verbosity!r} is not known here"))
        verbosity = None
    format_ = None
    if output is not None and not can.structured_output:
        losses.append(Loss(output.at, "this model takes no output format"))
    elif output is not None and output.kind == "json_schema":
        schema = msgspec.UNSET if output.schema is None else output.schema
        name = output.name or "response"  # a name is required, and a default in the place of none loses nothing
        format_ = wire.TextFormat("json_schema", name, schema, output.strict, output.description)
    elif output is not None:
        format_ = wire.TextFormat(output.kind)
    return None if format_ is None and verbosity is None else wire.TextConfig(format_, verbosity)


def _cache(conversation: Conversation, can: Capabilities, losses: Losses) -> wire.PromptCacheOptions | None:
    """Return how long the prompt shall stay cached. That it is cached needs no saying."""
    ttl = conversation.cache.ttl if conversation.cache is not None else None
    if ttl is None:
        return None
    if not can.cache_breakpoints or ttl not in TTLS:
        losses.append(Loss(conversation.pointer("cache"), f"this model's cache cannot be told to live for {ttl}"))
        return None
    return wire.PromptCacheOptions(ttl=ttl)


def _user(conversation: Conversation, losses: Losses) -> str | None:
    user = conversation.user
    if user is None or len(user) <= _USER_MAX:
        return user
    losses.append(Loss(conversation.pointer("user"), f"longer than {_USER_MAX} characters: a hash of it is sent"))
    return hashed_id(user)


def _service_tier(conversation: Conversation, losses: Losses) -> str | None:
    tier = conversation.service_tier
    if tier is None or tier in _SERVICE_TIERS:
        return tier
    known = _OTHER_TIERS.get(tier)
    losses.append(Loss(conversation.pointer("service_tier"), f"{tier!r} is not known here: {known or 'none'} is sent"))
    return known
