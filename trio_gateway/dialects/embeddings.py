"""Embeddings: OpenAI's POST /v1/embeddings and Ollama's POST /api/embed, each to and from the other.

    body --decode_embedding_request--> EmbeddingRequest --encode_embedding_request--> body, losses
    body --decode_embedding_answer-->  EmbeddingAnswer  --encode_embedding_answer-->  body, losses

The two sides are named by their dialects, `openai_chat` and `ollama`. Vectors stay the JSON they were: a number's
spelling is kept, and a thousand of them cost nothing.
"""

from __future__ import annotations

import binascii
import math
import struct
from typing import Literal, TypeAlias

import msgspec
from msgspec import UNSET, Raw, UnsetType

from gateway_schemas import ollama, openai_embeddings
from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.ollama.errors import error_in_answer
from trio_gateway.dialects.unread import strict_twin, unread_members
from trio_gateway.dialects.wire import BAD_BODY, check_text, present, read_answer, read_request
from trio_gateway.errors import InvalidRequest, UpstreamBroke

EmbeddingDialect: TypeAlias = Literal["openai_chat", "ollama"]

# Raw equals Raw, never bytes; and a field that may be Raw or None decodes nothing but null.
_NULL = Raw(b"null")


class EmbeddingRequest(msgspec.Struct, kw_only=True):
    """What to embed. `inputs` is one or more texts, or lists of tokens; `single` says that it was one outside a list.

    `base64` asks for vectors as little-endian 32-bit floats in base64. `truncate` says whether a text that is too
    long is cut, or is an error. None is not said.
    """

    source: str
    model: str
    inputs: list[str] | list[list[int]]
    single: bool = False
    base64: bool = False
    dimensions: int | None = None
    truncate: bool | None = None
    user: str | None = None
    keep_alive: Raw | None = None
    unread: Losses = []


class EmbeddingAnswer(msgspec.Struct, kw_only=True):
    """One vector for each input, in the inputs' order: each a JSON array of numbers. `input_tokens` None is unknown."""

    source: str
    vectors: list[Raw]
    model: str | None = None
    input_tokens: int | None = None
    unread: Losses = []


# ----------------------------------------------------------------------------------------------- requests


_decode_openai_strictly = msgspec.json.Decoder(strict_twin(openai_embeddings.EmbeddingsRequest)).decode
_decode_ollama_strictly = msgspec.json.Decoder(strict_twin(ollama.EmbedRequest)).decode
_decode_members = msgspec.json.Decoder(dict[str, Raw]).decode
_encode = msgspec.json.Encoder().encode


def decode_embedding_request(body: bytes, source: EmbeddingDialect) -> EmbeddingRequest:
    """Read a client's request. Raises InvalidRequest, with a JSON pointer."""
    return _decode_openai(body) if source == "openai_chat" else _decode_ollama(body)


def encode_embedding_request(request: EmbeddingRequest, model: str, target: EmbeddingDialect) -> tuple[bytes, Losses]:
    """Return the target's body. Raises InvalidRequest for inputs that it does not take."""
    losses = list(request.unread)
    if target == "openai_chat":
        return _encode_openai(request, model, losses), losses
    return _encode_ollama(request, model, losses), losses


def _decode_openai(body: bytes) -> EmbeddingRequest:
    unread: Losses = []
    asked: openai_embeddings.EmbeddingsRequest
    try:
        check_text(body)
        asked = _decode_openai_strictly(body)
    except BAD_BODY:
        asked = read_request(openai_embeddings.request_decoder, body)
        unread = unread_members(body, openai_embeddings.EmbeddingsRequest)
    inputs, single = _inputs(asked.input)
    _refuse_empty(inputs, single)
    if asked.encoding_format not in (None, "float", "base64"):
        raise _wrong("encoding_format must be float or base64.", "/encoding_format")
    if asked.dimensions is not None and asked.dimensions < 1:
        raise _wrong("dimensions must be positive.", "/dimensions")
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
            raise _wrong("The inputs must be of one kind: texts, tokens, or lists of tokens.", f"/input/{index}")
    if kind is int:
        return [given], True  # type: ignore[return-value]  # every item was just seen to be a number
    return given, False  # type: ignore[return-value]  # every item was just seen to be of one kind


def _refuse_empty(inputs: list[str] | list[list[int]], single: bool) -> None:
    if not inputs:
        raise _wrong("There is nothing to embed.", "/input")
    for index, item in enumerate(inputs):
        if not item:
            raise _wrong("An input is empty.", "/input" if single else f"/input/{index}")


def _encode_openai(request: EmbeddingRequest, model: str, losses: Losses) -> bytes:
    _refuse_empty(request.inputs, request.single)
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


def _decode_ollama(body: bytes) -> EmbeddingRequest:
    unread: Losses = []
    asked: ollama.EmbedRequest
    try:
        check_text(body)  # Raw members are passed on unread
        asked = _decode_ollama_strictly(body)
    except BAD_BODY:
        asked = read_request(ollama.embed_request_decoder, body)
        unread = unread_members(body, ollama.EmbedRequest)
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
        keep_alive=None if asked.keep_alive is UNSET or asked.keep_alive == _NULL else asked.keep_alive,
        unread=unread,
    )


def _encode_ollama(request: EmbeddingRequest, model: str, losses: Losses) -> bytes:
    texts = [item for item in request.inputs if isinstance(item, str)]
    if len(texts) != len(request.inputs):
        raise _wrong("This model takes text, not tokens.", "/input")
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


def _wrong(message: str, pointer: str) -> InvalidRequest:
    return InvalidRequest(message, code="invalid_value", pointer=pointer)


# ------------------------------------------------------------------------------------------------ answers


class _OpenAiVector(msgspec.Struct, tag_field="object", tag="embedding"):
    index: int
    embedding: Raw


class _OpenAiAnswer(msgspec.Struct, tag_field="object", tag="list"):
    data: list[_OpenAiVector]
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


class _OllamaAnswer(msgspec.Struct):
    model: str | None = None
    embeddings: list[Raw] | None = None
    prompt_eval_count: int | None = None
    total_duration: Raw | UnsetType = UNSET
    load_duration: Raw | UnsetType = UNSET
    error: Raw | UnsetType = UNSET


_openai_answers = msgspec.json.Decoder(_LenientAnswer)
_ollama_answers = msgspec.json.Decoder(_OllamaAnswer)
_decode_numbers = msgspec.json.Decoder(list[float]).decode
_decode_text = msgspec.json.Decoder(str).decode


def decode_embedding_answer(body: bytes, source: EmbeddingDialect) -> EmbeddingAnswer:
    """Read a target's answer. Raises UpstreamError for an error in its place, UpstreamBroke for what is no answer."""
    answer = _decode_openai_answer(body) if source == "openai_chat" else _decode_ollama_answer(body)
    if not all(bytes(vector).startswith(b"[") for vector in answer.vectors):
        raise UpstreamBroke("The provider's answer has a vector that is no list of numbers.")
    return answer


def encode_embedding_answer(
    answer: EmbeddingAnswer, request: EmbeddingRequest, target: EmbeddingDialect
) -> tuple[bytes, Losses]:
    """Return the body for the client that sent `request`. `target` is the client's dialect.

    Raises UpstreamBroke where there is not one vector for each input: then nobody knows which is whose.
    """
    # Ollama itself has no vector for an empty text, and says so by leaving it out.
    if len(answer.vectors) != len(request.inputs) and target == "openai_chat":
        raise UpstreamBroke(
            f"The provider's answer has {len(answer.vectors)} vectors for {len(request.inputs)} inputs."
        )
    losses = list(answer.unread)
    model = answer.model or request.model
    tokens = answer.input_tokens
    if target == "ollama":
        written = _OllamaWritten(model, answer.vectors, UNSET if tokens is None else tokens)
        return _encode(written), losses
    vectors = [
        _OpenAiVector(index, _packed(vector) if request.base64 else vector)
        for index, vector in enumerate(answer.vectors)
    ]
    usage = UNSET if tokens is None else openai_embeddings.EmbeddingsUsage(tokens, tokens)
    return _encode(_OpenAiAnswer(vectors, model, usage)), losses


class _OllamaWritten(msgspec.Struct):
    model: str
    embeddings: list[Raw]
    prompt_eval_count: int | UnsetType = UNSET


def _decode_openai_answer(body: bytes) -> EmbeddingAnswer:
    read = read_answer(_openai_answers, body)
    if read.error is not UNSET and read.error != _NULL:
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


def _decode_ollama_answer(body: bytes) -> EmbeddingAnswer:
    read = read_answer(_ollama_answers, body)
    if read.error is not UNSET and read.error != _NULL:
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
