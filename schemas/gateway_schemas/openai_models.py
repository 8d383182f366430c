"""OpenAI Models, `GET /v1/models` and `GET /v1/models/{model}`.

Source: OpenAI's OpenAPI document of 2026-08-21.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType
from msgspec.json import Decoder, Encoder


class Model(Struct, tag_field="object", tag="model"):
    """`created` is in Unix seconds; `shutdown_date` a date, or null where none is announced."""

    id: str
    created: int = 0
    owned_by: str = ""
    shutdown_date: str | UnsetType | None = UNSET


class ModelList(Struct, tag_field="object", tag="list"):
    data: list[Model]


class DeletedModel(Struct, tag_field="object", tag="model"):
    """The answer to `DELETE /v1/models/{model}`."""

    id: str
    deleted: bool


encode = Encoder().encode

model_decoder = Decoder(Model)
model_list_decoder = Decoder(ModelList)
