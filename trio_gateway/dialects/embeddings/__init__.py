"""Embeddings: OpenAI's POST /v1/embeddings, Ollama's POST /api/embed and Gemini's, each to and from the others.

    body --decode_embedding_request--> EmbeddingRequest --encode_embedding_request--> body, losses
    body --decode_embedding_answer-->  EmbeddingAnswer  --encode_embedding_answer-->  body, losses

The sides are named by their dialects, `openai_chat`, `ollama` and `gemini`. Vectors stay the JSON they were: a number's
spelling is kept, and a thousand of them cost nothing.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, cast

import msgspec

from trio_gateway.dialects.conversation import Losses
from trio_gateway.dialects.embeddings import gemini, ollama, openai
from trio_gateway.dialects.embeddings.neutral import EmbeddingAnswer, EmbeddingRequest
from trio_gateway.dialects.splice import splice_member
from trio_gateway.errors import UpstreamBroke

__all__ = [
    "EmbeddingAnswer",
    "EmbeddingDialect",
    "EmbeddingRequest",
    "decode_embedding_answer",
    "decode_embedding_request",
    "encode_embedding_answer",
    "encode_embedding_request",
    "renamed_embedding_request",
]

_encode = msgspec.json.Encoder().encode

EmbeddingDialect: TypeAlias = Literal["openai_chat", "ollama", "gemini"]


class _Side(Protocol):
    def encode_request(self, request: EmbeddingRequest, model: str, losses: Losses) -> bytes: ...
    def decode_answer(self, body: bytes) -> EmbeddingAnswer: ...
    def encode_answer(self, answer: EmbeddingAnswer, request: EmbeddingRequest) -> bytes: ...


_SIDES: dict[EmbeddingDialect, _Side] = {
    "openai_chat": cast(_Side, openai),
    "ollama": cast(_Side, ollama),
    "gemini": cast(_Side, gemini),
}


def decode_embedding_request(
    body: bytes, source: EmbeddingDialect, *, model: str = "", single: bool = False
) -> EmbeddingRequest:
    """Read a client's request. Raises InvalidRequest, with a JSON pointer.

    Gemini's URL says the `model`, and whether it is a `single` text.
    """
    if source == "gemini":
        return gemini.decode_request(body, model, single)
    return openai.decode_request(body) if source == "openai_chat" else ollama.decode_request(body)


def renamed_embedding_request(body: bytes, source: EmbeddingDialect, model: str, *, single: bool = False) -> bytes:
    """Return a client's own body for the model that a target of its dialect calls `model`. Raises InvalidRequest."""
    if source == "gemini":
        return gemini.renamed(body, model, single)
    return splice_member(body, "model", _encode(model))


def encode_embedding_request(request: EmbeddingRequest, model: str, target: EmbeddingDialect) -> tuple[bytes, Losses]:
    """Return the target's body. Raises InvalidRequest for inputs that it does not take."""
    losses = list(request.unread)
    return _SIDES[target].encode_request(request, model, losses), losses


def decode_embedding_answer(body: bytes, source: EmbeddingDialect) -> EmbeddingAnswer:
    """Read a target's answer. Raises UpstreamError for an error in its place, UpstreamBroke for what is no answer."""
    answer = _SIDES[source].decode_answer(body)
    if not all(bytes(vector).startswith(b"[") for vector in answer.vectors):
        raise UpstreamBroke("The provider's answer has a vector that is no list of numbers.")
    return answer


def encode_embedding_answer(
    answer: EmbeddingAnswer, request: EmbeddingRequest, target: EmbeddingDialect
) -> tuple[bytes, Losses]:
    """Return the body for the client that sent `request`. `target` is the client's dialect.

    Raises UpstreamBroke where there is not one vector for each input, and the dialect tells them apart by their place.
    """
    return _SIDES[target].encode_answer(answer, request), list(answer.unread)
