"""Whether a line as it stands uses up an ordinal in Codex's count. Pure."""

from __future__ import annotations

from typing import Any, Final

import orjson

from projector.decode import lossless_json as exact
from projector.decode.acceptance.records import takes

#: Ordinals from here on make Codex's transaction fail.
_TOO_LARGE: Final = (1 << 63) - 1


def ordinal_taken(data: bytes) -> int | None:
    """Give the ordinal that a line uses up in Codex's count; None: it uses up none."""
    record = _strict(data)
    return None if record is None else ordinal_taken_by(record, data)


def ordinal_taken_by(record: dict[str, Any], data: bytes) -> int | None:
    """Tell the same of a line that was read already, by orjson and without a float in it."""
    ordinal = record.get("ordinal")
    if type(ordinal) is not int or not 0 <= ordinal < _TOO_LARGE:
        return None
    return ordinal if takes(record) and within_bounds(record, data) else None


def _strict(data: bytes) -> dict[str, Any] | None:
    """Read a line as Codex reads JSON, but for its bounds."""
    try:
        value = orjson.loads(data)
        if type(value) is dict and not exact.has_float(value):
            return value
    except orjson.JSONDecodeError:
        if b"e" not in data and b"E" not in data:  # no number that only a double cannot hold
            return None
    try:
        value = exact.strict(data)
    except ValueError:
        return None
    return value if type(value) is dict else None


def within_bounds(record: dict[str, Any], data: bytes) -> bool:
    """Tell whether nesting and integers of a line that is JSON are within Codex's bounds."""
    odd = False

    def large(held: Any) -> bool:
        return type(held) in (float, orjson.Fragment)

    if len(data) > exact.CODEX_DEPTH:
        if exact.deeper(record, exact.CODEX_DEPTH):
            return False
        odd = exact.any_of(record, large)
    return not (odd and exact.refused_integer(data))
