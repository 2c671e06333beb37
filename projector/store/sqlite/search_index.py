"""Keeps the full-text index of SQLite: its extent is a setting, and it is filled step by step.

The rules are in `0001_tables.sql`, under "Search". They hold at every commit, so that an index that
is being filled misses only items that existed before it was switched on.

FTS5 deletes a text from its index only if it is given that text. It is computed again from the old
row, by the same function with the same settings. An index of another `text.REVISION` is emptied
before anything is deleted from it.

Temporary triggers, which exist only on writing connections, copy old rows as they change, and the
index is updated at the end of the transaction, all at once. Tried and rejected: triggers that write
to the index row by row; each row was flushed to disk as a segment of its own, four times the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Final

from projector.model.changes import ItemRow
from projector.search.text import REVISION, Extent, Indexing, indexed
from projector.store.sqlite.file import writing

#: Items indexed in one transaction: with 8 KiB of text each, a tenth of a second.
STEP: Final = 500
_NOTHING: Final = (1 << 63) - 1


#: Indexed texts of items, and the statement that inserts them.
_WORDS: Final = (
    "item_words(i.type, i.json, s.what, s.max_text_bytes) FROM _search_state AS s JOIN _items AS i"
)
_INDEX: Final = f"INSERT INTO _item_index (rowid, text) SELECT i.item, {_WORDS}"
_KEEPING: Final = (
    # Rows as they were when the transaction began.
    "CREATE TEMP TABLE IF NOT EXISTS items_before (item INTEGER PRIMARY KEY, type TEXT, json TEXT)",
    """
    CREATE TEMP TRIGGER IF NOT EXISTS item_changes BEFORE UPDATE OF kind, rest ON main._item_rows
    WHEN new.rest <> old.rest OR new.kind <> old.kind
    BEGIN
      INSERT INTO items_before SELECT item, type, json FROM main._items
      WHERE item = old.item AND NOT EXISTS (SELECT 1 FROM items_before WHERE item = old.item);
    END
    """,
    """
    CREATE TEMP TRIGGER IF NOT EXISTS item_goes BEFORE DELETE ON main._item_rows
    BEGIN
      INSERT INTO items_before SELECT item, type, json FROM main._items
      WHERE item = old.item AND NOT EXISTS (SELECT 1 FROM items_before WHERE item = old.item);
    END
    """,
)


def keep(db: sqlite3.Connection) -> None:
    """Prepare a connection that writes items. The schema must exist.

    Statements of this module may call `item_words`; the schema may not, because other programs read
    it.
    """
    db.create_function("item_words", 4, indexed, deterministic=True)
    for statement in _KEEPING:
        db.execute(statement)


class Texts:
    """Indexed texts of new items, made before they are read back from the database."""

    def __init__(self, indexing: Indexing) -> None:
        self.indexing: Final = indexing
        """How they must be extracted."""
        self.known: dict[int, bytes | str] = {}
        """By the item's number."""

    def made(self, items: Iterable[int], rows: Iterable[ItemRow], *, extracted: bool) -> None:
        """Take the texts of new items, given by their numbers.

        `extracted`: the rows have them, extracted in this way; else they are extracted here.
        """
        if self.indexing.extent == "off":
            return
        for item, row in zip(items, rows, strict=True):
            text = row.words if extracted else None
            if text is None and isinstance(row.json, bytes):
                text = self.indexing.words_of(row.type, row.json)
            if text is not None:
                self.known[item] = text


@contextmanager
def following(db: sqlite3.Connection) -> Iterator[Texts]:
    """Update the index with the items that are written inside, before the commit.

    Yields the collector for texts of new items, so that these need not be extracted again.
    """
    newest = _newest(db)
    if _revision(db) != REVISION:
        _empty(db, newest)
    what, unfilled, max_text_bytes = _state(db)
    texts = Texts(Indexing(what, max_text_bytes))
    yield texts
    row = db.execute("SELECT 1 FROM items_before LIMIT 1").fetchone()
    if row is not None:
        db.execute(
            "INSERT INTO _item_index (_item_index, rowid, text)"
            " SELECT 'delete', b.item, item_words(b.type, b.json, s.what, s.max_text_bytes)"
            " FROM items_before AS b JOIN _search_state AS s"
            " WHERE b.item > s.unfilled AND b.item <= ?",
            (newest,),
        )
        db.execute(
            f"{_INDEX} WHERE i.item > s.unfilled"
            " AND i.item IN (SELECT item FROM items_before WHERE item <= ?) ORDER BY i.item",
            (newest,),
        )
        for (item,) in db.execute("SELECT item FROM items_before WHERE item > ?", (newest,)):
            texts.known.pop(item, None)  # the row was written again with another content
        db.execute("DELETE FROM items_before")
    last = _newest(db)
    if last > max(newest, unfilled):
        _add(db, newest, last, texts.known)


def _add(db: sqlite3.Connection, before: int, last: int, known: dict[int, bytes | str]) -> None:
    """Index the items after number `before` up to `last`; `known`: texts of some of them."""
    if not known:
        db.execute(f"{_INDEX} WHERE i.item > ? AND i.item > s.unfilled ORDER BY i.item", (before,))
        return
    if len(known) < last - before:
        for (item,) in db.execute(
            "SELECT item FROM _item_rows WHERE item > ?", (before,)
        ).fetchall():
            if item not in known:
                (known[item],) = db.execute(f"SELECT {_WORDS} WHERE i.item = ?", (item,)).fetchone()
    known = dict(sorted(known.items()))
    # In the order of their numbers: FTS5 begins another segment for a lower one.
    db.executemany(
        "INSERT INTO _item_index (rowid, text) VALUES (?, CAST(? AS TEXT))", known.items()
    )


def choose(db: sqlite3.Connection, extent: Extent, max_text_bytes: int) -> None:
    """Set what the index contains; if that differs, empty it, to be filled again."""
    if _chosen(db, extent, max_text_bytes):
        return
    with writing(db):
        if _chosen(db, extent, max_text_bytes):  # another process was faster
            return
        db.execute(
            "UPDATE _search_state SET what = ?, max_text_bytes = ?", (extent, max_text_bytes)
        )
        _empty(db, _newest(db))


def fill(db: sqlite3.Connection) -> bool:
    """Index the newest items that are not indexed yet; True if there are more."""
    if not _unfilled(db) or _revision(db) != REVISION:
        return False
    with writing(db):
        unfilled = _unfilled(db)
        row = db.execute(
            "SELECT item FROM _item_rows WHERE item <= ? ORDER BY item DESC LIMIT 1 OFFSET ?",
            (unfilled, STEP),
        ).fetchone()
        rest = int(row[0]) if row else 0
        db.execute("UPDATE _search_state SET unfilled = ?", (rest,))
        db.execute(f"{_INDEX} WHERE i.item > ? AND i.item <= ? ORDER BY i.item", (rest, unfilled))
    return rest > 0


def _chosen(db: sqlite3.Connection, extent: Extent, max_text_bytes: int) -> bool:
    what, *found = db.execute("SELECT what, max_text_bytes, revision FROM _search_state").fetchone()
    return bool(what == extent and (what == "off" or found == [max_text_bytes, REVISION]))


def _empty(db: sqlite3.Connection, unfilled: int) -> None:
    """Empty the index; items up to number `unfilled` are to be indexed again."""
    db.execute("INSERT INTO _item_index (_item_index) VALUES ('delete-all')")
    db.execute(
        "UPDATE _search_state SET revision = ?, unfilled = iif(what = 'off', ?, ?)",
        (REVISION, _NOTHING, unfilled),
    )


def _revision(db: sqlite3.Connection) -> int:
    (found,) = db.execute("SELECT revision FROM _search_state").fetchone()
    return int(found)


def _state(db: sqlite3.Connection) -> tuple[str, int, int]:
    what, unfilled, most = db.execute(
        "SELECT what, unfilled, max_text_bytes FROM _search_state"
    ).fetchone()
    return str(what), int(unfilled), int(most)


def _unfilled(db: sqlite3.Connection) -> int:
    """Return the number of the newest item that is not indexed yet; 0: all are."""
    what, unfilled, _ = _state(db)
    return 0 if what == "off" else unfilled


def _newest(db: sqlite3.Connection) -> int:
    (item,) = db.execute("SELECT coalesce(max(item), 0) FROM _item_rows").fetchone()
    return int(item)
