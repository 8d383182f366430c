"""How an answer ended, what it cost, and how sure the model was: the same in whole answers and in streams."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from gateway_schemas import gemini as wire_gemini
from trio_gateway.dialects.conversation import Loss, Losses, Stop, StopReason, Usage
from trio_gateway.dialects.wire import BAD_BODY

# Reasons that are missing here and not in _FAULTS stand for nothing we know: `other`, with their own spelling.
_REASONS: dict[str, StopReason] = {
    "STOP": "stop",
    "MAX_TOKENS": "length",
    "CONTINUATION": "pause",
    **dict.fromkeys(
        (
            "SAFETY", "RECITATION", "LANGUAGE", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "ESCALATION",
            "MODEL_ARMOR", "PUP_LIMITED_DISABLED", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_OTHER",
            "IMAGE_RECITATION", "NO_IMAGE",
        ),
        "refusal",
    ),
    **dict.fromkeys(
        (
            "MALFORMED_FUNCTION_CALL", "UNEXPECTED_TOOL_CALL", "TOO_MANY_TOOL_CALLS", "MALFORMED_RESPONSE",
            "MISSING_THOUGHT_SIGNATURE",
        ),
        "error",
    ),
}  # fmt: skip

_WRITTEN: dict[StopReason, str] = {
    "stop": "STOP",
    "stop_sequence": "STOP",
    "tool_calls": "STOP",
    "pause": "STOP",
    "length": "MAX_TOKENS",
    "context_window": "MAX_TOKENS",
    "refusal": "SAFETY",
    "error": "OTHER",
    "other": "OTHER",
}
_INEXACT = {
    "pause": "Gemini has no word for a pause",
    "context_window": "Gemini does not tell a full context from the limit of output",
    "error": "Gemini's word for it is OTHER",
}

MALFORMED_CALL = "MALFORMED_FUNCTION_CALL"


def read_stop(reason: str, message: str | None, *, has_calls: bool) -> Stop:
    """A call makes `stop` a `tool_calls`; what was cut off or refused stays so."""
    known = _REASONS.get(reason, "other")
    if known == "stop" and has_calls:
        known = "tool_calls"
    return Stop(known, detail=message, raw=reason)


def write_stop(stop: Stop | None, at: str, losses: Losses) -> str | UnsetType:
    if stop is None:
        return UNSET
    if stop.raw is not None and stop.raw in _REASONS and _REASONS[stop.raw] == stop.reason:
        return stop.raw
    if stop.reason in _INEXACT:
        losses.append(Loss(at, _INEXACT[stop.reason]))
    return _WRITTEN[stop.reason]


# ------------------------------------------------------------------------------------------------ usage


def read_usage(wire: wire_gemini.UsageMetadata) -> Usage:
    """Google counts thoughts and the prompts of its own tools apart; zero counts are left out, not unknown ones."""
    prompt, total = _count(wire.prompt_token_count), _count(wire.total_token_count)
    candidates, thoughts = _count(wire.candidates_token_count), _count(wire.thoughts_token_count)
    used = prompt if prompt is None else prompt + (_count(wire.tool_use_prompt_token_count) or 0)
    output = None
    if candidates is not None or thoughts is not None:
        output = (candidates or 0) + (thoughts or 0)
    elif total is not None and used is not None:
        output = max(0, total - used)
    return Usage(input=used, output=output, cached=_count(wire.cached_content_token_count), reasoning=thoughts)


def _count(value: int | UnsetType | None) -> int | None:
    return None if value is UNSET or value is None else max(0, value)


_TIERS_READ = {"standard": "default", "unspecified": None}


def read_tier(tier: str | None) -> str | None:
    return _TIERS_READ.get(tier, tier) if tier is not None else None


def lose_tier(tier: str | None, losses: Losses, at: str = "/service_tier") -> None:
    """Google says among the counts which tier served a request, but its own client's types refuse the member."""
    if tier not in (None, "default", "standard"):
        losses.append(Loss(at, "clients of Gemini are not told the service tier"))


def write_usage(usage: Usage, losses: Losses, at: str = "/usage") -> wire_gemini.UsageMetadata:
    if usage.cache_write:
        losses.append(Loss(at, "Gemini does not count what was written to a cache"))
    candidates = usage.output
    if candidates is not None and usage.reasoning is not None:
        candidates = max(0, candidates - usage.reasoning)
    total = None if usage.input is None or usage.output is None else usage.input + usage.output
    return wire_gemini.UsageMetadata(
        prompt_token_count=_or_unset(usage.input),
        cached_content_token_count=_or_unset(usage.cached),
        candidates_token_count=_or_unset(candidates),
        thoughts_token_count=_or_unset(usage.reasoning),
        total_token_count=_or_unset(total),
    )


def _or_unset(value: int | None) -> int | UnsetType:
    return UNSET if value is None else value


# --------------------------------------------------------------------------------------------- logprobs


class _Alternative(msgspec.Struct):
    token: str
    logprob: float
    bytes: list[int] | None = None


class _TokenLogprob(_Alternative):
    top_logprobs: list[_Alternative] = []


class _Logprobs(msgspec.Struct):
    """Chat's shape, which is the neutral one."""

    content: list[_TokenLogprob] | None = None
    refusal: msgspec.Raw | UnsetType = UNSET


_decode_logprobs = msgspec.json.Decoder(_Logprobs).decode


def read_logprobs(wire: wire_gemini.LogprobsResult) -> msgspec.Raw | None:
    """Return Chat's shape; None where nothing was measured."""
    if not wire.chosen_candidates:
        return None
    content: list[_TokenLogprob] = []
    tops = wire.top_candidates or []
    for i, chosen in enumerate(wire.chosen_candidates):
        alternatives = (tops[i].candidates or []) if i < len(tops) else []
        content.append(
            _TokenLogprob(
                chosen.token or "",
                chosen.log_probability or 0.0,
                list((chosen.token or "").encode()),
                [_Alternative(a.token or "", a.log_probability or 0.0, list((a.token or "").encode()))
                 for a in alternatives],
            )
        )  # fmt: skip
    return msgspec.Raw(msgspec.json.encode(_Logprobs(content)))


def write_logprobs(raw: msgspec.Raw, losses: Losses, at: str = "/logprobs") -> wire_gemini.LogprobsResult | UnsetType:
    try:
        logprobs = _decode_logprobs(raw)
    except BAD_BODY:
        losses.append(Loss(at, "of a shape that nobody here knows"))
        return UNSET
    if logprobs.refusal is not UNSET and bytes(logprobs.refusal) not in (b"null", b"[]"):
        losses.append(Loss(at + "/refusal", "Gemini has no logprobs of a refusal"))
    if any(_is_odd(entry) or any(map(_is_odd, entry.top_logprobs)) for entry in logprobs.content or ()):
        losses.append(Loss(at, "Gemini does not tell the bytes of a token that is no whole text"))
    if not logprobs.content:
        return UNSET
    candidate: Any = wire_gemini.LogprobsCandidate
    return wire_gemini.LogprobsResult(
        chosen_candidates=[candidate(entry.token, log_probability=entry.logprob) for entry in logprobs.content],
        top_candidates=[
            wire_gemini.TopCandidates([candidate(top.token, log_probability=top.logprob) for top in entry.top_logprobs])
            for entry in logprobs.content
        ],
    )


def _is_odd(entry: _Alternative) -> bool:
    return entry.bytes is not None and entry.bytes != list(entry.token.encode())
