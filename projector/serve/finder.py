"""Looks for words in the database, read-only."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import Any, Final, NamedTuple

from projector.serve.search import Hit, Sought
from projector.serve.snippets import Snippets
from projector.serve.threads import within
from projector.store.reading import Connection
from projector.words import indexed

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
WHERE p.rollout = :rollout AND p.upto > :position
ORDER BY p.thread_id <> r.thread_id, p.thread_id
"""
_JSON: Final = "SELECT json FROM items WHERE item = :item"
_NAMED: Final = "SELECT name, preview FROM threads WHERE thread_id = :thread"
_STATE: Final = "SELECT what, max_text_bytes, unfilled FROM search_state"
_UNFILLED: Final = "SELECT count(*) FROM items WHERE item <= :unfilled"


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
    """Asks a database for words. Every method raises as `Connection` does."""

    def __init__(self, db: Connection) -> None:
        """Read from `db`, which stays its owner's to close."""
        self._db = db

    def missing(self) -> int | None:
        """Say how many items are not indexed yet; None: none ever will, the index is off."""
        ((what, _, unfilled),) = self._db.rows(_STATE)
        if what == "off":
            return None
        ((count,),) = self._db.rows(_UNFILLED, {"unfilled": unfilled})
        return int(count)

    def within(self, folders: Sequence[str]) -> tuple[str, ...]:
        """Give the threads of a folder, given in its spellings, and of those below."""
        rows = self._db.rows("SELECT thread_id, cwd FROM threads")
        return tuple(thread_id for thread_id, cwd in rows if within(cwd, folders))

    def threads(self, thread_ids: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Give what threads are known by: name and preview."""
        return {
            thread_id: row
            for thread_id in dict.fromkeys(thread_ids)
            for row in self._db.dicts(_NAMED, {"thread": thread_id})
        }

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
        with closing(Snippets(sought.query)) as snippets, self._db.snapshot():
            ((extent, max_text_bytes, _),) = self._db.rows(_STATE)
            hits = []
            for row in self._db.rows(sql, values):
                found = _Found._make(row)
                ((item,),) = self._db.rows(_JSON, {"item": found.item})
                text = indexed(found.type, item, extent, max_text_bytes)
                hits.append(self._hit(sought, found, snippets.of(text) or ""))
        return hits

    def _hit(self, sought: Sought, found: _Found, snippet: str) -> Hit:
        where = {"rollout": found.rollout, "position": found.position}
        threads = [thread for (thread,) in self._db.rows(_THREADS, where)]
        wanted = sought.threads
        if wanted is not None:  # one of those that were asked for gives the hit its name
            threads.sort(key=lambda thread: thread not in wanted)
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
