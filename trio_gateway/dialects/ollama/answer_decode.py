"""A target's answer, as an Answer, and what reading a stream shares with it."""

from __future__ import annotations

import hashlib

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import ollama
from trio_gateway.dialects.conversation import (
    Answer,
    Choice,
    Loss,
    Losses,
    Opaque,
    Part,
    Reasoning,
    Stop,
    StopReason,
    Text,
    ToolCall,
    Usage,
)
from trio_gateway.dialects.ollama.errors import error_in_answer
from trio_gateway.dialects.times import unix_seconds
from trio_gateway.dialects.unread import strict_twin, unread_members
from trio_gateway.dialects.wire import BAD_BODY, present, read_answer
from trio_gateway.errors import UpstreamBroke

# As with requests: the shapes again, refusing fields that would go unread, so that one decode of a usual answer
# both reads it and proves it read. Log probabilities are read straight into Chat's shape.


class _ChatTopLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _ChatLogprob(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None
    top_logprobs: list[_ChatTopLogprob] | None = []


class Message(ollama.Message, kw_only=True):
    role: str | None = None  # type: ignore[assignment]  # not needed here: it can only be the assistant


class Line(ollama.ChatResponse):
    """An answer, or one line of its stream."""

    message: Message | UnsetType | None = UNSET
    logprobs: list[_ChatLogprob] | UnsetType | None = UNSET  # type: ignore[assignment]  # Chat's shape


_decode_strictly = msgspec.json.Decoder(strict_twin(Line)).decode
_lenient = msgspec.json.Decoder(Line)
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_items = msgspec.json.Decoder(list[dict[str, Raw]]).decode
_decode_text = msgspec.json.Decoder(str).decode
_encode = msgspec.json.Encoder().encode

NULL = Raw(b"null")  # Raw equals Raw, never bytes

_UNREAD = (
    "total_duration",
    "load_duration",
    "prompt_eval_duration",
    "eval_duration",
    "remote_model",
    "remote_host",
    "debug_info",
)

_STOPS: dict[str, StopReason] = {"": "stop", "stop": "stop", "length": "length"}


def read_line(body: bytes, losses: Losses) -> Line:
    """Decode an answer or a line. Raises UpstreamBroke. Appends what its shape does not know to `losses`."""
    try:
        return _decode_strictly(body)
    except BAD_BODY:
        line = read_answer(_lenient, body)
    losses += unread_members(body, Line)
    return line


def unread(line: Line) -> Losses:
    """Return a loss for what the line says and the neutral model has no word for."""
    losses = [Loss("/" + name.replace("debug", "_debug"), "only Ollama has this") for name, _ in present(line, _UNREAD)]
    message = line.message
    if message:
        losses += [
            Loss("/message/" + name, "has no meaning in an answer")
            for name, _ in present(message, ("tool_name", "tool_call_id"))
        ]
    return losses


class CallIds:
    """The ids of an answer's calls: the server's, or a hash of what the call is where an old server gives none.

    The hash starts from the time of the answer, to the nanosecond, so that ids stay unique in a conversation.
    """

    __slots__ = ("_seed", "_taken")

    def __init__(self, line: Line) -> None:
        self._seed = f"{line.created_at} {line.model}"
        self._taken: set[str] = set()

    def of(self, call: ollama.ToolCall, arguments: str) -> str:
        own = call.id or ""
        if not own or own in self._taken:
            text = f"{self._seed} {len(self._taken)} {call.function.name} {arguments}"
            own = "call_" + hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
        self._taken.add(own)
        return own


def arguments_of(call: ollama.ToolCall) -> str:
    """Return the raw text of a call's arguments. Servers of other makes send that text as a string."""
    raw = call.function.arguments
    if raw is UNSET or raw == NULL:
        return "{}"
    try:
        text = bytes(raw)
        return _decode_text(text) or "{}" if text.startswith(b'"') else text.decode()
    except BAD_BODY as error:
        raise UpstreamBroke("The provider's answer has arguments that are no text.") from error


def stop_of(reason: str | UnsetType | None, *, called: bool) -> Stop:
    """Return why it stopped: the server says stop where it called tools, too."""
    word = reason or ""
    neutral = _STOPS.get(word, "other")
    return Stop("tool_calls" if called and neutral == "stop" else neutral, raw=word or None)


def usage_of(line: Line) -> Usage | None:
    """Return the counts. The server omits zeros, and what it took from its cache: absent is not known."""
    prompt, written = line.prompt_eval_count, line.eval_count
    if (prompt is UNSET or prompt is None) and (written is UNSET or written is None):
        return None
    return Usage(None if prompt is UNSET else prompt, None if written is UNSET else written)


def chat_logprobs(line: Line) -> Raw | None:
    """Return the line's log probabilities in Chat's shape."""
    return Raw(_encode({"content": line.logprobs})) if line.logprobs else None


def created_of(line: Line) -> int | None:
    return unix_seconds(line.created_at) if line.created_at else None


def image_part(image: str) -> Raw:
    """Return what stands for an image that the model made: the neutral stream has no word for it."""
    return Raw(_encode(image))


def decode_answer(body: bytes) -> Answer:
    """Read the answer to a request with `stream: false`.

    Raises UpstreamError for `{"error": ...}`, UpstreamBroke for what is no answer, or not the whole of one.
    """
    losses: Losses = []
    return answer_of(read_line(body, losses), losses)


def answer_of(line: Line, losses: Losses) -> Answer:
    """Return the answer that a line is; `losses` are what was left unread of it. Raises as `decode_answer`."""
    if line.error is not UNSET and line.error != NULL:
        raise error_in_answer(line.error)
    if line.done is not True:
        raise UpstreamBroke("The provider's answer is not marked as done.")
    losses += unread(line)
    parts: list[Part] = []
    message = line.message
    if message:
        if message.thinking:
            parts.append(Reasoning(message.thinking, "/message/thinking"))
        if message.content:
            parts.append(Text(message.content, "/message/content"))
        for index, image in enumerate(message.images or ()):
            parts.append(Opaque("ollama", "image", image_part(image), f"/message/images/{index}"))
        ids = CallIds(line)
        for index, call in enumerate(message.tool_calls or ()):
            arguments = arguments_of(call)
            at = f"/message/tool_calls/{index}"
            parts.append(ToolCall(ids.of(call, arguments), call.function.name, arguments, at))
    called = bool(message and message.tool_calls)
    choice = Choice(parts, stop_of(line.done_reason, called=called), logprobs=chat_logprobs(line))
    return Answer(
        source="ollama",
        choices=[choice],
        model=line.model or None,
        created=created_of(line),
        usage=usage_of(line),
        unread=losses,
    )
