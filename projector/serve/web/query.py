"""Values of parameters in an address: anyone may write anything there. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

#: Greatest page number and position: what the engines can bind.
_GREATEST: Final = (1 << 62) - 1


def number(text: str | None, otherwise: int, least: int = 1) -> int:
    """Return a whole number of at least `least`; `otherwise`, if it is none."""
    try:
        return min(max(least, int((text or "")[:40])), _GREATEST)
    except ValueError:
        return otherwise


def day_ms(text: str, later: timedelta = timedelta()) -> int | None:
    """Return the begin of a day in this machine's time zone; None: it is none."""
    try:
        return int((datetime.fromisoformat(text) + later).astimezone().timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        return None
