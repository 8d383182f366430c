"""What there is to embed, and what came of it, in no dialect's words; and what all dialects read alike."""

from __future__ import annotations

import msgspec
from msgspec import Raw

from trio_gateway.dialects.conversation import Losses
from trio_gateway.dialects.wire import wrong
from trio_gateway.errors import UpstreamBroke


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


def refuse_empty(inputs: list[str] | list[list[int]], single: bool) -> None:
    """Raise InvalidRequest for an input that is empty, or for none."""
    if not inputs:
        raise wrong("There is nothing to embed.", "/input")
    for index, item in enumerate(inputs):
        if not item:
            raise wrong("An input is empty.", "/input" if single else f"/input/{index}")


def texts_of(request: EmbeddingRequest) -> list[str]:
    """Return the inputs for a model that takes text alone. Raises InvalidRequest where they are tokens."""
    texts = [item for item in request.inputs if isinstance(item, str)]
    if len(texts) != len(request.inputs):
        raise wrong("This model takes text, not tokens.", "/input")
    return texts


def require_one_each(answer: EmbeddingAnswer, request: EmbeddingRequest) -> None:
    """Raise UpstreamBroke where there is not one vector for each input: then nobody knows which is whose."""
    if len(answer.vectors) != len(request.inputs):
        raise UpstreamBroke(
            f"The provider's answer has {len(answer.vectors)} vectors for {len(request.inputs)} inputs."
        )
