"""RFC 3339 times to Unix seconds and back, by arithmetic: a datetime costs more and knows no nanoseconds."""

from __future__ import annotations

import re

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.\d+)?(?:[Zz]|([+-])(\d\d):(\d\d))", re.ASCII
).fullmatch


def unix_seconds(time: str) -> int | None:
    """Return the whole seconds since 1970, None for what is no time or lies before (Go's zero time is year 1)."""
    match = _TIME(time)
    if match is None:
        return None
    year, month, day, hour, minute, second = (int(digits) for digits in match.group(1, 2, 3, 4, 5, 6))
    if not (1 <= month <= 12 and 1 <= day <= 31 and hour < 24 and minute < 60 and second <= 60):
        return None
    seconds = ((_days(year, month, day) * 24 + hour) * 60 + minute) * 60 + second
    if match[7]:
        offset = int(match[8]) * 3600 + int(match[9]) * 60
        seconds += offset if match[7] == "-" else -offset
    return seconds if seconds >= 0 else None


def rfc3339(seconds: int) -> str:
    """Return the UTC time of `seconds` after 1970. Years beyond 9999 become the last second that can be written."""
    days, rest = divmod(min(max(seconds, 0), 253402300799), 86400)
    year, month, day = _date(days)
    return f"{year:04}-{month:02}-{day:02}T{rest // 3600:02}:{rest // 60 % 60:02}:{rest % 60:02}Z"


# Both count from 1 March of the year 0, so that the leap day is a year's last: Howard Hinnant,
# "chrono-Compatible Low-Level Date Algorithms".


def _days(year: int, month: int, day: int) -> int:
    if month <= 2:
        year, month = year - 1, month + 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * (month - 3) + 2) // 5 + day - 719469


def _date(days: int) -> tuple[int, int, int]:
    era, day_of_era = divmod(days + 719468, 146097)
    year_of_era = (day_of_era - day_of_era // 1460 + day_of_era // 36524 - day_of_era // 146096) // 365
    day_of_year = day_of_era - (365 * year_of_era + year_of_era // 4 - year_of_era // 100)
    month = (5 * day_of_year + 2) // 153
    day = day_of_year - (153 * month + 2) // 5 + 1
    month += 3 if month < 10 else -9
    return era * 400 + year_of_era + (month <= 2), month, day
