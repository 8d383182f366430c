"""Write a Chat request: Conversation to body."""

from __future__ import annotations

import msgspec

from gateway_schemas import openai_chat as wire_chat
from trio_gateway.dialects.capabilities import Capabilities, effort_of_budget, nearest_effort
from trio_gateway.dialects.conversation import Conversation, Loss, Losses, OutputFormat, Tool, ToolCall, Turn
from trio_gateway.dialects.end_user import hashed_id
from trio_gateway.dialects.members import as_written, has_member, mark_at, member, untaken_tools
from trio_gateway.dialects.openai_chat.message_encoder import MessageWriter
from trio_gateway.errors import InvalidRequest

_MAX_STOP = 4
_MAX_TEMPERATURE = 2.0
_MAX_USER = 64
_TIERS = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
_DEFAULT_TIERS = frozenset({"standard", "standard_only"})
_VERBOSITIES = frozenset({"low", "medium", "high"})

# Modelled, and without a word in Chat.
_ABSENT = ("top_k", "min_p", "keep_alive")
_CONTINUING = frozenset({"anthropic_messages", "gemini", "ollama"})

# Chat requires a name; the other dialects have none.
_SCHEMA_NAME = "response"


def encode_request(conversation: Conversation, model: str, capabilities: Capabilities, /) -> tuple[bytes, Losses]:
    """Return the body that asks a Chat target for the next answer, and what it could not carry.

    Raises InvalidRequest for media that Chat cannot name, what only the client could inline, and where there is no
    message to write.
    """
    writer = _RequestWriter(conversation, capabilities)
    request = writer.write(model)
    if not request.messages:
        raise InvalidRequest(
            "This model's provider requires at least one message, with something in it.",
            code="invalid_value",
            pointer=conversation.pointer("turns"),
        )
    return wire_chat.encode(request), as_written(conversation, writer.losses)


class _RequestWriter:
    __slots__ = ("_can", "_from", "losses")

    def __init__(self, conversation: Conversation, capabilities: Capabilities) -> None:
        self._from = conversation
        self._can = capabilities
        self.losses: Losses = list(conversation.unread)

    def write(self, model: str) -> wire_chat.Request:
        source = self._from
        for name in _ABSENT:
            if getattr(source, name) is not None:
                self._lose(name, "Chat has no word for it")
        turns = source.turns
        if source.source in _CONTINUING and turns and _to_be_continued(turns[-1]):
            self.losses.append(Loss(turns[-1].at, "Chat answers a last assistant message, it does not continue it"))
        request = wire_chat.Request(
            model=model,
            messages=MessageWriter(source.source, self._can, self.losses).write(turns),
            max_completion_tokens=self._max_output_tokens(),
            presence_penalty=source.presence_penalty,
            frequency_penalty=source.frequency_penalty,
            stop=self._stop(),
            n=source.n,
            seed=source.seed,
            logit_bias=source.logit_bias or msgspec.UNSET,
            logprobs=source.logprobs,
            top_logprobs=source.top_logprobs,
            verbosity=self._verbosity(),
            response_format=self._response_format(source.output) if source.output else None,
            metadata=source.metadata or msgspec.UNSET,
            store=source.store,
            service_tier=self._service_tier(),
            safety_identifier=self._user(),
            prompt_cache_key=source.cache_key,
        )
        self._write_sampling(request)
        self._write_tools(request)
        request.reasoning_effort = self._effort(bool(request.tools))
        if source.stream:
            # Usage is always asked for: the gateway's books need it, whether or not the client does.
            request.stream, request.stream_options = True, wire_chat.StreamOptions(include_usage=True)
        if source.cache is not None and source.cache.ttl is not None:
            if self._can.cache_breakpoints and source.cache.ttl == "30m":
                request.prompt_cache_options = wire_chat.PromptCacheOptions(ttl="30m")
            else:
                self._lose("cache", f"no cache lifetime of {source.cache.ttl} for the whole prompt")
        return request

    def _lose(self, field: str, reason: str) -> None:
        self.losses.append(Loss(self._from.pointer(field), reason))

    def _max_output_tokens(self) -> int | None:
        wanted, limit = self._from.max_output_tokens, self._can.max_output_tokens
        if wanted is not None and limit is not None and wanted > limit:
            self._lose("max_output_tokens", f"this model answers with at most {limit} tokens")
            return limit
        return wanted

    def _write_sampling(self, request: wire_chat.Request) -> None:
        temperature, top_p = self._from.temperature, self._from.top_p
        if self._can.sampling == "none":
            # 1 is the default of both: leaving it out changes nothing.
            for name, value in (("temperature", temperature), ("top_p", top_p)):
                if value is not None and value != 1:
                    self._lose(name, "this model takes no sampling parameters")
            return
        if temperature is not None and not 0 <= temperature <= _MAX_TEMPERATURE:
            self._lose("temperature", f"clamped to 0..{_MAX_TEMPERATURE:g}")
            temperature = min(max(temperature, 0.0), _MAX_TEMPERATURE)
        if self._can.sampling == "one" and temperature is not None and top_p is not None:
            self._lose("top_p", "this model takes temperature or top_p, not both")
            top_p = None
        request.temperature, request.top_p = temperature, top_p

    def _stop(self) -> list[str] | None:
        stop = self._from.stop
        if not stop:
            return None
        if not self._can.stop_sequences:
            self._lose("stop", "this model takes no stop sequences")
            return None
        if len(stop) > _MAX_STOP:
            self._lose("stop", f"only the first {_MAX_STOP} stop sequences are kept")
        return stop[:_MAX_STOP]

    def _verbosity(self) -> str | None:
        verbosity = self._from.verbosity
        if verbosity is not None and verbosity not in _VERBOSITIES:
            self._lose("verbosity", f"Chat has no verbosity {verbosity!r}")
            return None
        return verbosity

    def _service_tier(self) -> str | None:
        tier = self._from.service_tier
        if tier is None or tier in _TIERS:
            return tier
        self._lose("service_tier", f"Chat has no service tier {tier!r}")
        return "default" if tier in _DEFAULT_TIERS else None

    def _user(self) -> str | None:
        user = self._from.user
        if user is None or len(user) <= _MAX_USER:
            return user
        self._lose("user", f"an id of more than {_MAX_USER} characters is replaced by its SHA-256")
        return hashed_id(user)

    def _response_format(self, output: OutputFormat) -> wire_chat.ResponseFormat:
        if output.kind != "json_schema":
            return wire_chat.ResponseFormat(output.kind)
        if not self._can.structured_output:
            self.losses.append(Loss(output.at, "this model takes no JSON Schema: any JSON object may come"))
            return wire_chat.ResponseFormat("json_object")
        schema = wire_chat.JsonSchema(output.name or _SCHEMA_NAME, output.description, strict=output.strict)
        if output.schema is not None:
            schema.schema = output.schema
        return wire_chat.ResponseFormat("json_schema", schema)

    def _effort(self, tools: bool) -> str | None:
        asked = self._from.reasoning
        if asked is None:
            return None
        effort, at = asked.effort, asked.at
        if effort is None and asked.mode == "disabled":
            effort = "none"
        if effort is None and asked.budget_tokens is not None:
            effort = effort_of_budget(asked.budget_tokens) if asked.budget_tokens > 0 else "none"
            self.losses.append(Loss(at, f"a budget of {asked.budget_tokens} tokens becomes the effort {effort}"))
        elif asked.budget_tokens is not None:
            self._lose_thinking("budget_tokens", "Chat has an effort, and no budget of tokens")
        elif effort is None:
            self.losses.append(Loss(at, "how much to think is left to the model's default"))
        # Where one word asks to think and to show it, no member is left out: whether thoughts come is left to the
        # provider, and compatible servers send them unasked.
        if asked.show is not None and has_member(self._from.source, "show"):
            self._lose_thinking("show", "Chat cannot say whether thoughts should be shown")
        if effort is None:
            return None
        if tools and not self._can.tools_with_reasoning and effort != "none":
            self.losses.append(Loss(at, "this model refuses tools and reasoning together in Chat"))
            effort = "none"
        offered = nearest_effort(effort, self._can.efforts)
        if offered != effort:
            instead = f"{offered} is asked for" if offered else "none is asked for"
            self.losses.append(Loss(at, f"this model has no effort {effort}: {instead}"))
        return offered

    def _lose_thinking(self, name: str, reason: str) -> None:
        if asked := self._from.reasoning:
            self.losses.append(Loss(member(self._from.source, asked.at, name), reason))

    # ---------------------------------------------------------------------------------------------- tools

    def _write_tools(self, request: wire_chat.Request) -> None:
        offered = self._from.tools
        if not self._can.tools:
            self.losses += untaken_tools(self._from)
            offered = []
        tools = [written for tool in offered if (written := self._tool(tool)) is not None]
        choice = self._from.tool_choice
        if not tools:
            # OpenAI refuses both without tools.
            if choice is not None and choice.mode not in ("auto", "none"):
                self.losses.append(Loss(choice.at, "there are no tools to choose from"))
            if self._from.parallel_tool_calls is False:
                self._lose("parallel_tool_calls", "there are no tools to call")
            return
        request.tools = tools
        request.parallel_tool_calls = self._from.parallel_tool_calls
        request.tool_choice = self._tool_choice()

    def _tool(self, tool: Tool) -> wire_chat.Tool | None:
        if tool.kind == "hosted":
            self.losses.append(Loss(tool.at, "a tool that another provider runs"))
            return None
        if tool.cache is not None:
            self.losses.append(Loss(mark_at(tool.cache, tool.at), "Chat's tools carry no cache mark"))
        if tool.kind == "custom":
            custom = wire_chat.CustomTool(tool.name, tool.description, _nested_grammar(tool.format))
            return wire_chat.Tool("custom", custom=custom)
        function = wire_chat.Function(tool.name, tool.description, strict=tool.strict)
        if tool.parameters is not None:
            function.parameters = tool.parameters
        return wire_chat.Tool("function", function)

    def _tool_choice(self) -> str | wire_chat.ToolChoice | None:
        choice = self._from.tool_choice
        if choice is None:
            return None
        if choice.mode == "named":
            name = wire_chat.ToolName(choice.names[0])
            if choice.custom:
                return wire_chat.ToolChoice("custom", custom=name)
            return wire_chat.ToolChoice("function", function=name)
        if choice.mode == "allowed":
            custom = {tool.name for tool in self._from.tools if tool.kind == "custom"}
            refs = [
                wire_chat.ToolRef("custom", custom=wire_chat.ToolName(name))
                if name in custom
                else wire_chat.ToolRef("function", function=wire_chat.ToolName(name))
                for name in choice.names
            ]
            mode = "required" if choice.required else "auto"
            return wire_chat.ToolChoice("allowed_tools", allowed_tools=wire_chat.AllowedTools(mode, refs))
        return choice.mode


def _to_be_continued(last: Turn) -> bool:
    return last.role == "assistant" and not any(isinstance(part, ToolCall) for part in last.parts)


class _FlatGrammar(msgspec.Struct):
    type: str | None = None
    syntax: str | None = None
    definition: str | None = None


_flat_grammar = msgspec.json.Decoder(_FlatGrammar).decode


def _nested_grammar(format_: msgspec.Raw | None) -> msgspec.Raw | msgspec.UnsetType:
    """Return a custom tool's format in Chat's shape; Responses writes the grammar's members flat."""
    if format_ is None:
        return msgspec.UNSET
    try:
        flat = _flat_grammar(format_)
    except msgspec.DecodeError:
        return format_
    if flat.syntax is None or flat.definition is None:
        return format_
    grammar = {"syntax": flat.syntax, "definition": flat.definition}
    return msgspec.Raw(msgspec.json.encode({"type": "grammar", "grammar": grammar}))
