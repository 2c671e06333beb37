"""A store in memory: what changes do to rows, and what a reducer is told of them.

As plain as can be, after the promises in `rows.py` and `store/protocol.py`: tests hold it
against every way of cutting a rollout.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, assert_never

import orjson

from projector.model.changes import (
    Anomaly,
    Change,
    Event,
    ItemRow,
    LimitRow,
    Lookup,
    LookupResult,
    Message,
    NameUsage,
    RealtimeRow,
    RetractCounts,
    RollbackFrame,
    StoredItem,
    StoredTurn,
    Tombstone,
    TombstoneFrames,
    TurnRow,
    UsageRow,
)
from projector.model.ids import ItemId, TurnId


class Memory:
    """The rows of one rollout."""

    def __init__(self) -> None:
        self.turns: dict[bytes, TurnRow] = {}
        self.items: dict[bytes, dict[str, Any]] = {}
        self.realtime: dict[bytes, RealtimeRow] = {}
        self.usage: dict[bytes, UsageRow] = {}
        self.events: dict[bytes, Event] = {}
        self.anomalies: dict[Anomaly, None] = {}
        self.limits: dict[tuple[int, str], LimitRow] = {}
        self.frames: dict[int, RollbackFrame] = {}
        self.tombstoned: set[bytes] = set()
        self.dropped: set[bytes] = set()

    def apply(self, changes: Iterable[Change]) -> None:
        """Do what the changes say, in their order."""
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:  # noqa: C901, PLR0912 - one case a kind of change
        match change:
            case TurnRow():
                self.turns[change.uid] = change
                self.tombstoned.discard(change.uid)
            case ItemRow():
                self._put_item(change)
            case RealtimeRow():
                self.realtime.setdefault(change.uid, change)
            case UsageRow():
                self.usage.setdefault(change.uid, change)
            case Event():
                self.events.setdefault(change.uid, change)
            case LimitRow():
                self.limits[change.offset, change.window] = change
            case Anomaly():
                self.anomalies[change] = None
            case RollbackFrame():
                self.frames[change.key] = change
            case TombstoneFrames():
                self._tombstone_frames(change)
            case Tombstone():
                self.dropped.add(change.uid)
            case RetractCounts():
                for uid, row in list(self.usage.items()):
                    loose = row.turn_id is None and row.offset >= change.since
                    mine = row.turn_id == change.turn_id or loose
                    if mine and row.response_id is None and row.offset < change.before:
                        del self.usage[uid]
            case NameUsage():
                for uid, row in self.usage.items():
                    if row.model is None and row.offset < change.before:
                        self.usage[uid] = row._replace(model=change.model)
            case _:
                assert_never(change)

    def _put_item(self, row: ItemRow) -> None:
        new = row._asdict()
        new["updated_ordinal"] = row.ordinal
        old = self.items.get(row.uid)
        if old is not None and row.uid not in self.tombstoned | self.dropped:
            for name in ("offset", "ordinal", "created_at_ms", "owner"):
                new[name] = old[name]
            for name in ("started_at_ms", "completed_at_ms"):
                wins = row.completed_wins and name == "completed_at_ms"
                if old[name] is not None and not (wins and new[name] is not None):
                    new[name] = old[name]
        self.items[row.uid] = new
        self.tombstoned.discard(row.uid)
        self.dropped.discard(row.uid)

    def _tombstone_frames(self, change: TombstoneFrames) -> None:
        for key, frame in self.frames.items():
            if key >= change.owner_from:
                self.frames[key] = frame._replace(popped=True)
        for uid, turn in self.turns.items():
            if turn.owner is not None and turn.owner >= change.owner_from:
                self.tombstoned.add(uid)
            elif turn.end_owner is not None and turn.end_owner >= change.owner_from:
                self.turns[uid] = turn._replace(
                    status="inProgress",
                    completed_at=None,
                    duration_ms=None,
                    error_json=None,
                    end_ordinal=None,
                    end_offset=None,
                    end_owner=None,
                )
        for uid, item in self.items.items():
            if item["owner"] is not None and item["owner"] >= change.owner_from:
                self.tombstoned.add(uid)

    def find(self, wants: Lookup) -> LookupResult:
        """Look up what a reducer asks for."""
        frames = sorted(self.frames.values(), key=lambda frame: -frame.key)
        return LookupResult(
            turns={
                turn: known for turn in wants.turns if (known := self._known_turn(turn)) is not None
            },
            items={item: same for item in wants.items if (same := self._known_items(item))},
            frames=tuple([frame for frame in frames if not frame.popped][: wants.frames]),
            frames_of={
                turn: next(frame for frame in frames if frame.turn_id == turn)
                for turn in wants.frames_of
                if any(frame.turn_id == turn for frame in frames)
            },
        )

    def _by_place(self) -> list[dict[str, Any]]:
        # The order in which they were put first is the order of the file.
        return [row for uid, row in self.items.items() if uid not in self.dropped]

    def _known_turn(self, turn_id: TurnId) -> StoredTurn | None:
        rows = [row for row in self.turns.values() if row.turn_id == turn_id]
        items = [row for row in self._by_place() if row["turn_id"] == turn_id]
        if not rows and not items:
            return None
        row = rows[0] if rows else None
        messages: tuple[Message, ...] = ()
        if row is None or row.end_offset is None:
            messages = tuple(
                Message(item["item_id"], item["ordinal"], _counts(item["json"]))
                for item in items
                if item["uid"] not in self.tombstoned
            )
        return StoredTurn(
            row=row, tombstoned=row is not None and row.uid in self.tombstoned, messages=messages
        )

    def _known_items(self, item_id: ItemId) -> tuple[StoredItem, ...]:
        return tuple(
            StoredItem(
                uid=row["uid"],
                turn_id=row["turn_id"],
                item_id=row["item_id"],
                offset=row["offset"],
                type=row["type"],
                json=row["json"],
                provenance=row["provenance"],
                owner=row["owner"],
                created_at_ms=row["created_at_ms"],
                tombstoned=row["uid"] in self.tombstoned,
            )
            for row in self._by_place()
            if row["item_id"] == item_id
        )

    def rows(self) -> dict[str, Any]:
        """Give all that is there, for comparing. Later changes leave it as it is."""
        return {
            "turns": dict(self.turns),
            "items": {uid: dict(row) for uid, row in self.items.items()},
            "realtime": dict(self.realtime),
            "usage": dict(self.usage),
            "events": dict(self.events),
            "anomalies": set(self.anomalies),
            "limits": self.limits,
            "frames": dict(self.frames),
            "tombstoned": set(self.tombstoned),
            "dropped": set(self.dropped),
        }


def _counts(text: str) -> Any:
    shown = orjson.loads(text)
    if shown["type"] == "userMessage":
        return "user"
    if shown["type"] == "agentMessage":
        phase = shown.get("phase")
        return "final" if phase == "final_answer" else "plain" if phase is None else ""
    return ""
