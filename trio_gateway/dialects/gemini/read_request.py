"""A client's request, read into a Conversation."""

from __future__ import annotations

from typing import Literal, TypeVar

from msgspec import UNSET, Raw, UnsetType
from msgspec.json import encode

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.capabilities import effort_of_budget
from trio_gateway.dialects.conversation import (
    Conversation,
    Loss,
    OutputFormat,
    ReasoningRequest,
    Tool,
    ToolChoice,
)
from trio_gateway.dialects.gemini import shapes
from trio_gateway.dialects.gemini.read_contents import ContentsReader
from trio_gateway.dialects.gemini.schemas import to_json_schema
from trio_gateway.dialects.gemini.tokens import NAME
from trio_gateway.dialects.members import respell
from trio_gateway.dialects.names import NOT_OFFERED, NOTHING_ALLOWED, recognise_name
from trio_gateway.errors import InvalidRequest

T = TypeVar("T")

_CONFIG = "/generationConfig"
_CHOICE = "/toolConfig/functionCallingConfig"

# Where the fields of a Conversation that have another name there stood in the request. Shared, and never changed.
_POINTERS = {
    "turns": "/contents",
    "max_output_tokens": f"{_CONFIG}/maxOutputTokens",
    "temperature": f"{_CONFIG}/temperature",
    "top_p": f"{_CONFIG}/topP",
    "top_k": f"{_CONFIG}/topK",
    "seed": f"{_CONFIG}/seed",
    "presence_penalty": f"{_CONFIG}/presencePenalty",
    "frequency_penalty": f"{_CONFIG}/frequencyPenalty",
    "stop": f"{_CONFIG}/stopSequences",
    "n": f"{_CONFIG}/candidateCount",
    "logprobs": f"{_CONFIG}/responseLogprobs",
    "top_logprobs": f"{_CONFIG}/logprobs",
    "service_tier": "/serviceTier",
}

_INTEGERS = {
    "max_output_tokens": "maxOutputTokens",
    "candidate_count": "candidateCount",
    "seed": "seed",
    "logprobs": "logprobs",
}
_TIERS = {"standard": "default", "unspecified": None}
_MODES: dict[str, Literal["auto", "none", "required"]] = {"AUTO": "auto", "NONE": "none", "ANY": "required"}
_JSON = "application/json"
_OF_ENUM = {"APPLICATION_JSON": _JSON, "TEXT_PLAIN": "text/plain"}  # responseFormat's documents write both
_ENUM = "text/x.enum"  # a schema's value alone, as text

# The tools that Google runs itself, each the name of a member of Tool.
_HOSTED = tuple(
    (field, name)
    for field, name in zip(wire_gemini.Tool.__struct_fields__, wire_gemini.Tool.__struct_encode_fields__, strict=True)
    if field != "function_declarations"
)


def decode_request(body: bytes, /, *, model: str | None = None, stream: bool | None = None) -> Conversation:
    """Read a body. `model` and `stream` are what the URL says; the body's own model stands in for the first.

    Raises InvalidRequest, pointing at the field, for a body that the API refuses as well.
    """
    read = shapes.read(body)
    reader = _Reader(read)
    try:
        conversation = reader.conversation(model, stream is True)
    except InvalidRequest as error:
        if read.spelled:
            raise shapes.respelled(error, read.spelled) from error
        raise
    if read.spelled:
        _respell(conversation, read.spelled)
    for at in reader.subsets:
        written = respell(at, read.spelled)
        conversation.spelled[f"{written}/parametersJsonSchema"] = respell(f"{at}/parameters", read.spelled)
    return conversation


def _respell(conversation: Conversation, spelled: dict[str, str]) -> None:
    """Make every pointer the one that the client wrote. Done before anybody else sees the conversation."""
    conversation.pointers = {field: respell(pointer, spelled) for field, pointer in conversation.pointers.items()}
    conversation.unread = [Loss(respell(loss.pointer, spelled), loss.reason) for loss in conversation.unread]
    conversation.spelled = _every_mixture(spelled)
    nodes = [conversation.tool_choice, conversation.reasoning, conversation.output, *conversation.tools]
    parts = [part for turn in conversation.turns for part in turn.parts]
    inner = [inner for part in parts for inner in getattr(part, "parts", ())]
    for node in (*nodes, *conversation.turns, *parts, *inner):
        if node is not None:
            node.at = respell(node.at, spelled)


def _every_mixture(spelled: dict[str, str]) -> dict[str, str]:
    """Return the pointers as the client spelled them by those that begin so, and go on in camelCase."""
    found: dict[str, str] = {}
    for camel, written in spelled.items():
        steps = camel.split("/")
        for place in range(1, len(steps)):
            found["/".join([respell("/".join(steps[:place]), spelled), *steps[place:]])] = written
    return found


def given(value: T | UnsetType | None) -> T | None:
    return None if value is UNSET or value is None else value


def given_raw(value: Raw | UnsetType) -> Raw | None:
    return None if value is UNSET or bytes(value) == b"null" else value


class _Reader:
    __slots__ = ("_body", "_request", "_unread", "subsets")

    def __init__(self, body: shapes.Body) -> None:
        self._body = body
        self._request = body.request
        self._unread = body.unread
        self.subsets: list[str] = []  # functions whose schema is of Google's own subset, which has another name

    def conversation(self, model: str | None, stream: bool) -> Conversation:
        request = self._request
        if not request.contents:
            raise InvalidRequest("contents needs at least one content.", code="missing_value", pointer="/contents")
        contents = ContentsReader(self._unread, self._body.opaque)
        conversation = Conversation(
            source=NAME,
            model=model or (given(request.model) or "").removeprefix("models/"),
            turns=contents.read(given(request.system_instruction), request.contents),
            tools=self._tools() if request.tools else [],
            service_tier=_TIERS.get(tier, tier) if (tier := given(request.service_tier)) else None,
            store=given(request.store),
            stream=stream,
            pointers=_POINTERS,
            joined=contents.joined,
            unread=self._unread,
        )
        if request.tool_config and request.tool_config.function_calling_config:
            calling = request.tool_config.function_calling_config
            conversation.tool_choice = self._tool_choice(calling, conversation.tools)
        if request.generation_config:
            self._read_config(conversation, request.generation_config)
        return conversation

    # -- tools

    def _tools(self) -> list[Tool]:
        tools: list[Tool] = []
        for i, tool in enumerate(self._request.tools or ()):
            for n, declaration in enumerate(tool.function_declarations or ()):
                tools.append(self._function(declaration, f"/tools/{i}/functionDeclarations/{n}"))
            for field, name in _HOSTED:
                raw = getattr(tool, field)
                if raw is not UNSET and bytes(raw) != b"null":
                    tools.append(_hosted(name, raw, f"/tools/{i}/{name}"))
            if self._body.opaque:
                prefix = f"/tools/{i}/"
                tools += [
                    _hosted(name, raw, at) for at, (name, raw) in self._body.opaque.items() if at.startswith(prefix)
                ]
        return tools

    def _function(self, declaration: wire_gemini.FunctionDeclaration, at: str) -> Tool:
        if not declaration.name:
            raise InvalidRequest("A function needs a name.", code="missing_value", pointer=f"{at}/name")
        name, custom = recognise_name(declaration.name)
        if custom:
            return Tool(name, "custom", at, given(declaration.description))
        parameters, subset = given_raw(declaration.parameters_json_schema), given_raw(declaration.parameters)
        if subset is not None:
            if parameters is not None:
                raise _exclusive("parameters", "parametersJsonSchema", at)
            parameters = to_json_schema(subset, f"{at}/parameters")
            self.subsets.append(at)
        return Tool(name, "function", at, given(declaration.description), parameters)

    def _tool_choice(self, config: wire_gemini.FunctionCallingConfig, tools: list[Tool]) -> ToolChoice | None:
        mode = given(config.mode)
        names = [recognise_name(name)[0] for name in given(config.allowed_function_names) or ()]
        if mode in (None, "MODE_UNSPECIFIED"):
            if names:
                self._unread.append(Loss(f"{_CHOICE}/allowedFunctionNames", "says nothing without a mode"))
            return None
        if mode == "VALIDATED":
            if names:
                return self._allowed(names, tools, required=False)
            self._unread.append(Loss(f"{_CHOICE}/mode", "VALIDATED becomes the default, which validates nothing"))
            return ToolChoice("auto", _CHOICE)
        if mode == "ANY" and names:
            if len(names) == 1:
                return ToolChoice("named", _CHOICE, names)
            return self._allowed(names, tools, required=True)
        if mode not in _MODES:
            raise InvalidRequest(
                "mode must be AUTO, ANY, NONE or VALIDATED.", code="invalid_value", pointer=f"{_CHOICE}/mode"
            )
        if names:
            self._unread.append(Loss(f"{_CHOICE}/allowedFunctionNames", f"says nothing with mode {mode}"))
        return ToolChoice(_MODES[mode], _CHOICE)

    def _allowed(self, names: list[str], tools: list[Tool], *, required: bool) -> ToolChoice:
        offered = {tool.name for tool in tools if tool.kind != "hosted"}
        for i, name in enumerate(names):
            if name not in offered:
                self._unread.append(Loss(f"{_CHOICE}/allowedFunctionNames/{i}", NOT_OFFERED))
        allowed = [name for name in names if name in offered]
        if allowed:
            return ToolChoice("allowed", _CHOICE, allowed, required=required)
        self._unread.append(Loss(_CHOICE, NOTHING_ALLOWED))
        return ToolChoice("none", _CHOICE)

    # -- generationConfig

    def _read_config(self, conversation: Conversation, config: wire_gemini.GenerationConfig) -> None:
        for field in _INTEGERS:
            value = getattr(config, field)
            if isinstance(value, int) and not -(2**31) <= value < 2**31:
                raise InvalidRequest(
                    "A number of more than 32 bits.", code="invalid_value", pointer=f"{_CONFIG}/{_INTEGERS[field]}"
                )
        conversation.max_output_tokens = given(config.max_output_tokens)
        conversation.temperature = given(config.temperature)
        conversation.top_p = given(config.top_p)
        conversation.top_k = self._top_k(given(config.top_k))
        conversation.seed = given(config.seed)
        conversation.presence_penalty = given(config.presence_penalty)
        conversation.frequency_penalty = given(config.frequency_penalty)
        conversation.stop = given(config.stop_sequences) or None
        conversation.n = given(config.candidate_count)
        conversation.logprobs = given(config.response_logprobs)
        conversation.top_logprobs = given(config.logprobs)
        conversation.output = self._output(config)
        if config.thinking_config:
            conversation.reasoning = self._reasoning(config.thinking_config)
        if given(config.response_modalities) not in (None, [], ["TEXT"]):
            self._unread.append(Loss(f"{_CONFIG}/responseModalities", shapes.NO_COUNTERPART))

    def _top_k(self, top_k: float | None) -> int | None:
        if top_k is None:
            return None
        if not abs(top_k) < 2**31:
            raise InvalidRequest("topK is out of range.", code="invalid_value", pointer=f"{_CONFIG}/topK")
        if top_k != int(top_k):
            self._unread.append(Loss(f"{_CONFIG}/topK", "other formats take whole numbers only"))
        return int(top_k)

    def _output(self, config: wire_gemini.GenerationConfig) -> OutputFormat | None:
        text, text_at = given(config.response_mime_type), f"{_CONFIG}/responseMimeType"
        schema_at = f"{_CONFIG}/responseJsonSchema"
        schema, subset = given_raw(config.response_json_schema), given_raw(config.response_schema)
        if subset is not None:
            if schema is not None:
                raise _exclusive("responseSchema", "responseJsonSchema", _CONFIG)
            schema_at = f"{_CONFIG}/responseSchema"
            schema = to_json_schema(subset, schema_at)
        for i, format_ in enumerate(given(config.response_format) or ()):
            if format_.text:
                at = f"{_CONFIG}/responseFormat/{i}/text"
                given_before = [pointer for pointer, it in ((text_at, text), (schema_at, schema)) if it]
                self._unread += [
                    Loss(pointer, "another format for the answer is given, and counts") for pointer in given_before
                ]
                text_at, schema_at = f"{at}/mimeType", f"{at}/schema"
                text, schema = given(format_.text.mime_type), given_raw(format_.text.schema)
        text = _OF_ENUM.get(text or "", text)
        if text is None and schema is not None:
            text = _JSON
        if text == _ENUM and schema is not None:
            self._unread.append(Loss(text_at, "a value to choose comes as JSON, in quotes"))
            text = _JSON
        if text == _JSON:
            if schema is not None:
                return OutputFormat("json_schema", schema_at, schema=schema)
            return OutputFormat("json_object", text_at)
        if text not in (None, "", "text/plain"):
            self._unread.append(Loss(text_at, "other formats have text and JSON only"))
        if schema is not None:
            self._unread.append(Loss(schema_at, "a schema says nothing where the answer is no JSON"))
        return None

    def _reasoning(self, config: wire_gemini.ThinkingConfig) -> ReasoningRequest | None:
        at = f"{_CONFIG}/thinkingConfig"
        level, budget = given(config.thinking_level), given(config.thinking_budget)
        show = given(config.include_thoughts)
        if level == "THINKING_LEVEL_UNSPECIFIED":
            level = None
        if level is not None:
            if budget is not None:
                raise _exclusive("thinkingBudget", "thinkingLevel", at)
            return ReasoningRequest(level.lower(), at, show=show)
        if budget is None:
            return None if show is None else ReasoningRequest(at=at, show=show)
        if budget == 0:
            return ReasoningRequest("none", at, mode="disabled", show=show)
        if budget < 0:
            return ReasoningRequest(None, at, mode="adaptive", show=show)
        return ReasoningRequest(effort_of_budget(budget), at, mode="enabled", budget_tokens=budget, show=show)


def _exclusive(name: str, other: str, at: str) -> InvalidRequest:
    return InvalidRequest(f"{name} and {other} exclude each other.", code="invalid_value", pointer=f"{at}/{name}")


def _hosted(name: str, raw: Raw, at: str) -> Tool:
    return Tool(name, "hosted", at, raw=Raw(b"{%b:%b}" % (encode(name), bytes(raw))))
