"""Computes chains, positions and counters again, and reports where the database has others.

It is based on what the rollouts' rows say of their bases, which `verify` compares with the files.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from projector.model.ids import RolloutId, ThreadId, is_named_for
from projector.store.check.compare import Difference, Field
from projector.store.reading import Connection, Sql
from projector.store.rules import lineage
from projector.store.rules.lineage import EVERYTHING, Link
from projector.store.schema_names import SQLITE_ROWS

#: Tables of rollouts' rows, each with an index that begins with the rollout.
OWNED: Final = (
    "_items", "_turns", "_realtime_items", "_usage", "_anomaly_rows", "_limit_rows", "_frames",
    "_kept_rows",
)  # fmt: skip


class _Table(NamedTuple):
    """The compared columns of a row."""

    name: str
    columns: tuple[str, ...]


_STATE: Final = _Table("thread", ("rollout", "archived", "deleted", "incomplete", "repeated_turns"))
_PART: Final = _Table("part", ("part", "rollout", "rollout_id", "upto", "items", "turns"))


# Rollouts are named by their ids, whatever their keys are.
_STATES: Final = (
    "SELECT (SELECT r.rollout_id FROM _read_rollouts AS r WHERE r.source_id = s.source_id"
    " AND r.rollout_id = s.rollout_id AND NOT r.elsewhere), archived, deleted, incomplete,"
    " repeated_turns FROM _read_threads AS s WHERE thread_id = :thread"
)
_PARTS: Final = (
    "SELECT part, (SELECT r.rollout_id FROM _read_rollouts AS r WHERE r.source_id = p.part_source"
    " AND r.rollout_key = p.rollout_key AND NOT r.elsewhere), rollout_id, upto, items, turns"
    " FROM _read_parts AS p WHERE thread_id = :thread ORDER BY part"
)
_ROLLOUTS: Final = (
    "SELECT rollout_id, gone_at_ms IS NULL, archived, start_position, path FROM _read_rollouts"
    " WHERE thread_id = :thread AND NOT elsewhere ORDER BY rollout_id"
)
_LINK: Final = (
    "SELECT 0, rollout_id, thread_id, base_rollout_id, coalesce(base_end_ordinal, 0),"
    " coalesce(base_end_offset, 0), attached FROM _read_rollouts"
    " WHERE rollout_id = :rollout AND NOT elsewhere"
)
_START: Final = (
    "SELECT start_position FROM _read_rollouts WHERE rollout_id = :rollout AND NOT elsewhere"
)
_COUNT: Final = (
    "SELECT count(*) FROM {} AS x JOIN _read_rollouts AS r"
    " ON r.source_id = x.source_id AND r.rollout_id = x.rollout_id WHERE r.rollout_id = :rollout"
    " AND NOT r.elsewhere AND x.position < :upto AND x.tombstone = 0"
)
_ITEMS: Final = _COUNT.format("_read_items")
_TURNS: Final = _COUNT.format("_read_turns")
_REPEATED: Final = (
    "SELECT count(*) - count(DISTINCT t.turn_id) FROM _read_parts AS p JOIN _read_turns AS t"
    " ON t.source_id = p.part_source AND t.rollout_id = p.rollout_id AND t.position < p.upto"
    " WHERE p.thread_id = :thread AND t.tombstone = 0"
)
_THREADS: Final = (
    "SELECT thread_id FROM _read_rollouts WHERE source_id = :source AND NOT elsewhere"
    " UNION SELECT thread_id FROM _read_threads WHERE source_id = :source"
    " UNION SELECT thread_id FROM _read_parts WHERE source_id = :source"
)
_OWNERLESS: Final = """
WITH RECURSIVE held (rollout) AS (
  SELECT (SELECT min({key}) FROM {table} WHERE {which})
  UNION ALL SELECT (SELECT min({key}) FROM {table} WHERE {which} AND {key} > held.rollout)
  FROM held WHERE held.rollout IS NOT NULL)
SELECT rollout FROM held
WHERE rollout IS NOT NULL AND rollout NOT IN (SELECT {key} FROM _rollouts WHERE {which})
"""


class _Links:
    """The rollouts as lineage needs them, each read once."""

    def __init__(self, db: Connection) -> None:
        self._db = db
        self._known: dict[RolloutId, Link | None] = {}

    def __call__(self, rollout_id: RolloutId) -> Link | None:
        """Return a rollout; None: it is not here."""
        if rollout_id not in self._known:
            found = self._db.rows(_LINK, {"rollout": rollout_id})
            self._known[rollout_id] = Link._make(found[0]) if found else None
        return self._known[rollout_id]


def differences(db: Connection, threads: frozenset[ThreadId] | None) -> Iterator[Difference]:
    """Yield what differs.

    `threads`: only of these; None: of all, and rows without a rollout.
    """
    links = _Links(db)
    wanted: Iterable[ThreadId] = threads if threads is not None else _threads(db)
    for thread_id in wanted:
        yield from _thread(db, links, thread_id)
    if threads is None:
        yield from _ownerless(db)


def _threads(db: Connection) -> list[ThreadId]:
    return [one for (one,) in db.rows(_THREADS)]


def _thread(db: Connection, links: _Links, thread_id: ThreadId) -> Iterator[Difference]:
    whose = {"thread": thread_id}
    states = db.rows(_STATES, whose)
    parts = db.rows(_PARTS, whose)
    rollouts = db.rows(_ROLLOUTS, whose)
    if not rollouts:
        if states or parts:
            yield Difference(thread_id, None, "thread", (), "extra")
        return
    for rollout_id, _, _, start, _ in rollouts:
        yield from _start(db, links, rollout_id, start)
    name = lineage.current(
        lineage.Candidate(bool(there), is_named_for(path, thread_id), RolloutId(one))
        for one, there, _, _, path in rollouts
    )
    newest = links(name)
    assert newest is not None, name
    found = lineage.chain(newest, links)
    if not states:
        yield Difference(thread_id, None, "thread", (), "missing")
    else:
        fresh = (
            newest.rollout_id,
            next(archived for one, _, archived, *_ in rollouts if one == name),
            int(not any(there for _, there, *_ in rollouts)),
            int(found.end != "whole"),
            _repeated(db, thread_id),
        )
        yield from _row(thread_id, _STATE, (), fresh, states[0])
    for number, part in enumerate(found.parts):
        upto = EVERYTHING
        if part.upto is not None:
            upto = _stored_start(db, part.link.rollout_id) + max(0, part.upto)
        counted = _counts(db, part.link.rollout_id, upto)
        where = (("part", number),)
        if number >= len(parts):
            yield Difference(thread_id, part.link.rollout_id, "part", where, "missing")
            continue
        whole = (number, part.link.rollout_id, part.link.rollout_id, upto, *counted)
        yield from _row(thread_id, _PART, where, whole, parts[number])
    for beyond in parts[len(found.parts) :]:
        yield Difference(thread_id, beyond[2], "part", (("part", beyond[0]),), "extra")


def _start(
    db: Connection, links: _Links, rollout_id: RolloutId, start: int
) -> Iterator[Difference]:
    link = links(rollout_id)
    assert link is not None, rollout_id
    base = lineage.base_of(link, links)
    base_start = _stored_start(db, base.rollout_id) if base else None
    fresh = lineage.start(link.end_ordinal, link.end_offset, base_start)
    if fresh != start:
        told = (Field("start_position", fresh, start),)
        yield Difference(link.thread_id, rollout_id, "rollout", (), "changed", told)


def _stored_start(db: Connection, rollout: RolloutId) -> int:
    ((start,),) = db.rows(_START, {"rollout": rollout})
    return int(start)


def _counts(db: Connection, rollout: RolloutId, upto: int) -> tuple[int, int]:
    """Count the living items and turns of a rollout before a position."""
    where = {"rollout": rollout, "upto": upto}
    return db.rows(_ITEMS, where)[0][0], db.rows(_TURNS, where)[0][0]


def _repeated(db: Connection, thread_id: ThreadId) -> int:
    """Count the turns that several parts of a thread have."""
    ((twice,),) = db.rows(_REPEATED, {"thread": thread_id})
    return int(twice)


def _row(
    thread_id: ThreadId,
    table: _Table,
    where: tuple[tuple[str, object], ...],
    fresh: tuple[object, ...],
    stored: tuple[object, ...],
) -> Iterator[Difference]:
    fields = tuple(
        Field(name, one, other)
        for name, one, other in zip(table.columns, fresh, stored, strict=True)
        if one != other
    )
    if fields:
        yield Difference(thread_id, None, table.name, where, "changed", fields)


def _ownerless(db: Connection) -> Iterator[Difference]:
    for table in OWNED:
        for (rollout,) in db.rows(ownerless(table)):
            where = (("table", table), ("rollout", rollout))
            yield Difference(ThreadId(""), None, "rows of no rollout", where, "extra")


def ownerless(table: str) -> Sql:
    """Return the query for a table's unknown rollouts: its index is skipped through."""
    return Sql(
        _OWNERLESS.format(table=SQLITE_ROWS.get(table, table), key="rollout", which="true"),
        _OWNERLESS.format(table=table, key="rollout_id", which="source_id = :source"),
    )
