"""Which files an item lists as changed, and when that list is written again. Pure."""

from __future__ import annotations

import json as standard_json
from typing import Any, Final, NamedTuple

import orjson

#: Type of the items that change files.
FILE_CHANGE: Final = "fileChange"


class ChangedFile(NamedTuple):
    """A file that an item changed, without the diff. Values that are not text are shown as JSON."""

    number: int
    """From 0, as in the item."""
    path: str | None
    kind: str | None
    """add, delete, update."""
    move_path: str | None


def relists(before: str | None, now: str | None) -> bool:
    """True if the list of an item whose type or JSON changed must be written again.

    `before`, `now`: its types; None: the row was not there, or is not there any more.
    """
    return FILE_CHANGE in (before, now)


def changed_files(kind: str | None, json: str) -> list[ChangedFile]:
    """Return the files that an item of this type and JSON changed; of other types, none."""
    if kind != FILE_CHANGE:
        return []
    item = _parsed(json)
    changes = item.get("changes") if isinstance(item, dict) else None
    found = []
    for number, change in enumerate(changes if isinstance(changes, list) else ()):
        one = change if isinstance(change, dict) else {}
        what = one.get("kind")
        inner = what if isinstance(what, dict) else {}
        found.append(
            ChangedFile(number, _text(one, "path"), _text(inner, "type"), _text(inner, "move_path"))
        )
    return found


def _parsed(json: str) -> Any:
    try:
        return orjson.loads(json)
    except ValueError:
        pass
    try:
        return standard_json.loads(json)  # accepts half a surrogate pair
    except (ValueError, RecursionError):
        return None


def _text(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or isinstance(value, str):
        return value
    return standard_json.dumps(value, separators=(",", ":"), ensure_ascii=False)
