"""A store for legacy rollouts in dicts: it does with changes what their docstrings say."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from projector.place import Line, Offset, RolloutId, ThreadId
from projector.reduce.legacy import LegacyReducer
from projector.rows import (
    Anomaly,
    Bury,
    Change,
    Drop,
    Event,
    Found,
    Frame,
    ItemRow,
    KnownItem,
    KnownTurn,
    Own,
    RealtimeRow,
    TurnRow,
    UsageRow,
    Wants,
)

ROLLOUT = RolloutId("01a30000-0000-7000-8000-00000000f001")


class MemoryStore:
    """The rows of one rollout."""

    def __init__(self) -> None:
        self.turns: dict[bytes, TurnRow] = {}
        self.items: dict[bytes, ItemRow] = {}
        self.buried: set[bytes] = set()
        self.frames: dict[int, Frame] = {}
        self.usage: dict[bytes, UsageRow] = {}
        self.events: dict[bytes, Event] = {}
        self.anomalies: list[Anomaly] = []

    def apply(self, changes: Sequence[Change]) -> None:
        for change in changes:
            self._apply(change)

    def _apply(self, change: Change) -> None:
        match change:
            case TurnRow():
                self.buried.discard(change.uid)
                self.turns[change.uid] = change
            case ItemRow():
                self._put(change)
            case UsageRow():
                self.usage.setdefault(change.uid, change)
            case Event():
                assert change.uid not in self.events or self.events[change.uid] == change
                self.events[change.uid] = change
            case Anomaly():
                self.anomalies.append(change)
            case Frame():
                self.frames[change.key] = change
            case Bury():
                self._bury(change)
            case Drop():
                self.buried.add(change.uid)
            case Own() | RealtimeRow():
                raise AssertionError("legacy rollouts make none")

    def _put(self, row: ItemRow) -> None:
        old = self.items.get(row.uid)
        if old is None or row.uid in self.buried:
            self.buried.discard(row.uid)
            self.items[row.uid] = row
            return
        completed = row.completed_at_ms if row.completed_wins else None
        self.items[row.uid] = old._replace(
            json=row.json,
            type=row.type,
            provenance=row.provenance,
            started_at_ms=row.started_at_ms if old.started_at_ms is None else old.started_at_ms,
            completed_at_ms=(completed or old.completed_at_ms or row.completed_at_ms),
        )

    def _bury(self, change: Bury) -> None:
        for key, frame in self.frames.items():
            if key >= change.owner_from:
                self.frames[key] = frame._replace(popped=True)
        for rows in (self.turns, self.items):
            for uid, row in rows.items():
                owner = row.offset if row.owner is None else row.owner
                if owner >= change.owner_from:
                    self.buried.add(uid)
        for uid, turn in self.turns.items():
            ended = turn.end_owner
            if uid not in self.buried and ended is not None and ended >= change.owner_from:
                self.turns[uid] = turn._replace(
                    status="inProgress",
                    completed_at=None,
                    duration_ms=None,
                    error_json=None,
                    end_offset=None,
                    end_owner=None,
                )

    def find(self, wants: Wants) -> Found:
        turns = {
            turn.turn_id: KnownTurn(row=turn, buried=turn.uid in self.buried)
            for turn in self.turns.values()
            if turn.turn_id in wants.turns
        }
        items: dict[Any, tuple[KnownItem, ...]] = {}
        for item in self.items.values():
            if item.item_id in wants.items:
                known = KnownItem(
                    item.uid,
                    item.turn_id,
                    item.item_id,
                    item.offset,
                    item.type,
                    item.json,
                    item.provenance,
                    item.owner,
                    item.created_at_ms,
                    item.uid in self.buried,
                )
                items[item.item_id] = (*items.get(item.item_id, ()), known)
        living = [self.frames[key] for key in sorted(self.frames) if not self.frames[key].popped]
        newest: dict[Any, Frame] = {}
        for key in sorted(self.frames):
            frame = self.frames[key]
            if frame.turn_id in wants.frames_of:
                newest[frame.turn_id] = frame
        return Found(
            turns=turns,
            items=items,
            frames=tuple(reversed(living))[: wants.frames],
            frames_of=newest,
        )

    # What readers see

    def history(self) -> list[tuple[str, dict[str, Any]]]:
        rows = [item for uid, item in self.items.items() if uid not in self.buried]
        rows.sort(key=lambda row: row.offset)
        return [(row.turn_id, orjson.loads(row.json)) for row in rows]

    def living_items(self) -> list[ItemRow]:
        rows = [item for uid, item in self.items.items() if uid not in self.buried]
        return sorted(rows, key=lambda row: row.offset)

    def turn(self, turn_id: str) -> TurnRow | None:
        for uid, row in self.turns.items():
            if row.turn_id == turn_id and uid not in self.buried:
                return row
        return None

    def living_turns(self) -> list[TurnRow]:
        rows = [turn for uid, turn in self.turns.items() if uid not in self.buried]
        return sorted(rows, key=lambda row: row.offset)

    def state(self) -> Any:
        return (
            self.turns,
            self.items,
            self.buried,
            self.frames,
            self.usage,
            self.events,
            self.anomalies,
        )


def lines_of(data: bytes) -> list[Line]:
    lines: list[Line] = []
    at = 0
    while (end := data.find(b"\n", at)) >= 0:
        lines.append(Line(offset=Offset(at), end=Offset(end + 1), data=data[at:end]))
        at = end + 1
    return lines


def step(reducer: LegacyReducer, store: MemoryStore, lines: Sequence[Line]) -> None:
    rounds = 0
    while wants := reducer.wants(lines):
        reducer.learn(store.find(wants))
        rounds += 1
        assert rounds < 10, "a reducer stops asking"
    store.apply(reducer.take(lines))


def project(
    data: bytes, cuts: Sequence[int] = (), *, resume: bool = False, rollout: RolloutId = ROLLOUT
) -> tuple[MemoryStore, LegacyReducer]:
    """Project a file, cut before the lines of these numbers; `resume`: made anew at each cut."""
    lines, store = lines_of(data), MemoryStore()
    thread = ThreadId(rollout)
    reducer = LegacyReducer(rollout, thread)
    places = sorted({cut for cut in cuts if 0 < cut < len(lines)})
    for start, end in zip([0, *places], [*places, len(lines)], strict=True):
        step(reducer, store, lines[start:end])
        if resume:
            reducer = LegacyReducer.resume(rollout, thread, reducer.save())
    return store, reducer
