"""Writes the changes of batches: a few statements, each executed over all rows that it fits.

The rows of all batches of a transaction are written together: a statement for each rollout costs
more than the few rows that one has in it. The same statements write a batch into the tables that
people see, and the new content of a rollout that is being replaced into temporary tables, whose
names begin with `new_` (see `replace`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count, groupby
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple, TypeVar

from projector.model.changes import (
    Anomaly,
    Change,
    Event,
    ItemRow,
    LimitRow,
    NameUsage,
    Provenance,
    RealtimeRow,
    RetractCounts,
    RollbackFrame,
    Tombstone,
    TombstoneFrames,
    TurnRow,
    UsageRow,
)
from projector.model.ids import ThreadId, TurnId
from projector.store.schema_names import DROPPED, ROLLED_BACK
from projector.store.sqlite import statements, usage
from projector.store.sqlite.execute import many, mended, of_keys
from projector.store.sqlite.item_json import NUMBERS, rest_of
from projector.store.sqlite.search_index import Texts


class Target(NamedTuple):
    """Where the changes of a batch go."""

    new: Literal["", "new"]
    """Prefix of the tables: `new_` while a rollout is being replaced."""
    rollout: int
    thread_id: ThreadId
    start: int
    """Position of the rollout's first byte."""
    now_ms: int
    texts: Texts | None = None
    """Collects the indexed texts of new items."""
    extracted: bool = False
    """True if the items come with theirs, extracted as the index needs them."""


T = TypeVar("T")
#: Rows of one kind: of each rollout some. All go to tables of the same prefix.
Parts = Sequence[tuple[Target, Sequence[T]]]


class Touched(NamedTuple):
    """What a batch may have changed of earlier counts."""

    rows: bool
    """True if it writes items or turns."""
    older: bool
    """True if rows of earlier batches may have become tombstones."""
    turns: frozenset[TurnId]
    """Turns that it writes."""


def write(
    db: sqlite3.Connection, batches: Iterable[tuple[Target, Iterable[Change]]]
) -> list[Touched]:
    """Apply the changes of each rollout in their order, as far as order matters.

    Changes of different kinds write different tables, so between two of those that find rows by
    their owner or uid (`BARRIERS`) they may be sorted by kind: one `executemany` each. So may those
    of different rollouts, which have no rows in common.
    """
    todo = [_Sorted(to, changes) for to, changes in batches]
    waiting = todo
    while waiting:
        kinds: dict[type, list[tuple[Target, list[Any]]]] = {}
        for one in waiting:
            for kind, rows in one.until_barrier().items():
                kinds.setdefault(kind, []).append((one.to, rows))
        for kind, parts in kinds.items():
            WRITERS[kind](db, parts)
        waiting = [one for one in waiting if one.barrier is not None]
        for one in waiting:
            BARRIERS[type(one.barrier)](db, one.to, one.barrier)
    return [Touched(one.rows, one.older, frozenset(one.turns)) for one in todo]


class _Sorted:
    """The changes of a batch by kind, from one barrier to the next."""

    def __init__(self, to: Target, changes: Iterable[Change]) -> None:
        self.to: Final = to
        self._changes: Final = iter(changes)
        self.barrier: Change | None = None
        """The change at which `until_barrier` stopped; None: there are no more."""
        self.rows = self.older = False
        self.turns: Final = set[TurnId]()

    def until_barrier(self) -> dict[type, list[Any]]:
        """Return the changes up to the next barrier."""
        kinds: dict[type, list[Any]] = {}
        self.barrier = None
        for change in self._changes:
            kind = type(change)
            if kind in kinds:
                kinds[kind].append(change)
            elif kind in BARRIERS:
                self.barrier = change
                self.older = self.older or kind in (TombstoneFrames, Tombstone)
                break
            else:
                kinds[kind] = [change]
        self.rows = self.rows or TurnRow in kinds or ItemRow in kinds
        self.turns.update(row.turn_id for row in kinds.get(TurnRow, ()))
        return kinds


class _Inserted(NamedTuple):
    """What became of rows that were inserted if they were new."""

    again: Sequence[int]
    """Those that are to be upserted, by place: the others are written."""
    numbers: Mapping[bytes, int] | None
    """Of the others, if there are any to be upserted: the numbers of their rows by uid."""


def _insert(
    db: sqlite3.Connection, sql: str, made: str, newest: int, rows: Sequence[tuple[Any, ...]]
) -> _Inserted:
    """Insert rows, nearly all of which are new and must cost little.

    Each row begins with its uid. For a statement that may change an existing row, SQLite keeps a
    journal of the pages that each row touches: twice the time. So the first row of each uid is
    inserted if it is new. What was not, and later rows of the same uid, are upserted after that.

    `sql`: INSERT OR IGNORE. `made`: a query of uids and numbers of the rows after number `newest`.
    """
    every: Sequence[int] = range(len(rows))
    first, later = every, every[:0]
    if len(set(map(itemgetter(0), rows))) < len(rows):
        first = sorted({rows[at][0]: at for at in reversed(every)}.values())
        later = sorted(set(every).difference(first))
    try:
        inserted = db.executemany(
            sql, rows if first is every else [rows[at] for at in first]
        ).rowcount
    except (OverflowError, UnicodeEncodeError):
        return _Inserted(every, {})  # `many` replaces them
    if inserted == len(first) and not later:
        return _Inserted(later, None)
    numbers = dict(db.execute(made, (newest,)).fetchall())
    if inserted < len(first):
        later = sorted({*later, *(at for at in first if rows[at][0] not in numbers)})
    return _Inserted(later, numbers)


def _upsert(
    db: sqlite3.Connection,
    sql: str,
    again: str,
    rows: Iterable[tuple[Any, ...]],
) -> None:
    """Write rows that may be there, in their order.

    `sql`: INSERT OR IGNORE. `again`: its ON CONFLICT DO UPDATE.
    """
    many(db, sql.replace("OR IGNORE ", "") + again, list(rows))


_KEYS: Final = "SELECT turn_id, turn_key FROM _turn_ids WHERE turn_id IN ({keys})"
#: SQL for the key of a turn's id.
KEY: Final = "(SELECT turn_key FROM _turn_ids WHERE turn_id = ?)"


def turn_keys(
    db: sqlite3.Connection, turn_ids: Iterable[str | None]
) -> Mapping[str | None, int | None]:
    """Return the keys of turns; inserts those that have none yet."""
    kept = {
        turn_id: turn_id if turn_id.isascii() else str(mended(turn_id))
        for turn_id in dict.fromkeys(turn_ids)
        if turn_id is not None
    }
    known = dict(of_keys(db, _KEYS, kept.values()))
    missing = [turn_id for turn_id in dict.fromkeys(kept.values()) if turn_id not in known]
    if missing:
        (last,) = db.execute("SELECT coalesce(max(turn_key), 0) FROM _turn_ids").fetchone()
        known.update(zip(missing, count(last + 1)))
        db.executemany(
            "INSERT INTO _turn_ids (turn_key, turn_id) VALUES (?, ?)",
            [(known[turn_id], turn_id) for turn_id in missing],
        )
    return {None: None, **{turn_id: known[name] for turn_id, name in kept.items()}}


#: Provenance of an item, as stored.
PROVENANCES: Final[dict[Provenance, int]] = {"snapshot": 0, "event": 1, "response_item": 2}


def _items(db: sqlite3.Connection, parts: Parts[ItemRow]) -> None:
    new = parts[0][0].new
    rows = [row for _, some in parts for row in some]
    keys = turn_keys(db, [row.turn_id for row in rows])
    told = all(row.status is not None for row in rows if row.type == "commandExecution")
    (newest,) = db.execute(f"SELECT coalesce(max(item), 0) FROM {new}_item_rows").fetchone()
    sql = statements.ITEM_NEW.format(new=new, status="?14" if told else statements.STATUS_OF_NEW)
    values = [
        (uid, rollout, start + offset, keys[turn_id], item_id, ordinal, created, started,
         completed, NUMBERS.get(kind, kind), rest_of(kind, item_id, json), PROVENANCES[provenance],
         owner, status)
        for to, some in parts
        for rollout, start in ((to.rollout, to.start),)
        for uid, turn_id, item_id, offset, ordinal, created, started, completed, kind, json,
        provenance, owner, _, status, _, _ in some
    ]  # fmt: skip
    again, numbers = _insert(
        db, sql, f"SELECT uid, item FROM {new}_item_rows WHERE item > ?", newest, values
    )
    if again:
        _upsert(
            db, sql, statements.ITEM_AGAIN, [(*values[at], rows[at].completed_wins) for at in again]
        )
    for to, some in parts:
        if to.texts is not None:
            if numbers is None:
                items = range(newest + 1, newest + 1 + len(some))
                to.texts.made(items, some, extracted=to.extracted)
            else:
                first = {row.uid: row for row in reversed(some) if row.uid in numbers}
                to.texts.made(
                    [numbers[uid] for uid in first], first.values(), extracted=to.extracted
                )
        newest += len(some)


def _turns(db: sqlite3.Connection, parts: Parts[TurnRow]) -> None:
    many(
        db,
        statements.TURN.format(new=parts[0][0].new),
        [
            (row.uid, to.rollout, to.start + row.offset, row.turn_id, row.ordinal, row.status,
             row.error_json, row.started_at, row.completed_at, row.duration_ms,
             row.first_user_item_id, row.final_agent_item_id, row.end_ordinal, row.end_offset,
             row.root_turn_id, row.model, row.owner, row.end_owner)
            for to, some in parts for row in some
        ],
    )  # fmt: skip


def _realtime(db: sqlite3.Connection, parts: Parts[RealtimeRow]) -> None:
    many(
        db,
        statements.REALTIME.format(new=parts[0][0].new),
        [
            (row.uid, to.rollout, to.start + row.offset, row.item_id, row.ordinal,
             row.created_at_ms, row.type, row.json)
            for to, some in parts for row in some
        ],
    )  # fmt: skip


def _usage(db: sqlite3.Connection, parts: Parts[UsageRow]) -> None:
    new = parts[0][0].new
    keys = turn_keys(db, [row.turn_id for _, some in parts for row in some])
    last = usage.newest(db)
    sql = statements.USAGE_NEW.format(new=new)
    models = usage.model_keys(
        db, [(row.model, row.model_provider, row.service_tier) for _, some in parts for row in some]
    )
    values = [
        (uid, rollout, start + offset, keys[turn_id], ordinal, response_id, fresh, cached, output,
         reasoning, total, recorded, written, models[model, provider, tier])
        for to, some in parts
        for rollout, start in ((to.rollout, to.start),)
        for uid, turn_id, offset, ordinal, response_id, model, fresh, cached, output, reasoning,
        total, recorded, written, tier, provider in some
    ]  # fmt: skip
    again, _ = _insert(
        db, sql, f"SELECT uid, usage FROM {new}_usage_rows WHERE usage > ?", last, values
    )
    # Tombstones that become living again.
    dead = {} if new else _dead(db, [(rows[1], rows[2]) for rows in (values[at] for at in again)])
    if again:
        _upsert(db, sql, statements.USAGE_AGAIN, [values[at] for at in again])
    if not new:
        usage.count(db, last)
        if dead:
            usage.settle(db, dead, usage.numbered(db, dead))


def _dead(db: sqlite3.Connection, places: Iterable[tuple[int, int]]) -> dict[int, usage.Row]:
    """Load the tombstones of usage at some places: rollout and position of each."""
    found: dict[int, usage.Row] = {}
    for rollout, same in groupby(sorted(places), itemgetter(0)):
        positions = [position for _, position in same]
        found |= usage.rows(
            db, "n.rollout = ? AND n.position BETWEEN ? AND ? AND n.tombstone <> 0",
            (rollout, positions[0], positions[-1]),
        )  # fmt: skip
    return found


def _retract(db: sqlite3.Connection, to: Target, change: RetractCounts) -> None:
    key = turn_keys(db, [change.turn_id])[change.turn_id]
    places = to.start + change.since, to.start + change.before
    usage.retract(db, to.new, to.rollout, key, places)


def _name(db: sqlite3.Connection, to: Target, change: NameUsage) -> None:
    usage.name(db, to.new, to.rollout, change.model, to.start + change.before)


def _events(db: sqlite3.Connection, parts: Parts[Event]) -> None:
    (floor,) = db.execute("SELECT coalesce(max(seq), 0) FROM _feed").fetchone()
    many(
        db,
        statements.EVENT.format(new=parts[0][0].new),
        [
            (floor, row.uid, to.thread_id, to.rollout, row.type, row.turn_id, row.payload,
             row.recorded_at_ms, to.now_ms)
            for to, some in parts for row in some
        ],
    )  # fmt: skip


def _anomalies(db: sqlite3.Connection, parts: Parts[Anomaly]) -> None:
    for to, some in parts:
        note(db, to, some, from_batch=True)


def note(db: sqlite3.Connection, to: Target, rows: Sequence[Anomaly], *, from_batch: bool) -> None:
    """Insert anomalies; `from_batch`: they are deleted when the rollout is replaced."""
    many(
        db,
        statements.ANOMALY.format(new=to.new),
        [
            (to.rollout, row.offset, row.length, row.kind, row.detail, from_batch, to.now_ms)
            for row in rows
        ],
    )


def _limits(db: sqlite3.Connection, parts: Parts[LimitRow]) -> None:
    many(
        db,
        statements.LIMIT.format(new=parts[0][0].new),
        [(to.rollout, *row) for to, some in parts for row in some],
    )


def _frames(db: sqlite3.Connection, parts: Parts[RollbackFrame]) -> None:
    many(
        db,
        statements.FRAME.format(new=parts[0][0].new),
        [
            (to.rollout, row.key, row.turn_id, row.before, int(row.popped))
            for to, some in parts for row in some
        ],
    )  # fmt: skip


def _newest(to: Target, table: str) -> str:
    """Return SQL for the living row of a uid, searched from the end, where such rows are."""
    return (
        f"(SELECT rowid FROM {to.new}{table} WHERE rollout = ? AND tombstone = 0 AND uid = ?"
        " ORDER BY position DESC LIMIT 1)"
    )


def _tombstone_frames(db: sqlite3.Connection, to: Target, change: TombstoneFrames) -> None:
    frames = (to.rollout, change.owner_from)
    for table in ("_item_rows", "_turns"):
        db.execute(
            f"UPDATE {to.new}{table} SET tombstone = {ROLLED_BACK}, {statements.CHANGED}"
            " WHERE rollout = ? AND owner >= ? AND owner IS NOT NULL AND tombstone = 0",
            frames,
        )
    db.execute(
        f"UPDATE {to.new}_turns SET status = 'inProgress', completed_at = NULL,"
        " duration_ms = NULL, error_json = NULL, end_ordinal = NULL, end_offset = NULL,"
        f" end_owner = NULL, {statements.CHANGED}"
        " WHERE rollout = ? AND end_owner >= ? AND end_owner IS NOT NULL AND tombstone = 0",
        frames,
    )
    db.execute(f"UPDATE {to.new}_frames SET popped = 1 WHERE rollout = ? AND key >= ?", frames)


def _drop(db: sqlite3.Connection, to: Target, drop: Tombstone) -> None:
    for table in ("_item_rows", "_turns"):
        db.execute(
            f"UPDATE {to.new}{table} SET tombstone = {DROPPED}, {statements.CHANGED}"
            f" WHERE rowid = {_newest(to, table)}",
            (to.rollout, drop.uid),
        )


#: Write the rows of one kind of several rollouts.
WRITERS: Final[dict[type, Callable[[sqlite3.Connection, Any], None]]] = {
    ItemRow: _items,
    TurnRow: _turns,
    RealtimeRow: _realtime,
    UsageRow: _usage,
    Event: _events,
    Anomaly: _anomalies,
    RollbackFrame: _frames,
    LimitRow: _limits,
}
#: Changes of other kinds are not moved across these.
BARRIERS: Final[dict[type, Callable[[sqlite3.Connection, Target, Any], None]]] = {
    TombstoneFrames: _tombstone_frames,
    Tombstone: _drop,
    RetractCounts: _retract,
    NameUsage: _name,
}
