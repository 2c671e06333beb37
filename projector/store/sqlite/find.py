"""Reads the earlier rows of a rollout that a reducer needs."""

from __future__ import annotations

import sqlite3
from typing import Any, Literal, NamedTuple

from projector.model.changes import (
    Lookup,
    LookupResult,
    Message,
    RollbackFrame,
    StoredItem,
    StoredTurn,
    TurnRow,
)
from projector.model.ids import ItemId, TurnId
from projector.store.sqlite.execute import mended

_TURN = """
SELECT uid, turn_id, position - :start, ordinal, status, error_json, started_at, completed_at,
  duration_ms, first_user_item_id, final_agent_item_id, end_ordinal, end_offset, root_turn_id,
  model, owner, end_owner, tombstone
FROM {new}_turns WHERE turn_id = :turn AND rollout = :rollout
"""

# The phase decides whether a message of the agent counts; null counts as plain, and so does a
# missing one. Other items are returned too: one that becomes a message later keeps its place. The
# `+` keeps SQLite from scanning the whole rollout by position to save itself a short sort.
_MESSAGES = """
SELECT item_id, ordinal,
  CASE type WHEN 'userMessage' THEN 'user'
    WHEN 'agentMessage' THEN iif(json_extract(json, '$.phase') IS NULL, 'plain',
      iif(json_extract(json, '$.phase') = 'final_answer', 'final', '')) ELSE '' END
FROM {new}_items
WHERE rollout = :rollout AND turn_key = (SELECT turn_key FROM _turn_ids WHERE turn_id = :turn)
  AND tombstone = 0
ORDER BY +position
"""

# Legacy rollouts, which are asked for by item id, have an index for it; in others the rows from the
# first row with the item's id to the end of the rollout are read.
_ITEM = """
SELECT uid, turn_id, item_id, position - :start, type, json, provenance, owner, created_at_ms,
  tombstone <> 0, position
FROM {new}_items WHERE rollout = :rollout AND item_id = :item AND ordinal IS NULL
UNION ALL
SELECT uid, turn_id, item_id, position - :start, type, json, provenance, owner, created_at_ms,
  tombstone <> 0, position
FROM {new}_items WHERE rollout = :rollout AND item_id = :item AND ordinal IS NOT NULL
ORDER BY position, turn_id
"""

_FRAMES = """
SELECT key, turn_id, before, popped FROM {new}_frames
WHERE rollout = :rollout AND popped = 0 ORDER BY key DESC LIMIT :many
"""

# The newest ones by the index of turns alone; in one query SQLite scans all frames by key.
_FRAME_OF = """
SELECT key, turn_id, before, popped FROM {new}_frames
WHERE rollout = :rollout
  AND key = (SELECT max(key) FROM {new}_frames WHERE rollout = :rollout AND turn_id = :turn)
"""


class Where(NamedTuple):
    """The rollout whose rows are read."""

    rollout: int
    start: int
    """Position of the rollout's first byte."""
    new: Literal["", "new"]
    """Prefix of the tables: `new` while the rollout is being replaced."""


def find(db: sqlite3.Connection, where: Where, wants: Lookup) -> LookupResult:
    """Return everything that a `Lookup` names."""
    found = LookupResult(frames=tuple(_frames(db, where, _FRAMES, many=wants.frames)))
    for turn_id in wants.turns:
        known = _turn(db, where, turn_id)
        if known.row is not None or known.messages:
            found.turns[turn_id] = known
    for item_id in wants.items:
        if rows := _items(db, where, item_id):
            found.items[item_id] = rows
    for turn_id in wants.frames_of:
        for frame in _frames(db, where, _FRAME_OF, turn=mended(turn_id)):
            found.frames_of[turn_id] = frame
    return found


def _turn(db: sqlite3.Connection, where: Where, turn_id: TurnId) -> StoredTurn:
    stored = _all(db, where, _TURN, turn=mended(turn_id))
    row = None
    tombstoned = False
    for *values, tombstone in stored:
        row = TurnRow._make(values)
        tombstoned = bool(tombstone)
    if row is not None and not tombstoned and row.end_offset is not None:
        return StoredTurn(row=row)
    messages = _all(db, where, _MESSAGES, turn=mended(turn_id))
    return StoredTurn(
        row=row,
        tombstoned=tombstoned,
        messages=tuple(Message(item, ordinal, counts) for item, ordinal, counts in messages),
    )


def _items(db: sqlite3.Connection, where: Where, item_id: ItemId) -> tuple[StoredItem, ...]:
    rows = _all(db, where, _ITEM, item=mended(item_id))
    return tuple(StoredItem._make((*row[:9], bool(row[9]))) for row in rows)


def _frames(
    db: sqlite3.Connection, where: Where, sql: str, **values: object
) -> list[RollbackFrame]:
    rows = _all(db, where, sql, **values)
    return [RollbackFrame(key, turn, before, bool(popped)) for key, turn, before, popped in rows]


def _all(db: sqlite3.Connection, where: Where, sql: str, **values: object) -> list[tuple[Any, ...]]:
    given = {"rollout": where.rollout, "start": where.start, **values}
    return db.execute(sql.format(new=where.new), given).fetchall()
