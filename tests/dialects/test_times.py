from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trio_gateway.dialects.times import rfc3339, unix_seconds


@given(st.integers(0, 253402300799))
def test_a_time_is_what_datetime_says_and_comes_back(seconds: int) -> None:
    written = rfc3339(seconds)
    assert datetime.fromisoformat(written) == datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    assert unix_seconds(written) == seconds


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("2023-08-04T08:52:19.385406455-07:00", 1691164339),
        ("2023-08-04T15:52:19.385406455Z", 1691164339),
        ("2023-08-04t21:22:19+05:30", 1691164339),
        ("2024-02-29T00:00:00Z", 1709164800),
    ],
)
def test_fractions_are_cut_off_and_offsets_are_subtracted(written: str, seconds: int) -> None:
    assert unix_seconds(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "yesterday",
        "0001-01-01T00:00:00Z",
        "2023-13-01T00:00:00Z",
        "2023-01-01",
        "2023-01-01T24:00:00Z",
        "٢٠٢٣-01-01T00:00:00Z",
    ],
)
def test_what_is_no_time_is_none(written: str) -> None:
    assert unix_seconds(written) is None


@given(st.text())
def test_any_text_is_a_time_or_none(written: str) -> None:
    assert unix_seconds(written) is None


def test_seconds_beyond_what_can_be_written_are_bounded() -> None:
    assert rfc3339(-5) == "1970-01-01T00:00:00Z"
    assert rfc3339(10**15) == "9999-12-31T23:59:59Z"
