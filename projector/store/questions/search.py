"""Full-text search: items by words, their indexed texts, and the threads that show them.

The one subject where engines differ altogether: FTS5 here, tsvector there, hence pairs of texts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from projector.store.reading import Connection, Sql, among, words_of

#: Items of visible histories.
_SHOWN: Final = Sql(
    """
SELECT i.item, i.rollout, NULL, i.position, i.uid, i.type, i.turn_id, i.item_id, i.created_at_ms
FROM {found} AND i.tombstone = 0 {conditions}
  AND EXISTS (SELECT 1 FROM _thread_parts AS p
              WHERE p.rollout = i.rollout AND p.upto > i.position {parts})
ORDER BY {order} LIMIT :limit OFFSET :offset
""",
    """
SELECT CAST(i.uid AS text), i.rollout_id, CAST(i.source_id AS text), i.position, i.uid, i.type,
  i.turn_id, i.item_id, i.created_at_ms
FROM {found} AND i.tombstone = 0 {conditions}
  AND EXISTS (SELECT 1 FROM _thread_parts AS p
              WHERE p.part_source = i.source_id AND p.rollout_id = i.rollout_id
                AND p.upto > i.position {parts})
ORDER BY {order} LIMIT :limit OFFSET :offset
""",
)
#: Ordered so that the index is used first: it returns few rows, items and parts are many.
_BY_WORDS: Final = Sql(
    "_item_index AS f CROSS JOIN _items AS i ON i.item = f.rowid WHERE f._item_index MATCH :query",
    "_items AS i JOIN _sources AS o ON o.source_id = i.source_id"
    " WHERE i.words @@ CAST(:vector AS tsquery) AND i.words_round = o.search_round",
)
#: Without words: every item that the filters leave.
_EVERY: Final = "_items AS i WHERE true"
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
_TYPES: Final = Sql(*(f" AND i.type IN {types}" for types in among("types")))
_SINCE: Final = " AND i.created_at_ms >= :since"
_IN_THREADS: Final = Sql(*(f" AND p.thread_id IN {threads}" for threads in among("threads")))
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
    "SELECT name, preview, cwd FROM threads WHERE thread_id = :thread",
    "SELECT name, preview, cwd, host FROM threads WHERE thread_id = :thread",
)
_ANY_OF_TYPE: Final = Sql(
    "SELECT EXISTS (SELECT 1 FROM _items WHERE type = :type)",
    "SELECT EXISTS (SELECT 1 FROM _items WHERE tombstone = 0"
    " AND left(type, 64) = left(:type, 64) AND type = :type)",
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


class Candidate(NamedTuple):
    """An item that the index finds; it may lack the order of the words."""

    key: object
    """Names the item in this database, with the next two."""
    rollout: object
    owner: str | None
    position: int
    uid: bytes
    type: str
    turn_id: str
    item_id: str
    created_at_ms: int


class SearchRequest(Struct, frozen=True, kw_only=True):
    """What is searched for."""

    query: str
    """In FTS5's query language; see `text.query`. "": every item that the filters leave."""
    vector: str = ""
    """The same in tsquery syntax; see `tsvector.query`."""
    threads: tuple[str, ...] | None = None
    """Only in these threads; None: in all."""
    types: tuple[str, ...] = ()
    """Only items of these types; empty: of all."""
    since_ms: int | None = None
    """Created at or after this time."""
    order: Literal["newest", "best"] = "newest"
    limit: int | None = None


class Indexed(NamedTuple):
    """What of an item is indexed."""

    item_json: str
    what: str
    """all, messages, off"""
    max_text_bytes: int


def state(db: Connection) -> tuple[bool, bool]:
    """Return whether the index is off, and whether it is not filled yet."""
    ((off, filling),) = db.rows(_STATE)
    return bool(off), bool(filling)


def unindexed(db: Connection) -> int:
    """Return the number of items that are not indexed yet."""
    return int(db.rows(_UNFILLED)[0][0])


def has_type(db: Connection, kind: str) -> bool:
    """True if there is an item of a type."""
    ((found,),) = db.rows(_ANY_OF_TYPE, {"type": kind})
    return bool(found)


def named(db: Connection, thread_id: str) -> dict[str, Any] | None:
    """Return name, preview and folder of a thread, and its host in a database of several."""
    return next(iter(db.dicts(_NAMED, {"thread": thread_id})), None)


def candidates(db: Connection, wanted: SearchRequest, limit: int, offset: int) -> list[Candidate]:
    """Return the items of visible histories that the index finds, each once, in order.

    `limit`, `offset`: which of them; that of the request is not looked at.
    """
    values: dict[str, object] = {"limit": limit, "offset": offset}
    if wanted.query:
        values |= {"query": wanted.query, "vector": wanted.vector}
    conditions, parts = Sql("", ""), Sql("", "")
    if wanted.types:
        conditions = _TYPES
        values["types"] = json.dumps(wanted.types)
    if wanted.since_ms is not None:
        conditions = Sql(*(text + _SINCE for text in conditions))
        values["since"] = wanted.since_ms
    if wanted.threads is not None:
        parts = _IN_THREADS
        values["threads"] = json.dumps(wanted.threads)
    sql = Sql(
        *(
            text.format(found=found, conditions=condition, parts=part, order=order)
            for text, found, condition, part, order in zip(
                _SHOWN,
                _BY_WORDS if wanted.query else words_of(_EVERY),
                conditions,
                parts,
                _ORDERS[wanted.order if wanted.query else "newest"],
                strict=True,
            )
        )
    )
    return [Candidate._make(row) for row in db.rows(sql, values)]


def indexed(db: Connection, found: Iterable[Candidate]) -> dict[int, Indexed]:
    """Return what of each candidate is indexed, by its place among them."""
    rows = db.rows(_INDEXED, {"hits": _hits(found)})
    return {number: Indexed._make(rest) for number, *rest in rows}


def threads_showing(db: Connection, found: Iterable[Candidate]) -> dict[int, list[str]]:
    """Return the threads that show each candidate, by its place among them.

    Its own thread comes first, then the oldest.
    """
    threads: dict[int, list[str]] = {}
    for number, thread_id in db.rows(_THREADS, {"hits": _hits(found)}):
        threads.setdefault(number, []).append(thread_id)
    return threads


def _hits(found: Iterable[Candidate]) -> str:
    return json.dumps([(one.owner, one.rollout, one.key, one.position) for one in found])
