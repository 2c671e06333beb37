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
from projector.store.questions import feed, history
from projector.store.reading import Connection
from projector.store.rules.feed import Cursor, verdict

#: Kinds of changed rows.
KINDS: Final = ("turn", "item", "realtime", "thread", "event")
LIFECYCLE: Final[tuple[str, ...]] = get_args(EventType)

#: Number of changes read at once.
PAGE: Final = 500

_ANEW: Final = "Begin again without --after"


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
        if feed.state(db, 0) is None:
            known = ", ".join(feed.source_names(db)) or "none yet"
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
        found = feed.state(self._db, after.seq)
        if found is None:
            raise ProjectorError(f"{self._db.shown}: contains no rows of this source any more")
        state, mark, pruned_mark = found
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
            rows = feed.changes(self._db, after.seq, PAGE)
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
        for kind in feed.KINDS_WITH_ROWS:
            if kind in kinds:
                for seq, row in feed.changed_rows(self._db, kind, after, last).items():
                    shown[seq] = {
                        name: orjson.Fragment(value)
                        if name in feed.JSON_COLUMNS and value
                        else value
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
        row = history.thread(self._db, thread_id)
        if row is None:
            return None
        parts = history.chain(self._db, thread_id)
        return row | {
            "parts": [
                {
                    "rollout_id": part.rollout_id,
                    "upto": None if part.upto == history.EVERYTHING else part.upto,
                }
                for part in parts
            ]
        }


def _cursor(change: Mapping[str, Any]) -> Cursor:
    cursor = Cursor.parse(change["cursor"])
    assert cursor is not None, change
    return cursor
