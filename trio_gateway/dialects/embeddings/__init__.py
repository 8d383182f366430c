"""Embeddings: OpenAI's POST /v1/embeddings and Ollama's POST /api/embed, each to and from the other.

    body --decode_embedding_request--> EmbeddingRequest --encode_embedding_request--> body, losses
    body --decode_embedding_answer-->  EmbeddingAnswer  --encode_embedding_answer-->  body, losses

The two sides are named by their dialects, `openai_chat` and `ollama`. Vectors stay the JSON they were: a number's
spelling is kept, and a thousand of them cost nothing.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias, cast

from trio_gateway.dialects.conversation import Losses
from trio_gateway.dialects.embeddings import ollama, openai
from trio_gateway.dialects.embeddings.neutral import EmbeddingAnswer, EmbeddingRequest
from trio_gateway.errors import UpstreamBroke

__all__ = [
    "EmbeddingAnswer",
    "EmbeddingDialect",
    "EmbeddingRequest",
    "decode_embedding_answer",
    "decode_embedding_request",
    "encode_embedding_answer",
    "encode_embedding_request",
]

EmbeddingDialect: TypeAlias = Literal["openai_chat", "ollama"]


class _Side(Protocol):
    def decode_request(self, body: bytes) -> EmbeddingRequest: ...
    def encode_request(self, request: EmbeddingRequest, model: str, losses: Losses) -> bytes: ...
    def decode_answer(self, body: bytes) -> EmbeddingAnswer: ...
    def encode_answer(self, answer: EmbeddingAnswer, request: EmbeddingRequest) -> bytes: ...


_SIDES: dict[EmbeddingDialect, _Side] = {"openai_chat": cast(_Side, openai), "ollama": cast(_Side, ollama)}


def decode_embedding_request(body: bytes, source: EmbeddingDialect) -> EmbeddingRequest:
    """Read a client's request. Raises InvalidRequest, with a JSON pointer."""
    return _SIDES[source].decode_request(body)


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
