"""A Conversation, as the body of a request to a target's /api/chat."""

from __future__ import annotations

from typing import Any

import msgspec

from gateway_schemas import ollama
from trio_gateway.dialects.arguments import object_of, wrap
from trio_gateway.dialects.capabilities import Capabilities, nearest_effort
from trio_gateway.dialects.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Loss,
    Losses,
    Opaque,
    OutputFormat,
    Part,
    Reasoning,
    ReasoningRequest,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Turn,
)
from trio_gateway.dialects.media import image_type_of_base64, not_inlined, standard_base64
from trio_gateway.dialects.members import as_written, citations_at, mark_at, member, token_at, untaken_tools
from trio_gateway.dialects.ollama.tools import encode_tools
from trio_gateway.errors import InvalidRequest

# How a message reads: thoughts, text, images, calls. Parts in another order are put into this one.
_PLACE: dict[type[Part], int] = {Reasoning: 0, Text: 1, Refusal: 1, File: 1, Image: 2, ToolCall: 3}

_THINK = {"none": False, "minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "max",
          "max": "max"}  # fmt: skip
_EXACT_EFFORTS = frozenset({"none", "low", "medium", "high", "max"})

_OPTIONS = ("temperature", "top_p", "top_k", "min_p", "seed", "presence_penalty", "frequency_penalty")
_SAMPLING = frozenset({"temperature", "top_p", "top_k", "min_p"})

# Fields that Ollama has no word for, and the values that ask for nothing but what it does anyway.
_UNKNOWN_FIELDS: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("parallel_tool_calls", (None, True)),
    ("n", (None, 1)),
    ("logit_bias", (None,)),
    ("verbosity", (None, "medium")),
    ("user", (None,)),
    ("metadata", (None,)),
    ("store", (None, False)),
    ("service_tier", (None, "auto", "default")),
    ("cache", (None,)),
    ("cache_key", (None,)),
)

_SCHEMA_NAME = "response"  # what the other dialects call a schema that comes without a name

_NO_WORD = "Ollama has no word for this"


def encode_request(conversation: Conversation, model: str, capabilities: Capabilities) -> tuple[bytes, Losses]:
    """Return the body of POST /api/chat, and what it cannot say.

    Raises InvalidRequest for an image that is not there as base64: Ollama fetches nothing.
    """
    losses = list(conversation.unread)
    request = ollama.ChatRequest(
        model=model,
        messages=_Messages(conversation.source, losses, capabilities).encode(conversation.turns),
        stream=conversation.stream,
    )
    choice = conversation.tool_choice
    if conversation.tools and capabilities.tools:
        if tools := encode_tools(conversation, losses):
            request.tools = tools
    elif choice is not None and choice.mode not in ("auto", "none"):
        losses.append(Loss(choice.at, "Ollama cannot be made to call a tool"))
    if not capabilities.tools and (choice is None or choice.mode != "none"):
        losses += untaken_tools(conversation)
    if conversation.output is not None:
        _encode_output(conversation, conversation.output, request, capabilities, losses)
    if conversation.reasoning is not None:
        _encode_reasoning(conversation, conversation.reasoning, request, capabilities, losses)
    options = _options(conversation, capabilities, losses)
    if options is not None:
        request.options = options
    if conversation.keep_alive is not None:
        request.keep_alive = conversation.keep_alive
    if conversation.logprobs:
        request.logprobs = True
    if conversation.top_logprobs:
        request.top_logprobs = conversation.top_logprobs
    for field, nothing in _UNKNOWN_FIELDS:
        value = getattr(conversation, field)
        if value not in nothing:
            losses.append(Loss(conversation.pointer(field), _NO_WORD))
    return ollama.encode(request), as_written(conversation, losses)


def _encode_output(
    conversation: Conversation,
    output: OutputFormat,
    request: ollama.ChatRequest,
    capabilities: Capabilities,
    losses: Losses,
) -> None:
    if output.kind == "text":
        return
    if not capabilities.structured_output:
        losses.append(Loss(output.at, "the model has no structured output"))
        return
    if output.kind == "json_schema" and output.schema is not None:
        request.format = output.schema
        named = output.name not in (None, _SCHEMA_NAME)
        for name, lost in (("name", named), ("strict", output.strict), ("description", output.description)):
            if lost:
                at = member(conversation.source, output.at, f"output.{name}")
                losses.append(Loss(at, f"Ollama takes the schema alone, without {name}"))
    else:
        request.format = msgspec.Raw(b'"json"')
        if output.kind == "json_schema":
            losses.append(Loss(output.at, "there is no schema: any JSON will do"))


def _encode_reasoning(
    conversation: Conversation,
    reasoning: ReasoningRequest,
    request: ollama.ChatRequest,
    capabilities: Capabilities,
    losses: Losses,
) -> None:
    source, at = conversation.source, reasoning.at
    think = _think(reasoning, capabilities, losses)
    if think is not None:
        request.think = think
    if reasoning.budget_tokens is not None:
        losses.append(Loss(member(source, at, "budget_tokens"), "Ollama takes no budget of tokens to think with"))
    if reasoning.mode in ("adaptive", "between_tools"):
        losses.append(Loss(at, f"Ollama knows thinking as on or off, not {reasoning.mode}"))
    at_show = member(source, at, "show")
    if reasoning.show and think is None:
        losses.append(Loss(at_show, "whether Ollama thinks, and shows it, is left to the model's default"))
    if reasoning.show is False and think:
        losses.append(Loss(at_show, "Ollama does not hide the thoughts it is asked for"))


def _think(reasoning: ReasoningRequest, capabilities: Capabilities, losses: Losses) -> bool | str | None:
    at, effort = reasoning.at, reasoning.effort
    if reasoning.mode == "disabled" or effort == "none":
        if effort not in (None, "none"):
            losses.append(Loss(at, "an effort says nothing where thinking is off"))
        if "disabled" not in capabilities.thinking:
            losses.append(Loss(at, "the model's thinking cannot be turned off"))
            return None
        return False
    if effort is None and reasoning.mode is None and reasoning.budget_tokens is None:
        return None
    if not capabilities.thinking - {"disabled"}:
        losses.append(Loss(at, "the model does not think"))
        return None
    if effort is None:
        return True
    if effort not in _THINK:
        losses.append(Loss(at, "Ollama does not know this effort"))
        return True
    level = nearest_effort(str(_THINK[effort]), capabilities.efforts & _EXACT_EFFORTS)
    if level != effort:
        losses.append(Loss(at, f"Ollama has no effort {effort}" if level is None else f"the effort becomes {level}"))
    return level or True


def _options(conversation: Conversation, capabilities: Capabilities, losses: Losses) -> ollama.Options | None:
    given: dict[str, Any] = {}
    limit = conversation.max_output_tokens
    if limit is not None:
        if capabilities.max_output_tokens is not None and limit > capabilities.max_output_tokens:
            limit = capabilities.max_output_tokens
            losses.append(Loss(conversation.pointer("max_output_tokens"), f"the model writes {limit} tokens at most"))
        given["num_predict"] = limit
    for name in _OPTIONS:
        value = getattr(conversation, name)
        if value is None:
            continue
        if name in _SAMPLING and capabilities.sampling == "none":
            losses.append(Loss(conversation.pointer(name), "the model takes no sampling parameters"))
        elif name == "top_p" and capabilities.sampling == "one" and conversation.temperature is not None:
            losses.append(Loss(conversation.pointer(name), "the model takes one of temperature and top_p"))
        else:
            given[name] = value
    if conversation.stop:
        if capabilities.stop_sequences:
            given["stop"] = conversation.stop
        else:
            losses.append(Loss(conversation.pointer("stop"), "the model takes no stop sequences"))
    return ollama.Options(**given) if given else None


class _Messages:
    """The messages being written, and the names of the calls that results will refer to."""

    def __init__(self, source: str, losses: Losses, capabilities: Capabilities) -> None:
        self._source = source
        self._losses = losses
        self._capabilities = capabilities
        self._names: dict[str, str] = {}

    def encode(self, turns: list[Turn]) -> list[ollama.Message]:
        messages: list[ollama.Message] = []
        for turn in turns:
            parts = turn.parts
            if turn.role == "tool" or any(type(part) is ToolResult for part in parts):
                messages += [self._result(part) for part in parts if isinstance(part, ToolResult)]
                parts = [part for part in parts if not isinstance(part, ToolResult)]
                if not parts:
                    self._lose_turn_fields(turn)
                    continue
            messages.append(self._message(turn, parts))
        return messages

    def _message(self, turn: Turn, parts: list[Part]) -> ollama.Message:
        self._lose_turn_fields(turn)
        role: str = turn.role
        if role == "developer":
            role = "system"
            self._lose(turn.at + "/role", "Ollama's only word for it is system")
        elif role == "tool":
            role = "user"
            self._lose(turn.at, "what is no result becomes a message of the user")
        message = ollama.Message(role, "")
        self._fill(message, parts, "" if role == "assistant" else "\n", turn.at)
        return message

    def _lose_turn_fields(self, turn: Turn) -> None:
        if turn.name is not None:
            self._lose(turn.at + "/name", "Ollama's messages have no name")
        if turn.phase is not None:
            self._lose(turn.phase_pointer, _NO_WORD)

    def _result(self, result: ToolResult) -> ollama.Message:
        message = ollama.Message("tool", "")
        self._fill(message, result.parts, "\n", result.at)
        if name := result.name or self._names.get(result.call_id):
            message.tool_name = name
        message.tool_call_id = result.call_id
        if result.is_error:
            at = member(self._source, result.at, "is_error")
            self._lose(at, "Ollama does not know that a tool failed, but by what the result says")
        if result.custom:
            self._lose(result.at, "Ollama has functions only, no tools that take free text")
        self._lose_cache(result)
        return message

    def _fill(self, message: ollama.Message, parts: list[Part], separator: str, at: str) -> None:
        """Fold `parts` into one message: Ollama's own layers would split it into several and lose what ties them."""
        if len(parts) == 1 and type(parts[0]) is Text:
            message.content = self._text(parts[0])
            return
        texts: list[str] = []
        thoughts: list[str] = []
        images: list[str] = []
        calls: list[ollama.ToolCall] = []
        place, in_order = 0, True
        for part in parts:
            here = _PLACE.get(type(part), place)
            in_order = in_order and here >= place
            place = here
            if isinstance(part, ToolCall):
                calls.append(self._call(part))
            elif isinstance(part, Reasoning):
                thoughts += self._thought(part, message.role)
            elif isinstance(part, Image):
                images += self._image(part)
            else:
                texts += self._other(part)
        if not in_order:
            self._lose(at, "Ollama's order is thoughts, text, images, calls")
        message.content = self._joined(texts, separator, at, "texts")
        if thoughts:
            message.thinking = self._joined(thoughts, "\n\n", at, "thoughts")
        if images:
            message.images = images
        if calls:
            message.tool_calls = calls

    def _joined(self, texts: list[str], separator: str, at: str, what: str) -> str:
        if len(texts) > 1:
            self._lose(at, f"{len(texts)} {what} are joined")
        return separator.join(texts)

    def _text(self, part: Text) -> str:
        if part.cache is not None or part.citations is not None or part.token is not None:
            self._lose_cache(part)
            if part.citations is not None:
                self._lose(citations_at(self._source, part.at), "Ollama has no citations")
            if part.token is not None:
                self._lose(token_at(self._source, part), f"only {part.token.issuer} can read the token")
        return part.text

    def _other(self, part: Part) -> list[str]:
        """Return the text that stands for `part`, or nothing."""
        if isinstance(part, Text):
            text = self._text(part)
            return [text] if text else []
        if isinstance(part, Refusal):
            self._lose(part.at, "a refusal is text like any other")
            return [part.text] if part.text else []
        if isinstance(part, File):
            self._lose_cache(part)
            if part.media.kind == "text":
                self._lose(part.at, "the document becomes text of the message")
                for name in ("filename", "context", "citations_enabled"):
                    if getattr(part, name):
                        self._lose(member(self._source, part.at, name), _NO_WORD)
                return [part.media.value]
            self._lose(part.at, "Ollama takes no files")
        elif isinstance(part, Audio):
            self._lose(part.at, "Ollama takes no audio")
        elif isinstance(part, Opaque):
            self._lose(part.at, f"Ollama has nothing like {part.tag}")
        else:
            self._lose(part.at, "a result inside of a result")
        return []

    def _thought(self, part: Reasoning, role: str) -> list[str]:
        if part.redacted:
            self._lose(part.at, "only its issuer can read this thought")
            return []
        if part.token is not None:
            self._lose(token_at(self._source, part), f"only {part.token.issuer} can read the token")
        if part.id is not None:
            self._lose(member(self._source, part.at, "item_id"), _NO_WORD)
        if role != "assistant":
            self._lose(part.at, "only the assistant thinks")
            return []
        return [part.text] if part.text else []

    def _image(self, image: Image) -> list[str]:
        media = image.media
        if not self._capabilities.images:
            self._lose(image.at, "the model takes no images")
            return []
        if media.kind != "base64":
            raise not_inlined("Ollama takes no image by URL or id", image.at)
        if not media.value:
            raise InvalidRequest(f"The image is empty at {image.at}.", code="invalid_value", pointer=image.at)
        value = standard_base64(media.value)
        if media.media_type is not None and media.media_type != image_type_of_base64(value):
            self._lose(image.at, "Ollama's images have no media type")
        if image.detail not in (None, "auto"):
            self._lose(member(self._source, image.at, "detail"), "Ollama does not choose an image's detail")
        self._lose_cache(image)
        return [value]

    def _call(self, call: ToolCall) -> ollama.ToolCall:
        self._names[call.id] = call.name
        arguments = None if call.custom else object_of(call.arguments)
        if arguments is None:
            arguments = wrap(call.arguments)
            self._lose(call.at, "arguments are an object: what is none is wrapped, as input")
        if call.token is not None:
            self._lose(token_at(self._source, call), f"only {call.token.issuer} can read the token")
        if call.item_id is not None:
            self._lose(member(self._source, call.at, "item_id"), "Ollama has one id for a call")
        self._lose_cache(call)
        return ollama.ToolCall(ollama.ToolCallFunction(call.name, arguments), call.id)

    def _lose_cache(self, node: Text | Image | File | ToolCall | ToolResult) -> None:
        if node.cache is not None:
            self._lose(mark_at(node.cache, node.at), "Ollama has no cache marks")

    def _lose(self, at: str, reason: str) -> None:
        self._losses.append(Loss(at, reason))
