"""How one request and its answer cross between a client's dialect and a target's.

    carriage = ChatCarriage("openai_chat", body)         what the client wants, read and checked
    carriage.load(target_dialect, model, ...)            body and losses for the target
    carriage.answer(body) or carriage.open_stream(...)   what comes back, for the client

Same dialect on both sides: nothing is translated. The body passes byte for byte, with the model's name spliced
where the route renames it, and without the tokens that other providers left in the history.

Pure, like everything in this package.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import msgspec

from trio_gateway.dialects import OLDER, ClientSide, TargetSide, client_side, dialect, gemini, passage_chat, target_side
from trio_gateway.dialects.capabilities import Capabilities
from trio_gateway.dialects.conversation import AnswerContext, Conversation, Losses, Media, Usage
from trio_gateway.dialects.embeddings import (
    EmbeddingDialect,
    EmbeddingRequest,
    decode_embedding_answer,
    decode_embedding_request,
    encode_embedding_answer,
    encode_embedding_request,
    renamed_embedding_request,
)
from trio_gateway.dialects.envelope import Envelope, read_envelope
from trio_gateway.dialects.gemini import passage as gemini_passage
from trio_gateway.dialects.gemini import shapes as gemini_shapes
from trio_gateway.dialects.homecoming import without_foreign_tokens
from trio_gateway.dialects.names import OwnName, fit_names, rename_answer
from trio_gateway.dialects.ollama import loading as ollama_loading
from trio_gateway.dialects.openai_responses.passage import ResponsesStream
from trio_gateway.dialects.openai_upstream import needs_responses
from trio_gateway.dialects.passage import LINE_ENDS, SSE_ENDS, ObservedStream, StreamPassage, TranslatedStream
from trio_gateway.dialects.remote import Remote, remote_media, with_media
from trio_gateway.dialects.splice import splice_member

_encode = msgspec.json.Encoder().encode

# What is asked of a model. An `embedding` is one of its own only where a dialect has another URL for it.
Operation: TypeAlias = Literal["chat", "embeddings", "embedding", "count"]


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

    `told`, once loaded, is an answer for which nobody has to be asked. `same` says that nothing is translated. `older`
    is what the client speaks where that is an older endpoint of a dialect, which its providers may have themselves.

    Raises InvalidRequest while reading and loading, UpstreamError while answering; nothing else."""

    model: str
    stream: bool
    body: bytes
    older: str | None
    told: bytes | None
    same: bool
    losses: Losses
    answer_losses: Losses
    usage: Usage | None
    stream_media_type: bytes

    @property
    def fetched(self) -> dict[str, Media]:
        """What was fetched for it, by URL. Shared by its copies."""

    def remote_media(self, speaks: str, can: Capabilities) -> list[Remote]:
        """Return what a target has to be given as bytes, and has not been fetched yet. Raises InvalidRequest."""

    def wants_responses(self, chat: Capabilities) -> bool:
        """Say which of OpenAI's two dialects suits the request, for a model that takes `chat` in the older one."""

    def load(self, load: Load) -> None: ...
    def answer(self, body: bytes) -> bytes: ...
    def open_stream(self, redact: Callable[[str], str]) -> StreamPassage:
        """Return what the answer passes through. `redact` takes out of a provider's errors what nobody is to see."""

    def forget_request(self) -> None:
        """The answer streams, perhaps for an hour: keep nothing any more of the request, which may be megabytes."""


_IN_LINES = frozenset({"ollama", "ollama_generate"})
_IN_CHUNKS = frozenset({"openai_chat", "openai_completions"})  # what passes is told by the same members in both


class ChatCarriage:
    """A conversation: a request for one answer of a model, plain or streamed."""

    __slots__ = ("_context", "_conversation", "_envelope", "_names", "_own", "_source", "_source_name", "_target",
                 "answer_losses", "body", "fetched", "losses", "model", "older", "same", "stream", "stream_media_type",
                 "told", "usage")  # fmt: skip

    def __init__(self, source: str, body: bytes, in_url: Envelope | None = None) -> None:
        self._source_name = source
        self.older = source if source in OLDER else None
        self._source: ClientSide = client_side(source)
        self._envelope = envelope = in_url or read_envelope(source, body)
        self._conversation: Conversation | None = None
        self._names: dict[str, OwnName] | None = None  # the client's own of tools, by those that the target is told
        self.fetched: dict[str, Media] = {}
        self._own = body
        self.model = envelope.model
        self.stream = envelope.stream
        self.body = body
        self.told: bytes | None = None
        self.same = False
        self.losses: Losses = []
        self.answer_losses: Losses = []
        self.usage: Usage | None = None
        media_type = gemini.MEDIA_TYPE_ARRAY if envelope.array else self._source.MEDIA_TYPE_STREAM
        self.stream_media_type = media_type.encode("ascii")

    def conversation(self) -> Conversation:
        """Return the request in no dialect's words. Raises InvalidRequest. Not to be changed."""
        if self._conversation is None:
            if self._source_name == "gemini":
                read = gemini.decode_request(self._own, model=self.model, stream=self.stream)
            else:
                read = self._source.decode_request(self._own)
            self._conversation = read
        return self._conversation

    def remote_media(self, speaks: str, can: Capabilities) -> list[Remote]:
        if speaks == self._source_name:
            return []
        wanted = remote_media(self.conversation(), speaks, can)
        return [remote for remote in wanted if remote.url not in self.fetched]

    def wants_responses(self, chat: Capabilities) -> bool:
        if self._source_name == "openai_chat":
            return self._envelope.tools_with_effort and not chat.tools_with_reasoning
        return self._source_name == "openai_responses" or needs_responses(self.conversation(), chat)

    def load(self, load: Load) -> None:
        """Make `body` and `losses` those for the target."""
        self._target: TargetSide = target_side(load.dialect)
        self.same = load.dialect == self._source_name
        self.told = None
        if self.same:
            body, self.losses = without_foreign_tokens(self._own, load.dialect, load.model, load.capabilities)
            self.body = self._renamed(body, load.model)
        elif self._source_name in ollama_loading.SOURCES and not self.conversation().turns:
            self.told = ollama_loading.loaded(self._source_name, self.conversation(), load.created)
        else:
            self._translate(load)

    def _translate(self, load: Load) -> None:
        envelope = self._envelope
        self._context = AnswerContext(
            id=load.id,
            created=load.created,
            model=load.model,
            include_usage=envelope.include_usage,
            array=envelope.array,
        )
        conversation = self.conversation()
        if self.fetched:
            conversation = with_media(conversation, self.fetched, load.dialect, load.capabilities)
        target = dialect(load.dialect)
        conversation, self._names = fit_names(conversation, target.TOOL_NAMES)
        self.body, self.losses = target.encode_request(conversation, load.model, load.capabilities)

    def _renamed(self, body: bytes, model: str) -> bytes:
        """Return the client's own body, for a target that speaks its dialect."""
        if self._source_name == "gemini":
            read = gemini_shapes.read(body)
            # The model is in the URL, and may be in the body besides.
            return gemini_passage.renamed(body, model) if read.request.model and model != self.model else body
        if model != self.model:
            body = splice_member(body, "model", _encode(model))
        if self.stream and not self._envelope.include_usage and self._source_name in _IN_CHUNKS:
            body = passage_chat.asking_for_usage(body)
        return body

    def answer(self, body: bytes) -> bytes:
        """Return the client's body for the target's. Raises UpstreamError for one that is an error, or no answer."""
        if self.same and self._source_name in _IN_CHUNKS:
            self.usage = passage_chat.read_body(body)
            return body
        answer = self._target.decode_answer(body)
        self.usage = answer.usage
        if self.same:
            return body
        if self._names is not None:
            answer = rename_answer(answer, self._names)
        translated, losses = self._source.encode_answer(answer, self._context)
        self.answer_losses = losses
        return translated

    def open_stream(self, redact: Callable[[str], str]) -> StreamPassage:
        if not self.same:
            return TranslatedStream(self._target, self._source, self._context, redact, self._names)
        if self._source_name in _IN_CHUNKS:
            return passage_chat.ChatStream(hide_usage=not self._envelope.include_usage, redact=redact)
        if self._source_name == "openai_responses":
            return ResponsesStream(redact)
        if self._source_name == "gemini":
            return gemini_passage.ArrayStream(redact) if self._envelope.array else gemini_passage.GeminiStream(redact)
        return ObservedStream(self._target, LINE_ENDS if self._source_name in _IN_LINES else SSE_ENDS, redact)

    def forget_request(self) -> None:
        self._own = self.body = b""
        self._conversation = None
        self.fetched = {}  # another one: copies share it


_EMBEDDING_SIDES: dict[str, EmbeddingDialect] = {"ollama": "ollama", "gemini": "gemini"}


class EmbeddingsCarriage:
    """Texts to turn into vectors. Never streamed. `single` is what Gemini's URL says: one text, and one vector."""

    __slots__ = ("_own", "_request", "_single", "_source", "_target", "answer_losses", "body", "fetched", "losses",
                 "model", "older", "same", "stream", "stream_media_type", "told", "usage")  # fmt: skip

    def __init__(
        self, source: EmbeddingDialect, body: bytes, in_url: Envelope | None = None, *, single: bool = False
    ) -> None:
        self._source: EmbeddingDialect = source
        self._single = single
        # Gemini's says things that others have no word for: it is read where it goes to one of them.
        self._request = decode_embedding_request(body, source) if in_url is None else None
        self.model = self._request.model if self._request is not None else in_url.model if in_url is not None else ""
        self.stream = False
        self.stream_media_type = b""
        self._own = self.body = body
        self.fetched: dict[str, Media] = {}
        self.older: str | None = None
        self.told: bytes | None = None
        self.same = False
        self.losses: Losses = []
        self.answer_losses: Losses = []
        self.usage: Usage | None = None

    def remote_media(self, speaks: str, can: Capabilities) -> list[Remote]:
        return []

    def wants_responses(self, chat: Capabilities) -> bool:
        return False

    def load(self, load: Load) -> None:
        """Make `body` and `losses` those for the target, which speaks a dialect that has embeddings."""
        self.same = load.dialect == self._source
        if self.same:
            self.body, self.losses = self._own, []
            if load.model != self.model:
                self.body = renamed_embedding_request(self._own, self._source, load.model, single=self._single)
            return
        self._target = _EMBEDDING_SIDES.get(load.dialect, "openai_chat")
        self.body, self.losses = encode_embedding_request(self._asked(), load.model, self._target)

    def _asked(self) -> EmbeddingRequest:
        if self._request is None:
            read = decode_embedding_request(self._own, self._source, model=self.model, single=self._single)
            self._request = read
        return self._request

    def answer(self, body: bytes) -> bytes:
        """Return the client's body for the target's. Raises UpstreamError."""
        if self.same and self._source == "openai_chat":
            self.usage = passage_chat.read_body(body)
            return body
        answer = decode_embedding_answer(body, self._source if self.same else self._target)
        self.usage = Usage(input=answer.input_tokens)
        if self.same:
            return body
        translated, self.answer_losses = encode_embedding_answer(answer, self._asked(), self._source)
        return translated

    def open_stream(self, redact: Callable[[str], str]) -> StreamPassage:
        raise AssertionError("embeddings are not streamed")

    def forget_request(self) -> None:
        raise AssertionError("embeddings are not streamed")
