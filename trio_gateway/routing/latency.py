"""How long targets take to their first event: a peak-sensitive mean to choose by, and percentiles to hedge by. Pure."""

from __future__ import annotations

from math import ceil, exp

TAU_S = 10.0  # how fast what was seen is forgotten
RECENT = 128  # times that percentiles are taken of
ENOUGH = 10  # times below which there is no percentile


class FirstEventTimes:
    """A peak-EWMA, as in Finagle's balancer of that name: it jumps up to every slow answer and comes down slowly."""

    __slots__ = ("_count", "_ewma_s", "_recent", "_seen_s")

    def __init__(self) -> None:
        self._ewma_s = 0.0
        self._seen_s = 0.0
        self._count = 0
        self._recent: list[float] = []

    def observe(self, took_s: float, now_s: float) -> None:
        """Note that a first event took `took_s`, or did not come for as long."""
        if took_s >= self._ewma_s:
            self._ewma_s = took_s
        else:
            kept = exp((self._seen_s - now_s) / TAU_S)
            self._ewma_s = self._ewma_s * kept + took_s * (1.0 - kept)
        self._seen_s = now_s
        if len(self._recent) < RECENT:
            self._recent.append(took_s)
        else:
            self._recent[self._count % RECENT] = took_s
        self._count += 1

    def expected_s(self, now_s: float) -> float:
        """Return the mean, 0 if unknown. It fades while nothing is observed: a target once slow is tried again."""
        return self._ewma_s * exp((self._seen_s - now_s) / TAU_S)

    def percentile_s(self, share: float) -> float | None:
        """Return the time within which `share` of the recent first events came; None while too few are known."""
        if len(self._recent) < ENOUGH:
            return None
        ordered = sorted(self._recent)
        return ordered[max(0, ceil(share * len(ordered)) - 1)]
