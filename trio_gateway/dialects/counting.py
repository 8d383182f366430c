"""Counting a prompt's tokens: asked of a provider that speaks the client's dialect, estimated for any other."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
from msgspec import UNSET, Raw, UnsetType

from trio_gateway.dialects import anthropic_messages, gemini
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.carriage import Load
from trio_gateway.dialects.conversation import (
    Audio,
    Conversation,
    File,
    Image,
    Losses,
    Media,
    Part,
    Reasoning,
    Refusal,
    Text,
    ToolCall,
    ToolResult,
    Usage,
)
from trio_gateway.dialects.envelope import Envelope
from trio_gateway.dialects.gemini import passage as gemini_passage
from trio_gateway.dialects.passage import StreamPassage
from trio_gateway.dialects.remote import Remote
from trio_gateway.dialects.splice import splice_member
from trio_gateway.dialects.wire import read_request
from trio_gateway.errors import InvalidRequest

_encode = msgspec.json.Encoder().encode

# Rules of thumb, of English and code in recent vocabularies.
_BYTES_A_TOKEN = 4
_TURN_TOKENS = 4
_TOOL_TOKENS = 12
_IMAGE_TOKENS = 1200
_FILE_BYTES_A_TOKEN = 20  # of a PDF: a page of 60 kB is about 3000 tokens


class _Named(msgspec.Struct):
    model: str


class _Count(msgspec.Struct, rename="camel"):
    """Gemini's: contents alone, or a whole request, in either spelling."""

    generate_content_request: Raw | UnsetType = UNSET
    snake: Raw | UnsetType = msgspec.field(default=UNSET, name="generate_content_request")


_named = msgspec.json.Decoder(_Named)
_count = msgspec.json.Decoder(_Count)


class CountCarriage:
    """A Carriage for a request to count. Where the target speaks another dialect, `told` is the answer."""

    __slots__ = ("_decoded", "_source", "answer_losses", "body", "fetched", "losses", "model", "older", "own", "same",
                 "stream", "stream_media_type", "told", "usage")  # fmt: skip

    def __init__(self, source: str, body: bytes, in_url: Envelope | None) -> None:
        self._source = source
        self.model = read_request(_named, body).model if in_url is None else in_url.model
        self.own = self.body = body
        self.older: str | None = None
        self.stream = False
        self.stream_media_type = b""
        self.losses: Losses = []
        self.answer_losses: Losses = []
        self.usage: Usage | None = None
        self.told: bytes | None = None
        self.fetched: dict[str, Media] = {}
        self.same = False

    def remote_media(self, speaks: str, can: Capabilities) -> list[Remote]:
        return []

    def wants_responses(self, chat: Capabilities) -> bool:
        return False

    def load(self, load: Load) -> None:
        """Make `body` that for a target of the same dialect, or `told` the estimate for another. InvalidRequest."""
        decode, encode, model_in_body = _SIDES[self._source]
        self.same = load.dialect == self._source
        if not self.same:
            self.told = encode(estimate(decode(self.own)))
            return
        self.told = None
        self.body = self.own
        if load.model != self.model:
            rename = _with_model if model_in_body else gemini_passage.renamed_count
            self.body = rename(self.own, load.model)

    def answer(self, body: bytes) -> bytes:
        return body

    def open_stream(self, redact: Callable[[str], str]) -> StreamPassage:
        raise AssertionError("a count is not streamed")

    def forget_request(self) -> None:
        raise AssertionError("a count is not streamed")


def _with_model(body: bytes, model: str) -> bytes:
    return splice_member(body, "model", _encode(model))


def _anthropic(body: bytes) -> Conversation:
    return anthropic_messages.decode_request(splice_member(body, "max_tokens", b"1"))


def _gemini(body: bytes) -> Conversation:
    whole = read_request(_count, body)
    inner = whole.generate_content_request if whole.snake is UNSET else whole.snake
    if inner is UNSET:
        return gemini.decode_request(body)
    try:
        return gemini.decode_request(bytes(inner))
    except InvalidRequest as error:
        at = "/generateContentRequest" + (error.pointer or "")
        raise InvalidRequest(error.message, code=error.code, pointer=at) from error


_SIDES: dict[str, tuple[Callable[[bytes], Conversation], Callable[[int], bytes], bool]] = {
    "anthropic_messages": (_anthropic, b'{"input_tokens":%d}'.__mod__, True),
    "gemini": (_gemini, b'{"totalTokens":%d}'.__mod__, False),
}


def estimate(conversation: Conversation) -> int:
    """Return about how many tokens a prompt has: within a third for text, no better than its order for media."""
    tokens = sum(_TURN_TOKENS + sum(map(_of_part, turn.parts)) for turn in conversation.turns)
    for tool in conversation.tools:
        schema = len(tool.parameters) if tool.parameters is not None else 0
        tokens += _TOOL_TOKENS + _of_text(tool.name) + _of_text(tool.description or "") + schema // _BYTES_A_TOKEN
    output = conversation.output
    if output is not None and output.schema is not None:
        tokens += len(output.schema) // _BYTES_A_TOKEN
    return max(1, tokens)


def _of_text(text: str) -> int:
    size = len(text) if text.isascii() else len(text.encode(errors="replace"))
    return -(-size // _BYTES_A_TOKEN)


def _of_part(part: Part) -> int:
    match part:
        case Text() | Reasoning() | Refusal():
            return _of_text(part.text)
        case ToolCall():
            return _TURN_TOKENS + _of_text(part.name) + _of_text(part.arguments)
        case ToolResult():
            return _TURN_TOKENS + sum(map(_of_part, part.parts))
        case Image():
            return _IMAGE_TOKENS
        case File() | Audio():
            if part.media.kind == "text":
                return _of_text(part.media.value)
            return _IMAGE_TOKENS + len(part.media.value) * 3 // 4 // _FILE_BYTES_A_TOKEN
        case _:
            return len(part.raw) // _BYTES_A_TOKEN
