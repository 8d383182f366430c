"""A Conversation, as the body of a request to a target's generateContent or streamGenerateContent."""

from __future__ import annotations

from typing import TypeVar

from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.arguments import FREE_TEXT_SCHEMA, lost_grammar
from trio_gateway.dialects.capabilities import EFFORT_BUDGETS, Capabilities, effort_of_budget, nearest_effort
from trio_gateway.dialects.conversation import (
    Conversation,
    Loss,
    Losses,
    OutputFormat,
    ReasoningRequest,
    Tool,
    ToolChoice,
)
from trio_gateway.dialects.gemini.tokens import NAME
from trio_gateway.dialects.gemini.write_contents import ContentsWriter
from trio_gateway.dialects.members import as_written, mark_at, member, untaken_tools
from trio_gateway.dialects.names import carry_name
from trio_gateway.errors import InvalidRequest

_T = TypeVar("_T")

_MAX_TEMPERATURE = 2.0
_SEED_BITS = 31
_JSON = "application/json"
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}
_MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY", "named": "ANY"}
_NO_WORD = "Gemini has no word for it"
_NO_SAMPLING = "this model takes no sampling parameters"

# What is not carried, and the values that ask for nothing but what happens anyway.
_ABSENT: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("parallel_tool_calls", (None, True)),
    ("min_p", (None,)),
    ("logit_bias", (None,)),
    ("verbosity", (None, "medium")),
    ("user", (None,)),
    ("metadata", (None,)),
    ("cache", (None,)),
    ("cache_key", (None,)),
    ("keep_alive", (None,)),
)

_SCHEMA_NAME = "response"  # what the other dialects call a schema that comes without a name


def encode_request(conversation: Conversation, _model: str, capabilities: Capabilities, /) -> tuple[bytes, Losses]:
    """Return the body, and what it cannot say. The model, and whether to stream, are said by the URL.

    Raises InvalidRequest for media that must be inlined, and where there is nothing to answer.
    """
    writer = _Writer(conversation, capabilities)
    return wire_gemini.encode(writer.write()), as_written(conversation, writer.losses)


class _Writer:
    __slots__ = ("_can", "_from", "losses")

    def __init__(self, conversation: Conversation, capabilities: Capabilities) -> None:
        self._from = conversation
        self._can = capabilities
        self.losses: Losses = list(conversation.unread)

    def write(self) -> wire_gemini.GenerateContentRequest:
        source = self._from
        contents = ContentsWriter(source.source, self._can, self.losses)
        contents.write(source.turns)
        if not contents.contents:
            raise InvalidRequest(
                "Gemini answers a message of the user or of the model, and there is none.",
                code="missing_value",
                pointer=source.pointers.get("turns", ""),
            )
        request = wire_gemini.GenerateContentRequest(contents=contents.contents)
        if contents.system:
            request.system_instruction = wire_gemini.Content(parts=contents.system)
        self._write_tools(request)
        config = self._config()
        if config != wire_gemini.GenerationConfig():
            request.generation_config = config
        if source.store is not None:
            request.store = source.store
        request.service_tier = self._service_tier()
        for field, nothing in _ABSENT:
            if getattr(source, field) not in nothing:
                self._lose(field, _NO_WORD)
        return request

    def _lose(self, field: str, reason: str) -> None:
        self.losses.append(Loss(self._from.pointer(field), reason))

    def _service_tier(self) -> str | UnsetType:
        tier = self._from.service_tier
        if tier in (None, "auto"):
            return UNSET
        known = _TIERS.get(tier or "")
        if known is None:
            self._lose("service_tier", f"Gemini has no service tier {tier!r}")
        return known or UNSET

    # -- tools

    def _write_tools(self, request: wire_gemini.GenerateContentRequest) -> None:
        source, choice = self._from, self._from.tool_choice
        if source.tools and not self._can.tools:
            self.losses += untaken_tools(source)
        declarations: list[wire_gemini.FunctionDeclaration] = []
        tools: list[wire_gemini.Tool | Raw] = []
        for tool in source.tools if self._can.tools else ():
            if tool.kind != "hosted":
                declarations.append(self._declaration(tool))
            elif source.source == NAME and tool.raw is not None:
                tools.append(tool.raw)
            else:
                self.losses.append(Loss(tool.at, "Google runs no tools of other providers"))
        if declarations:
            tools.insert(0, wire_gemini.Tool(function_declarations=declarations))
        if tools:
            request.tools = tools  # type: ignore[assignment]  # a hosted tool is written as the JSON it is
        if choice is None:
            return
        if declarations:
            calling = self._calling(choice, source.tools)
            request.tool_config = wire_gemini.ToolConfig(function_calling_config=calling)
        elif choice.mode not in ("auto", "none"):
            self.losses.append(Loss(choice.at, "there is no function to choose"))

    def _declaration(self, tool: Tool) -> wire_gemini.FunctionDeclaration:
        if tool.cache is not None:
            self.losses.append(Loss(mark_at(tool.cache, tool.at), "Gemini has no cache marks"))
        if tool.strict:
            at = member(self._from.source, tool.at, "strict")
            self.losses.append(Loss(at, "Gemini has no strict functions"))
        parameters = tool.parameters
        if tool.kind == "custom":
            self.losses.append(Loss(tool.at, "a tool that takes free text becomes a function with the argument input"))
            self.losses += lost_grammar(tool, self._from.source)
            parameters = FREE_TEXT_SCHEMA
        elif parameters is not None and bytes(parameters) == b"null":
            parameters = None
        return wire_gemini.FunctionDeclaration(
            carry_name(tool.name, tool.at, custom=tool.kind == "custom"),
            UNSET if tool.description is None else tool.description,
            parameters_json_schema=UNSET if parameters is None else parameters,
        )

    def _calling(self, choice: ToolChoice, tools: list[Tool]) -> wire_gemini.FunctionCallingConfig:
        custom = {tool.name for tool in tools if tool.kind == "custom"}
        names = [carry_name(name, choice.at, custom=name in custom) for name in choice.names]
        if choice.mode != "allowed":
            mode = _MODES[choice.mode]
            return wire_gemini.FunctionCallingConfig(mode, names[:1] if choice.mode == "named" else UNSET)
        if choice.required and len(names) == 1:
            self.losses.append(Loss(choice.at, "a single allowed function becomes the one to call"))
        # Names are heeded only where calls are forced or validated.
        return wire_gemini.FunctionCallingConfig("ANY" if choice.required else "VALIDATED", names)

    # -- generationConfig

    def _config(self) -> wire_gemini.GenerationConfig:
        source = self._from
        config = wire_gemini.GenerationConfig(
            candidate_count=_or_unset(source.n),
            max_output_tokens=self._max_output_tokens(),
            presence_penalty=_or_unset(source.presence_penalty),
            frequency_penalty=_or_unset(source.frequency_penalty),
            stop_sequences=self._stop(),
            seed=self._seed(),
            response_logprobs=_or_unset(source.logprobs),
            logprobs=_or_unset(source.top_logprobs),
        )
        self._write_sampling(config)
        if source.output is not None:
            self._write_output(config, source.output)
        if source.reasoning is not None:
            thinking = self._thinking(source.reasoning)
            if thinking != wire_gemini.ThinkingConfig():
                config.thinking_config = thinking
        return config

    def _max_output_tokens(self) -> int | UnsetType:
        wanted, limit = self._from.max_output_tokens, self._can.max_output_tokens
        if wanted is not None and limit is not None and wanted > limit:
            self._lose("max_output_tokens", f"this model answers with at most {limit} tokens")
            return limit
        return _or_unset(wanted)

    def _stop(self) -> list[str] | UnsetType:
        stop = self._from.stop
        if not stop:
            return UNSET
        if not self._can.stop_sequences:
            self._lose("stop", "this model takes no stop sequences")
            return UNSET
        return stop

    def _seed(self) -> int | UnsetType:
        seed = self._from.seed
        if seed is not None and not -(2**_SEED_BITS) <= seed < 2**_SEED_BITS:
            self._lose("seed", "Gemini's seed has 32 bits")
            return UNSET
        return _or_unset(seed)

    def _write_sampling(self, config: wire_gemini.GenerationConfig) -> None:
        source, sampling = self._from, self._can.sampling
        temperature, top_p, top_k = source.temperature, source.top_p, source.top_k
        if sampling == "none":
            # 1 is the default of the first two: leaving it out changes nothing.
            for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
                if value is not None and (value != 1 or name == "top_k"):
                    self._lose(name, _NO_SAMPLING)
            return
        if temperature is not None and not 0 <= temperature <= _MAX_TEMPERATURE:
            self._lose("temperature", f"clamped to 0..{_MAX_TEMPERATURE:g}")
            temperature = min(max(temperature, 0.0), _MAX_TEMPERATURE)
        if sampling == "one" and temperature is not None and top_p is not None:
            self._lose("top_p", "this model takes temperature or top_p, not both")
            top_p = None
        config.temperature, config.top_p = _or_unset(temperature), _or_unset(top_p)
        config.top_k = _or_unset(top_k)

    def _write_output(self, config: wire_gemini.GenerationConfig, output: OutputFormat) -> None:
        if output.kind == "text":
            return
        if not self._can.structured_output:
            self.losses.append(Loss(output.at, "this model has no structured output"))
            return
        config.response_mime_type = _JSON
        if output.kind != "json_schema":
            return
        if output.schema is None:
            self.losses.append(Loss(output.at, "there is no schema: any JSON will do"))
        else:
            config.response_json_schema = output.schema
        named = None if output.name == _SCHEMA_NAME else output.name
        for name, value in (("name", named), ("strict", output.strict), ("description", output.description)):
            if value is not None:
                at = member(self._from.source, output.at, f"output.{name}")
                self.losses.append(Loss(at, f"Gemini takes the schema alone, without {name}"))

    # -- thinkingConfig

    def _thinking(self, wanted: ReasoningRequest) -> wire_gemini.ThinkingConfig:
        can, at = self._can, wanted.at
        config = wire_gemini.ThinkingConfig(include_thoughts=_or_unset(wanted.show))
        off = wanted.mode == "disabled" or wanted.effort == "none"
        if not can.efforts:
            if not off:
                self.losses.append(Loss(at, "this model does not think"))
            return wire_gemini.ThinkingConfig()
        if off:
            self._turn_off(config, wanted)
        elif wanted.budget_tokens is not None and can.reasoning_by == "budget":
            config.thinking_budget = wanted.budget_tokens
            # An effort of its own, which Anthropic has beside the budget, and not one that the budget was read as.
            apart = self._from.joined.get(at, ())
            self.losses += [Loss(piece, "this model takes a budget, not an effort") for piece in apart]
        elif wanted.mode == "adaptive" and wanted.effort is None and can.reasoning_by == "budget":
            config.thinking_budget = -1
        else:
            self._write_effort(config, wanted)
        return config

    def _turn_off(self, config: wire_gemini.ThinkingConfig, wanted: ReasoningRequest) -> None:
        if "none" in self._can.efforts:
            config.thinking_budget = 0
            return
        self.losses.append(Loss(wanted.at, "this model's thinking cannot be turned off: it thinks as little as it can"))
        self._write_level(config, nearest_effort("minimal", self._can.efforts))

    def _write_effort(self, config: wire_gemini.ThinkingConfig, wanted: ReasoningRequest) -> None:
        at, effort = wanted.at, wanted.effort
        if wanted.budget_tokens is not None:
            effort = effort or effort_of_budget(wanted.budget_tokens)
            at_budget = member(self._from.source, at, "budget_tokens")
            self.losses.append(Loss(at_budget, "this model takes a level of thinking, not a budget"))
        elif wanted.mode == "adaptive":
            self.losses.append(Loss(at, "how much to think is the model's own choice anyway"))
        elif wanted.mode == "between_tools":
            self.losses.append(Loss(at, "Gemini does not tell thinking between tools from any other"))
        elif wanted.mode == "enabled" and effort is None:
            self.losses.append(Loss(at, "whether to think is left to the model's default"))
        if effort is None:
            return
        offered = nearest_effort(effort, self._can.efforts)
        if offered is None:
            self.losses.append(Loss(at, f"Gemini does not know the effort {effort!r}"))
        elif offered != effort:
            self.losses.append(Loss(at, f"the effort becomes {offered}"))
        elif effort == "max" and self._can.reasoning_by != "budget":
            self.losses.append(Loss(at, "the effort becomes xhigh, the highest level"))
        elif self._can.reasoning_by == "budget" and effort_of_budget(EFFORT_BUDGETS[effort]) != effort:
            self.losses.append(Loss(at, f"the effort becomes a budget of {EFFORT_BUDGETS[effort]} tokens"))
        self._write_level(config, offered)

    def _write_level(self, config: wire_gemini.ThinkingConfig, effort: str | None) -> None:
        if effort is None:
            return
        if self._can.reasoning_by == "budget":
            config.thinking_budget = EFFORT_BUDGETS[effort]
        elif effort == "max":  # the scale ends one step before it
            config.thinking_level = "XHIGH"
        else:
            config.thinking_level = effort.upper()


def _or_unset(value: _T | None) -> _T | UnsetType:
    return UNSET if value is None else value
