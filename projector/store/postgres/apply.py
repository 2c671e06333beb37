"""Applies the changes of a batch to the stored rows, in memory. Pure.

SQLite's store does this row by row in SQL; here each row would cost a round trip, so the rows that
a batch can touch are read at once, changed in memory by the same rules, and written at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from msgspec import Struct, field

from projector.model.changes import (
    Anomaly,
    Change,
    Event,
    ItemRow,
    LimitRow,
    NameUsage,
    RealtimeRow,
    RetractCounts,
    RollbackFrame,
    Tombstone,
    TombstoneFrames,
    TurnRow,
    UsageRow,
)
from projector.model.ids import ThreadId
from projector.search.text import Indexing
from projector.store.postgres import text as escapes
from projector.store.postgres import usage as usages
from projector.store.postgres.usage import Usage
from projector.store.schema_names import DROPPED, ROLLED_BACK


class Item(Struct):
    """A row of `_items`; ids and JSON are escaped."""

    uid: bytes
    turn_id: str
    item_id: str
    position: int
    ordinal: int | None
    updated_ordinal: int | None
    created_at_ms: int
    started_at_ms: int | None
    completed_at_ms: int | None
    type: str
    json: str | None
    """None: not read, because it does not change."""
    provenance: str
    owner: int | None
    tombstone: int = 0
    reworded: bool = True
    """True if its words may differ from the stored ones."""
    was: tuple[object, ...] | None = None
    """`state` when it was read; None: it is new."""
    words: bytes | None = None
    """What search has of it, extracted as `Rows.indexing` says; None: to be extracted."""

    def state(self) -> tuple[object, ...]:
        """Return everything that can change, first what readers do not see."""
        return (
            self.tombstone, self.owner, self.updated_ordinal, self.json, self.type,
            self.completed_at_ms, self.started_at_ms, self.provenance, self.created_at_ms,
            self.ordinal, self.position,
        )  # fmt: skip


class Turn(Struct):
    """A row of `_turns`; ids and JSON are escaped."""

    uid: bytes
    turn_id: str
    position: int
    ordinal: int | None
    status: str
    error_json: str | None
    started_at: int | None
    completed_at: int | None
    duration_ms: int | None
    first_user_item_id: str | None
    final_agent_item_id: str | None
    end_ordinal: int | None
    end_offset: int | None
    root_turn_id: str | None
    model: str | None
    owner: int | None
    end_owner: int | None
    tombstone: int = 0
    was: tuple[object, ...] | None = None

    def state(self) -> tuple[object, ...]:
        """Return everything that can change, first what readers do not see."""
        return (
            self.tombstone, self.owner, self.end_owner, self.status, self.completed_at,
            self.end_offset, self.end_ordinal, self.duration_ms, self.started_at,
            self.first_user_item_id, self.final_agent_item_id, self.error_json, self.model,
            self.root_turn_id, self.ordinal, self.position,
        )  # fmt: skip


class Realtime(Struct):
    """A row of `_realtime_items`."""

    uid: bytes
    position: int
    ordinal: int
    created_at_ms: int
    type: str
    item_id: str
    json: str | None
    """None: not read, because it does not change."""
    tombstone: int = 0
    was: tuple[object, ...] | None = None

    def state(self) -> tuple[object, ...]:
        """Return everything that can change."""
        return (
            self.tombstone, self.json, self.type, self.created_at_ms, self.ordinal, self.position
        )  # fmt: skip


class EventState(Struct):
    """A row of `_events`."""

    uid: bytes
    thread_id: str
    type: str
    turn_id: str | None
    payload: str
    recorded_at_ms: int | None
    noted_at_ms: int
    rollout_id: str | None
    from_record: bool = True
    tombstone: int = 0
    seq: int = 0
    was: tuple[object, ...] | None = None

    def state(self) -> tuple[object, ...]:
        """Return everything that can change."""
        return (self.tombstone, self.payload, self.type, self.turn_id, self.recorded_at_ms)


class Rows(Struct):
    """The rows of one rollout that a transaction touches."""

    source: str
    rollout_id: str
    items: dict[bytes, Item] = field(default_factory=dict)
    turns: dict[bytes, Turn] = field(default_factory=dict)
    realtime: dict[bytes, Realtime] = field(default_factory=dict)
    usage: dict[bytes, Usage] = field(default_factory=dict)
    events: dict[bytes, EventState] = field(default_factory=dict)
    anomalies: dict[tuple[int, int, str, str], bool] = field(default_factory=dict)
    """Offset, length, kind and detail; the value is true if it is from a batch."""
    limits: dict[tuple[int, str], LimitRow] = field(default_factory=dict)
    """By offset and window."""
    frames: dict[int, RollbackFrame] = field(default_factory=dict)
    popped_from: int | None = None
    """Stored frames with this key or a greater one are popped."""
    indexing: Indexing | None = None
    """How the words of its items were extracted; None: they were not."""
    older: bool = False
    """True if rows of earlier batches may have become tombstones."""

    def move(self, by: int) -> None:
        """Shift the positions of rows that were read, as the statement shifts the stored ones."""
        rows: list[Item | Turn | Realtime] = [*self.items.values(), *self.turns.values()]
        rows += self.realtime.values()
        for row in rows:
            if row.was is not None:
                row.position += by
                row.was = (*row.was[:-1], row.position)
        for usage in self.usage.values():
            usage.position += by


class Wanted(NamedTuple):
    """The stored rows that must be read before a batch is applied."""

    items: list[bytes]
    turns: list[bytes]
    realtime: list[bytes]
    usage: list[bytes]
    events: list[bytes]
    tombstoned_from: int | None
    """Also rows with this owner or a greater one."""
    responses: list[str]
    turn_ids: list[str]
    retracted: list[tuple[str, int, int]]
    """Of token counts: their turn, the offset before which they are, and the offset from which on
    those without a turn are.
    """
    nameless_before: int | None
    """Also usage without a model before this offset."""
    has_tombstones: bool
    """True if rows of earlier batches may become tombstones."""


def wanted(changes: Iterable[Change]) -> Wanted:
    """Return which stored rows some changes can touch."""
    items: dict[bytes, None] = {}
    turns: dict[bytes, None] = {}
    realtime: list[bytes] = []
    usage: list[bytes] = []
    events: list[bytes] = []
    responses: dict[str, None] = {}
    turn_ids: dict[str, None] = {}
    tombstoned: int | None = None
    retracted: list[tuple[str, int, int]] = []
    nameless: int | None = None
    has_tombstones = False
    for change in changes:
        match change:
            case ItemRow():
                items[change.uid] = None
            case TurnRow():
                turns[change.uid] = None
                turn_ids[escapes.text(change.turn_id)] = None
            case RealtimeRow():
                realtime.append(change.uid)
            case UsageRow():
                usage.append(change.uid)
                if change.response_id is not None:
                    responses[escapes.text(change.response_id)] = None
            case Event():
                events.append(change.uid)
            case Tombstone():
                has_tombstones = True
                items[change.uid] = None
                turns[change.uid] = None
            case TombstoneFrames():
                has_tombstones = True
                tombstoned = (
                    change.owner_from if tombstoned is None else min(tombstoned, change.owner_from)
                )
            case RetractCounts():
                retracted.append((escapes.text(change.turn_id), change.before, change.since))
            case NameUsage():
                nameless = max(nameless or 0, change.before)
            case _:
                pass
    return Wanted(
        [*items], [*turns], realtime, usage, events, tombstoned, [*responses], [*turn_ids],
        retracted, nameless, has_tombstones,
    )  # fmt: skip


def apply(  # noqa: PLR0912 - one case a kind of change
    rows: Rows, changes: Iterable[Change], *, start: int, thread_id: ThreadId, now_ms: int
) -> None:
    """Apply changes in their order. `start`: position of the rollout's first byte."""
    for change in changes:
        match change:
            case ItemRow():
                _item(rows, change, start)
            case TurnRow():
                _turn(rows, change, start)
            case UsageRow():
                _usage(rows, change, start, thread_id)
            case Event():
                _event(rows, change, thread_id, now_ms)
            case RealtimeRow():
                _realtime(rows, change, start)
            case Anomaly():
                key = (change.offset, change.length, change.kind, escapes.text(change.detail))
                rows.anomalies.setdefault(key, True)
            case LimitRow():
                rows.limits[change.offset, change.window] = change
            case RollbackFrame():
                rows.frames[change.key] = change
            case TombstoneFrames():
                _tombstone_frames(rows, change)
            case Tombstone():
                _drop(rows, change.uid)
            case RetractCounts():
                _retract(rows, change, start)
            case NameUsage():
                _name(rows, change, start)


def _item(rows: Rows, new: ItemRow, start: int) -> None:
    text = new.json if isinstance(new.json, str) else new.json.decode()
    json = escapes.of_json(text)
    old = rows.items.get(new.uid)
    if old is None:
        rows.items[new.uid] = Item(
            new.uid, escapes.text(new.turn_id), escapes.text(new.item_id), start + new.offset,
            new.ordinal, new.ordinal, new.created_at_ms, new.started_at_ms, new.completed_at_ms,
            escapes.text(new.type), json, new.provenance, new.owner, words=new.words,
        )  # fmt: skip
        return
    if old.tombstone:
        # It becomes living again, as if it were new.
        old.position, old.ordinal = start + new.offset, new.ordinal
        old.created_at_ms, old.owner = new.created_at_ms, new.owner
        old.started_at_ms, old.completed_at_ms = new.started_at_ms, new.completed_at_ms
        old.tombstone = 0
        old.reworded = True
    else:
        if old.started_at_ms is None:
            old.started_at_ms = new.started_at_ms
        if new.completed_wins:
            if new.completed_at_ms is not None:
                old.completed_at_ms = new.completed_at_ms
        elif old.completed_at_ms is None:
            old.completed_at_ms = new.completed_at_ms
    kind = escapes.text(new.type)
    old.reworded = old.reworded or old.json != json or old.type != kind
    old.updated_ordinal, old.type, old.json = new.ordinal, kind, json
    old.provenance, old.words = new.provenance, new.words


def _turn(rows: Rows, new: TurnRow, start: int) -> None:
    old = rows.turns.get(new.uid)
    rows.turns[new.uid] = Turn(
        new.uid, escapes.text(new.turn_id), start + new.offset, new.ordinal, new.status,
        None if new.error_json is None else escapes.of_json(new.error_json),
        new.started_at, new.completed_at, new.duration_ms,
        escapes.opt_text(new.first_user_item_id), escapes.opt_text(new.final_agent_item_id),
        new.end_ordinal, new.end_offset, escapes.opt_text(new.root_turn_id),
        escapes.opt_text(new.model), new.owner, new.end_owner, 0, old.was if old else None,
    )  # fmt: skip


def _realtime(rows: Rows, new: RealtimeRow, start: int) -> None:
    old = rows.realtime.get(new.uid)
    if old is None or old.tombstone:
        rows.realtime[new.uid] = Realtime(
            new.uid, start + new.offset, new.ordinal, new.created_at_ms, escapes.text(new.type),
            escapes.text(new.item_id), escapes.of_json(new.json), 0, old.was if old else None,
        )  # fmt: skip


def _retract(rows: Rows, change: RetractCounts, start: int) -> None:
    turn_id = escapes.text(change.turn_id)
    for row in rows.usage.values():
        loose = row.turn_id is None and row.position >= start + change.since
        told = row.living and row.response_id is None and row.position < start + change.before
        if told and (loose or row.turn_id == turn_id):
            row.mark_tombstone(DROPPED)


def _name(rows: Rows, change: NameUsage, start: int) -> None:
    for row in rows.usage.values():
        if row.living and row.full_model is None and row.position < start + change.before:
            row.name(escapes.text(change.model))


def _usage(rows: Rows, new: UsageRow, start: int, thread_id: ThreadId) -> None:
    old = rows.usage.get(new.uid)
    if old is None or old.tombstone:
        row = usages.of_change(rows.source, thread_id, rows.rollout_id, new, start)
        row.was = old.was if old else None
        rows.usage[new.uid] = row


def _event(rows: Rows, new: Event, thread_id: ThreadId, now_ms: int) -> None:
    old = rows.events.get(new.uid)
    if old is None:
        rows.events[new.uid] = EventState(
            new.uid, thread_id, new.type, escapes.opt_text(new.turn_id),
            escapes.of_json(new.payload), new.recorded_at_ms, now_ms, rows.rollout_id,
        )  # fmt: skip
    elif old.tombstone:
        old.type, old.turn_id = new.type, escapes.opt_text(new.turn_id)
        old.payload, old.recorded_at_ms = escapes.of_json(new.payload), new.recorded_at_ms
        old.tombstone = 0


def _tombstone_frames(rows: Rows, change: TombstoneFrames) -> None:
    since = change.owner_from
    rows.older = True
    owned: list[Item | Turn] = [*rows.items.values(), *rows.turns.values()]
    for row in owned:
        if row.owner is not None and row.owner >= since and not row.tombstone:
            row.tombstone = ROLLED_BACK
    for turn in rows.turns.values():
        if turn.end_owner is not None and turn.end_owner >= since and not turn.tombstone:
            turn.status = "inProgress"
            turn.completed_at = turn.duration_ms = turn.error_json = None
            turn.end_ordinal = turn.end_offset = turn.end_owner = None
    for key, frame in rows.frames.items():
        if key >= since:
            rows.frames[key] = frame._replace(popped=True)
    rows.popped_from = since if rows.popped_from is None else min(rows.popped_from, since)


def _drop(rows: Rows, uid: bytes) -> None:
    rows.older = True
    for row in (rows.items.get(uid), rows.turns.get(uid)):
        if row is not None and not row.tombstone:
            row.tombstone = DROPPED


def places(rows: Iterable[Item | Turn]) -> Iterator[tuple[int | None, int | None]]:
    """Yield the position of each row before and now, where they differ; None: it is not living."""
    for row in rows:
        before = None if row.was is None or row.was[0] else row.was[-1]
        assert before is None or isinstance(before, int)
        now = None if row.tombstone else row.position
        if before != now:
            yield before, now
