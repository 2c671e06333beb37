"""Reads the earlier rows of a rollout that a reducer needs, in one round trip."""

from __future__ import annotations

from typing import Any, Final

from projector.model.changes import (
    Lookup,
    LookupResult,
    Message,
    RollbackFrame,
    StoredItem,
    StoredTurn,
    TurnRow,
)
from projector.model.ids import Checkpoint, Fingerprint, ItemId, Offset, Ordinal, RolloutId, TurnId
from projector.store.postgres import text as escapes
from projector.store.postgres.pipeline import Pipeline, Query, Row

_TURNS: Final = """
SELECT t.uid, t.turn_id, t.position - r.start_position, t.ordinal, t.status, t.error_json::text,
  t.started_at, t.completed_at, t.duration_ms, t.first_user_item_id, t.final_agent_item_id,
  t.end_ordinal, t.end_offset, t.root_turn_id, t.model, t.owner, t.end_owner, t.tombstone
FROM unnest(%s::text[]) AS k (turn_id)
JOIN _rollouts AS r ON r.source_id = %s AND r.rollout_id = %s
JOIN _turns AS t ON t.source_id = r.source_id AND t.rollout_id = r.rollout_id
  AND left(t.turn_id, 64) = left(k.turn_id, 64) AND t.turn_id = k.turn_id
"""

# The phase decides whether a message of the agent counts; null counts as plain, and so does a
# missing one. Other items are returned too: one that becomes a message later keeps its place. Turns
# that have ended are not asked for.
_MESSAGES: Final = """
SELECT i.turn_id, i.item_id, i.ordinal,
  CASE i.type WHEN 'userMessage' THEN 'user'
    WHEN 'agentMessage' THEN CASE WHEN i.json ->> 'phase' IS NULL THEN 'plain'
      WHEN i.json ->> 'phase' = 'final_answer' THEN 'final' ELSE '' END ELSE '' END
FROM unnest(%s::text[]) AS k (turn_id)
JOIN _items AS i ON i.source_id = %s AND i.rollout_id = %s
  AND left(i.turn_id, 64) = left(k.turn_id, 64) AND i.turn_id = k.turn_id
WHERE i.tombstone = 0 AND NOT EXISTS (
  SELECT 1 FROM _turns AS t WHERE t.source_id = %s AND t.rollout_id = %s
    AND left(t.turn_id, 64) = left(k.turn_id, 64) AND t.turn_id = k.turn_id
    AND t.tombstone = 0 AND t.end_offset IS NOT NULL)
ORDER BY i.position
"""

_ITEMS: Final = """
SELECT i.uid, i.turn_id, i.item_id, i.position - r.start_position, i.type, i.json::text,
  i.provenance, i.owner, i.created_at_ms, i.tombstone <> 0
FROM _rollouts AS r JOIN _items AS i ON i.source_id = r.source_id AND i.rollout_id = r.rollout_id
WHERE r.source_id = %s AND r.rollout_id = %s AND i.item_id = ANY(%s)
  AND (i.ordinal IS NULL AND left(i.item_id, 64) = ANY(%s) OR i.ordinal IS NOT NULL)
ORDER BY i.position, i.turn_id
"""

_FRAMES: Final = """
SELECT key, turn_id, before, popped FROM _frames
WHERE source_id = %s AND rollout_id = %s AND NOT popped ORDER BY key DESC LIMIT %s
"""

_FRAMES_OF: Final = """
SELECT f.key, f.turn_id, f.before, f.popped FROM unnest(%s::text[]) AS k (turn_id)
JOIN LATERAL (
  SELECT f.key, f.turn_id, f.before, f.popped FROM _frames AS f
  WHERE f.source_id = %s AND f.rollout_id = %s
    AND left(f.turn_id, 64) = left(k.turn_id, 64) AND f.turn_id = k.turn_id
  ORDER BY f.key DESC LIMIT 1) AS f ON true
"""


async def find(wire: Pipeline, source: str, rollout_id: RolloutId, wants: Lookup) -> LookupResult:
    """Return everything that a `Lookup` names."""
    place = (source, rollout_id)
    turns = [escapes.text(one) for one in wants.turns]
    items = [escapes.text(one) for one in wants.items]
    frames_of = [escapes.text(one) for one in wants.frames_of]
    asked: dict[str, Query] = {}
    if turns:
        asked["turns"] = _TURNS, (turns, *place)
        asked["messages"] = _MESSAGES, (turns, *place, *place)
    if items:
        asked["items"] = _ITEMS, (*place, items, [one[:64] for one in items])
    if wants.frames:
        asked["frames"] = _FRAMES, (*place, wants.frames)
    if frames_of:
        asked["frames_of"] = _FRAMES_OF, (frames_of, *place)
    if not asked:
        return LookupResult()
    rows = dict(zip(asked, await wire.execute(*asked.values()), strict=True))
    found = LookupResult(frames=tuple(map(_frame, rows.get("frames", ()))))
    _turns(found, rows.get("turns", ()), rows.get("messages", ()))
    for row in rows.get("items", ()):
        known = _item(row)
        found.items[known.item_id] = (*found.items.get(known.item_id, ()), known)
    for frame in map(_frame, rows.get("frames_of", ())):
        assert frame.turn_id is not None, frame
        found.frames_of[frame.turn_id] = frame
    return found


def _turns(found: LookupResult, turns: Any, messages: Any) -> None:
    said: dict[TurnId, list[Message]] = {}
    for turn_id, item_id, ordinal, counts in messages:
        said.setdefault(TurnId(escapes.plain(turn_id)), []).append(
            Message(ItemId(escapes.plain(item_id)), ordinal, counts)
        )
    for uid_, *values, tombstone in turns:
        row = TurnRow._make((uid_.bytes, *map(_plain, values)))
        told = said.pop(row.turn_id, [])
        if not tombstone and row.end_offset is not None:
            found.turns[row.turn_id] = StoredTurn(row=row)
        else:
            found.turns[row.turn_id] = StoredTurn(
                row=row, tombstoned=bool(tombstone), messages=tuple(told)
            )
    for turn_id, told in said.items():
        found.turns[turn_id] = StoredTurn(row=None, messages=tuple(told))


def _plain(value: Any) -> Any:
    return escapes.plain_json(value) if isinstance(value, str) else value


def _item(row: Row) -> StoredItem:
    uid_, turn_id, item_id, offset, kind, json, *rest = row
    return StoredItem(
        uid_.bytes, TurnId(escapes.plain(turn_id)), ItemId(escapes.plain(item_id)), offset,
        escapes.plain(kind), escapes.plain_json(json), *rest,
    )  # fmt: skip


def _frame(row: Row) -> RollbackFrame:
    key, turn_id, before, popped = row
    return RollbackFrame(
        key,
        None if turn_id is None else TurnId(escapes.plain(turn_id)),
        None if before is None else escapes.plain_json(before),
        popped,
    )


def checkpoint_of(row: Row) -> Checkpoint:
    """Create a checkpoint from a row."""
    generation, offset, ordinal, head, tail, checksum, state, revision, mode, kinds = row
    return Checkpoint(
        generation=generation,
        offset=Offset(offset),
        next_ordinal=Ordinal(ordinal),
        fingerprint=Fingerprint(head=bytes(head), tail=bytes(tail), checksum=checksum),
        state=bytes(state),
        revision=revision,
        mode=mode,
        kinds=kinds,
    )
