"""Living rows of a legacy rollout that later lines may change; changes go to `ChangeBuffer`.

In memory are turns (the last thousands; those that were evicted are known, others do not exist) and
the items that later lines may still change: open calls, running processes, the reasoning to which
texts are appended.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import partial
from typing import Final

import orjson

from projector.decode import lossless_json as exact
from projector.decode.legacy.fields import Json
from projector.model.changes import (
    LONG,
    ItemRow,
    Provenance,
    RollbackFrame,
    Status,
    StoredItem,
    StoredTurn,
    Tombstone,
    TombstoneFrames,
    TurnRow,
    uids,
)
from projector.model.ids import ItemId, Offset, RolloutId, TurnId
from projector.reduce.change_buffer import ChangeBuffer
from projector.reduce.evicted_turns import EvictedTurns
from projector.reduce.legacy.state import ItemKey
from projector.reduce.turn_states import LEGACY, Cause, TurnState, state_of
from projector.reduce.turn_states import step as turn_step

#: Maximum number of turns in memory, and how many are evicted at once.
TURNS_MAX: Final = 8_192
TURNS_FORGOTTEN: Final = 4_096

# ItemRow(...), in a third of the time: called once per item.
_row = partial(tuple.__new__, ItemRow)
#: Last members of an item's row: see `ItemRow`.
_NEWEST_WINS: Final = (True, None, None, None)


class BufferedTurn:
    """A turn that a record has named or opened."""

    __slots__ = (
        "completed_at",
        "duration_ms",
        "end_offset",
        "end_owner",
        "error_json",
        "final",
        "first",
        "frame",
        "made",
        "model",
        "offset",
        "owner",
        "popped",
        "root",
        "started_at",
        "status",
        "turn_id",
        "uid",
    )

    def __init__(self, turn_id: str, turn_uid: bytes) -> None:
        self.turn_id = turn_id
        self.uid = turn_uid
        self.frame: int | None = None
        """ItemKey of the newest frame that binds it."""
        self.popped = False
        """A rollback removed that frame: records that still name the turn are skipped."""
        self.clear()

    def clear(self) -> None:
        """Reset to a turn without a living row."""
        self.made = False
        self.offset = 0
        self.status: Status = "inProgress"
        self.error_json: str | None = None
        self.started_at: int | None = None
        self.completed_at: int | None = None
        self.duration_ms: int | None = None
        self.first: str | None = None
        self.final: str | None = None
        self.end_offset: int | None = None
        self.root: str | None = None
        self.model: str | None = None
        self.owner = 0
        self.end_owner: int | None = None

    def bind(self, frame: RollbackFrame) -> None:
        """Bind the turn to its newest frame."""
        self.frame, self.popped = frame.key, frame.popped

    @property
    def state(self) -> TurnState:
        """Return where the turn is in its life."""
        if not self.made:
            return TurnState.ABSENT
        state = state_of(self.status, ended=self.end_offset is not None)
        timed = self.started_at is not None or self.completed_at is not None
        return TurnState.NAMED if state is TurnState.COMPLETED_OPEN and not timed else state

    def row(self) -> TurnRow:
        """Return the row in its current form."""
        return TurnRow(
            self.uid,
            TurnId(self.turn_id),
            Offset(self.offset),
            None,
            self.status,
            self.error_json,
            self.started_at,
            self.completed_at,
            self.duration_ms,
            None if self.first is None else ItemId(self.first),
            None if self.final is None else ItemId(self.final),
            None,
            None if self.end_offset is None else Offset(self.end_offset),
            None if self.root is None else TurnId(self.root),
            model=self.model,
            owner=self.owner,
            end_owner=self.end_owner,
        )

    def told(self) -> Json:
        """Return the common payload of the turn's events, as for paginated rollouts."""
        return {
            "status": self.status,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "duration_ms": self.duration_ms,
            "root_turn_id": self.root,
            "model": self.model,
        }

    def read(self, row: TurnRow) -> None:
        """Initialise from the stored row."""
        self.made = True
        self.offset = row.offset
        self.status = row.status
        self.error_json = row.error_json
        self.started_at = row.started_at
        self.completed_at = row.completed_at
        self.duration_ms = row.duration_ms
        self.first = row.first_user_item_id
        self.final = row.final_agent_item_id
        self.end_offset = row.end_offset
        self.root = row.root_turn_id
        self.model = row.model
        self.owner = row.offset if row.owner is None else row.owner
        self.end_owner = row.end_owner


class BufferedItem:
    """An item that was created or changed since the last flush, or may still change."""

    __slots__ = (
        "completed_ms",
        "created_ms",
        "json",
        "key",
        "offset",
        "owner",
        "provenance",
        "started_ms",
        "uid",
    )

    def __init__(
        self,
        key: ItemKey,
        item_uid: bytes,
        json: Json,
        provenance: Provenance,
        *,
        offset: int,
        owner: int,
        created_ms: int,
        completed_ms: int | None = None,
    ) -> None:
        self.key = key
        self.uid = item_uid
        self.json = json
        self.provenance: Provenance = provenance
        self.offset = offset
        self.owner = owner
        self.created_ms = created_ms
        self.started_ms: int | None = None
        self.completed_ms = completed_ms

    def row(self) -> ItemRow:
        """Return the row in its current form."""
        json = self.json
        text: str | bytes
        try:
            text = orjson.dumps(json)
            if len(text) < LONG:
                # What orjson returns takes 4 KiB at least, and lies in memory until its batch ends.
                text = b"".join((text, b""))
        except TypeError:  # nested deeper than orjson's limit
            text = exact.dumps(json)
        return _row(
            (
                self.uid,
                *self.key,
                self.offset,
                None,
                self.created_ms,
                self.started_ms,
                self.completed_ms,
                json["type"],
                text,
                self.provenance,
                self.owner,
                *_NEWEST_WINS,
            )
        )


class RowBuffer:
    """Turns and items of one rollout."""

    def __init__(self, rollout_id: RolloutId, changes: ChangeBuffer, *, whole: bool) -> None:
        self._turn_uid = uids("turn", rollout_id)
        self._item_uid = uids("item", rollout_id)
        self._changes = changes
        self.is_whole: Final = whole
        """True if the rollout is read from its first byte."""
        self.evicted = EvictedTurns(whole=whole)
        self.turns: dict[str, BufferedTurn] = {}
        self.items: dict[tuple[str, str], BufferedItem] = {}
        """By `ItemKey`."""

    # Turns

    def turn(self, turn_id: str) -> BufferedTurn:
        """Return a turn; one that is not in memory has no row."""
        found = self.turns.get(turn_id)
        if found is None:
            found = BufferedTurn(turn_id, self._turn_uid(turn_id))
            self.turns[turn_id] = found
        return found

    def change_turn(self, turn: BufferedTurn) -> None:
        """Mark a turn's row as changed."""
        self._changes.put(turn.uid, turn.row)

    def learn_turn(self, turn_id: str, known: StoredTurn | None) -> None:
        """Store the stored turn, unless it is in memory."""
        if turn_id in self.turns:
            return
        turn = self.turn(turn_id)
        if known is not None and known.row is not None and not known.tombstoned:
            turn.read(known.row)

    def forget_turns(self, kept: Collection[str | None]) -> None:
        """Evict the turns named longest ago, if there are too many."""
        if len(self.turns) <= TURNS_MAX:
            return
        names = [name for name in list(self.turns)[:TURNS_FORGOTTEN] if name not in kept]
        self.evicted.add(names)
        for name in names:
            del self.turns[name]

    # Items

    def item(self, turn_id: str, item_id: str) -> BufferedItem | None:
        """Return an item in memory."""
        return self.items.get((turn_id, item_id))

    def put(
        self,
        key: ItemKey,
        json: Json,
        provenance: Provenance,
        *,
        offset: int,
        owner: int,
        created_ms: int,
        completed_ms: int,
    ) -> BufferedItem:
        """Insert an item, or replace the one with its id in its turn, keeping its position."""
        if self._changes.is_pending(key):
            item = self.items[key]
            item.json, item.provenance, item.completed_ms = json, provenance, completed_ms
            return item
        item = self.items[key] = BufferedItem(
            key,
            self._item_uid(*key),
            json,
            provenance,
            offset=offset,
            owner=owner,
            created_ms=created_ms,
            completed_ms=completed_ms,
        )
        self._changes.put(key, item.row)
        return item

    def change_item(self, item: BufferedItem, json: Json, now_ms: int) -> None:
        """Replace the snapshot of an item in memory."""
        item.json = json
        item.completed_ms = now_ms
        self._changes.put(item.key, item.row)

    def learn_item(self, known: StoredItem) -> None:
        """Store the stored item, unless it is in memory."""
        key = ItemKey(str(known.turn_id), str(known.item_id))
        if known.tombstoned or key in self.items:
            return
        self.items[key] = BufferedItem(
            key,
            self._item_uid(*key),
            _snapshot(known.json),
            known.provenance,
            offset=known.offset,
            owner=known.offset if known.owner is None else known.owner,
            created_ms=known.created_at_ms,
        )

    def keep_items(self, kept: Collection[ItemKey]) -> None:
        """Evict all items except these."""
        if len(self.items) > len(kept):
            self.items = {each: self.items[each] for each in kept if each in self.items}

    def drop(self, turn_id: str, item_id: str, at: int) -> None:
        """Remove an item from the history."""
        self._changes.seal()
        self.items.pop((turn_id, item_id), None)
        self._changes.add(Tombstone(self._item_uid(turn_id, item_id), Offset(at)))

    def replace(self, turn: BufferedTurn, item_id: str, at: int, batch: int) -> None:
        """Remove an item that is `put` again at once: it then has its new position.

        `batch`: offset of the first line of these changes. The store has no item of a turn that
        began there or later: a pending one is simply dropped.
        """
        key = ItemKey(turn.turn_id, item_id)
        unknown = self._changes.is_pending(key) and not self._changes.is_sealed(key)
        if unknown and turn.made and turn.offset >= batch:
            self._changes.discard(key)
            self.items.pop(key, None)
        else:
            self.drop(turn.turn_id, item_id, at)

    # Rollbacks

    def tombstone_frames(self, at: int, owner_from: int) -> None:
        """Remove what these frames own; a turn that they ended is open again."""
        self._changes.seal()
        self._changes.add(TombstoneFrames(Offset(at), owner_from))
        for turn in self.turns.values():
            if turn.frame is not None and turn.frame >= owner_from:
                turn.popped = True
            if not turn.made:
                continue
            if turn.owner >= owner_from:
                turn.clear()
            elif turn.end_owner is not None and turn.end_owner >= owner_from:
                step = turn_step(LEGACY, turn.state, Cause.END_ROLLED_BACK)
                if step is not None:
                    turn.status = step.after.status
                turn.completed_at = turn.duration_ms = turn.error_json = None
                turn.end_offset = turn.end_owner = None
        tombstoned = [each for each, item in self.items.items() if item.owner >= owner_from]
        for each in tombstoned:
            del self.items[each]


def _snapshot(text: str) -> Json:
    """Parse a stored snapshot, preserving the spelling of numbers that no double holds."""
    try:
        told: Json = orjson.loads(text)
        if not exact.has_float(told):
            return told
    except orjson.JSONDecodeError:
        pass
    spelled: Json = exact.loads(text.encode())
    return spelled
