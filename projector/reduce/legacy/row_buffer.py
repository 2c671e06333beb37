"""The living rows of a legacy rollout that are remembered, and the changes made of them.

A row changes as often as the lines say; what the store is told is each row once per batch, as
it then stands: `flush`. A `Bury` or a `Drop` comes behind all that was changed before it.

Remembered are turns (the last thousands, and that others do not exist, as long as none was
forgotten) and the items that later lines may still change: open calls, running processes, the
reasoning that texts are joined to.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Final

import orjson

from projector.decode import lossless_json as exact
from projector.decode.legacy.fields import Json
from projector.model.changes import (
    Change,
    Event,
    EventType,
    ItemRow,
    Provenance,
    RollbackFrame,
    Status,
    StoredItem,
    StoredTurn,
    Tombstone,
    TombstoneFrames,
    TurnRow,
    uid,
)
from projector.model.ids import ItemId, Offset, RolloutId, TurnId

#: Turns that are remembered, and how many of them are forgotten at once.
TURNS_MAX: Final = 8_192
TURNS_FORGOTTEN: Final = 4_096


#: Turn and id of an item.
Key = tuple[str, str]


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
        """Key of the newest frame that binds it."""
        self.popped = False
        """A rollback took that frame: what still names the turn is passed over."""
        self.clear()

    def clear(self) -> None:
        """Become a turn without a living row."""
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
        """Take the newest frame of the turn."""
        self.frame, self.popped = frame.key, frame.popped

    @property
    def bystander(self) -> bool:
        """It was only named by an item: completed, without times."""
        return (
            self.status == "completed"
            and self.started_at is None
            and self.completed_at is None
            and self.end_offset is None
        )

    def row(self) -> TurnRow:
        """Give the row as it stands."""
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
        """Give what every event of the turn tells of it, as those of paginated rollouts do."""
        told = {
            "status": self.status,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "duration_ms": self.duration_ms,
            "root_turn_id": self.root,
            "model": self.model,
        }
        return {name: value for name, value in told.items() if value is not None}

    def read(self, row: TurnRow) -> None:
        """Take what the store has."""
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
    """An item that has been made or changed since the last flush, or may still change."""

    __slots__ = (
        "completed_ms",
        "created_ms",
        "item_id",
        "json",
        "offset",
        "owner",
        "provenance",
        "started_ms",
        "turn_id",
    )

    def __init__(
        self,
        key: Key,
        json: Json,
        provenance: Provenance,
        *,
        offset: int,
        owner: int,
        created_ms: int,
    ) -> None:
        self.turn_id, self.item_id = key
        self.json = json
        self.provenance: Provenance = provenance
        self.offset = offset
        self.owner = owner
        self.created_ms = created_ms
        self.started_ms: int | None = None
        self.completed_ms: int | None = None

    @property
    def key(self) -> Key:
        """Turn and id: what tells it from other items of the rollout."""
        return self.turn_id, self.item_id

    def row(self, rollout_id: RolloutId) -> ItemRow:
        """Give the row as it stands."""
        json = self.json
        text: str | bytes
        try:
            text = orjson.dumps(json)
        except TypeError:  # deeper than orjson writes
            text = exact.dumps(json)
        return ItemRow(
            uid("item", rollout_id, self.turn_id, self.item_id),
            TurnId(self.turn_id),
            ItemId(self.item_id),
            Offset(self.offset),
            None,
            self.created_ms,
            self.started_ms,
            self.completed_ms,
            json["type"],
            text,
            self.provenance,
            self.owner,
            completed_wins=True,
        )


class RowBuffer:
    """Turns and items of one rollout, and the changes that have not been handed out."""

    def __init__(self, rollout_id: RolloutId, *, whole: bool) -> None:
        self._rollout = rollout_id
        self.whole = whole
        """Every turn of the rollout is remembered: another one does not exist."""
        self.turns: dict[str, BufferedTurn] = {}
        self.items: dict[Key, BufferedItem] = {}
        self._changed_turns: dict[bytes, BufferedTurn] = {}
        self._changed_items: dict[Key, BufferedItem] = {}
        self._flushed: set[Key] = set()
        """Items that are in `_out` already."""
        self._out: list[Change] = []

    # Turns

    def turn(self, turn_id: str) -> BufferedTurn:
        """Give a turn; one that is not remembered has no row."""
        found = self.turns.get(turn_id)
        if found is None:
            found = BufferedTurn(turn_id, uid("turn", self._rollout, turn_id))
            self.turns[turn_id] = found
        return found

    def change_turn(self, turn: BufferedTurn) -> None:
        """Note that a turn's row is not what the store has."""
        self._changed_turns[turn.uid] = turn

    def learn_turn(self, turn_id: str, known: StoredTurn | None) -> None:
        """Take what the store has of a turn, unless it is remembered."""
        if turn_id in self.turns:
            return
        turn = self.turn(turn_id)
        if known is not None and known.row is not None and not known.buried:
            turn.read(known.row)

    def forget_turns(self, kept: Collection[str | None]) -> None:
        """Forget the turns that were named longest ago, if there are too many."""
        if len(self.turns) <= TURNS_MAX:
            return
        self.whole = False
        for turn_id in list(self.turns)[:TURNS_FORGOTTEN]:
            if turn_id not in kept:
                del self.turns[turn_id]

    # Items

    def item(self, turn_id: str, item_id: str) -> BufferedItem | None:
        """Give an item that is remembered."""
        return self.items.get((turn_id, item_id))

    def put(self, item: BufferedItem) -> BufferedItem:
        """Make an item, or replace the one of its id in its turn: that one keeps its place."""
        key = item.key
        old = self._changed_items.get(key)
        if old is not None:
            old.json, old.provenance = item.json, item.provenance
            old.completed_ms = item.completed_ms
            if old.started_ms is None:
                old.started_ms = item.started_ms
            item = old
        else:
            self._changed_items[key] = item
        self.items[key] = item
        return item

    def change_item(self, item: BufferedItem, json: Json, now_ms: int) -> None:
        """Give a remembered item another snapshot."""
        item.json = json
        item.completed_ms = now_ms
        self._changed_items[item.key] = item

    def learn_item(self, known: StoredItem) -> None:
        """Take what the store has of an item, unless it is remembered."""
        key = (str(known.turn_id), str(known.item_id))
        if known.buried or key in self.items:
            return
        self.items[key] = BufferedItem(
            key,
            _snapshot(known.json),
            known.provenance,
            offset=known.offset,
            owner=known.offset if known.owner is None else known.owner,
            created_ms=known.created_at_ms,
        )

    def keep_items(self, kept: Collection[Key]) -> None:
        """Forget all items but these."""
        if len(self.items) > len(kept):
            self.items = {each: item for each, item in self.items.items() if each in kept}

    def drop(self, turn_id: str, item_id: str, at: int) -> None:
        """Take an item out of the history."""
        self.flush()
        self.items.pop((turn_id, item_id), None)
        self._out.append(Tombstone(uid("item", self._rollout, turn_id, item_id), Offset(at)))

    def replace(self, turn: BufferedTurn, item_id: str, at: int, batch: int) -> None:
        """Take an item out that is `put` at once again: then it stands at its new place.

        `batch`: offset of the first line of these changes. Of a turn that began there or later the
        store has no item: one that is not handed out yet is forgotten.
        """
        key = (turn.turn_id, item_id)
        unknown = key in self._changed_items and key not in self._flushed
        if unknown and turn.made and turn.offset >= batch:
            del self._changed_items[key]
            self.items.pop(key, None)
        else:
            self.drop(*key, at)

    # Changes

    def add(self, change: Change) -> None:
        """Hand out a change as it is."""
        self._out.append(change)

    def event(
        self, kind: EventType, turn_id: str | None, at: int, payload: Json, at_ms: int | None
    ) -> None:
        """Tell of a turn or thread."""
        self._out.append(
            Event(
                uid("event", self._rollout, kind, turn_id or "", at),
                kind,
                None if turn_id is None else TurnId(turn_id),
                orjson.dumps(payload).decode(),
                at_ms,
            )
        )

    def bury(self, at: int, owner_from: int) -> None:
        """Take out what these frames own; a turn that they ended is open again."""
        self.flush()
        self._out.append(TombstoneFrames(Offset(at), owner_from))
        for turn in self.turns.values():
            if turn.frame is not None and turn.frame >= owner_from:
                turn.popped = True
            if not turn.made:
                continue
            if turn.owner >= owner_from:
                turn.clear()
            elif turn.end_owner is not None and turn.end_owner >= owner_from:
                turn.status = "inProgress"
                turn.completed_at = turn.duration_ms = turn.error_json = None
                turn.end_offset = turn.end_owner = None
        buried = [each for each, item in self.items.items() if item.owner >= owner_from]
        for each in buried:
            del self.items[each]

    def flush(self) -> None:
        """Hand out every row that changed, as it stands now."""
        self._out.extend(self._rows())
        self._flushed.update(self._changed_items)
        self._changed_turns.clear()
        self._changed_items.clear()

    def _rows(self) -> Iterator[Change]:
        for turn in self._changed_turns.values():
            yield turn.row()
        for item in self._changed_items.values():
            yield item.row(self._rollout)

    def handed_out(self) -> list[Change]:
        """Give all changes since the last time, in order."""
        self.flush()
        out, self._out = self._out, []
        self._flushed.clear()
        return out


def _snapshot(text: str) -> Json:
    """Read a stored snapshot, its numbers as they are spelled: some no double holds."""
    try:
        told: Json = orjson.loads(text)
        if not exact.has_float(told):
            return told
    except orjson.JSONDecodeError:
        pass
    spelled: Json = exact.loads(text.encode())
    return spelled
