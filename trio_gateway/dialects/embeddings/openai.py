"""OpenAI's POST /v1/embeddings."""

from __future__ import annotations

import binascii
import math
import struct

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import openai_embeddings
from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.embeddings.neutral import (
    EmbeddingAnswer,
    EmbeddingRequest,
    refuse_empty,
    require_one_each,
)
from trio_gateway.dialects.ollama.errors import error_in_answer
from trio_gateway.dialects.unread import read_whole, strict_twin, unread_members
from trio_gateway.dialects.wire import BAD_BODY, NULL, read_answer, wrong
from trio_gateway.errors import UpstreamBroke

_decode_strictly = msgspec.json.Decoder(strict_twin(openai_embeddings.EmbeddingsRequest)).decode
_encode = msgspec.json.Encoder().encode


def decode_request(body: bytes) -> EmbeddingRequest:
    asked, unread = read_whole(_decode_strictly, openai_embeddings.request_decoder, body)
    inputs, single = _inputs(asked.input)
    refuse_empty(inputs, single)
    if asked.encoding_format not in (None, "float", "base64"):
        raise wrong("encoding_format must be float or base64.", "/encoding_format")
    if asked.dimensions is not None and asked.dimensions < 1:
        raise wrong("dimensions must be positive.", "/dimensions")
    return EmbeddingRequest(
        source="openai_chat",
        model=asked.model,
        inputs=inputs,
        single=single,
        base64=asked.encoding_format == "base64",
        dimensions=asked.dimensions,
        truncate=False,  # what is too long is an error there
        user=asked.user,
        unread=unread,
    )


def _inputs(given: str | list[str | int | list[int]]) -> tuple[list[str] | list[list[int]], bool]:
    """Return the inputs as a list of one kind, and whether they were one that stood alone."""
    if isinstance(given, str):
        return [given], True
    kind = type(given[0]) if given else str
    for index, item in enumerate(given):
        if type(item) is not kind:
            raise wrong("The inputs must be of one kind: texts, tokens, or lists of tokens.", f"/input/{index}")
    if kind is int:
        return [given], True  # type: ignore[return-value]  # every item was just seen to be a number
    return given, False  # type: ignore[return-value]  # every item was just seen to be of one kind


def encode_request(request: EmbeddingRequest, model: str, losses: Losses) -> bytes:
    refuse_empty(request.inputs, request.single)
    if request.truncate:
        losses.append(Loss("/truncate", "OpenAI refuses a text that is too long"))
    if request.keep_alive is not None:
        losses.append(Loss("/keep_alive", "only Ollama has this"))
    asked = openai_embeddings.EmbeddingsRequest(
        model,
        request.inputs[0] if request.single else request.inputs,  # type: ignore[arg-type]  # lists of one kind
        # Said, since a default is for a server to choose: vectors go to the client as numbers, unless it asked.
        encoding_format="base64" if request.base64 else "float",
        dimensions=request.dimensions,
        user=request.user,
    )
    return openai_embeddings.encode(asked)


class _Vector(msgspec.Struct, tag_field="object", tag="embedding"):
    index: int
    embedding: Raw


class _Answer(msgspec.Struct, tag_field="object", tag="list"):
    data: list[_Vector]
    model: str | None = None
    usage: openai_embeddings.EmbeddingsUsage | UnsetType | None = UNSET


class _LenientVector(msgspec.Struct):
    index: int
    embedding: Raw


class _LenientAnswer(msgspec.Struct):
    """`object` is not looked at: servers of other makes leave it out."""

    data: list[_LenientVector] | None = None
    model: str | None = None
    usage: openai_embeddings.EmbeddingsUsage | None = None
    error: Raw | UnsetType = UNSET


_answers = msgspec.json.Decoder(_LenientAnswer)
_decode_numbers = msgspec.json.Decoder(list[float]).decode
_decode_text = msgspec.json.Decoder(str).decode


def decode_answer(body: bytes) -> EmbeddingAnswer:
    read = read_answer(_answers, body)
    if read.error is not UNSET and read.error != NULL:
        raise error_in_answer(read.error)
    if read.data is None:
        raise UpstreamBroke("The provider's answer has no vectors.")
    vectors = sorted(read.data, key=lambda vector: vector.index)
    if any(vector.index != index for index, vector in enumerate(vectors)):
        raise UpstreamBroke("The provider's answer has vectors that are counted wrong.")
    return EmbeddingAnswer(
        source="openai_chat",
        vectors=[_unpacked(vector.embedding) for vector in vectors],
        model=read.model,
        input_tokens=read.usage.prompt_tokens if read.usage else None,
        unread=unread_members(body, openai_embeddings.EmbeddingsAnswer),
    )


def encode_answer(answer: EmbeddingAnswer, request: EmbeddingRequest) -> bytes:
    require_one_each(answer, request)
    tokens = answer.input_tokens
    vectors = [
        _Vector(index, _packed(vector) if request.base64 else vector) for index, vector in enumerate(answer.vectors)
    ]
    usage = UNSET if tokens is None else openai_embeddings.EmbeddingsUsage(tokens, tokens)
    return _encode(_Answer(vectors, answer.model or request.model, usage))


def _packed(vector: Raw) -> Raw:
    """Return a vector as base64 of little-endian 32-bit floats."""
    try:
        numbers = _decode_numbers(vector)
        packed = struct.pack(f"<{len(numbers)}f", *numbers)
    except (*BAD_BODY, OverflowError) as error:
        raise UpstreamBroke("The provider's answer has a vector that is no list of 32-bit numbers.") from error
    return Raw(b'"%b"' % binascii.b2a_base64(packed, newline=False))


def _unpacked(vector: Raw) -> Raw:
    """Return a vector as a list of numbers. One in base64 is spelled as the doubles that its floats are."""
    if not bytes(vector).startswith(b'"'):
        return vector
    try:
        packed = binascii.a2b_base64(_decode_text(vector))
        numbers = struct.unpack(f"<{len(packed) // 4}f", packed)
    except (*BAD_BODY, ValueError, struct.error) as error:
        raise UpstreamBroke("The provider's answer has a vector that is not base64 of floats.") from error
    if not all(map(math.isfinite, numbers)):
        raise UpstreamBroke("The provider's answer has a vector with what is no number.")
    return Raw(_encode(numbers))
