"""Ollama's POST /api/embed."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import ollama
from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.embeddings.neutral import (
    EmbeddingAnswer,
    EmbeddingRequest,
    texts_of,
)
from trio_gateway.dialects.ollama.errors import error_in_answer
from trio_gateway.dialects.unread import read_whole, strict_twin, unread_members
from trio_gateway.dialects.wire import NULL, present, read_answer
from trio_gateway.errors import UpstreamBroke

_decode_strictly = msgspec.json.Decoder(strict_twin(ollama.EmbedRequest)).decode
_encode = msgspec.json.Encoder().encode


def decode_request(body: bytes) -> EmbeddingRequest:
    asked, unread = read_whole(_decode_strictly, ollama.embed_request_decoder, body)
    if asked.options:
        unread += [
            Loss("/options/" + name, "only Ollama has this")
            for name, _ in present(asked.options, ollama.Options.__struct_fields__)
        ]
    single = isinstance(asked.input, str)
    return EmbeddingRequest(
        source="ollama",
        model=asked.model,
        inputs=[asked.input] if isinstance(asked.input, str) else asked.input,
        single=single,
        dimensions=asked.dimensions or None,
        truncate=asked.truncate if asked.truncate is not UNSET else None,
        keep_alive=None if asked.keep_alive is UNSET or asked.keep_alive == NULL else asked.keep_alive,
        unread=unread,
    )


def encode_request(request: EmbeddingRequest, model: str, losses: Losses) -> bytes:
    texts = texts_of(request)
    if request.user is not None:
        losses.append(Loss("/user", "Ollama has no end users"))
    asked = ollama.EmbedRequest(model=model, input=texts[0] if request.single else texts)
    if request.truncate is not None:
        asked.truncate = request.truncate
    if request.dimensions is not None:
        asked.dimensions = request.dimensions
    if request.keep_alive is not None:
        asked.keep_alive = request.keep_alive
    return ollama.encode(asked)


class _Answer(msgspec.Struct):
    model: str | None = None
    embeddings: list[Raw] | None = None
    prompt_eval_count: int | None = None
    total_duration: Raw | UnsetType = UNSET
    load_duration: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_answers = msgspec.json.Decoder(_Answer)


def decode_answer(body: bytes) -> EmbeddingAnswer:
    read = read_answer(_answers, body)
    if read.error is not UNSET and read.error != NULL:
        raise error_in_answer(read.error)
    if read.embeddings is None:
        raise UpstreamBroke("The provider's answer has no vectors.")
    durations = present(read, ("total_duration", "load_duration"))
    unread = [Loss("/" + name, "only Ollama has this") for name, _ in durations]
    return EmbeddingAnswer(
        source="ollama",
        vectors=read.embeddings,
        model=read.model,
        input_tokens=read.prompt_eval_count,
        unread=unread + unread_members(body, ollama.EmbedResponse),
    )


def encode_answer(answer: EmbeddingAnswer, request: EmbeddingRequest) -> bytes:
    """Ollama itself has no vector for an empty text, and says so by leaving it out: they are not counted."""
    tokens = answer.input_tokens
    return _encode(_Written(answer.model or request.model, answer.vectors, UNSET if tokens is None else tokens))


class _Written(msgspec.Struct):
    model: str
    embeddings: list[Raw]
    prompt_eval_count: int | UnsetType = UNSET
