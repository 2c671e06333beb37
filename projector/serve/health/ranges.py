"""Thresholds as monitoring plugins take them: `10`, `10:`, `~:10`, `10:20`, `@10:20`. Pure.

Source: the guidelines of monitoring-plugins.org. A range says which values are well; `@` before
it, which are not. Both ends belong to it. Without a colon it begins at 0; `~` has no end below.
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Range(NamedTuple):
    """Which values are told of."""

    low: float
    high: float
    inside: bool = False
    """Values in it are told of, not those beside it."""
    text: str = ""
    """As it was written."""

    def tells(self, value: float) -> bool:
        """Whether a value is one to tell of."""
        return (self.low <= value <= self.high) == self.inside


def parse(text: str) -> Range:
    """Read a range.

    Raises:
        ValueError: it is none; says why.
    """
    inside, rest = text.startswith("@"), text.removeprefix("@")
    first, colon, last = rest.rpartition(":")
    low = -math.inf if first == "~" else _number(first) if first else 0.0
    high = _number(last) if last else math.inf
    if not colon and not last:
        raise ValueError("is empty")
    if low > high:
        raise ValueError(f"begins behind its end: {first} is above {last}")
    return Range(low=low, high=high, inside=inside, text=text)


def _number(text: str) -> float:
    try:
        found = float(text)
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise ValueError(f"{text!r} is no number")
    return found
