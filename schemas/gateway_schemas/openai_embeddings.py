"""OpenAI Embeddings, `POST /v1/embeddings`: requests and answers.

Source: OpenAI's OpenAPI document of 2026-08-21. OpenAI's SDKs ask for base64 unless told otherwise.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder


class EmbeddingsRequest(Struct, omit_defaults=True):
    """`input` is a string, a list of strings, a list of token numbers, or a list of such lists: at most 2048 items.

    `encoding_format` is float (the default) or base64; `dimensions` cuts the vectors, where the model can.
    """

    model: str
    input: str | list[str | int | list[int]]
    encoding_format: str | None = None
    dimensions: int | None = None
    user: str | None = None


class Embedding(Struct, tag_field="object", tag="embedding"):
    """`embedding` is a list of numbers, or with base64 the little-endian 32-bit floats."""

    index: int
    embedding: str | list[float]


class EmbeddingsUsage(Struct):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(Struct, tag_field="object", tag="list"):
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage | UnsetType = UNSET


class RawEmbeddingsAnswer(Struct):
    """An answer of which only the usage is read: the vectors stay the bytes they were."""

    data: Raw | UnsetType = UNSET
    model: str | None = None
    usage: EmbeddingsUsage | None = None


encode = Encoder().encode

request_decoder = Decoder(EmbeddingsRequest)
response_decoder = Decoder(EmbeddingsAnswer)
raw_response_decoder = Decoder(RawEmbeddingsAnswer)
