"""Numbers formatted for people. Pure."""

from __future__ import annotations

_KIB = 1024


def count(number: int, one: str, many: str = "") -> str:
    """Format a number with its noun: `1 item`, `2,000 items`."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def size(number: float) -> str:
    """Format a number of bytes: `512 B`, `3.4 MiB`."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if abs(number) < _KIB:
            return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"
        number /= _KIB
    return f"{number:.1f} TiB"


def short(number: int) -> str:
    """Format a number in at most five characters: `950`, `45.1k`, `1.2M`."""
    value = float(number)
    for unit in ("", "k", "M", "G", "T"):
        if abs(value) < 999.5:  # noqa: PLR2004 - what has three digits
            return f"{value:.0f}{unit}" if not unit or value >= 100 else f"{value:.1f}{unit}"  # noqa: PLR2004
        value /= 1000
    return f"{value:.0f}P"


def age(ms: int | None, now_ms: int) -> str:
    """Format how long ago a time was, in one unit: `now`, `5 min`, `3 h`, `12 d`."""
    if ms is None:
        return ""
    seconds = max(0, now_ms - ms) // 1000
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{seconds // length:,} {unit}"
    return "now"
