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
