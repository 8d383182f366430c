"""A client's /api/chat request, as a Conversation."""

from __future__ import annotations

from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import ollama
from trio_gateway.dialects.conversation import (
    Conversation,
    Image,
    Loss,
    Losses,
    Media,
    OutputFormat,
    Part,
    Reasoning,
    ReasoningRequest,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.media import image_type_of_base64
from trio_gateway.dialects.unread import read_whole, strict_twin
from trio_gateway.dialects.wire import present
from trio_gateway.errors import InvalidRequest

_decode_strictly = msgspec.json.Decoder(strict_twin(ollama.ChatRequest)).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
# Raw equals Raw, never bytes.
_NULL, _EMPTY, _JSON = Raw(b"null"), Raw(b'""'), Raw(b'"json"')

_Role = Literal["system", "developer", "user", "assistant", "tool"]
_ROLES: dict[str, _Role] = {
    "user": "user",
    "assistant": "assistant",
    "tool": "tool",
    "system": "system",
    "developer": "developer",
}

_POINTERS = {
    "max_output_tokens": "/options/num_predict",
    "temperature": "/options/temperature",
    "top_p": "/options/top_p",
    "top_k": "/options/top_k",
    "min_p": "/options/min_p",
    "seed": "/options/seed",
    "presence_penalty": "/options/presence_penalty",
    "frequency_penalty": "/options/frequency_penalty",
    "stop": "/options/stop",
}
_UNREAD_OPTIONS = (
    "num_ctx", "num_keep", "typical_p", "repeat_last_n", "repeat_penalty", "num_batch", "num_gpu", "main_gpu",
    "num_thread", "draft_num_predict", "use_mmap",
)  # fmt: skip

_LEVELS = frozenset({"low", "medium", "high", "max"})
_OLLAMA_ONLY = "only Ollama has this"
_NOT_FOR_ROLE = "has no meaning in a message with this role"


def decode_request(body: bytes) -> Conversation:
    """Read the body of POST /api/chat. Raises InvalidRequest, with a JSON pointer, for what Ollama would not take.

    A request without messages, which loads or unloads a model, is a conversation without turns.
    """
    request, unread = read_whole(_decode_strictly, ollama.chat_request_decoder, body)
    if not request.model:
        raise InvalidRequest("The model is required.", code="invalid_value", pointer="/model")
    conversation = Conversation(
        source="ollama",
        model=request.model,
        turns=_turns(request.messages or [], unread),
        tools=[_tool(tool, f"/tools/{index}", unread) for index, tool in enumerate(request.tools or ())],
        reasoning=_reasoning(request.think),
        output=_output(request.format),
        keep_alive=_keep_alive(request.keep_alive),
        stream=request.stream is not False,
        logprobs=request.logprobs or None,
        top_logprobs=request.top_logprobs or None,
        pointers=_POINTERS,
        unread=unread,
    )
    if request.options:
        _read_options(request.options, conversation, unread)
    for name, value in (
        ("truncate", request.truncate),
        ("shift", request.shift),
        ("_debug_render_only", request.debug_render_only),
    ):
        if value is not UNSET and value is not None:
            unread.append(Loss("/" + name, _OLLAMA_ONLY))
    return conversation


# ----------------------------------------------------------------------------------------------- messages


class _CallIds:
    """The ids of a conversation's calls, and which call a result answers.

    Old servers and their clients have no ids: a result then answers the first call of the latest assistant message
    that has its name and no answer yet. Only what came before decides, so that a longer history has the same ids.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()
        self._open: list[tuple[str, str, str]] = []  # of the latest message with calls: as given, ours, name

    def of_calls(self, calls: list[ollama.ToolCall], message: int, unread: Losses) -> list[str]:
        ids: list[str] = []
        self._open = []
        for index, call in enumerate(calls):
            given = call.id or ""
            own = given
            if not given or given in ids:
                if given:
                    unread.append(Loss(f"/messages/{message}/tool_calls/{index}/id", "two calls have the same id"))
                own = f"call_{message}_{index}"
                while own in self._taken:
                    own += "_"
            ids.append(own)
            self._taken.add(own)
            self._open.append((given, own, call.function.name))
        return ids

    def of_result(self, message: ollama.Message, position: int) -> str:
        given, name = message.tool_call_id or "", message.tool_name or ""
        candidates = [entry for entry in self._open if entry[0] == given] if given else self._open
        entry = next((entry for entry in candidates if not name or entry[2] == name), None)
        if entry is None and candidates:
            entry = candidates[0]
        if entry is None:
            return given or f"call_of_result_{position}"
        self._open.remove(entry)
        return entry[1]


def _turns(messages: list[ollama.Message], unread: Losses) -> list[Turn]:
    ids = _CallIds()
    return [_turn(message, index, ids, unread) for index, message in enumerate(messages)]


def _turn(message: ollama.Message, index: int, ids: _CallIds, unread: Losses) -> Turn:
    at = f"/messages/{index}"
    role = _ROLES.get(message.role)
    if role is None:
        raise InvalidRequest(
            f"The role must be one of system, user, assistant and tool at {at}/role.",
            code="invalid_value",
            pointer=at + "/role",
        )
    parts: list[Part] = []
    if role == "assistant" and message.thinking:
        parts.append(Reasoning(message.thinking, at + "/thinking"))
    if message.content:
        parts.append(Text(message.content, at + "/content"))
    if message.images:
        parts += [
            Image(Media("base64", image, image_type_of_base64(image)), f"{at}/images/{place}")
            for place, image in enumerate(message.images)
        ]
    if role == "assistant":
        if message.tool_calls:
            parts += _calls(message.tool_calls, index, ids, unread)
    elif role == "tool":
        name = message.tool_name or None
        parts = [ToolResult(ids.of_result(message, index), parts, at, name)]
    if message.role != "assistant":
        _note_misplaced(message, ("thinking", "tool_calls"), at, unread)
    if message.role != "tool":
        _note_misplaced(message, ("tool_name", "tool_call_id"), at, unread)
    return Turn(role, parts, at)


def _note_misplaced(message: ollama.Message, fields: tuple[str, str], at: str, unread: Losses) -> None:
    for name in fields:
        if getattr(message, name):
            unread.append(Loss(f"{at}/{name}", _NOT_FOR_ROLE))


def _calls(calls: list[ollama.ToolCall], message: int, ids: _CallIds, unread: Losses) -> list[ToolCall]:
    read = []
    for index, (call, own) in enumerate(zip(calls, ids.of_calls(calls, message, unread), strict=True)):
        at = f"/messages/{message}/tool_calls/{index}"
        function = call.function
        if function.index is not UNSET and function.index is not None and function.index != index:
            unread.append(Loss(at + "/function/index", "calls are counted by their place"))
        read.append(ToolCall(own, function.name, _arguments(function.arguments, at), at))
    return read


def _arguments(raw: Raw | UnsetType, at: str) -> str:
    text = b"null" if raw is UNSET else bytes(raw)
    if text == b"null":
        return "{}"
    if not text.startswith(b"{"):
        pointer = at + "/function/arguments"
        raise InvalidRequest(f"Arguments must be an object at {pointer}.", code="invalid_value", pointer=pointer)
    return text.decode()


# ------------------------------------------------------------------------------------------------- the rest


def _tool(tool: ollama.Tool, at: str, unread: Losses) -> Tool:
    if tool.type != "function":
        unread.append(Loss(at + "/type", "Ollama takes every tool for a function"))
    if tool.items is not UNSET and tool.items != _NULL:
        unread.append(Loss(at + "/items", _OLLAMA_ONLY))
    function = tool.function
    parameters = None if function.parameters is UNSET or function.parameters == _NULL else function.parameters
    return Tool(function.name, at=at, description=function.description or None, parameters=parameters)


def _reasoning(think: bool | str | UnsetType | None) -> ReasoningRequest | None:
    """Return what `think` asks for: to think, and to have the thoughts in the answer, which Ollama never hides."""
    if think is UNSET or think is None:
        return None
    if think is True:
        return ReasoningRequest(at="/think", mode="enabled", show=True)
    if think is False:
        return ReasoningRequest("none", "/think")
    if think not in _LEVELS:
        raise InvalidRequest(
            "think must be true, false, low, medium, high or max.", code="invalid_value", pointer="/think"
        )
    return ReasoningRequest(think, "/think", show=True)


def _output(raw: Raw | UnsetType) -> OutputFormat | None:
    if raw is UNSET or raw in (_NULL, _EMPTY):
        return None
    if raw == _JSON:
        return OutputFormat("json_object", "/format")
    if bytes(raw).startswith(b"{"):
        return OutputFormat("json_schema", "/format", schema=raw)
    raise InvalidRequest('format must be "json" or a JSON Schema.', code="invalid_value", pointer="/format")


def _keep_alive(raw: Raw | UnsetType) -> Raw | None:
    if raw is UNSET or raw == _NULL:
        return None
    if bytes(raw)[:1] not in b'"-0123456789':
        raise InvalidRequest("keep_alive must be a duration or seconds.", code="invalid_value", pointer="/keep_alive")
    return raw


def _read_options(options: ollama.Options, conversation: Conversation, unread: Losses) -> None:
    """Fill in `conversation`, which is still being made."""
    limit = _whole(options.num_predict)
    if limit is not None and limit > 0:
        conversation.max_output_tokens = limit
    elif limit is not None and limit != -1:
        unread.append(Loss("/options/num_predict", _OLLAMA_ONLY))
    conversation.temperature = _or_none(options.temperature)
    conversation.top_p = _or_none(options.top_p)
    conversation.min_p = _or_none(options.min_p)
    conversation.presence_penalty = _or_none(options.presence_penalty)
    conversation.frequency_penalty = _or_none(options.frequency_penalty)
    conversation.top_k = _whole(options.top_k)
    conversation.seed = _whole(options.seed)
    if options.stop:
        conversation.stop = [options.stop] if isinstance(options.stop, str) else options.stop
        if isinstance(options.stop, str):
            conversation.pointers = _POINTERS | {"stop.only": "/options/stop"}
    unread += [Loss("/options/" + name, _OLLAMA_ONLY) for name, _ in present(options, _UNREAD_OPTIONS)]


def _or_none(value: float | UnsetType | None) -> float | None:
    return None if value is UNSET else value


def _whole(value: int | float | UnsetType | None) -> int | None:
    """Return the number as the server takes it: it cuts the fraction off."""
    return None if value is UNSET or value is None else int(value)
