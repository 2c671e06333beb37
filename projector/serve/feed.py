"""The change feed out of the database, read-only: pages of changes, each with its row.

A page is one snapshot: a change and the row that it names are of one moment. Rows are those that
are there now, so of a row that changed twice since, both changes show the same; of one that is a
tombstone by now there is none.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final, NamedTuple, Self, get_args

import orjson

from projector.errors import ProjectorError, UsageError
from projector.rows import EventType
from projector.store.reading import Connection

#: What changes.
KINDS: Final = ("turn", "item", "realtime", "thread", "event")
LIFECYCLE: Final[tuple[str, ...]] = get_args(EventType)

#: Changes that are read at once.
PAGE: Final = 500
#: All parts of a thread but the last end somewhere: this is the last one's end.
_EVERYTHING: Final = (1 << 63) - 1

_STATE: Final = "SELECT feed_id, pruned, (SELECT coalesce(max(seq), 0) FROM feed) FROM feed_state"
_CHANGES: Final = "SELECT * FROM changes WHERE seq > :after ORDER BY seq LIMIT :limit"
_ITEMS: Final = """
SELECT f.seq, i.position, i.ordinal, i.updated_ordinal, i.created_at_ms, i.started_at_ms,
  i.completed_at_ms, i.provenance, i.json AS item
FROM feed AS f JOIN items AS i ON i.item = f.row
WHERE f.kind = 2 AND f.seq > :after AND f.seq <= :last AND i.tombstone = 0
"""
_TURNS: Final = """
SELECT f.seq, t.position, t.ordinal, t.status, t.error_json AS error, t.started_at, t.completed_at,
  t.duration_ms, t.first_user_item_id, t.final_agent_item_id, t.root_turn_id, t.model,
  t.end_ordinal, t.end_offset
FROM feed AS f JOIN turns AS t ON t.turn = f.row
WHERE f.kind = 1 AND f.seq > :after AND f.seq <= :last AND t.tombstone = 0
"""
_REALTIME: Final = """
SELECT f.seq, v.position, v.ordinal, v.created_at_ms, v.json AS item
FROM feed AS f JOIN realtime_items AS v ON v.realtime_item = f.row
WHERE f.kind = 5 AND f.seq > :after AND f.seq <= :last AND v.tombstone = 0
"""
_EVENTS: Final = """
SELECT f.seq, e.payload, e.recorded_at_ms
FROM feed AS f JOIN events AS e ON e.seq = f.row
WHERE f.kind = 4 AND f.seq > :after AND f.seq <= :last AND e.tombstone = 0
"""
_THREAD: Final = "SELECT * FROM threads WHERE thread_id = :thread"
_PARTS: Final = "SELECT rollout_id, upto FROM thread_parts WHERE thread_id = :thread ORDER BY part"
#: Columns that hold JSON.
_JSON: Final = frozenset({"item", "error", "payload"})


class Wanted(NamedTuple):
    """Which changes are asked for; nothing in it: all."""

    kinds: frozenset[str] = frozenset()
    types: frozenset[str] = frozenset()
    """Lifecycle types."""

    @classmethod
    def parse(cls, words: Collection[str]) -> Self:
        """Read kinds and lifecycle types.

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
        """Whether a change, as the view `changes` has it, is asked for."""
        if not (self.kinds or self.types):
            return True
        kind = change["kind"]
        return kind in self.kinds or (kind == "event" and change["type"] in self.types)

    @property
    def only_events(self) -> bool:
        """Nothing is asked for that is ever taken out of the feed."""
        return bool(self.types or self.kinds) and self.kinds <= {"event"}


class Page(NamedTuple):
    """Some changes."""

    lines: list[bytes]
    """JSON, without line ends."""
    seq: int
    """Of the last change that was looked at: the next page begins behind it."""
    more: bool


class Feed:
    """Asks a database for its change feed. Every method raises as `Connection` does."""

    def __init__(self, db: Connection) -> None:
        """Read from `db`, which stays its owner's to close."""
        self._db = db
        ((feed_id, _, _),) = db.rows(_STATE)
        self.feed_id: bytes = feed_id

    def check(self, after: int, wanted: Wanted) -> None:
        """Make sure that all changes behind `after` are there.

        Raises:
            ProjectorError: some are not; says what to do.
        """
        ((_, pruned, last),) = self._db.rows(_STATE)
        if after > last:
            raise ProjectorError(
                f"{self._db.shown}: no change {after} yet, the last is {last}: is it the database"
                " that it was",
                hint="Of another one the numbers are others: begin without --after",
            )
        if after < pruned and not wanted.only_events:
            raise ProjectorError(
                f"{self._db.shown}: changes up to {pruned} are no longer kept (feed.keep_days)",
                hint="Read the views and the greatest seq of changes in one transaction and go on"
                f" from there; or take what is left: --after {pruned}",
            )

    def page(self, after: int, wanted: Wanted, limit: int | None = None) -> Page:
        """Read the next changes behind a number; at most `limit` lines."""
        with self._db.snapshot():
            rows = self._db.dicts(_CHANGES, {"after": after, "limit": PAGE})
            last = rows[-1]["seq"] if rows else after
            full = len(rows) == PAGE
            changes = [row for row in rows if wanted.takes(row)]
            if limit is not None and len(changes) > limit:
                changes = changes[:limit]
                last, full = changes[-1]["seq"] if changes else after, True
            shown = self._shown(changes, after, last)
        lines = [orjson.dumps({**one, "row": shown.get(one["seq"])}) for one in changes]
        return Page(lines, last, full)

    def _shown(self, changes: list[dict[str, Any]], after: int, last: int) -> dict[int, Any]:
        """Give the rows of changes by their numbers, as they are in this snapshot."""
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
        """Give a thread with the parts of its visible history; None: it is no more."""
        for row in self._db.dicts(_THREAD, {"thread": thread_id}):
            parts = self._db.rows(_PARTS, {"thread": thread_id})
            return row | {
                "parts": [
                    {"rollout_id": rollout_id, "upto": None if upto == _EVERYTHING else upto}
                    for rollout_id, upto in parts
                ]
            }
        return None
