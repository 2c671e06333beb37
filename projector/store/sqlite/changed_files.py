"""Keeps which files items changed: the driver of `store/rules/changed_files.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from projector.store.rules.changed_files import FILE_CHANGE, changed_files, relists
from projector.store.sqlite.execute import mended
from projector.store.sqlite.item_json import NUMBERS

_INSERT: Final = (
    "INSERT INTO _changed_files (item, number, path, kind, move_path) VALUES (?, ?, ?, ?, ?)"
)
_NEW: Final = (
    f"SELECT item, type, json FROM _items WHERE item > ? AND kind = {NUMBERS[FILE_CHANGE]}"
)
#: Items that existed when the transaction began and have changed: see `search_index`.
_CHANGED: Final = (
    f"SELECT b.item, b.type, i.type, iif(i.type = '{FILE_CHANGE}', i.json, '')"
    " FROM items_before AS b LEFT JOIN _items AS i ON i.item = b.item WHERE b.item <= ?"
)


@contextmanager
def following(db: sqlite3.Connection) -> Iterator[None]:
    """List the changed files of the items that are written inside, before the commit.

    Must be inside of `search_index.following`, which copies changed items.
    """
    (newest,) = db.execute("SELECT coalesce(max(item), 0) FROM _item_rows").fetchone()
    yield
    stale = [row for row in db.execute(_CHANGED, (newest,)) if relists(row[1], row[2])]
    if stale:
        db.executemany("DELETE FROM _changed_files WHERE item = ?", [(row[0],) for row in stale])
        _list(db, ((item, kind, json) for item, _, kind, json in stale))
    list_new(db, newest)


def list_new(db: sqlite3.Connection, last: int) -> None:
    """List the files of the items with numbers greater than `last`, which are not listed yet."""
    _list(db, db.execute(_NEW, (last,)))


def _list(db: sqlite3.Connection, items: Iterable[tuple[int, str | None, str]]) -> None:
    db.executemany(
        _INSERT,
        (
            (item, *map(_stored, file))
            for item, kind, json in items
            for file in changed_files(kind, json)
        ),
    )


def _stored(value: Any) -> Any:
    return mended(value) if isinstance(value, str) and not value.isascii() else value
