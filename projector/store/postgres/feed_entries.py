"""The entries of the change feed for rows of a transaction. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from projector.store.postgres.apply import EventState, Item, Realtime, Rows, Turn
from projector.store.rules import feed
from projector.store.rules.feed import EVENT, ITEM, REALTIME, TURN

#: Number of leading values of `state` that readers do not see.
_UNSEEN: Final = {Item: 2, Turn: 3}


class FeedEntry(NamedTuple):
    """A feed entry without its number."""

    kind: int
    op: int
    source: str
    """Source that has the row."""
    thread_id: str
    rollout_id: str | None
    turn_id: str | None = None
    item_id: str | None = None
    uid: bytes | None = None
    type: str | None = None


def op_of(row: Item | Turn | Realtime | EventState) -> int | None:
    """Return what happened to a row; None: nothing that a view shows."""
    seen = _UNSEEN.get(type(row), 1)
    return feed.op_of(
        None if row.was is None or row.was[0] else row.was[seen:],
        None if row.tombstone else row.state()[seen:],
    )


class RowEntries:
    """Entries of turns, items and realtime items; of each kind inserts before changes."""

    def __init__(self) -> None:
        """Create it with no entries."""
        self._new: Final[dict[int, list[FeedEntry]]] = {TURN: [], ITEM: [], REALTIME: []}
        self._changed: Final[dict[int, list[FeedEntry]]] = {TURN: [], ITEM: [], REALTIME: []}

    def add(self, rows: Rows, thread_id: str) -> None:
        """Add the entries for rows of a thread."""
        for turn in rows.turns.values():
            self._add(TURN, turn, rows, thread_id, turn_id=turn.turn_id)
        for item in rows.items.values():
            self._add(ITEM, item, rows, thread_id, turn_id=item.turn_id, item_id=item.item_id)
        for row in rows.realtime.values():
            self._add(REALTIME, row, rows, thread_id, item_id=row.item_id)

    def _add(
        self,
        kind: int,
        row: Item | Turn | Realtime,
        rows: Rows,
        thread_id: str,
        *,
        turn_id: str | None = None,
        item_id: str | None = None,
    ) -> None:
        if op := op_of(row):
            among = self._new if row.was is None else self._changed
            kept = None if isinstance(row, Turn) else row.type
            among[kind].append(
                FeedEntry(
                    kind, op, rows.source, thread_id, rows.rollout_id, turn_id, item_id, row.uid,
                    kept,
                )
            )  # fmt: skip

    def add_moved(self, entries: Iterable[FeedEntry]) -> None:
        """Add changes of rows that have no entry yet; others are skipped."""
        known = {one.uid for one in self.in_order()}
        for one in entries:
            if one.uid not in known:
                self._changed[one.kind].append(one)

    def extend(self, others: RowEntries) -> None:
        """Append the entries of others to those of the same kind."""
        for mine, theirs in ((self._new, others._new), (self._changed, others._changed)):
            for kind, entries in theirs.items():
                mine[kind].extend(entries)

    def in_order(self) -> Iterator[FeedEntry]:
        """Yield all entries in the order of the feed."""
        for kind, new in self._new.items():
            yield from new
            yield from self._changed[kind]


def told_event(row: EventState, source: str, op: int) -> FeedEntry:
    """Return the entry for an event."""
    return FeedEntry(
        EVENT, op, source, row.thread_id, row.rollout_id, row.turn_id, uid=row.uid, type=row.type
    )
