"""Log probabilities: the neutral ones are in Chat's shape, and the entries of Responses are nearly the same.

Here each token has its bytes, where Chat's may be null. Those of a token without any are those of its text.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw

from gateway_schemas import openai_responses as wire
from trio_gateway.dialects.conversation import Loss, Losses
from trio_gateway.dialects.wire import BAD_BODY


def logprobs_of(entries: list[Raw]) -> Raw:
    """Return logprobs in Chat's shape."""
    return Raw(wire.encode({"content": entries}))


def content_logprobs(raw: Raw, losses: Losses, at: str = "/logprobs") -> list[Raw]:
    """Return the entries for text; those for a refusal have no place here."""
    found = _decode_logprobs(raw)
    if found.get("refusal"):
        losses.append(Loss(at + "/refusal", "a refusal has no logprobs here"))
    entries = found.get("content") or []
    try:
        return [_complete(entry) for entry in entries]
    except BAD_BODY:
        losses.append(Loss(at, "of a shape that nobody here knows"))
        return []


def _complete(raw: Raw) -> Raw:
    """Return an entry as it is, if it has all that it must have here."""
    try:
        _decode_complete(raw)
    except msgspec.ValidationError:
        entry = _decode_entry(raw)
        entry.top_logprobs = entry.top_logprobs or []
        tokens: list[wire.Logprob | wire.TopLogprob] = [entry, *entry.top_logprobs]
        for one in tokens:
            if one.bytes is None:
                one.bytes = list(one.token.encode())
        return Raw(wire.encode(entry))
    return raw


class _CompleteTop(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int]


class _Complete(_CompleteTop):
    top_logprobs: list[_CompleteTop]


_decode_logprobs = msgspec.json.Decoder(dict[str, list[Raw] | None]).decode
_decode_complete = msgspec.json.Decoder(_Complete).decode
_decode_entry = msgspec.json.Decoder(wire.Logprob).decode
