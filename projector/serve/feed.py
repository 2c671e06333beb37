"""Read the change feed: pages of changes, each with its row.

Every page begins at a cursor, and is read only if the database contains the cursor's entry: this
detects a database that was restored from a backup or is another one.

A page is one snapshot: a change and its row are of one moment. Rows are the current ones, so two
changes of one row show the same row; a tombstone has none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, Self, get_args

import orjson

from projector.model.changes import EventType
from projector.model.errors import ProjectorError, UsageError
from projector.serve.history.visible import EVERYTHING
from projector.store.reading import Connection, Sql
from projector.store.rules.feed import Cursor, FeedState, verdict

#: Kinds of changed rows.
KINDS: Final = ("turn", "item", "realtime", "thread", "event")
LIFECYCLE: Final[tuple[str, ...]] = get_args(EventType)

#: Number of changes read at once.
PAGE: Final = 500

_ANEW: Final = "Begin again without --after"

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
_CHANGES: Final = Sql(
    "SELECT * FROM changes WHERE seq > :after ORDER BY seq LIMIT :limit",
    "SELECT seq, kind, op, thread_id, rollout_id, turn_id, item_id, uid, type, committed_at_ms,"
    " cursor FROM changes WHERE source_id = :source AND seq > :after ORDER BY seq LIMIT :limit",
)


def _of(kind: int, columns: str, sqlite: str, postgres: str) -> Sql:
    """Return the query for the living rows of one kind that changes refer to."""
    some = f"f.kind = {kind} AND f.seq > :after AND f.seq <= :last AND x.tombstone = 0"
    there = (
        f"NOT EXISTS (SELECT 1 FROM _feed_purged AS g WHERE g.kind = {kind} AND g.row = f.row"
        " AND g.upto >= f.seq)"
    )
    return Sql(
        f"SELECT f.seq, {columns} FROM _feed AS f JOIN {sqlite} WHERE {some} AND {there}",
        f"SELECT f.seq, {columns} FROM _feed AS f JOIN {postgres} AND x.source_id = f.row_source"
        f" AND x.uid = f.uid WHERE f.source_id = :source AND {some}",
    )


_ITEMS: Final = _of(
    2,
    "x.position, x.ordinal, x.updated_ordinal, x.created_at_ms, x.started_at_ms,"
    " x.completed_at_ms, x.provenance, x.json AS item",
    "_items AS x ON x.item = f.row",
    "_items AS x ON x.rollout_id = f.rollout_id",
)
_TURNS: Final = _of(
    1,
    "x.position, x.ordinal, x.status, x.error_json AS error, x.started_at, x.completed_at,"
    " x.duration_ms, x.first_user_item_id, x.final_agent_item_id, x.root_turn_id, x.model,"
    " x.end_ordinal, x.end_offset",
    "_turns AS x ON x.turn = f.row",
    "_turns AS x ON x.rollout_id = f.rollout_id",
)
_REALTIME: Final = _of(
    5,
    "x.position, x.ordinal, x.created_at_ms, x.json AS item",
    "_realtime_items AS x ON x.realtime_item = f.row",
    "_realtime_items AS x ON x.rollout_id = f.rollout_id",
)
_EVENTS: Final = _of(
    4,
    "x.payload, x.recorded_at_ms",
    "_events AS x ON x.seq = f.row",
    "_events AS x ON x.thread_id = f.thread_id",
)
_THREAD: Final = "SELECT * FROM threads WHERE thread_id = :thread"
_PARTS: Final = "SELECT rollout_id, upto FROM _thread_parts WHERE thread_id = :thread ORDER BY part"
#: Columns that contain JSON.
_JSON: Final = frozenset({"item", "error", "payload"})


class Wanted(NamedTuple):
    """A filter of changes; empty: all."""

    kinds: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    """Lifecycle types."""

    @classmethod
    def parse(cls, words: Collection[str]) -> Self:
        """Parse kinds and lifecycle types.

        Raises:
            UsageError: one of them is neither.
        """
        for word in words:
            if word not in KINDS and word not in LIFECYCLE:
                raise UsageError(
                    f"--types {word}: no such kind or type",
                    hint=f"Known are {', '.join((*KINDS, *LIFECYCLE))}",
                )
        return cls(frozenset(words) & frozenset(KINDS), frozenset(words) & frozenset(LIFECYCLE))

    def takes(self, change: Mapping[str, Any]) -> bool:
        """True if the filter accepts a change, a row of the view `changes`."""
        if not (self.kinds or self.types):
            return True
        kind = change["kind"]
        return kind in self.kinds or (kind == "event" and change["type"] in self.types)

    @property
    def only_events(self) -> bool:
        """True if only changes are requested that retention never deletes."""
        return bool(self.types or self.kinds) and self.kinds <= {"event"}


class Page(NamedTuple):
    """A page of changes."""

    lines: list[bytes]
    """JSON, without line ends."""
    cursor: Cursor
    """Cursor of the last change read: the next page starts after it."""
    more: bool


class TimelineLost(ProjectorError):
    """The database does not contain the entry of a consumer's cursor.

    The consumer must start again.
    """


class ChangesPruned(ProjectorError):
    """Retention deleted changes that a consumer has not read."""


class Feed:
    """Reads the change feed of a database. Every method raises as `Connection` does."""

    def __init__(self, db: Connection) -> None:
        """Read from `db`; the caller closes it.

        Raises:
            UsageError: it has no such source.
        """
        self._db = db
        if not db.rows(_STATE, {"seq": 0}):
            known = ", ".join(name for (name,) in db.rows(_SOURCES)) or "none yet"
            raise UsageError(
                f"{db.shown}: contains no rows of this source",
                hint=f"Name one: --source; there are: {known}",
            )

    def check(self, after: Cursor, wanted: Wanted) -> Cursor:
        """Verify that all changes after a cursor are there; return it with its mark.

        Raises:
            TimelineLost: the database does not contain its entry; says what to do.
            ChangesPruned: some were deleted; says what to do.
        """
        found = self._db.rows(_STATE, {"seq": after.seq})
        if not found:
            raise ProjectorError(f"{self._db.shown}: contains no rows of this source any more")
        ((*numbers, mark, pruned_mark),) = found
        state = FeedState(*numbers)
        match verdict(after, state, mark, only_events=wanted.only_events):
            case "pruned":
                raise ChangesPruned(
                    f"{self._db.shown}: changes up to {state.pruned} were deleted (feed.keep_days)",
                    hint="Read the views and the last cursor of changes in one transaction and"
                    f" continue from there; or read what is left: --after"
                    f" {Cursor(state.pruned, pruned_mark)}",
                )
            case "foreign" if after.seq > state.last:
                raise TimelineLost(
                    f"--after {after} is ahead of {self._db.shown} (last change {state.last}): it"
                    " was restored from a backup or is another database",
                    hint=_ANEW,
                )
            case "foreign":
                raise TimelineLost(
                    f"--after {after}: {self._db.shown} has another change {after.seq}: it was"
                    " restored from a backup or is another database",
                    hint=_ANEW,
                )
            case "rewound":
                raise TimelineLost(
                    f"--after {after}: {self._db.shown} was restored from a backup, and numbers"
                    f" {state.rewound_after + 1} to {state.rewound_upto} were given twice",
                    hint=f"{_ANEW}, and keep each line's `cursor` instead of its `seq`",
                )
            case "held":
                return after if after.mark is not None or not after.seq else Cursor(after.seq, mark)

    def page(self, after: Cursor, wanted: Wanted, limit: int | None = None) -> Page:
        """Read the next changes after a cursor; at most `limit` lines. Raises as `check` does."""
        with self._db.snapshot():
            last = self.check(after, wanted)
            rows = self._db.dicts(_CHANGES, {"after": after.seq, "limit": PAGE})
            if rows:
                last = _cursor(rows[-1])
            full = len(rows) == PAGE
            changes = [row for row in rows if wanted.takes(row)]
            if limit is not None and len(changes) > limit:
                changes = changes[:limit]
                last, full = _cursor(changes[-1]), True
            shown = self._shown(changes, after.seq, last.seq)
        lines = [orjson.dumps({**one, "row": shown.get(one["seq"])}) for one in changes]
        return Page(lines, last, full)

    def _shown(self, changes: list[dict[str, Any]], after: int, last: int) -> dict[int, Any]:
        """Return the rows of changes by their numbers, as in this snapshot."""
        shown: dict[int, Any] = {}
        kinds = {change["kind"] for change in changes}
        for kind, sql in (
            ("item", _ITEMS), ("turn", _TURNS), ("realtime", _REALTIME), ("event", _EVENTS),
        ):  # fmt: skip
            if kind in kinds:
                for row in self._db.dicts(sql, {"after": after, "last": last}):
                    seq = row.pop("seq")
                    shown[seq] = {
                        name: orjson.Fragment(value) if name in _JSON and value else value
                        for name, value in row.items()
                    }
        threads: dict[str, dict[str, Any] | None] = {}
        for change in changes:
            if change["kind"] == "thread":
                thread_id = change["thread_id"]
                if thread_id not in threads:
                    threads[thread_id] = self._thread(thread_id)
                shown[change["seq"]] = threads[thread_id]
        return shown

    def _thread(self, thread_id: str) -> dict[str, Any] | None:
        """Return a thread with the parts of its visible history; None: it no longer exists."""
        for row in self._db.dicts(_THREAD, {"thread": thread_id}):
            parts = self._db.rows(_PARTS, {"thread": thread_id})
            row.pop("source_id", None)
            return row | {
                "parts": [
                    {"rollout_id": rollout_id, "upto": None if upto == EVERYTHING else upto}
                    for rollout_id, upto in parts
                ]
            }
        return None


def _cursor(change: Mapping[str, Any]) -> Cursor:
    cursor = Cursor.parse(change["cursor"])
    assert cursor is not None, change
    return cursor
