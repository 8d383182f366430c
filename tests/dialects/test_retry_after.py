"""When a provider says to come back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects import DIALECTS, dialect
from trio_gateway.dialects.retry_after import retry_after_s

NOW = "Sun, 22 Nov 2026 17:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 1.5 "}, 1.5),
        ({"retry-after": "9", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "9", "retry-after-ms": "soon"}, 9.0),
        ({"retry-after": "Sun, 22 Nov 2026 17:01:30 GMT", "date": NOW}, 90.0),
        ({"retry-after": "Sunday, 22-Nov-26 17:01:30 GMT", "date": NOW}, 90.0),
        ({"retry-after": "Sun Nov 22 17:01:30 2026", "date": NOW}, 90.0),
        ({"retry-after": "Sun, 22 Nov 2026 16:00:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 17:01:30 GMT"}, None),
        ({"retry-after": "Sun, 22 Nov 9026 17:01:30 GMT", "date": NOW}, None),
        ({"retry-after": "1000000000"}, None),
        ({"retry-after": "-1", "date": NOW}, None),
        ({"retry-after": "inf", "date": NOW}, None),
        ({"retry-after": "nan", "date": NOW}, None),
        ({"retry-after": "\u0663", "date": NOW}, None),
        ({"retry-after": "soon", "date": NOW}, None),
        ({"retry-after": "", "date": NOW}, None),
        ({"date": NOW}, None),
    ],
)
def test_a_time_to_wait_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_s(headers) == seconds


@pytest.mark.parametrize("name", DIALECTS)
def test_every_dialect_reads_a_date(name: str) -> None:
    headers = {"retry-after": "Sun, 22 Nov 2026 17:01:30 GMT", "date": NOW}
    assert dialect(name).decode_error(429, headers, b"").retry_after_s == 90.0


@given(st.dictionaries(st.sampled_from(["retry-after", "retry-after-ms", "date"]), st.text() | st.just(NOW)))
def test_whatever_is_said_is_read_or_left_alone(headers: dict[str, str]) -> None:
    read = retry_after_s(headers)
    assert read is None or 0 <= read < 1e9
