"""The full-text index: what it holds is a setting; it is kept with the rows, and filled in steps.

The rules stand in `0001_tables.sql`, under "Search". They hold at every commit, so that an index
that is being filled misses only items that were there before it was asked for.

FTS5 takes a text out of its index only when it is told that text. So temporary triggers, which
only the connections that write have, set old rows aside as they change, and the index follows at
the end of the transaction, in one go. Triggers that write to the index row by row were tried:
each row was flushed to disk as a segment of its own, four times the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from projector.store.sqlite.file import writing
from projector.words import Extent, indexed

#: Items that are indexed in one transaction: at 8 KiB of text each, a tenth of a second.
STEP: Final = 500
_NOTHING: Final = (1 << 63) - 1


_KEEPING: Final = (
    # Rows as they were when the transaction began.
    "CREATE TEMP TABLE IF NOT EXISTS items_before (item INTEGER PRIMARY KEY, type TEXT, json TEXT)",
    """
    CREATE TEMP TRIGGER IF NOT EXISTS item_changes AFTER UPDATE OF type, json ON main.items
    WHEN new.json <> old.json OR new.type <> old.type
    BEGIN
      INSERT INTO items_before SELECT old.item, old.type, old.json
      WHERE NOT EXISTS (SELECT 1 FROM items_before WHERE item = old.item);
    END
    """,
    """
    CREATE TEMP TRIGGER IF NOT EXISTS item_goes AFTER DELETE ON main.items
    BEGIN
      INSERT INTO items_before SELECT old.item, old.type, old.json
      WHERE NOT EXISTS (SELECT 1 FROM items_before WHERE item = old.item);
    END
    """,
)


def teach(db: sqlite3.Connection) -> None:
    """Give a connection the function that the index's texts are made with."""
    db.create_function("item_words", 4, indexed, deterministic=True)


def keep(db: sqlite3.Connection) -> None:
    """Get a connection ready to write items; `teach` it first. The schema must be there."""
    for statement in _KEEPING:
        db.execute(statement)


@contextmanager
def following(db: sqlite3.Connection) -> Iterator[None]:
    """Bring the index up to date with the items that are written inside, before the commit."""
    newest = _newest(db)
    yield
    _, unfilled = _state(db)
    row = db.execute("SELECT 1 FROM items_before LIMIT 1").fetchone()
    if row is not None:
        db.execute(
            "INSERT INTO item_index (item_index, rowid, text)"
            " SELECT 'delete', b.item, item_words(b.type, b.json, s.what, s.max_text_bytes)"
            " FROM items_before AS b JOIN search_state AS s"
            " WHERE b.item > s.unfilled AND b.item <= ?",
            (newest,),
        )
        db.execute(
            "INSERT INTO item_index (rowid, text) SELECT item, text FROM item_texts"
            " WHERE item IN (SELECT item FROM items_before WHERE item <= ?)",
            (newest,),
        )
        db.execute("DELETE FROM items_before")
    if _newest(db) > max(newest, unfilled):
        db.execute(
            "INSERT INTO item_index (rowid, text) SELECT item, text FROM item_texts WHERE item > ?",
            (newest,),
        )


def choose(db: sqlite3.Connection, extent: Extent, max_text_bytes: int) -> None:
    """Say what the index holds from now on; where that differs, it is emptied, to be filled."""
    if _chosen(db, extent, max_text_bytes):
        return
    with writing(db):
        if _chosen(db, extent, max_text_bytes):  # another process was faster
            return
        db.execute("INSERT INTO item_index (item_index) VALUES ('delete-all')")
        db.execute(
            "UPDATE search_state SET what = ?, max_text_bytes = ?, unfilled = ?",
            (extent, max_text_bytes, _NOTHING if extent == "off" else _newest(db)),
        )


def fill(db: sqlite3.Connection) -> bool:
    """Index the newest items that are not indexed yet; True: there are more."""
    if not _unfilled(db):
        return False
    with writing(db):
        unfilled = _unfilled(db)
        row = db.execute(
            "SELECT item FROM items WHERE item <= ? ORDER BY item DESC LIMIT 1 OFFSET ?",
            (unfilled, STEP),
        ).fetchone()
        rest = int(row[0]) if row else 0
        db.execute("UPDATE search_state SET unfilled = ?", (rest,))
        db.execute(
            "INSERT INTO item_index (rowid, text)"
            " SELECT item, text FROM item_texts WHERE item > ? AND item <= ?",
            (rest, unfilled),
        )
    return rest > 0


def _chosen(db: sqlite3.Connection, extent: Extent, max_text_bytes: int) -> bool:
    found = db.execute("SELECT what, max_text_bytes FROM search_state").fetchone()
    return bool(found == (extent, max_text_bytes) or found[0] == extent == "off")


def _state(db: sqlite3.Connection) -> tuple[str, int]:
    what, unfilled = db.execute("SELECT what, unfilled FROM search_state").fetchone()
    return str(what), int(unfilled)


def _unfilled(db: sqlite3.Connection) -> int:
    """Give the greatest item that is to be indexed yet; 0: none is."""
    what, unfilled = _state(db)
    return 0 if what == "off" else unfilled


def _newest(db: sqlite3.Connection) -> int:
    (item,) = db.execute("SELECT coalesce(max(item), 0) FROM items").fetchone()
    return int(item)
