"""The full-text index: what it holds is a setting; it is kept with the rows, and filled in steps.

The rules stand in `0001_tables.sql`, under "Search". They hold at every commit, so that an index
that is being filled misses only items that were there before it was asked for.

FTS5 takes a text out of its index only when it is told that text. It is made again from the row as
it was, by the same function with the same settings. An index of another `words.REVISION` is emptied
before anything is taken out of it. Temporary triggers, which
only the connections that write have, set old rows aside as they change, and the index follows at
the end of the transaction, in one go. Triggers that write to the index row by row were tried:
each row was flushed to disk as a segment of its own, four times the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from projector.search.text import REVISION, Extent, Indexing, indexed
from projector.store.sqlite.file import writing

#: Items that are indexed in one transaction: at 8 KiB of text each, a tenth of a second.
STEP: Final = 500
_NOTHING: Final = (1 << 63) - 1


#: The words of items, and their way into the index.
_WORDS: Final = (
    "item_words(i.type, i.json, s.what, s.max_text_bytes)"
    " FROM _search_state AS s JOIN _item_rows AS i"
)
_INDEX: Final = f"INSERT INTO _item_index (rowid, text) SELECT i.item, {_WORDS}"
_KEEPING: Final = (
    # Rows as they were when the transaction began.
    "CREATE TEMP TABLE IF NOT EXISTS items_before (item INTEGER PRIMARY KEY, type TEXT, json TEXT)",
    """
    CREATE TEMP TRIGGER IF NOT EXISTS item_changes AFTER UPDATE OF type, json ON main._item_rows
    WHEN new.json <> old.json OR new.type <> old.type
    BEGIN
      INSERT INTO items_before SELECT old.item, old.type, old.json
      WHERE NOT EXISTS (SELECT 1 FROM items_before WHERE item = old.item);
    END
    """,
    """
    CREATE TEMP TRIGGER IF NOT EXISTS item_goes AFTER DELETE ON main._item_rows
    BEGIN
      INSERT INTO items_before SELECT old.item, old.type, old.json
      WHERE NOT EXISTS (SELECT 1 FROM items_before WHERE item = old.item);
    END
    """,
)


def keep(db: sqlite3.Connection) -> None:
    """Get a connection ready to write items. The schema must be there.

    Statements of this module may call `item_words`; the schema may not, for other programs read it.
    """
    db.create_function("item_words", 4, indexed, deterministic=True)
    for statement in _KEEPING:
        db.execute(statement)


class Texts:
    """The words of new items, where who made the items made them too."""

    def __init__(self, indexing: Indexing) -> None:
        self.indexing: Final = indexing
        """How they must have been made."""
        self.known: dict[int, bytes | str] = {}
        """By the item's number."""

    def made(self, last: int, words: Sequence[bytes | None]) -> None:
        """Hear of the items behind number `last`, all new, in the order of their numbers."""
        for item, text in enumerate(words, last + 1):
            if text is not None:
                self.known[item] = text


@contextmanager
def following(db: sqlite3.Connection) -> Iterator[Texts]:
    """Bring the index up to date with the items that are written inside, before the commit.

    Gives what may be told of the words of new items, so that they need not be read once more.
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
            texts.known.pop(item, None)  # it came again, and is another one
        db.execute("DELETE FROM items_before")
    last = _newest(db)
    if last > max(newest, unfilled):
        _add(db, newest, last, texts.known)


def _add(db: sqlite3.Connection, before: int, last: int, known: dict[int, bytes | str]) -> None:
    """Index the items behind number `before` up to `last`; `known`: the words of some."""
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
    # In the order of their numbers: FTS5 would begin another segment where one is lower.
    db.executemany(
        "INSERT INTO _item_index (rowid, text) VALUES (?, CAST(? AS TEXT))", known.items()
    )


def choose(db: sqlite3.Connection, extent: Extent, max_text_bytes: int) -> None:
    """Say what the index holds from now on; where that differs, it is emptied, to be filled."""
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
    """Index the newest items that are not indexed yet; True: there are more."""
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
    """Take all words out; items up to number `unfilled` are to be indexed again."""
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
    """Return the greatest item that is to be indexed yet; 0: none is."""
    what, unfilled, _ = _state(db)
    return 0 if what == "off" else unfilled


def _newest(db: sqlite3.Connection) -> int:
    (item,) = db.execute("SELECT coalesce(max(item), 0) FROM _item_rows").fetchone()
    return int(item)
