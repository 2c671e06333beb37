"""Windows of rate limits, for people. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from projector.store.questions.limits import Window

#: Resets that are closer are the same one: threads round it differently.
_SAME_RESET_MS: Final = 60_000
_MINUTES: Final = ((60 * 24, "d"), (60, "h"), (1, "min"))


def changes(rows: Iterable[Window]) -> list[Window]:
    """Leave out rows that only repeat, in another thread, what was reported before."""
    last: dict[tuple[str | None, str | None, str], Window] = {}
    found = []
    for row in rows:
        key = row.host, row.limit_id, row.slot
        if not _same(last.get(key), row):
            found.append(row)
        last[key] = row
    return found


def _same(was: Window | None, now: Window) -> bool:
    if was is None:
        return False
    resets = (was.resets_at_ms or 0) - (now.resets_at_ms or 0)
    return abs(resets) < _SAME_RESET_MS and was[3:5] == now[3:5] and was.plan_type == now.plan_type


def length(minutes: int | None) -> str:
    """Return the length of a window: 5 h, 7 d."""
    if minutes is None:
        return ""
    for size, unit in _MINUTES:
        if minutes % size == 0 and minutes:
            return f"{minutes // size} {unit}"
    return f"{minutes} min"


def document(row: Window, now_ms: int) -> dict[str, Any]:
    """Return a window for `--json`; `reset`: it has begun anew since it was reported."""
    return {**row._asdict(), "reset": is_reset(row, now_ms)}


def is_reset(row: Window, now_ms: int) -> bool:
    """True if the window has begun anew since it was reported."""
    return row.resets_at_ms is not None and row.resets_at_ms <= now_ms
