"""Ollama's /api/generate: a prompt without turns, served as a conversation of one.

Requests become those of /api/chat and answers come from it, so that there is one place that knows what Ollama's words
mean. Nothing is translated into this: an Ollama is passed the request as it is, anybody else is asked a conversation.
Of what passes back only that is read which the gateway itself wants to know.
"""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw

from gateway_schemas import ollama as wire
from trio_gateway.dialects import ollama
from trio_gateway.dialects.conversation import Answer, AnswerContext, Conversation, Loss, Losses
from trio_gateway.dialects.events import AnswerEvent
from trio_gateway.dialects.ollama import (
    KEEP_ALIVE,
    MEDIA_TYPE_STREAM,
    answer_decode,
    encode_error,
    encode_stream_error,
)
from trio_gateway.dialects.wire import BAD_BODY, invalid, read_answer, read_request
from trio_gateway.errors import InvalidRequest

__all__ = [
    "KEEP_ALIVE",
    "MEDIA_TYPE_STREAM",
    "AnswerEncoder",
    "decode_answer",
    "decode_request",
    "encode_answer",
    "encode_error",
    "encode_stream_error",
    "new_answer_decoder",
    "new_answer_encoder",
]

# What becomes messages, and what a prompt has that a conversation has not.
_MESSAGES = frozenset({"prompt", "system", "images", "messages"})
_NOTHING = frozenset({b"null", b'""', b"false", b"[]"})
_WITHOUT_COUNTERPART = {
    "suffix": "a conversation has no text after the answer",
    "template": "the model's own template is used",
    "context": "an earlier answer's tokens belong to the model that made them",
    "raw": "the prompt goes through the model's template",
    "width": "images are not generated here",
    "height": "images are not generated here",
    "steps": "images are not generated here",
}

_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_SHARED = tuple(name for name in wire.ChatResponse.__struct_fields__ if name in wire.GenerateResponse.__struct_fields__)


def decode_request(body: bytes, /) -> Conversation:
    """Raises InvalidRequest."""
    request = read_request(wire.generate_request_decoder, body)
    try:
        members = _decode_members(body)
    except BAD_BODY as error:
        raise invalid(error) from error
    losses: Losses = []
    chat: dict[str, object] = {}
    for name, value in members.items():
        if name in _WITHOUT_COUNTERPART:
            if bytes(value) not in _NOTHING:
                losses.append(Loss("/" + name, _WITHOUT_COUNTERPART[name]))
        elif name not in _MESSAGES:
            chat[name] = value
    chat["messages"], places = _messages(request)
    try:
        conversation = ollama.decode_request(wire.encode(chat))
    except InvalidRequest as error:
        at = _respell(error.pointer or "", places)
        raise InvalidRequest(error.message, code=error.code, pointer=at) from error
    _respell_all(conversation, places)
    if "messages" in members:
        losses.append(Loss("/messages", "unknown to this gateway"))
    conversation.unread = losses + conversation.unread
    return conversation


def _messages(request: wire.GenerateRequest) -> tuple[list[wire.Message], dict[str, str]]:
    """Return the messages, and where in the body what stands at their pointers came from."""
    messages: list[wire.Message] = []
    places: dict[str, str] = {}
    if request.system:
        places["/messages/0"] = "/system"
        messages.append(wire.Message("system", request.system))
    if request.prompt or request.images:
        at = f"/messages/{len(messages)}"
        places |= {f"{at}/content": "/prompt", f"{at}/images": "/images", at: "/prompt"}
        messages.append(wire.Message("user", request.prompt or "", images=request.images or UNSET))
    elif messages:
        messages.clear()  # without a prompt the model is only loaded
    return messages, places


def _respell(at: str, places: dict[str, str]) -> str:
    for known in sorted(places, key=len, reverse=True):
        if at == known or at.startswith(known + "/"):
            rest = at[len(known) :]
            return places[known] + (rest if places[known] == "/images" else "")
    return at


def _respell_all(conversation: Conversation, places: dict[str, str]) -> None:
    conversation.pointers = {**conversation.pointers, "turns": "/prompt"}
    for turn in conversation.turns:
        turn.at = _respell(turn.at, places)
        for part in turn.parts:
            part.at = _respell(part.at, places)


def encode_answer(answer: Answer, context: AnswerContext, /) -> tuple[bytes, Losses]:
    body, losses = ollama.encode_answer(answer, context)
    return _generated(body), losses


class AnswerEncoder:
    """See the protocol in trio_gateway.dialects: the chat's lines, each turned into one of this endpoint."""

    __slots__ = ("_chat",)

    def __init__(self, context: AnswerContext) -> None:
        self._chat = ollama.new_answer_encoder(context)

    @property
    def losses(self) -> Losses:
        return self._chat.losses

    @losses.setter
    def losses(self, losses: Losses) -> None:
        self._chat.losses = losses

    def feed(self, events: list[AnswerEvent]) -> bytes:
        return _lines(self._chat.feed(events))

    def close(self) -> bytes:
        return _lines(self._chat.close())


def new_answer_encoder(context: AnswerContext, /) -> AnswerEncoder:
    return AnswerEncoder(context)


def _lines(lines: bytes) -> bytes:
    return b"".join([_generated(line) + b"\n" for line in lines.split(b"\n") if line])


def _generated(line: bytes) -> bytes:
    chat = wire.chat_response_decoder.decode(line)
    if chat.error is not UNSET:
        return line
    message = chat.message or wire.Message("assistant")
    generated = wire.GenerateResponse(response=message.content or "", **{name: getattr(chat, name) for name in _SHARED})
    generated.thinking = message.thinking or UNSET
    generated.tool_calls = message.tool_calls or UNSET
    return wire.encode(generated)


# What both answers have, but for probabilities: those have a shape of their own, and nobody asks for them here.
_READ = tuple(name for name in _SHARED if name != "logprobs")


def _read_line(body: bytes, losses: Losses, /) -> answer_decode.Line:
    """Read an answer, or a line of its stream, as one of /api/chat. Raises UpstreamBroke."""
    line = read_answer(wire.generate_response_decoder, body)
    message = answer_decode.Message(content=line.response, thinking=line.thinking, tool_calls=line.tool_calls)
    if line.image:
        message.images = [line.image]
    return answer_decode.Line(message=message, **{name: getattr(line, name) for name in _READ})


def decode_answer(body: bytes, /) -> Answer:
    """Read an answer that passes. Raises as a dialect's does."""
    return answer_decode.answer_of(_read_line(body, []), [])


def new_answer_decoder() -> ollama.AnswerDecoder:
    """Return what reads a stream that passes."""
    return ollama.AnswerDecoder(_read_line)
