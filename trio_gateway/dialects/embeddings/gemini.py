"""Gemini's :embedContent and :batchEmbedContents: one request, or several, each for one vector.

To a provider everything goes as a batch: its answer has the vectors in the requests' order.
"""

from __future__ import annotations

from typing import TypeVar

import msgspec
from msgspec import UNSET, Raw

from gateway_schemas import gemini as wire
from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.embeddings.neutral import (
    EmbeddingAnswer,
    EmbeddingRequest,
    require_one_each,
    texts_of,
)
from trio_gateway.dialects.gemini import shapes
from trio_gateway.dialects.gemini.errors import stream_error
from trio_gateway.dialects.splice import splice_member
from trio_gateway.dialects.unread import unread_members
from trio_gateway.dialects.wire import BAD_BODY, check_text, invalid, present, read_answer, read_request, wrong
from trio_gateway.errors import UpstreamBroke

T = TypeVar("T")

_TABLE: dict[type[msgspec.Struct], frozenset[str]] = {
    wire.EmbedContentRequest: frozenset({"content", "model", "output_dimensionality", "embed_content_config"}),
    wire.EmbedContentConfig: frozenset({"output_dimensionality", "auto_truncate"}),
    wire.Part: shapes.REQUEST[wire.Part],
}
_NOT_TEXT = ("inline_data", "file_data", "function_call", "function_response")
_DETAILS = {"prompt_tokens_details": "promptTokensDetails", "cache_tokens_details": "cacheTokensDetails"}


class _Batch(msgspec.Struct):
    requests: list[Raw]


_batch = msgspec.json.Decoder(_Batch)
_encode = msgspec.json.Encoder().encode


def decode_request(body: bytes, model: str, single: bool) -> EmbeddingRequest:
    """Read the request that a client sent to the URL of `model`; `single` is one for :embedContent."""
    normaliser = shapes.Normaliser(_TABLE)
    shape = wire.EmbedContentRequest if single else wire.BatchEmbedContentsRequest
    try:
        check_text(body)
        normal = normaliser.object(Raw(body), shape, "", "")
        asked = (
            [wire.embed_request_decoder.decode(normal)]
            if single
            else wire.batch_embed_request_decoder.decode(normal).requests
        )
    except BAD_BODY as error:
        raise shapes.respelled(invalid(error), normaliser.spelled) from error
    if not asked:
        raise wrong("There is nothing to embed.", "/requests")
    for at in normaliser.opaque:
        raise wrong("Other providers embed text alone.", at)
    places = [""] if single else [f"/requests/{index}" for index in range(len(asked))]
    return EmbeddingRequest(
        source="gemini",
        model=model,
        inputs=[_text(one, at) for one, at in zip(asked, places, strict=True)],
        single=single,
        dimensions=_common([_dimensions(one) for one in asked], places, "outputDimensionality"),
        truncate=_common([_truncate(one) for one in asked], places, "embedContentConfig/autoTruncate"),
        unread=normaliser.losses,
    )


def _text(asked: wire.EmbedContentRequest, at: str) -> str:
    texts = []
    for index, part in enumerate(asked.content.parts or ()):
        for _ in present(part, _NOT_TEXT):
            raise wrong("Other providers embed text alone.", f"{at}/content/parts/{index}")
        texts.append(part.text or "")
    text = "".join(texts)
    if not text:
        raise wrong("There is nothing to embed.", f"{at}/content")
    return text


def _dimensions(asked: wire.EmbedContentRequest) -> int | None:
    config = asked.embed_content_config or wire.EmbedContentConfig()
    return asked.output_dimensionality or config.output_dimensionality or None


def _truncate(asked: wire.EmbedContentRequest) -> bool | None:
    config = asked.embed_content_config or wire.EmbedContentConfig()
    return None if config.auto_truncate is UNSET else config.auto_truncate


def _common(values: list[T | None], places: list[str], name: str) -> T | None:
    """Return what all requests of a batch want: elsewhere they are one request."""
    for value, at in zip(values, places, strict=True):
        if value != values[0]:
            raise wrong("Other providers embed all texts of one request alike: send a batch for each.", f"{at}/{name}")
    return values[0]


def encode_request(request: EmbeddingRequest, model: str, losses: Losses) -> bytes:
    if request.user is not None:
        losses.append(Loss("/user", "Gemini has no end users"))
    if request.keep_alive is not None:
        losses.append(Loss("/keep_alive", "only Ollama has this"))
    if request.truncate is not None and request.source == "ollama":  # OpenAI's clients cannot say it
        losses.append(Loss("/truncate", "Gemini decides by itself what to do with a text that is too long"))
    dimensions = UNSET if request.dimensions is None else request.dimensions
    name = f"models/{model}"
    asked = [
        wire.EmbedContentRequest(wire.Content([wire.Part(text=text)]), name, output_dimensionality=dimensions)
        for text in texts_of(request)
    ]
    return wire.encode(wire.BatchEmbedContentsRequest(asked))


def renamed(body: bytes, model: str, single: bool) -> bytes:
    """Return a client's own body for another model: it names the model besides the URL. Raises InvalidRequest."""
    name = _encode(f"models/{model}")
    if single:
        read_request(wire.embed_request_decoder, body)
        return splice_member(body, "model", name)
    requests = read_request(_batch, body).requests
    return splice_member(
        body, "requests", b"[%b]" % b",".join([splice_member(bytes(one), "model", name) for one in requests])
    )


def decode_answer(body: bytes) -> EmbeddingAnswer:
    read = read_answer(wire.embed_response_decoder, body)
    if read.error:
        raise stream_error(read.error)
    found = [read.embedding] if read.embedding else read.embeddings
    if found is None or found is UNSET:
        raise UpstreamBroke("The provider's answer has no vectors.")
    losses = unread_members(body, wire.EmbedContentResponse)
    if any(one.statistics is not UNSET for one in found):
        losses.append(Loss("/embeddings/statistics", "only Gemini has this"))
    usage = read.usage_metadata or wire.UsageMetadata()
    details = present(usage, tuple(_DETAILS))
    losses += [Loss(f"/usageMetadata/{_DETAILS[name]}", "only Gemini has this") for name, _ in details]
    tokens = usage.prompt_token_count
    return EmbeddingAnswer(
        source="gemini",
        vectors=[one.values for one in found],
        input_tokens=None if tokens is UNSET else tokens,
        unread=losses,
    )


def encode_answer(answer: EmbeddingAnswer, request: EmbeddingRequest) -> bytes:
    require_one_each(answer, request)
    vectors = [wire.ContentEmbedding(vector) for vector in answer.vectors]
    written = wire.EmbedContentResponse(embedding=vectors[0]) if request.single else _listed(vectors)
    tokens = answer.input_tokens
    if tokens is not None:
        written.usage_metadata = wire.UsageMetadata(prompt_token_count=tokens, total_token_count=tokens)
    return wire.encode(written)


def _listed(vectors: list[wire.ContentEmbedding]) -> wire.EmbedContentResponse:
    return wire.EmbedContentResponse(embeddings=vectors)
