"""Search items in the database by text."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, Final, NamedTuple

from projector.search.text import shown
from projector.serve.history.folders import is_within
from projector.serve.search.hits import Hit, SearchRequest
from projector.serve.search.snippets import Snippets
from projector.store.reading import Connection, Sql

#: Larger than any number of hits.
_ALL: Final = 1 << 40
#: Minimum number of candidates checked together: an engine's index may return too many.
_PAGE: Final = 50

#: Ordered so that the index is used first: it returns few rows, items and parts are many.
_FOUND: Final = Sql(
    """
SELECT i.item, i.rollout, NULL, i.position, i.uid, i.type, i.turn_id, i.item_id, i.created_at_ms
FROM _item_index AS f CROSS JOIN _items AS i ON i.item = f.rowid
WHERE f._item_index MATCH :query AND i.tombstone = 0 {conditions}
  AND EXISTS (SELECT 1 FROM _thread_parts AS p
              WHERE p.rollout = i.rollout AND p.upto > i.position {parts})
ORDER BY {order} LIMIT :limit OFFSET :offset
""",
    """
SELECT CAST(i.uid AS text), i.rollout_id, CAST(i.source_id AS text), i.position, i.uid, i.type,
  i.turn_id, i.item_id, i.created_at_ms
FROM _items AS i JOIN _sources AS o ON o.source_id = i.source_id
WHERE i.words @@ CAST(:vector AS tsquery) AND i.words_round = o.search_round
  AND i.tombstone = 0 {conditions}
  AND EXISTS (SELECT 1 FROM _thread_parts AS p
              WHERE p.part_source = i.source_id AND p.rollout_id = i.rollout_id
                AND p.upto > i.position {parts})
ORDER BY {order} LIMIT :limit OFFSET :offset
""",
)
_ORDERS: Final = {
    "newest": Sql(
        "i.created_at_ms DESC, i.item DESC", "i.created_at_ms DESC, i.position DESC, i.uid"
    ),
    "best": Sql(
        "f.rank, i.item DESC",
        # Weighted by length, as in FTS5: a word counts more in a short text.
        "ts_rank(i.words, CAST(:vector AS tsquery), 2) DESC, i.position DESC",
    ),
}
_TYPES: Final = Sql(
    " AND i.type IN (SELECT value FROM json_each(:types))",
    " AND i.type IN (SELECT json_array_elements_text(CAST(:types AS json)))",
)
_SINCE: Final = " AND i.created_at_ms >= :since"
_IN_THREADS: Final = Sql(
    " AND p.thread_id IN (SELECT value FROM json_each(:threads))",
    " AND p.thread_id IN (SELECT json_array_elements_text(CAST(:threads AS json)))",
)
# Hits are passed as a JSON array of [owner, rollout, key, position], and identified by index.
_HITS: Final = "json_array_elements(CAST(:hits AS json)) WITH ORDINALITY AS k (value, number)"
# Its own thread first, then the oldest.
_THREADS: Final = Sql(
    "SELECT k.key, p.thread_id FROM json_each(:hits) AS k JOIN _thread_parts AS p"
    " ON p.rollout = json_extract(k.value, '$[1]') AND p.upto > json_extract(k.value, '$[3]')"
    " JOIN _rollouts AS r ON r.rollout = p.rollout"
    " ORDER BY 1, p.thread_id <> r.thread_id, p.thread_id",
    f"SELECT k.number - 1, p.thread_id FROM {_HITS} JOIN _thread_parts AS p"
    " ON p.part_source = CAST(k.value ->> 0 AS uuid) AND p.rollout_id = k.value ->> 1"
    " AND p.upto > CAST(k.value ->> 3 AS bigint) JOIN _rollouts AS r"
    " ON r.source_id = p.part_source AND r.rollout_id = p.rollout_id"
    " ORDER BY 1, p.thread_id <> r.thread_id, p.thread_id",
)
#: Items, and their indexed text.
_INDEXED: Final = Sql(
    "SELECT k.key, i.json, s.what, s.max_text_bytes FROM json_each(:hits) AS k"
    " JOIN _items AS i ON i.item = json_extract(k.value, '$[2]') JOIN _search_state AS s",
    f"SELECT k.number - 1, i.json, o.search_what, o.search_text_bytes FROM {_HITS}"
    " JOIN _items AS i ON i.source_id = CAST(k.value ->> 0 AS uuid)"
    " AND i.rollout_id = k.value ->> 1 AND i.uid = CAST(k.value ->> 2 AS uuid)"
    " JOIN _sources AS o ON o.source_id = i.source_id",
)
_NAMED: Final = Sql(
    "SELECT name, preview FROM threads WHERE thread_id = :thread",
    "SELECT name, preview, host FROM threads WHERE thread_id = :thread",
)
#: Whether indexing is off, and whether it is incomplete.
_STATE: Final = Sql(
    "SELECT what = 'off', unfilled > 0 FROM _search_state",
    "SELECT coalesce(bool_and(search_what = 'off'), true),"
    " coalesce(bool_or(unfilled_rollout IS NOT NULL), false) FROM _sources",
)
_UNFILLED: Final = Sql(
    "SELECT count(*) FROM _items WHERE item <= (SELECT unfilled FROM _search_state)",
    "SELECT count(*) FROM _items AS i JOIN _sources AS o ON o.source_id = i.source_id"
    " WHERE o.search_what <> 'off' AND o.unfilled_rollout IS NOT NULL"
    " AND i.words_round IS DISTINCT FROM o.search_round",
)


class _Found(NamedTuple):
    """A row of `_FOUND`."""

    key: object
    rollout: object
    owner: str | None
    position: int
    uid: bytes
    type: str
    turn_id: str
    item_id: str
    created_at_ms: int


class SearchQuery:
    """Searches a database. Every method raises as `Connection` does."""

    def __init__(self, db: Connection) -> None:
        """Read from `db`; the caller closes it."""
        self._db = db

    def missing(self) -> int | None:
        """Return the number of items not indexed yet; None: the index is off."""
        ((off, filling),) = self._db.rows(_STATE)
        if off:
            return None
        if not filling:
            return 0
        ((count,),) = self._db.rows(_UNFILLED)
        return int(count)

    def within(self, folders: Sequence[str]) -> tuple[str, ...]:
        """Return the threads of a folder, given in its spellings, and of its subfolders."""
        rows = self._db.rows("SELECT thread_id, cwd FROM threads")
        return tuple(thread_id for thread_id, cwd in rows if is_within(cwd, folders))

    def threads(self, thread_ids: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return name and preview of threads."""
        return {
            thread_id: row
            for thread_id in dict.fromkeys(thread_ids)
            for row in self._db.dicts(_NAMED, {"thread": thread_id})
        }

    def find(self, sought: SearchRequest) -> list[Hit]:
        """Return the items of visible histories that contain all words, each once.

        Candidates from the index are checked again: not every engine's index knows positions and
        order of the words of every text.
        """
        values: dict[str, object] = {"query": sought.query, "vector": sought.vector}
        conditions, parts = Sql("", ""), Sql("", "")
        if sought.types:
            conditions = _TYPES
            values["types"] = json.dumps(sought.types)
        if sought.since_ms is not None:
            conditions = Sql(*(text + _SINCE for text in conditions))
            values["since"] = sought.since_ms
        if sought.threads is not None:
            parts = _IN_THREADS
            values["threads"] = json.dumps(sought.threads)
        sql = Sql(
            *(
                text.format(conditions=condition, parts=part, order=order)
                for text, condition, part, order in zip(
                    _FOUND, conditions, parts, _ORDERS[sought.order], strict=True
                )
            )
        )
        with closing(Snippets(sought.query)) as snippets, self._db.snapshot():
            return list(islice(self._hits(sql, values, sought, snippets), sought.limit))

    def _hits(
        self, sql: Sql, values: Mapping[str, object], sought: SearchRequest, snippets: Snippets
    ) -> Iterator[Hit]:
        offset, limit = 0, max(sought.limit or _ALL, _PAGE)
        some = min(sought.limit or _PAGE, _PAGE)
        while True:
            found = [
                _Found._make(row)
                for row in self._db.rows(sql, {**values, "limit": limit, "offset": offset})
            ]
            for at in range(0, len(found), some):
                yield from self._shown(found[at : at + some], sought, snippets)
            if len(found) < limit:
                return
            offset += limit

    def _shown(
        self, found: Sequence[_Found], sought: SearchRequest, snippets: Snippets
    ) -> Iterator[Hit]:
        """Yield the candidates that do match, with snippet and the threads that show them."""
        named = json.dumps([(one.owner, one.rollout, one.key, one.position) for one in found])
        texts = {number: rest for number, *rest in self._db.rows(_INDEXED, {"hits": named})}
        threads: dict[int, list[str]] = {}
        for number, thread in self._db.rows(_THREADS, {"hits": named}):
            threads.setdefault(number, []).append(thread)
        for number, one in enumerate(found):
            snippet = snippets.of(shown(one.type, *texts[number]))
            if snippet is not None:
                yield self._hit(sought, one, threads[number], snippet)

    def _hit(self, sought: SearchRequest, found: _Found, threads: list[str], snippet: str) -> Hit:
        wanted = sought.threads
        if wanted is not None:  # report it under a requested thread
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
