"""The `[[routes]]` and `[breaker]` tables, and how long an upstream may take.

A route stands for what serves a model name best right now. Times are seconds, shares between 0 and 1.
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec
from msgspec import Meta

Seconds = Annotated[float, Meta(gt=0, le=86400)]
Count = Annotated[int, Meta(ge=0, le=100_000)]
Positive = Annotated[int, Meta(ge=1, le=100_000)]
Attempts = Annotated[int, Meta(ge=1, le=20)]
Share = Annotated[float, Meta(ge=0, le=1)]
Weight = Annotated[float, Meta(gt=0, le=1_000_000)]

Strategy: TypeAlias = Literal["weighted", "ordered", "least_busy", "lowest_latency"]
Percentile: TypeAlias = Literal["p50", "p90", "p95", "p99"]
Ground: TypeAlias = Literal["connect", "timeout"]
Refusal: TypeAlias = Literal["context_length", "content_policy"]


class Timeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long an upstream may take. Each can be overridden per channel and per route, under `timeouts` there.

    `total_s` bounds an exchange with all its attempts; the others bound each attempt. `keep_alive_s` is not
    overridden: it is how long a client of a stream waits for a first event before a comment is sent, and between two.
    """

    connect_s: Seconds = 5.0
    first_event_s: Seconds = 120.0  # until the upstream's first event; a plain answer is one event
    gap_s: Seconds = 60.0  # between two events of a stream
    total_s: Seconds = 600.0
    keep_alive_s: Seconds = 15.0


class RouteTimeouts(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route may say. Connections belong to channels: it has no `connect_s`."""

    first_event_s: Seconds | None = None
    gap_s: Seconds | None = None
    total_s: Seconds | None = None

    def over(self, base: Timeouts) -> Timeouts:
        """Return `base` with what is set here in its place."""
        changed = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(base, **changed) if changed else base


class TimeoutOverrides(RouteTimeouts, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a channel may say."""

    connect_s: Seconds | None = None


class TargetConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A channel and the model's name there, in which each `*` stands for what the route's pattern captured.

    `max_concurrency` requests are with it at once; `queue_max` more wait, first come first served, for `queue_wait_s`
    at most. These belong to the target: every route that names it gives the same, or leaves them out.
    """

    channel: str
    model: str
    weight: Weight = 1.0
    max_concurrency: Positive | None = None
    queue_max: Count = 100
    queue_wait_s: Seconds = 10.0


class RetryConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`attempts` over a route's own targets; each fallback comes on top. Targets not tried yet come first and at once;
    trying one again waits `backoff_s`, doubled each time up to `backoff_max_s`, jittered, or for what the provider's
    Retry-After says where that is no more than `backoff_max_s`."""

    attempts: Attempts = 3
    backoff_s: Seconds = 0.25
    backoff_max_s: Seconds = 8.0
    on: list[Ground | Annotated[int, Meta(ge=400, le=599)]] = msgspec.field(
        default_factory=lambda: ["connect", "timeout", 408, 409, 429, 500, 502, 503, 504, 529]
    )


class HedgeConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`after_s` without a first event (or after the given percentile of the target's recent times to one) the next
    target is started beside it, `max` more at most. `budget` is the share of the route's requests that may be."""

    after_s: Seconds | Percentile
    max: Annotated[int, Meta(ge=1, le=5)] = 1
    budget: Share = 0.05


class RouteConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`model` is a name, or a pattern (* and ?). A fallback is a target, or the name of another route.

    `sticky` is what requests of one kind have in common and go to one target by: `user`, `prompt_cache_key` or
    `header:NAME`. `coalesce` lets identical concurrent requests share one answer.
    """

    model: str
    targets: list[TargetConfig]
    strategy: Strategy = "weighted"
    fallback: list[TargetConfig | str] = []
    fallback_on: list[Refusal] = []
    retry: RetryConfig = RetryConfig()
    hedge: HedgeConfig | None = None
    timeouts: RouteTimeouts = RouteTimeouts()
    sticky: str | None = None
    coalesce: bool = False


class BreakerConfig(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When a target is left alone. `failures` in a row open its breaker, or a `failure_share` of at least
    `requests_min` requests within `window_s`. It stays open for `cool_down_s`, doubled with each time it opens again,
    up to `cool_down_max_s`; after a successful probe it is led back over `ramp_s`."""

    failures: Annotated[int, Meta(ge=1, le=10_000)] = 5
    window_s: Seconds = 30.0
    failure_share: Annotated[float, Meta(gt=0, le=1)] = 0.5
    requests_min: Annotated[int, Meta(ge=1, le=1_000_000)] = 20
    cool_down_s: Seconds = 10.0
    cool_down_max_s: Seconds = 300.0
    ramp_s: Annotated[float, Meta(ge=0, le=86400)] = 10.0
