"""The entries of the change feed that rows of a transaction make. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from projector.store.postgres.apply import EventState, Item, Realtime, Rows, Turn
from projector.store.rules import feed
from projector.store.rules.feed import EVENT, ITEM, REALTIME, TURN

#: How many values of `state` readers do not see.
_UNSEEN: Final = {Item: 2, Turn: 3}


class FeedEntry(NamedTuple):
    """A change of a row, but for its number."""

    kind: int
    op: int
    source: str
    """Who has the row."""
    thread_id: str
    rollout_id: str | None
    turn_id: str | None = None
    item_id: str | None = None
    uid: bytes | None = None
    type: str | None = None


def op_of(row: Item | Turn | Realtime | EventState) -> int | None:
    """Tell what happened to a row; None: nothing that a view shows."""
    seen = _UNSEEN.get(type(row), 1)
    return feed.op_of(
        None if row.was is None or row.was[0] else row.was[seen:],
        None if row.tombstone else row.state()[seen:],
    )


def told_rows(rows: Rows, thread_id: str) -> tuple[list[FeedEntry], ...]:
    """Tell of turns that came and that changed, of items, and of realtime items."""
    turns: tuple[list[FeedEntry], list[FeedEntry]] = ([], [])
    items: tuple[list[FeedEntry], list[FeedEntry]] = ([], [])
    for turn in rows.turns.values():
        if op := op_of(turn):
            turns[turn.was is not None].append(
                FeedEntry(
                    TURN, op, rows.source, thread_id, rows.rollout_id, turn.turn_id, uid=turn.uid
                )
            )
    for item in rows.items.values():
        if op := op_of(item):
            items[item.was is not None].append(
                FeedEntry(
                    ITEM, op, rows.source, thread_id, rows.rollout_id, item.turn_id, item.item_id,
                    item.uid, item.type,
                )
            )  # fmt: skip
    spoken: tuple[list[FeedEntry], list[FeedEntry]] = ([], [])
    for row in rows.realtime.values():
        if op := op_of(row):
            spoken[row.was is not None].append(
                FeedEntry(
                    REALTIME, op, rows.source, thread_id, rows.rollout_id, None, row.item_id,
                    row.uid, row.type,
                )
            )  # fmt: skip
    return *turns, *items, *spoken


def told_event(row: EventState, source: str, op: int) -> FeedEntry:
    """Tell of an event."""
    return FeedEntry(
        EVENT, op, source, row.thread_id, row.rollout_id, row.turn_id, uid=row.uid, type=row.type
    )
