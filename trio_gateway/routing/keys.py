"""A channel's keys: whose turn it is, and which of them rest. Pure; times are passed in.

A key that its provider refuses (401, 403) is benched, for longer each time. A key that has used up its rate limit
rests until the limit is reset. Where every key rests the one that is back soonest is used all the same: the provider's
own answer tells more than a guess of ours would.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from email.utils import parsedate_to_datetime

BENCH_S = 60.0
BENCH_MAX_S = 3600.0
LIMITED_S = 1.0  # for a 429 that does not say for how long
LIMITED_MAX_S = 3600.0


class _Key:
    __slots__ = ("back_s", "benched", "refusals")

    def __init__(self) -> None:
        self.back_s = 0.0
        self.refusals = 0
        self.benched = False


class KeyRing:
    """Keys are numbers here: 0 to `count` - 1. Their values are the channel's."""

    __slots__ = ("_keys", "_next")

    def __init__(self, count: int) -> None:
        self._keys = [_Key() for _ in range(max(1, count))]
        self._next = 0

    def __len__(self) -> int:
        return len(self._keys)

    def pick(self, now_s: float) -> int:
        """Return the key whose turn it is."""
        count = len(self._keys)
        for step in range(count):
            number = (self._next + step) % count
            if self._keys[number].back_s <= now_s:
                self._next = (number + 1) % count
                return number
        return min(range(count), key=lambda number: self._keys[number].back_s)

    def has_ready(self, now_s: float) -> bool:
        return any(key.back_s <= now_s for key in self._keys)

    def back_s(self, number: int) -> float:
        """Return the time from which a key is used again: in the past for one that is."""
        return self._keys[number].back_s

    def refused(self, number: int, now_s: float) -> None:
        """The provider does not take the key."""
        key = self._keys[number]
        if key.benched and key.back_s > now_s:
            return  # of requests that were under way together, one counts
        key.back_s = now_s + min(BENCH_MAX_S, BENCH_S * 2.0 ** min(key.refusals, 16))
        key.refusals += 1
        key.benched = True

    def limited(self, number: int, now_s: float, for_s: float | None) -> None:
        """The key has used up its rate limit, which is reset after `for_s`."""
        key = self._keys[number]
        rests_s = LIMITED_S if for_s is None else min(for_s, LIMITED_MAX_S)
        key.back_s = max(key.back_s, now_s + rests_s)

    def worked(self, number: int) -> None:
        """The provider took the key."""
        key = self._keys[number]
        if key.refusals:
            key.refusals = 0
            if key.benched:
                key.benched = False
                key.back_s = 0.0


_REMAINING = re.compile(
    rb"(?:x-ratelimit-remaining-(?P<openai>requests|tokens))"
    rb"|(?:anthropic-ratelimit-(?P<anthropic>requests|tokens|input-tokens|output-tokens)-remaining)"
)
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_UNIT_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def limit_reset_s(headers: Iterable[tuple[bytes, bytes]]) -> float | None:
    """Return for how long the key that was used has nothing left, None while it has. Names are lower-case.

    OpenAI says `x-ratelimit-remaining-requests: 0` and `x-ratelimit-reset-requests: 6m0s`, Anthropic
    `anthropic-ratelimit-requests-remaining: 0` and an RFC 3339 time, counted here from the answer's own Date.
    """
    used_up = [match for name, value in headers if value == b"0" and (match := _REMAINING.fullmatch(name))]
    if not used_up:
        return None
    fields = dict(headers)
    resets: list[float] = []
    for match in used_up:
        if match["openai"]:
            reset_s = duration_s(fields.get(b"x-ratelimit-reset-" + match["openai"], b""))
        else:
            until = fields.get(b"anthropic-ratelimit-" + match["anthropic"] + b"-reset", b"")
            reset_s = _from_date_s(until, fields.get(b"date", b""))
        if reset_s is not None:
            resets.append(reset_s)
    return max(resets, default=None)


def duration_s(text: bytes) -> float | None:
    """Read `6m0s`, `20ms` or `1.5s`; a bare number is seconds. None for anything else."""
    written = text.decode("latin-1").strip()
    parts = _PART.findall(written)
    if parts and "".join(number + unit for number, unit in parts) == written:
        return float(sum(float(number) * _UNIT_S[unit] for number, unit in parts))
    return float(written) if re.fullmatch(r"\d{1,9}(\.\d+)?", written) else None


def _from_date_s(until: bytes, date: bytes) -> float | None:
    try:
        end = datetime.fromisoformat(until.decode("latin-1"))
        return max(0.0, (end - parsedate_to_datetime(date.decode("latin-1"))).total_seconds())
    except (TypeError, ValueError):
        return None
