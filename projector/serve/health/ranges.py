"""Thresholds of monitoring plugins: `10`, `10:`, `~:10`, `10:20`, `@10:20`. Pure.

Source: the guidelines of monitoring-plugins.org. A range contains the good values; with `@` before
it, the bad ones. Both ends are included. Without a colon it starts at 0; `~` means no lower end.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Range(NamedTuple):
    """A range of values, and whether an alert is raised inside or outside of it."""

    low: float
    high: float
    inside: bool = False
    """True if values inside the range raise an alert, not those outside."""
    text: str = ""
    """The range as written."""

    def tells(self, value: float) -> bool:
        """True if a value raises an alert."""
        return (self.low <= value <= self.high) == self.inside


def parse(text: str) -> Range:
    """Parse a range.

    Raises:
        ValueError: it is invalid; says why.
    """
    inside, rest = text.startswith("@"), text.removeprefix("@")
    first, colon, last = rest.rpartition(":")
    low = -math.inf if first == "~" else _number(first) if first else 0.0
    high = _number(last) if last else math.inf
    if not colon and not last:
        raise ValueError("is empty")
    if low > high:
        raise ValueError(f"starts after its end: {first} is above {last}")
    return Range(low=low, high=high, inside=inside, text=text)


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{text!r} is not a number")
    return found
