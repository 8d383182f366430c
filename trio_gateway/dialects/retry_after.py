"""When a provider says to come back: Retry-After (RFC 9110, 10.2.3), and OpenAI's finer retry-after-ms."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_UNITS_S = (("retry-after-ms", 0.001), ("retry-after", 1.0))
_NUMBER = re.compile(r"\d{1,9}(?:\.\d{1,9})?", re.ASCII)
_SECONDS_MAX = 999_999_999.0  # as many as a number may have; more is no time to wait for


def retry_after_s(headers: Mapping[str, str]) -> float | None:
    """Return how long to wait, None where nothing that can be read says so. Names of headers are lower-case.

    A date counts from the answer's own Date: there is no clock here. Who receives an answer without one adds it.
    """
    for name, unit_s in _UNITS_S:
        value = headers.get(name, "").strip()
        if _NUMBER.fullmatch(value):
            return float(value) * unit_s
    try:
        wait_s = (_time(headers["retry-after"]) - _time(headers["date"])).total_seconds()
    except (KeyError, TypeError, ValueError, IndexError, OverflowError):
        return None
    return max(0.0, wait_s) if wait_s <= _SECONDS_MAX else None


def _time(date: str) -> datetime:
    """HTTP's dates are of UTC; the oldest of its three forms does not say so."""
    read = parsedate_to_datetime(date)
    return read if read.tzinfo is not None else read.replace(tzinfo=UTC)
