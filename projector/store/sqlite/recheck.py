"""Computes chains, positions and counters anew, and tells where the database has others.

Goes by what the rollouts' rows say of their bases, which `verify` holds against the files.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from projector.place import RolloutId, ThreadId
from projector.store import lineage
from projector.store.compare import Difference, Field
from projector.store.lineage import EVERYTHING
from projector.store.sqlite.link import Links, counts, repeated

#: Tables whose rows belong to a rollout, with an index that begins with it.
OWNED: Final = ("items", "turns", "realtime_items", "usage", "anomaly_rows", "frames")


class _Table(NamedTuple):
    """What is compared of a row."""

    name: str
    columns: tuple[str, ...]


_STATE: Final = _Table("thread", ("rollout", "archived", "deleted", "incomplete", "repeated_turns"))
_PART: Final = _Table("part", ("part", "rollout", "rollout_id", "upto", "items", "turns"))


def differences(
    db: sqlite3.Connection, threads: frozenset[ThreadId] | None
) -> Iterator[Difference]:
    """Give what differs; `threads`: only of these. None: of all, and rows without a rollout."""
    links = Links(db)
    wanted: Iterable[ThreadId] = threads if threads is not None else _threads(db)
    for thread_id in wanted:
        yield from _thread(db, links, thread_id)
    if threads is None:
        yield from _ownerless(db)


def _threads(db: sqlite3.Connection) -> list[ThreadId]:
    rows = db.execute(
        "SELECT thread_id FROM rollouts UNION SELECT thread_id FROM thread_states"
        " UNION SELECT thread_id FROM thread_parts"
    )
    return [one for (one,) in rows]


def _thread(db: sqlite3.Connection, links: Links, thread_id: ThreadId) -> Iterator[Difference]:
    state = db.execute(
        "SELECT rollout, archived, deleted, incomplete, repeated_turns FROM thread_states"
        " WHERE thread_id = ?",
        (thread_id,),
    ).fetchone()
    parts = db.execute(
        "SELECT part, rollout, rollout_id, upto, items, turns FROM thread_parts"
        " WHERE thread_id = ? ORDER BY part",
        (thread_id,),
    ).fetchall()
    rollouts = db.execute(
        "SELECT rollout_id, gone_at_ms IS NULL, archived, start_position FROM rollouts"
        " WHERE thread_id = ? ORDER BY rollout_id",
        (thread_id,),
    ).fetchall()
    if not rollouts:
        if state or parts:
            yield Difference(thread_id, None, "thread", (), "extra")
        return
    for rollout_id, _, _, start in rollouts:
        yield from _start(db, links, rollout_id, start)
    name = lineage.current((RolloutId(one), bool(there)) for one, there, _, _ in rollouts)
    newest = links(name)
    assert newest is not None, name
    found = lineage.chain(newest, links)
    if state is None:
        yield Difference(thread_id, None, "thread", (), "missing")
    else:
        fresh = (
            newest.rollout,
            next(archived for one, _, archived, _ in rollouts if one == name),
            int(not any(there for _, there, _, _ in rollouts)),
            int(found.end != "whole"),
            repeated(db, thread_id),
        )
        yield from _row(thread_id, _STATE, (), fresh, state)
    for number, part in enumerate(found.parts):
        upto = EVERYTHING
        if part.upto is not None:
            upto = _stored_start(db, part.link.rollout) + max(0, part.upto)
        counted = counts(db, part.link.rollout, -1, upto)
        where = (("part", number),)
        if number >= len(parts):
            yield Difference(thread_id, part.link.rollout_id, "part", where, "missing")
            continue
        whole = (number, part.link.rollout, part.link.rollout_id, upto, *counted)
        yield from _row(thread_id, _PART, where, whole, parts[number])
    for beyond in parts[len(found.parts) :]:
        yield Difference(thread_id, beyond[2], "part", (("part", beyond[0]),), "extra")


def _start(
    db: sqlite3.Connection, links: Links, rollout_id: RolloutId, start: int
) -> Iterator[Difference]:
    link = links(rollout_id)
    assert link is not None, rollout_id
    base = lineage.base_of(link, links)
    base_start = _stored_start(db, base.rollout) if base else None
    fresh = lineage.start(link.end_ordinal, link.end_offset, base_start)
    if fresh != start:
        told = (Field("start_position", fresh, start),)
        yield Difference(link.thread_id, rollout_id, "rollout", (), "changed", told)


def _stored_start(db: sqlite3.Connection, rollout: int) -> int:
    (start,) = db.execute(
        "SELECT start_position FROM rollouts WHERE rollout = ?", (rollout,)
    ).fetchone()
    return int(start)


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


def _ownerless(db: sqlite3.Connection) -> Iterator[Difference]:
    for table in OWNED:
        for rollout in ownerless(db, table):
            where = (("table", table), ("rollout", rollout))
            yield Difference(ThreadId(""), None, "rows of no rollout", where, "extra")


def ownerless(db: sqlite3.Connection, table: str) -> list[int]:
    """Find numbers of rollouts that are not there, by a walk over those that a table holds."""
    rows = db.execute(
        "WITH RECURSIVE held (rollout) AS ("
        f" SELECT (SELECT min(rollout) FROM {table}) UNION ALL"
        f" SELECT (SELECT min(rollout) FROM {table} WHERE rollout > held.rollout)"
        "  FROM held WHERE held.rollout IS NOT NULL)"
        " SELECT rollout FROM held WHERE rollout IS NOT NULL"
        "  AND rollout NOT IN (SELECT rollout FROM rollouts)"
    )
    return [number for (number,) in rows]
