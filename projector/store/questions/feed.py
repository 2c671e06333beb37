"""The change feed: its state, pages of changes, and the rows that changes are about.

A change names its row by its number on SQLite and by its key on PostgreSQL, hence pairs of texts.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from projector.store.reading import Connection, Sql
from projector.store.rules.feed import KINDS, FeedState

_STATE: Final = Sql(
    "SELECT (SELECT coalesce(max(seq), 0) FROM _feed), pruned, rewound_after, rewound_upto,"
    " CASE :seq WHEN pruned THEN pruned_mark ELSE"
    " (SELECT mark FROM _feed_commits WHERE upto >= :seq ORDER BY upto LIMIT 1) END, pruned_mark"
    " FROM _feed_state",
    "SELECT s.last_seq, s.pruned, s.rewound_after, s.rewound_upto,"
    " CASE CAST(:seq AS bigint) WHEN s.last_seq THEN s.last_mark WHEN s.pruned THEN s.pruned_mark"
    " ELSE (SELECT f.mark FROM _feed AS f WHERE f.source_id = s.source_id AND f.seq = :seq) END,"
    " s.pruned_mark FROM _sources AS s WHERE s.source_id = :source",
)
_SOURCES: Final = Sql("SELECT NULL WHERE false", "SELECT name FROM _sources ORDER BY 1")
_CHANGE: Final = (
    "SELECT seq, kind, op, thread_id, rollout_id, turn_id, item_id, uid, type, committed_at_ms,"
    " cursor FROM changes WHERE"
)
_CHANGES: Final = Sql(
    f"{_CHANGE} seq > :after ORDER BY seq LIMIT :limit",
    f"{_CHANGE} source_id = :source AND seq > :after ORDER BY seq LIMIT :limit",
)


class State(NamedTuple):
    """The state of a feed, and the mark of one entry."""

    feed: FeedState
    mark: int | None
    """Of the entry asked about; None: the database does not have it."""
    pruned_mark: int | None
    """Of the last entry that retention deleted."""


def _of(kind: str, columns: str, sqlite: str, postgres: str) -> Sql:
    """Return the query for the living rows of one kind that changes refer to."""
    some = f"f.kind = {KINDS[kind]} AND f.seq > :after AND f.seq <= :last AND x.tombstone = 0"
    # A row may have the number of one that was purged.
    its_own = (
        f"NOT EXISTS (SELECT 1 FROM _feed_purged AS g WHERE g.kind = {KINDS[kind]}"
        " AND g.row = f.row AND g.upto >= f.seq)"
    )
    return Sql(
        f"SELECT f.seq, {columns} FROM _feed AS f JOIN {sqlite} WHERE {some} AND {its_own}",
        f"SELECT f.seq, {columns} FROM _feed AS f JOIN {postgres} AND x.source_id = f.row_source"
        f" AND x.uid = f.uid WHERE f.source_id = :source AND {some}",
    )


_ROWS: Final = {
    "item": _of(
        "item",
        "x.position, x.ordinal, x.updated_ordinal, x.created_at_ms, x.started_at_ms,"
        " x.completed_at_ms, x.provenance, x.json AS item",
        "_items AS x ON x.item = f.row",
        "_items AS x ON x.rollout_id = f.rollout_id",
    ),
    "turn": _of(
        "turn",
        "x.position, x.ordinal, x.status, x.error_json AS error, x.started_at, x.completed_at,"
        " x.duration_ms, x.first_user_item_id, x.final_agent_item_id, x.root_turn_id, x.model,"
        " x.end_ordinal, x.end_offset",
        "_turns AS x ON x.turn = f.row",
        "_turns AS x ON x.rollout_id = f.rollout_id",
    ),
    "realtime": _of(
        "realtime",
        "x.position, x.ordinal, x.created_at_ms, x.json AS item",
        "_realtime_items AS x ON x.realtime_item = f.row",
        "_realtime_items AS x ON x.rollout_id = f.rollout_id",
    ),
    "event": _of(
        "event",
        "x.payload, x.recorded_at_ms",
        "_events AS x ON x.seq = f.row",
        "_events AS x ON x.thread_id = f.thread_id",
    ),
}
#: Kinds of changes whose rows `changed_rows` returns; a thread is a row of the view `threads`.
KINDS_WITH_ROWS: Final = tuple(_ROWS)
#: Columns of those rows that contain JSON.
JSON_COLUMNS: Final = frozenset({"item", "error", "payload"})


def state(db: Connection, seq: int) -> State | None:
    """Return the state of the source's feed, and the mark of entry `seq`; None: no such source."""
    for *numbers, mark, pruned_mark in db.rows(_STATE, {"seq": seq}):
        return State(FeedState(*numbers), mark, pruned_mark)
    return None


def source_names(db: Connection) -> list[str]:
    """Return the names of all sources that write the database; none for a file."""
    return [name for (name,) in db.rows(_SOURCES)]


def changes(db: Connection, after: int, limit: int) -> list[dict[str, Any]]:
    """Return the next changes after entry `after`: rows of the view `changes`."""
    return db.dicts(_CHANGES, {"after": after, "limit": limit})


def changed_rows(db: Connection, kind: str, after: int, last: int) -> dict[int, dict[str, Any]]:
    """Return the living rows of one kind that changes are about, by the number of the change.

    `after`, `last`: the changes with numbers from `after` + 1 to `last`.
    """
    rows = db.dicts(_ROWS[kind], {"after": after, "last": last})
    return {row.pop("seq"): row for row in rows}
