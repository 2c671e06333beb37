"""Writes the changes of a batch: a few statements, each executed over all rows that it fits.

The same statements write a batch into the tables that people see, and the new content of a rollout
that is being replaced into temporary tables, whose names begin with `new_` (see `replace`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, Final, Literal, NamedTuple

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
    """Collects the indexed texts of new items, if they were extracted as the index needs them."""


class Touched(NamedTuple):
    """What a batch may have changed of earlier counts."""

    rows: bool
    """True if it writes items or turns."""
    older: bool
    """True if rows of earlier batches may have become tombstones."""
    turns: frozenset[TurnId]
    """Turns that it writes."""


def write(db: sqlite3.Connection, to: Target, changes: Iterable[Change]) -> Touched:
    """Apply changes in their order, as far as order matters.

    Changes of different kinds write different tables, so between two of those that find rows by
    their owner or uid (`BARRIERS`) they may be sorted by kind: one `executemany` each.
    """
    kinds: dict[type, list[Any]] = {}
    turns = set[TurnId]()
    rows = older = False

    def flush() -> None:
        nonlocal rows
        for kind, same in kinds.items():
            WRITERS[kind](db, to, same)
        rows = rows or TurnRow in kinds or ItemRow in kinds
        turns.update(row.turn_id for row in kinds.get(TurnRow, ()))
        kinds.clear()

    for change in changes:
        kind = type(change)
        if kind in BARRIERS:
            flush()
            BARRIERS[kind](db, to, change)
            older = older or kind in (TombstoneFrames, Tombstone)
        elif kind in kinds:
            kinds[kind].append(change)
        else:
            kinds[kind] = [change]
    flush()
    return Touched(rows, older, frozenset(turns))


def many(db: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Execute a statement over rows, whatever texts and numbers they contain.

    A rollout may name a turn with half a surrogate pair, or a time beyond 63 bits; SQLite accepts
    neither. Then the rows are written again with those replaced (`mended`): all statements here may
    be repeated.
    """
    try:
        db.executemany(sql, rows)
    except (OverflowError, UnicodeEncodeError):
        db.executemany(sql, [tuple(map(mended, row)) for row in rows])


def _put(
    db: sqlite3.Connection,
    new: str,
    again: str,
    rows: Sequence[tuple[Any, ...]],
    more: Sequence[tuple[Any, ...]] = (),
) -> bool:
    """Write rows, nearly all of which are new and must cost little; return whether all were new.

    Each row begins with its uid. For a statement that may change an existing row, SQLite keeps a
    journal of the pages that each row touches: twice the time. So the first row of each uid is
    inserted if it is new. Only if one of them was not, all are upserted, which changes nothing of a
    row just inserted; then later rows of the same uid, in their order.

    `new`: INSERT OR IGNORE. `again`: its ON CONFLICT DO UPDATE; takes `more` values of each row.
    """
    every: Sequence[int] = range(len(rows))
    first, later = every, every[:0]
    if len(set(map(itemgetter(0), rows))) < len(rows):
        first = sorted({rows[at][0]: at for at in reversed(every)}.values())
        later = sorted(set(every).difference(first))
    try:
        inserted = db.executemany(
            new, rows if first is every else [rows[at] for at in first]
        ).rowcount
    except (OverflowError, UnicodeEncodeError):
        later = every  # `many` replaces them
    else:
        if inserted < len(first):
            later = every
    if later:
        upsert = new.replace("OR IGNORE ", "") + again
        many(db, upsert, [rows[at] + more[at] if more else rows[at] for at in later])
    return not later


def mended(value: object) -> object:
    """Return what SQLite can store: half a surrogate pair is U+FFFD, integers end at 63 bits."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int):
        return max(-(1 << 63), min(value, (1 << 63) - 1))
    return value


#: SQL for the key of a turn's id.
KEY: Final = "(SELECT turn_key FROM _turn_ids WHERE turn_id = ?)"


def turn_keys(
    db: sqlite3.Connection, turn_ids: Iterable[str | None]
) -> Mapping[str | None, int | None]:
    """Return the keys of turns; inserts those that have none yet."""
    found: dict[str | None, int | None] = {None: None}
    for turn_id in turn_ids:
        if turn_id not in found:
            kept = (mended(turn_id),)
            (key,) = db.execute(f"SELECT {KEY}", kept).fetchone()
            if key is None:
                key = db.execute("INSERT INTO _turn_ids (turn_id) VALUES (?)", kept).lastrowid
            found[turn_id] = key
    return found


#: Provenance of an item, as stored.
PROVENANCES: Final[dict[Provenance, int]] = {"snapshot": 0, "event": 1, "response_item": 2}


def _items(db: sqlite3.Connection, to: Target, rows: Sequence[ItemRow]) -> None:
    rollout, start = to.rollout, to.start
    keys = turn_keys(db, [row.turn_id for row in rows])
    told = all(row.status is not None for row in rows if row.type == "commandExecution")
    (newest,) = db.execute(f"SELECT coalesce(max(item), 0) FROM {to.new}_item_rows").fetchone()
    all_new = _put(
        db,
        statements.ITEM_NEW.format(new=to.new, status="?14" if told else statements.STATUS_OF_NEW),
        statements.ITEM_AGAIN,
        [
            (uid, rollout, start + offset, keys[turn_id], item_id, ordinal, created, started,
             completed, kind, json, PROVENANCES[provenance], owner, status)
            for uid, turn_id, item_id, offset, ordinal, created, started, completed, kind, json,
            provenance, owner, _, status, _, _ in rows
        ],
        [(row.completed_wins,) for row in rows],
    )  # fmt: skip
    if all_new and to.texts is not None:
        to.texts.made(newest, [row.words for row in rows])


def _turns(db: sqlite3.Connection, to: Target, rows: Sequence[TurnRow]) -> None:
    many(
        db,
        statements.TURN.format(new=to.new),
        [
            (row.uid, to.rollout, to.start + row.offset, row.turn_id, row.ordinal, row.status,
             row.error_json, row.started_at, row.completed_at, row.duration_ms,
             row.first_user_item_id, row.final_agent_item_id, row.end_ordinal, row.end_offset,
             row.root_turn_id, row.model, row.owner, row.end_owner)
            for row in rows
        ],
    )  # fmt: skip


def _realtime(db: sqlite3.Connection, to: Target, rows: Sequence[RealtimeRow]) -> None:
    many(
        db,
        statements.REALTIME.format(new=to.new),
        [
            (row.uid, to.rollout, to.start + row.offset, row.item_id, row.ordinal,
             row.created_at_ms, row.type, row.json)
            for row in rows
        ],
    )  # fmt: skip


def _usage(db: sqlite3.Connection, to: Target, rows: Sequence[UsageRow]) -> None:
    rollout, start = to.rollout, to.start
    keys = turn_keys(db, [row.turn_id for row in rows])
    last = usage.newest(db)
    places = [start + row.offset for row in rows]
    dead = {} if to.new else usage.rows(
        db, "n.rollout = ? AND n.position BETWEEN ? AND ? AND n.tombstone <> 0",
        (rollout, min(places), max(places)),
    )  # fmt: skip
    _put(
        db,
        statements.USAGE_NEW.format(new=to.new),
        statements.USAGE_AGAIN,
        [
            (row.uid, rollout, place, keys[row.turn_id], row.ordinal, row.response_id, row.model,
             row.input_tokens, row.cached_input_tokens, row.output_tokens,
             row.reasoning_output_tokens, row.total_tokens, row.recorded_at_ms,
             row.cache_write_input_tokens, row.service_tier, row.model_provider)
            for row, place in zip(rows, places, strict=True)
        ],
    )  # fmt: skip
    if not to.new:
        usage.count(db, last)
        if dead:
            usage.settle(db, dead, usage.numbered(db, dead))


def _retract(db: sqlite3.Connection, to: Target, change: RetractCounts) -> None:
    key = turn_keys(db, [change.turn_id])[change.turn_id]
    places = to.start + change.since, to.start + change.before
    usage.retract(db, to.new, to.rollout, key, places)


def _name(db: sqlite3.Connection, to: Target, change: NameUsage) -> None:
    model = str(mended(change.model))
    usage.name(db, to.new, to.rollout, model, to.start + change.before)


def _events(db: sqlite3.Connection, to: Target, rows: Sequence[Event]) -> None:
    many(
        db,
        statements.EVENT.format(new=to.new),
        [
            (row.uid, to.thread_id, to.rollout, row.type, row.turn_id, row.payload,
             row.recorded_at_ms, to.now_ms)
            for row in rows
        ],
    )  # fmt: skip


def _anomalies(db: sqlite3.Connection, to: Target, rows: Sequence[Anomaly]) -> None:
    note(db, to, rows, from_batch=True)


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


def _limits(db: sqlite3.Connection, to: Target, rows: Sequence[LimitRow]) -> None:
    many(db, statements.LIMIT.format(new=to.new), [(to.rollout, *row) for row in rows])


def _frames(db: sqlite3.Connection, to: Target, rows: Sequence[RollbackFrame]) -> None:
    many(
        db,
        statements.FRAME.format(new=to.new),
        [(to.rollout, row.key, row.turn_id, row.before, row.popped) for row in rows],
    )


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


Writer = Callable[[sqlite3.Connection, Target, Any], None]

WRITERS: Final[dict[type, Writer]] = {
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
BARRIERS: Final[dict[type, Writer]] = {
    TombstoneFrames: _tombstone_frames,
    Tombstone: _drop,
    RetractCounts: _retract,
    NameUsage: _name,
}
