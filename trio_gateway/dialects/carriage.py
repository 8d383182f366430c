"""How one request and its answer cross between a client's dialect and a target's.

    carriage = ChatCarriage("openai_chat", body)         what the client wants, read and checked
    carriage.load(target_dialect, model, ...)            body and losses for the target
    carriage.answer(body) or carriage.open_stream(...)   what comes back, for the client

Same dialect on both sides: nothing is translated. The body passes byte for byte, with the model's name spliced
where the route renames it. Pure, like everything in this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import msgspec

from trio_gateway.dialects import Dialect, dialect, passage_chat
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import AnswerContext, Losses, Usage
from trio_gateway.dialects.embeddings import (
    EmbeddingDialect,
    decode_embedding_answer,
    decode_embedding_request,
    encode_embedding_answer,
    encode_embedding_request,
)
from trio_gateway.dialects.envelope import read_envelope
from trio_gateway.dialects.passage import LINE_ENDS, SSE_ENDS, ObservedStream, StreamPassage, TranslatedStream
from trio_gateway.dialects.splice import splice_member
from trio_gateway.errors import UpstreamError

_encode = msgspec.json.Encoder().encode


class Load(msgspec.Struct, frozen=True):
    """What a target is to be sent for, besides the request itself.

    `id` and `created` (Unix seconds) are used where the upstream's answer has none of its own.
    """

    dialect: str
    model: str
    capabilities: Capabilities
    id: str
    created: int


class Carriage(Protocol):
    """`losses` are the request's; `answer_losses` a plain answer's, known once it is translated.

    Raises InvalidRequest while reading and loading, UpstreamError while answering; nothing else."""

    model: str
    stream: bool
    body: bytes
    losses: Losses
    answer_losses: Losses
    usage: Usage | None
    stream_media_type: bytes

    def load(self, load: Load) -> None: ...
    def answer(self, body: bytes) -> bytes: ...
    def open_stream(self, redact: Callable[[UpstreamError], UpstreamError]) -> StreamPassage: ...


class ChatCarriage:
    """A conversation: a request for one answer of a model, plain or streamed."""

    __slots__ = ("_asked_usage", "_context", "_same", "_source", "_source_name", "_target", "_target_name",
                 "answer_losses", "body", "losses", "model", "stream", "stream_media_type", "usage")  # fmt: skip

    def __init__(self, source: str, body: bytes) -> None:
        self._source_name = source
        self._source: Dialect = dialect(source)
        envelope = read_envelope(source, body)
        self.model = envelope.model
        self.stream = envelope.stream
        self._asked_usage = envelope.include_usage
        self.body = body
        self.losses: Losses = []
        self.answer_losses: Losses = []
        self.usage: Usage | None = None
        self.stream_media_type = self._source.MEDIA_TYPE_STREAM.encode("ascii")

    def load(self, load: Load) -> None:
        """Make `body` and `losses` those for the target."""
        self._target_name = load.dialect
        self._target = dialect(load.dialect)
        self._same = load.dialect == self._source_name
        self._context = AnswerContext(
            id=load.id, created=load.created, model=load.model, include_usage=self._asked_usage
        )
        if self._same:
            self._splice(load.model)
        else:
            conversation = self._source.decode_request(self.body)
            self.body, self.losses = self._target.encode_request(conversation, load.model, load.capabilities)

    def _splice(self, model: str) -> None:
        if model != self.model:
            self.body = splice_member(self.body, "model", _encode(model))
        if self.stream and not self._asked_usage and self._source_name == "openai_chat":
            self.body = passage_chat.asking_for_usage(self.body)

    def answer(self, body: bytes) -> bytes:
        """Return the client's body for the target's. Raises UpstreamError for one that is an error, or no answer."""
        if self._same and self._source_name == "openai_chat":
            self.usage = passage_chat.read_body(body)
            return body
        answer = self._target.decode_answer(body)
        self.usage = answer.usage
        if self._same:
            return body
        translated, losses = self._source.encode_answer(answer, self._context)
        self.answer_losses = losses
        return translated

    def open_stream(self, redact: Callable[[UpstreamError], UpstreamError]) -> StreamPassage:
        if not self._same:
            return TranslatedStream(self._target, self._source, self._context, redact)
        if self._source_name == "openai_chat":
            return passage_chat.ChatStream(hide_usage=not self._asked_usage)
        return ObservedStream(self._source, LINE_ENDS if self._source_name == "ollama" else SSE_ENDS)


class EmbeddingsCarriage:
    """Texts to turn into vectors. Never streamed."""

    __slots__ = ("_request", "_same", "_source", "_target", "answer_losses", "body", "losses", "model", "stream",
                 "stream_media_type", "usage")  # fmt: skip

    def __init__(self, source: EmbeddingDialect, body: bytes) -> None:
        self._source: EmbeddingDialect = source
        self._request = decode_embedding_request(body, source)
        self.model = self._request.model
        self.stream = False
        self.stream_media_type = b""
        self.body = body
        self.losses: Losses = []
        self.answer_losses: Losses = []
        self.usage: Usage | None = None

    def load(self, load: Load) -> None:
        """Make `body` and `losses` those for the target, which speaks a dialect that has embeddings."""
        self._same = load.dialect == self._source
        if self._same:
            if load.model != self.model:
                self.body = splice_member(self.body, "model", _encode(load.model))
            return
        self._target: EmbeddingDialect = "ollama" if load.dialect == "ollama" else "openai_chat"
        self.body, self.losses = encode_embedding_request(self._request, load.model, self._target)

    def answer(self, body: bytes) -> bytes:
        """Return the client's body for the target's. Raises UpstreamError."""
        if self._same and self._source == "openai_chat":
            self.usage = passage_chat.read_body(body)
            return body
        answer = decode_embedding_answer(body, self._source if self._same else self._target)
        self.usage = Usage(input=answer.input_tokens)
        if self._same:
            return body
        translated, self.answer_losses = encode_embedding_answer(answer, self._request, self._source)
        return translated

    def open_stream(self, redact: Callable[[UpstreamError], UpstreamError]) -> StreamPassage:
        raise AssertionError("embeddings are not streamed")
