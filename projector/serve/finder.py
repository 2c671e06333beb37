"""Looks for words in the database, read-only."""

from __future__ import annotations

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self

from projector.serve.connect import connect, explained
from projector.serve.search import BEGIN, END, Hit, Sought
from projector.serve.threads import within
from projector.words import indexed

#: Words around a hit that a snippet has, hits included.
_WORDS: Final = 24

#: Written so that the index is asked first: its hits are few, items and parts are many.
_FOUND: Final = """
SELECT i.item, i.rollout, i.position, i.uid, i.type, i.turn_id, i.item_id, i.created_at_ms
FROM item_index AS f CROSS JOIN items AS i ON i.item = f.rowid
WHERE f.item_index MATCH :query AND i.tombstone = 0 {conditions}
  AND EXISTS (SELECT 1 FROM thread_parts AS p
              WHERE p.rollout = i.rollout AND p.upto > i.position {parts})
ORDER BY {order} LIMIT :limit
"""
_ORDERS: Final = {"newest": "i.created_at_ms DESC, i.item DESC", "best": "f.rank, i.item DESC"}
# Its own thread first, then the oldest.
_THREADS: Final = """
SELECT p.thread_id FROM thread_parts AS p JOIN rollouts AS r ON r.rollout = p.rollout
WHERE p.rollout = ? AND p.upto > ?
ORDER BY p.thread_id <> r.thread_id, p.thread_id
"""
_SNIPPET: Final = """
SELECT snippet(item_index, 0, ?, ?, '…', ?) FROM item_index WHERE item_index MATCH ? AND rowid = ?
"""


class _Found(NamedTuple):
    """A row of `_FOUND`."""

    item: int
    rollout: int
    position: int
    uid: bytes
    type: str
    turn_id: str
    item_id: str
    created_at_ms: int


class Finder:
    """The database, open for searching."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            StoreRefused: there is no such database, or it is none of ours.
            StoreUnavailable: it cannot be read now.
        """
        self._path = path
        with self._words():
            self._db = connect(path)
            self._db.create_function("item_words", 4, indexed, deterministic=True)

    def __enter__(self) -> Self:
        """Give the finder."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self._db.close()

    def missing(self) -> int | None:
        """Say how many items are not indexed yet; None: none ever will, the index is off."""
        with self._words():
            what, unfilled = self._db.execute("SELECT what, unfilled FROM search_state").fetchone()
            if what == "off":
                return None
            (count,) = self._db.execute(
                "SELECT count(*) FROM items WHERE item <= ?", (unfilled,)
            ).fetchone()
            return int(count)

    def within(self, folders: Sequence[str]) -> tuple[str, ...]:
        """Give the threads of a folder, given in its spellings, and of those below."""
        with self._words():
            rows = self._db.execute("SELECT thread_id, cwd FROM threads").fetchall()
        return tuple(thread_id for thread_id, cwd in rows if within(cwd, folders))

    def threads(self, thread_ids: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Give what threads are known by: name and preview."""
        found = {}
        with self._words():
            for thread_id in dict.fromkeys(thread_ids):
                row = self._db.execute(
                    "SELECT name, preview FROM threads WHERE thread_id = ?", (thread_id,)
                ).fetchone()
                if row is not None:
                    found[thread_id] = {"name": row[0], "preview": row[1]}
        return found

    def find(self, sought: Sought) -> list[Hit]:
        """Give the items of visible histories that hold all words, each once."""
        conditions = parts = ""
        values: dict[str, object] = {"query": sought.query, "limit": sought.limit or -1}
        if sought.types:
            conditions += " AND i.type IN (SELECT value FROM json_each(:types))"
            values["types"] = json.dumps(sought.types)
        if sought.since_ms is not None:
            conditions += " AND i.created_at_ms >= :since"
            values["since"] = sought.since_ms
        if sought.threads is not None:
            parts = " AND p.thread_id IN (SELECT value FROM json_each(:threads))"
            values["threads"] = json.dumps(sought.threads)
        sql = _FOUND.format(conditions=conditions, parts=parts, order=_ORDERS[sought.order])
        with self._words(), self._snapshot():
            rows = self._db.execute(sql, values).fetchall()
            return [self._hit(sought, _Found._make(row)) for row in rows]

    def _hit(self, sought: Sought, found: _Found) -> Hit:
        threads = [
            thread
            for (thread,) in self._db.execute(_THREADS, (found.rollout, found.position)).fetchall()
        ]
        wanted = sought.threads
        if wanted is not None:  # one of those that were asked for gives the hit its name
            threads.sort(key=lambda thread: thread not in wanted)
        (snippet,) = self._db.execute(
            _SNIPPET, (BEGIN, END, _WORDS, sought.query, found.item)
        ).fetchone()
        return Hit(
            thread_id=threads[0],
            also_in=tuple(threads[1:]),
            turn_id=found.turn_id,
            item_id=found.item_id,
            uid=str(uuid.UUID(bytes=found.uid)),
            type=found.type,
            created_at_ms=found.created_at_ms,
            snippet=snippet,
        )

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        self._db.execute("BEGIN")
        try:
            yield
        finally:
            self._db.execute("COMMIT")

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(self._path, error) from error
