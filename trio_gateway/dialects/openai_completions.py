"""OpenAI's legacy completions, /v1/completions: a prompt, served as a conversation of one turn.

Requests become those of Chat and answers come from it, so that there is one place that knows what OpenAI's words
mean. To a provider whose model is known to be served here a request passes as it is, and so does its answer, which
`passage_chat` reads; to any other the conversation goes as what it is.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import openai_chat as wire
from trio_gateway.dialects import openai_chat
from trio_gateway.dialects.conversation import Answer, AnswerContext, Conversation, Loss, Losses
from trio_gateway.dialects.events import AnswerEvent
from trio_gateway.dialects.openai_chat import KEEP_ALIVE, MEDIA_TYPE_STREAM, encode_error, encode_stream_error
from trio_gateway.dialects.wire import BAD_BODY, invalid, read_request
from trio_gateway.errors import InvalidRequest

__all__ = [
    "KEEP_ALIVE",
    "MEDIA_TYPE_STREAM",
    "AnswerEncoder",
    "decode_request",
    "encode_answer",
    "encode_error",
    "encode_stream_error",
    "new_answer_encoder",
]

_NOTHING = frozenset({b"null", b'""', b"false", b"1"})
_WITHOUT_COUNTERPART = {
    "echo": "the answer does not repeat the prompt",
    "suffix": "a conversation has no text after the answer",
    "best_of": "the provider returns every answer it makes",
}


class _Request(msgspec.Struct):
    """What a completion has that Chat has not, or in another shape."""

    prompt: str | list[str | int | list[int]] | None = None
    logprobs: int | None = None


class _Choice(msgspec.Struct):
    text: str
    index: int | None
    logprobs: dict[str, object] | None
    finish_reason: str | None


class _Completion(msgspec.Struct):
    """The answer, or a chunk of its stream: they have the same shape."""

    id: str | None
    created: int | float | None
    model: str | None
    choices: list[_Choice]
    object: str = "text_completion"
    usage: wire.Usage | UnsetType | None = UNSET
    service_tier: str | UnsetType | None = UNSET


class _Token(msgspec.Struct):
    token: str
    logprob: float | None = None
    top_logprobs: list[_Token] = []


class _Logprobs(msgspec.Struct):
    content: list[_Token] | None = None


_request = msgspec.json.Decoder(_Request)
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_logprobs = msgspec.json.Decoder(_Logprobs | None).decode


def decode_request(body: bytes, /) -> Conversation:
    """Raises InvalidRequest, also for prompts in tokens; and for several, which are to be split before."""
    request = read_request(_request, body)
    try:
        members: dict[str, Raw] = _decode_members(body)
    except BAD_BODY as error:
        raise invalid(error) from error
    losses: Losses = []
    chat: dict[str, object] = {"messages": [{"role": "user", "content": _prompt(request.prompt)}]}
    for name, value in members.items():
        if name in _WITHOUT_COUNTERPART:
            if bytes(value) not in _NOTHING:
                losses.append(Loss("/" + name, _WITHOUT_COUNTERPART[name]))
        elif name == "messages":
            losses.append(Loss("/messages", "unknown to this gateway"))
        elif name not in ("prompt", "logprobs"):
            chat[name] = value
    if request.logprobs is not None:
        chat |= {"logprobs": True, "top_logprobs": request.logprobs}
    conversation = openai_chat.decode_request(wire.encode(chat))
    conversation.pointers = {**conversation.pointers, "turns": "/prompt", "top_logprobs": "/logprobs"}
    for turn in conversation.turns:
        turn.at = "/prompt"
        for part in turn.parts:
            part.at = "/prompt"
    conversation.unread = losses + conversation.unread
    return conversation


def _prompt(prompt: str | list[str | int | list[int]] | None) -> str:
    if isinstance(prompt, list) and len(prompt) == 1 and isinstance(prompt[0], str):
        prompt = prompt[0]
    if isinstance(prompt, str):
        return prompt
    if prompt is None or not prompt:
        raise InvalidRequest("The prompt is missing.", code="missing_value", pointer="/prompt")
    raise InvalidRequest(
        "For this model the gateway takes the prompt as text, not as tokens.",
        code="unsupported_value",
        pointer="/prompt",
    )


def encode_answer(answer: Answer, context: AnswerContext, /) -> tuple[bytes, Losses]:
    body, losses = openai_chat.encode_answer(answer, context)
    chat = wire.response_decoder.decode(body)
    choices = []
    for choice in chat.choices or ():
        message = choice.message or wire.AnswerMessage()
        losses += _left_out(message, f"/choices/{choice.index}")
        text = message.content if isinstance(message.content, str) else message.refusal or ""
        choices.append(_Choice(text, choice.index, _logprobs(choice.logprobs), choice.finish_reason))
    return wire.encode(_completion(chat, choices)), losses


def _left_out(message: wire.AnswerMessage | wire.Delta, at: str) -> Losses:
    losses = []
    if message.tool_calls:
        losses.append(Loss(at, "a completion has no calls"))
    if message.reasoning_content or message.reasoning_details:
        losses.append(Loss(at, "a completion has no thoughts"))
    return losses


def _completion(chat: wire.Answer | wire.Chunk, choices: list[_Choice]) -> _Completion:
    name = chat.id.replace("chatcmpl-", "cmpl-", 1) if chat.id else chat.id
    return _Completion(
        name, chat.created, chat.model, choices, usage=chat.usage, service_tier=chat.service_tier
    )  # fmt: skip


def _logprobs(raw: Raw | UnsetType) -> dict[str, object] | None:
    """Return Chat's logprobs in the older shape: a list each for tokens, their logprobs, and what else was likely."""
    found = None if raw is UNSET else _decode_logprobs(raw)
    if found is None or found.content is None:
        return None
    tokens = found.content
    return {
        "tokens": [one.token for one in tokens],
        "token_logprobs": [one.logprob for one in tokens],
        "top_logprobs": [{other.token: other.logprob for other in one.top_logprobs} for one in tokens],
        "text_offset": _offsets(one.token for one in tokens),
    }


def _offsets(tokens: Iterable[str]) -> list[int]:
    offsets, at = [], 0
    for token in tokens:
        offsets.append(at)
        at += len(token)
    return offsets


class AnswerEncoder:
    """See the protocol in trio_gateway.dialects: Chat's chunks, each turned into one of this endpoint."""

    def __init__(self, context: AnswerContext) -> None:
        self._chat = openai_chat.new_answer_encoder(context)
        self._own: Losses = []

    @property
    def losses(self) -> Losses:
        return self._chat.losses + self._own

    @losses.setter
    def losses(self, losses: Losses) -> None:
        self._own = losses

    def feed(self, events: list[AnswerEvent]) -> bytes:
        return self._frames(self._chat.feed(events))

    def close(self) -> bytes:
        return self._frames(self._chat.close())

    def _frames(self, frames: bytes) -> bytes:
        return b"".join([self._frame(frame) for frame in frames.split(b"\n\n") if frame])

    def _frame(self, frame: bytes) -> bytes:
        data = frame.removeprefix(b"data: ")
        if data is frame or data == b"[DONE]":
            return frame + b"\n\n"
        chunk = wire.chunk_decoder.decode(data)
        if chunk.error is not UNSET:
            return frame + b"\n\n"
        choices = [written for one in chunk.choices or () if (written := self._choice(one)) is not None]
        if chunk.choices and not choices:
            return b""
        return b"data: %b\n\n" % wire.encode(_completion(chunk, choices))

    def _choice(self, choice: wire.ChunkChoice) -> _Choice | None:
        delta = choice.delta or wire.Delta()
        for loss in _left_out(delta, f"/choices/{choice.index}"):
            if loss not in self._own:
                self._own.append(loss)
        text = delta.content if isinstance(delta.content, str) else delta.refusal or ""
        if not text and choice.finish_reason is None and choice.logprobs is UNSET:
            return None  # a role, a thought, a call
        return _Choice(text, choice.index, _logprobs(choice.logprobs), choice.finish_reason)


def new_answer_encoder(context: AnswerContext, /) -> AnswerEncoder:
    return AnswerEncoder(context)
