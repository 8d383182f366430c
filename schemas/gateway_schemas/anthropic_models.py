"""Anthropic Models, `GET /v1/models` and `GET /v1/models/{model}`: the same paths as OpenAI's, told by the headers.

Source: Anthropic's SDK, version 2.12.
"""

from __future__ import annotations

from msgspec import UNSET, Raw, Struct, UnsetType
from msgspec.json import Decoder, Encoder


class ModelInfo(Struct, kw_only=True, tag_field="type", tag="model"):
    """`created_at` is RFC 3339, the epoch where it is not known; `lifecycle` is active, deprecated or retired."""

    id: str
    display_name: str = ""
    created_at: str = "1970-01-01T00:00:00Z"
    lifecycle: str | UnsetType = UNSET
    capabilities: Raw | UnsetType | None = UNSET
    max_input_tokens: int | UnsetType | None = UNSET
    max_tokens: int | UnsetType | None = UNSET
    line: str | UnsetType | None = UNSET  # haiku, sonnet, opus, ...
    deprecated_at: str | UnsetType | None = UNSET
    retires_at: str | UnsetType | None = UNSET


class ModelList(Struct):
    """One page; `after_id` and `before_id` of the next request are ids of this one."""

    data: list[ModelInfo]
    has_more: bool = False
    first_id: str | None = None
    last_id: str | None = None


encode = Encoder().encode

model_decoder = Decoder(ModelInfo)
model_list_decoder = Decoder(ModelList)
