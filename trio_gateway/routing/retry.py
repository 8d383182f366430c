"""What a failed attempt means for the exchange, for the target and for the client. Pure; chance is passed in.

Errors that are the client's fault stop an exchange: another target would say the same. Errors of one target (its key,
its quota, a model it does not have) move it to the next. Errors that pass move it to the next too, and may lead back.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from enum import Enum
from random import Random

from trio_gateway.errors import RETRYABLE as PASSING
from trio_gateway.errors import (
    ClientError,
    GatewayError,
    TooManyRequests,
    Unavailable,
    UpstreamBroke,
    UpstreamError,
    UpstreamTimeout,
    UpstreamUnreachable,
)
from trio_gateway.routing_config import Refusal, RetryConfig


class Verdict(Enum):
    STOP = "stop"
    ELSEWHERE = "elsewhere"  # another target, never this one again
    AGAIN = "again"  # another target, or this one later


class Blame(Enum):
    """What an error says of the target's health."""

    NOTHING = "nothing"
    HEALTHY = "healthy"  # it answered, and the request was the client's fault
    FAILED = "failed"


# What a provider says of one key, account or model, and of no other target.
_OF_THE_TARGET = frozenset({401, 402, 403, 404})
_CONTEXT_CODES = frozenset({"context_length_exceeded", "request_too_large", "string_above_max_length"})
_CONTEXT_WORDS = re.compile(
    r"context[ _](?:length|window|size)|prompt is too long|input (?:is|token count).{0,40}(?:too long|exceed)"
    r"|exceeds the (?:maximum|available) (?:number of tokens|context)|maximum (?:context|prompt) length",
    re.IGNORECASE,
)
_POLICY_CODES = frozenset({"content_policy_violation", "content_filter", "moderation_blocked", "responsibleaipolicy"})
_POLICY_WORDS = re.compile(
    r"content (?:management )?polic|usage polic|safety (?:system|polic)|content filter|blocked by .{0,20}safety",
    re.IGNORECASE,
)
_MODEL_WORDS = re.compile(r"\bmodels?\b", re.IGNORECASE)


def judge(error: GatewayError, retry: RetryConfig, fallback_on: Collection[Refusal]) -> Verdict:
    """Return where an exchange goes after an attempt that failed with `error`, before its first event."""
    if isinstance(error, (Unavailable, TooManyRequests)):
        return Verdict.ELSEWHERE  # our own: this target rests, or is full
    if not isinstance(error, UpstreamError):
        # A target that cannot carry the request; another, of the client's own dialect, perhaps can.
        return Verdict.ELSEWHERE if isinstance(error, ClientError) else Verdict.STOP
    refused = refusal(error)
    if refused is not None:
        return Verdict.ELSEWHERE if refused in fallback_on else Verdict.STOP
    if error.retryable and error.status not in PASSING:
        return Verdict.AGAIN  # the provider says so itself, by x-should-retry
    if _ground(error) in retry.on:
        says_no = not error.retryable and error.status in PASSING
        return Verdict.ELSEWHERE if says_no else Verdict.AGAIN
    if error.status in _OF_THE_TARGET and _is_of_the_target(error):
        return Verdict.ELSEWHERE
    return Verdict.STOP


def blame(error: GatewayError) -> Blame:
    """Return what `error` says of the health of the target that gave it."""
    if not isinstance(error, UpstreamError):
        return Blame.NOTHING
    if error.status >= 500:
        return Blame.FAILED
    if error.status == 429:
        return Blame.FAILED if error.retryable else Blame.NOTHING  # a quota that is used up is an account's affair
    if error.status in (401, 402, 403, 408, 409):
        return Blame.NOTHING
    return Blame.HEALTHY


def refusal(error: UpstreamError) -> Refusal | None:
    """Say whether the provider refused for the prompt's length, or for its content."""
    if error.status not in (400, 403, 413, 422):
        return None
    code = (error.code or "").lower()
    if code in _CONTEXT_CODES or (error.status != 403 and _CONTEXT_WORDS.search(error.message)):
        return "context_length"
    if code in _POLICY_CODES or _POLICY_WORDS.search(error.message):
        return "content_policy"
    return None


def backoff_s(retry: RetryConfig, again: int, chance: Random) -> float:
    """Return how long to wait before trying a target for the second time (`again` = 0), the third time, and so on.

    Between half of the exponential value and all of it: those who failed together do not come back together.
    """
    full_s = min(retry.backoff_max_s, retry.backoff_s * 2.0 ** min(again, 32))
    return full_s * chance.uniform(0.5, 1.0)


def wait_s(error: GatewayError, retry: RetryConfig, again: int, chance: Random) -> float | None:
    """Return how long to wait before trying the same target again; None where it asks for longer than we wait."""
    waits_s = backoff_s(retry, again, chance)
    if error.retry_after_s is None:
        return waits_s
    return None if error.retry_after_s > retry.backoff_max_s else max(waits_s, error.retry_after_s)


def most_telling(errors: Iterable[GatewayError]) -> GatewayError:
    """Return the error that a client can do most with: of equals, the first."""
    return min(errors, key=_rank)


def _rank(error: GatewayError) -> int:
    """What the client can change; when to come back; what the provider says; what the operator can; silence."""
    if isinstance(error, UpstreamTimeout):
        return 5
    if isinstance(error, UpstreamBroke):
        return 6
    if isinstance(error, UpstreamUnreachable):
        return 7
    if isinstance(error, UpstreamError):
        if error.status == 429 and error.retryable:
            return 2
        if error.status >= 500:
            return 3
        return 4 if error.status in _OF_THE_TARGET or error.status == 429 else 0
    if isinstance(error, TooManyRequests):
        return 8
    if isinstance(error, Unavailable):
        return 9
    return 1 if isinstance(error, ClientError) else 0


def _ground(error: UpstreamError) -> str | int:
    """Return the word or status that `retry.on` knows an error by."""
    if isinstance(error, UpstreamUnreachable):
        return "connect"
    return "timeout" if isinstance(error, UpstreamTimeout) else error.status


def _is_of_the_target(error: UpstreamError) -> bool:
    """A path that is not there is nobody's key or model."""
    return error.status != 404 or error.code == "model_not_found" or bool(_MODEL_WORDS.search(error.message))
