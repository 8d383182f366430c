"""What was measured, and its figures. Pure. Times are seconds unless a name says otherwise."""

from __future__ import annotations

import math
from collections import Counter

import msgspec


class Sample(msgspec.Struct, gc=False):
    """One request. `events` counts a stream's; a plain answer is one. `error` is empty where it was answered whole."""

    first_s: float
    total_s: float
    events: int = 1
    error: str = ""


class Figures(msgspec.Struct, frozen=True):
    """Of many requests. Percentiles are over those that were answered whole; None where there were none."""

    requests: int
    failed: int
    duration_s: float
    events: int
    first_ms: dict[str, float | None]
    total_ms: dict[str, float | None]
    errors: dict[str, int]

    @property
    def per_second(self) -> float:
        return (self.requests - self.failed) / self.duration_s if self.duration_s else 0.0


PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def figures(samples: list[Sample], duration_s: float) -> Figures:
    """Return the figures of what took `duration_s` altogether."""
    whole = [sample for sample in samples if not sample.error]
    return Figures(
        requests=len(samples),
        failed=len(samples) - len(whole),
        duration_s=duration_s,
        events=sum(sample.events for sample in whole),
        first_ms=_percentiles([sample.first_s for sample in whole]),
        total_ms=_percentiles([sample.total_s for sample in whole]),
        errors=dict(Counter(sample.error for sample in samples if sample.error).most_common(5)),
    )


def _percentiles(times_s: list[float]) -> dict[str, float | None]:
    ordered = sorted(times_s)
    return {
        name: round(percentile(ordered, share) * 1000, 3) if ordered else None for name, share in PERCENTILES.items()
    }


def percentile(ordered: list[float], share: float) -> float:
    """Return the smallest value that at least `share` of the ordered values do not exceed (nearest rank)."""
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def table(named: dict[str, Figures]) -> str:
    """Return the figures of several endpoints side by side; with two, the second's difference to the first too."""
    columns = list(named.values())
    rows = [
        ["", *named],
        ["requests a second", *(f"{column.per_second:,.0f}" for column in columns)],
        ["answered / failed", *(f"{column.requests - column.failed} / {column.failed}" for column in columns)],
    ]
    if len(columns) == 2:
        rows[0].append("added")
    rows += [_row(f"first event {name}, ms", [column.first_ms[name] for column in columns]) for name in PERCENTILES]
    rows += [_row(f"whole answer {name}, ms", [column.total_ms[name] for column in columns]) for name in PERCENTILES]
    width = max(len(row[0]) for row in rows)
    return "\n".join(row[0].ljust(width) + "".join(cell.rjust(14) for cell in row[1:]) for row in rows)


def _row(title: str, values: list[float | None]) -> list[str]:
    row = [title, *(_shown(value) for value in values)]
    if len(values) == 2:
        before, after = values
        row.append("-" if before is None or after is None else f"{after - before:+.3f}")
    return row


def _shown(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"
