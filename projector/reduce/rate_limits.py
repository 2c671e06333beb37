"""Read rate limits from token counts: a row where one changed. Pure.

Source: docs on paginated rollouts, `token_count`; older releases write `resets_in_seconds`, and the
oldest the percentages beside each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from projector.decode.fields import Object
from projector.model.changes import LimitRow
from projector.model.ids import Offset

#: Windows that a snapshot has.
WINDOWS: Final = ("primary", "secondary")
#: Where the oldest releases write the percentage of a window.
_OLD_PERCENT: Final = {window: f"{window}_used_percent" for window in WINDOWS}
#: Limits whose last state is remembered; a thread has one or two.
_LIMITS_MAX: Final = 16
#: Resets that are closer are the same one: computed from a rest in whole seconds, it wanders.
_SAME_RESET_MS: Final = 60_000
_TEXT_MAX: Final = 64
#: Beyond that a number is no percentage, and no length.
_MOST: Final = 1 << 40
#: The last second of the year 9999.
_SECONDS_MAX: Final = 253_402_300_799

#: Last state of each limit's windows: used percent, minutes, reset, plan.
Limits = dict[str, list[Any]]


def changed(
    limits: Limits, payload: Object, offset: Offset, at_ms: int | None
) -> Sequence[LimitRow]:
    """Return a row for each window of a `token_count` that differs from its last state.

    `limits`: updated. `at_ms`: time of the record.
    """
    told = payload.get("rate_limits")
    if type(told) is not dict:
        return ()
    rows = []
    for window in WINDOWS:
        if _repeats(limits, told, window):
            continue
        now = _state(told, window, at_ms)
        if now is None:
            continue
        limit_id = _text(told.get("limit_id"))
        key = f"{window} {limit_id or ''}"
        if _same(limits.get(key), now):
            continue
        limits.pop(key, None)
        limits[key] = now
        while len(limits) > _LIMITS_MAX:
            del limits[next(iter(limits))]
        used, minutes, resets_at_ms, plan = now
        rows.append(LimitRow(offset, window, limit_id, minutes, used, resets_at_ms, plan, at_ms))
    return rows


def _repeats(limits: Limits, told: Object, window: str) -> bool:
    """True if a window is as it was, or not there, at a glance: that of nearly every record is."""
    found, limit_id = told.get(window), told.get("limit_id")
    if found is None and _OLD_PERCENT[window] not in told:
        return True
    was = limits.get(f"{window} {limit_id}") if type(limit_id) is str else None
    if was is None or type(found) is not dict:
        return False
    used, minutes, at, reset = (
        found.get("used_percent"),
        found.get("window_minutes"),
        found.get("resets_at"),
        was[2],
    )
    return (
        used == was[0]
        and minutes == was[1]
        and told.get("plan_type") == was[3]
        and type(at) is int is type(reset) is type(minutes)
        and at >= 0
        and abs(at * 1000 - reset) < _SAME_RESET_MS
        and type(used) is not bool
    )


def _state(told: Object, window: str, at_ms: int | None) -> list[Any] | None:
    """Return a window's state, as in `Limits`; None: nothing is said of it."""
    found = told.get(window)
    if type(found) is not dict:
        found = {
            "used_percent": told.get(_OLD_PERCENT[window]),
            "window_minutes": told.get(f"{window}_window_minutes"),
        }
    used = _number(found.get("used_percent"), -_MOST, _MOST)
    if used is None:
        return None
    minutes = found.get("window_minutes")
    kept = minutes if type(minutes) is int and 0 <= minutes <= _MOST else None
    return [used, kept, _reset(found, at_ms), _text(told.get("plan_type"))]


def _reset(window: Object, at_ms: int | None) -> int | None:
    at = _number(window.get("resets_at"), 0, _SECONDS_MAX)
    if at is not None:
        return round(at * 1000)
    rest = _number(window.get("resets_in_seconds"), 0, _SECONDS_MAX)
    return None if at_ms is None or rest is None else at_ms + round(rest * 1000)


def _number(value: Any, least: float, most: float) -> float | None:
    return float(value) if type(value) in (int, float) and least <= value <= most else None


def _same(was: list[Any] | None, now: list[Any]) -> bool:
    if was == now:
        return True
    if was is None or [*was[:2], was[3]] != [*now[:2], now[3]]:
        return False
    if was[2] is None or now[2] is None:
        return bool(was[2] == now[2])
    return bool(abs(was[2] - now[2]) < _SAME_RESET_MS)


def _text(value: Any) -> str | None:
    kept = type(value) is str and 0 < len(value) <= _TEXT_MAX and value.isascii()
    return value if kept and value.isprintable() else None
