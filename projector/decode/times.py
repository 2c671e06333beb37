"""Convert times of records to milliseconds since 1970.

Pure, without `datetime`, which has no second 60. Source: docs on paginated rollouts, 2.3, checked
against Codex 0.169.0.
"""

from __future__ import annotations

import re
from typing import Final

_DAY_MS: Final = 86_400_000
_MINUTE_MS: Final = 60_000

_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:\.(\d+))?"
    r"(?:[Zz]|([+\-\u2212])(\d\d):(\d\d))",
    re.ASCII,
).fullmatch
_MONTHS: Final = (31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_FEBRUARY: Final = 2


def to_ms(text: object) -> int | None:
    """Return the milliseconds since 1970 of an RFC 3339 time; None if it is invalid.

    A zone is required. The fraction may have any length and is cut after three digits; second 60 is
    second 59 and one second more; years go from 0000 to 9999.
    """
    if type(text) is not str:
        return None
    try:  # the only format that Codex writes: 2026-11-20T09:24:24.573Z
        return _minutes[text[:17]] + _SECONDS[text[17:20]] + _FRACTIONS[text[20:]]
    except KeyError:
        return _any_form(text)


def _any_form(text: str) -> int | None:
    found = _RFC3339(text)
    if found is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = found.groups()
    start = _minute(f"{year}-{month}-{day}T{hour}:{minute}:")
    if start is None or second > "60":
        return None
    at = start + int(second) * 1000
    if fraction is not None:
        at += int(fraction[:3].ljust(3, "0"))
    if sign is not None:
        if hours > "23" or minutes > "59":
            return None
        away = (int(hours) * 60 + int(minutes)) * _MINUTE_MS
        at += -away if sign == "+" else away
    return at


_SECONDS: Final = {f"{second:02}.": second * 1000 for second in range(61)}
_FRACTIONS: Final = {f"{ms:03}Z": ms for ms in range(1000)}
#: Cache of minutes, as `YYYY-MM-DDThh:mm:`. Emptied when it is large.
_minutes: Final[dict[str, int]] = {}
_MINUTES_MAX: Final = 4096


def _minute(text: str) -> int | None:
    """Return the start of a minute written `YYYY-MM-DDThh:mm:`; None if it is invalid."""
    known = _minutes.get(text)
    if known is not None:
        return known
    year, month, day = int(text[:4]), int(text[5:7]), int(text[8:10])
    hour, minute = int(text[11:13]), int(text[14:16])
    if not 1 <= month <= len(_MONTHS) or hour > 23 or minute > 59:  # noqa: PLR2004 - a clock's
        return None
    leap = month == _FEBRUARY and year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    if not 1 <= day <= _MONTHS[month - 1] + leap:
        return None
    start = _days(year, month, day) * _DAY_MS + (hour * 60 + minute) * _MINUTE_MS
    if len(_minutes) >= _MINUTES_MAX:
        _minutes.clear()
    _minutes[text] = start
    return start


def _days(year: int, month: int, day: int) -> int:
    """Return the days since 1970-01-01 in the Gregorian calendar, also before its introduction."""
    # Years that begin in March have the leap day at their end.
    year -= month <= _FEBRUARY
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * 146_097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719_468
