"""What the methods of the store do in a transaction: batches, moves, names, files that are gone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from projector import escapes
from projector.errors import CheckpointMoved
from projector.place import Checkpoint, Offset, RolloutFile, RolloutId, ThreadId
from projector.rows import Anomaly
from projector.store.columns import HEADER, META
from projector.store.contract import Batch
from projector.store.postgres import load, save
from projector.store.postgres.fold import (
    EVENT,
    ITEM,
    REALTIME,
    TOMBSTONE,
    TURN,
    EventState,
    Rows,
    Told,
    fold,
    places,
    wanted,
)
from projector.store.postgres.load import RowsOf
from projector.store.postgres.transaction import Transaction
from projector.store.postgres.wire import Query, Row
from projector.store.postgres.world import Rollout

#: The anomaly of a rollout that another source projects: copied or synced homes.
SECOND_HOST: Final = Anomaly("second_host", Offset(0), 0, "another host projects it")


async def commit(tx: Transaction, batches: Sequence[Batch]) -> None:
    """Write batches.

    Raises:
        CheckpointMoved: a rollout is not at its `start`. Nothing was written.
    """
    by_id = {batch.file.name.rollout_id: batch for batch in batches}
    fresh = [one for one, batch in by_id.items() if batch.start is None]
    asked = RowsOf(
        tx.source,
        {
            one: (wanted(batch.changes), batch.thread_id, batch.start is None)
            for one, batch in by_id.items()
        },
    )
    queries = [load.own(tx.source, [*by_id]), *asked.queries]
    if fresh:
        bases, threads = _related(batches)
        queries.insert(0, save.claim(fresh, [*bases, *threads], tx.source))
        queries.append(load.family([*by_id], threads, bases))
    else:
        queries += load.threads_with([*by_id])
    answers = iter(await tx.begin(*queries))
    claimed: dict[str, Any] = dict(next(answers)) if fresh else {}
    stored = {row.rollout_id: row for row in map(load.rollout_of, next(answers))}
    for one, batch in by_id.items():
        at_start(one, stored.get(one), batch)
    asked.take([next(answers) for _ in asked.queries])
    rest = [*answers]
    # What another source has only moves on here, without rows.
    elsewhere = {one for one in fresh if str(claimed[one]) != tx.source}
    elsewhere |= {one for one, row in stored.items() if row.now["elsewhere"]}
    values = {
        one: values_of(batch, stored.get(one), tx.now_ms, elsewhere=one in elsewhere)
        for one, batch in by_id.items()
    }
    for one in elsewhere:
        _pass_over(tx, one, stored.get(one), values[one], fresh=one in fresh)
    here = {one: batch for one, batch in by_id.items() if one not in elsewhere}
    await _read_world(tx, here, stored, values, rest, fresh=bool(fresh))
    await _fold(tx, here, values, asked)
    await tx.commit()


def _related(batches: Iterable[Batch]) -> tuple[list[str], list[str]]:
    """Give what rollouts continue, and the threads that they are of."""
    bases = {batch.header.base.rollout_id for batch in batches if batch.header.base}
    return sorted(bases), sorted({batch.thread_id for batch in batches})


def at_start(rollout_id: RolloutId, row: Rollout | None, batch: Batch) -> None:
    """See that a rollout stands where a batch begins.

    Raises:
        CheckpointMoved: it does not.
    """
    stands = (row.now["generation"], row.now["next_offset"]) if row else None
    begins = (batch.start.generation, batch.start.offset) if batch.start else None
    if stands != begins:
        raise CheckpointMoved.found(rollout_id, begins, stands)


def at_checkpoint(rollout_id: RolloutId, expected: Checkpoint, found: Checkpoint | None) -> None:
    """See that a rollout stands where it is thought to.

    Raises:
        CheckpointMoved: it does not.
    """
    stands = (found.generation, found.offset) if found else None
    if stands != (expected.generation, expected.offset):
        raise CheckpointMoved.found(rollout_id, (expected.generation, expected.offset), stands)


def _pass_over(
    tx: Transaction, rollout_id: RolloutId, row: Rollout | None, values: dict[str, Any], *,
    fresh: bool,
) -> None:  # fmt: skip
    """Let the checkpoint of a rollout that another source has move on."""
    stub = row or Rollout(tx.source, rollout_id, {})
    stub.now = {**stub.now, **values}
    tx.last += save.rollouts([stub])
    if fresh:
        tx.anomalies.append((rollout_id, SECOND_HOST, False))


async def _read_world(
    tx: Transaction,
    here: Mapping[RolloutId, Batch],
    stored: Mapping[RolloutId, Rollout],
    values: Mapping[RolloutId, dict[str, Any]],
    rest: Sequence[list[Row]],
    *,
    fresh: bool,
) -> None:
    """Take what was read of lineage and threads, or read more of it where chains change."""
    world = tx.world
    relinked = [
        one
        for one in here
        if (row := stored.get(one)) is not None
        and row.lineage(row.now) != row.lineage({**row.now, **values[one]})
    ]
    bases, threads = _related(here.values())
    threads = sorted({*threads, *(stored[one].thread_id for one in relinked)})
    if fresh:
        await tx.family([*here], threads, bases, rest[0] if not relinked else None)
    elif relinked:
        if claim := [*bases, *threads]:
            await tx.wire.ask(save.claim((), claim, tx.source))
        await tx.family([*here], threads, bases)
    else:
        states, parts, names, rollouts = rest
        load.take_threads(world, states, parts, names)
        for row in map(load.rollout_of, rollouts):
            world.rollouts[row.rollout_id] = row
    for one in here:
        if one in stored:
            world.rollouts[one] = stored[one]
    world.begin()


async def _fold(
    tx: Transaction,
    here: Mapping[RolloutId, Batch],
    values: Mapping[RolloutId, dict[str, Any]],
    asked: RowsOf,
) -> None:
    world = tx.world
    seen: dict[RolloutId, list[EventState]] = {}
    for one in here:
        row = world.rollouts.get(one)
        left: list[ThreadId] = []
        if row is None:
            row = world.rollouts[one] = Rollout(tx.source, one, values[one])
        else:
            left = [row.thread_id]
            row.now.update(values[one])
        if row.relinked:
            before = len(world.events)
            world.relink([one], left=left)
            seen[one] = world.events[before:]
            if left and left[0] != row.thread_id:
                tx.first += other_thread(tx.source, one, row.thread_id)
    for one, batch in here.items():
        rows = asked.rows[one]
        rows.indexing = batch.indexing
        rows.move(world.moved.get(one, 0))
        row = world.rollouts[one]
        for event in rows.events.values():
            event.thread_id = row.thread_id
        fold(rows, batch.changes, start=row.start, thread_id=row.thread_id, now_ms=tx.now_ms)
        take(tx, rows, seen.get(one, ()))
        if rows.older:
            recount(tx, one)
    own = {id(usage) for rows in tx.rows for usage in rows.usage.values()}
    for usage in asked.responses:
        if id(usage) not in own:
            usage.position += world.moved.get(RolloutId(usage.rollout_id), 0)
    tx.responses.extend(asked.responses)
    world.recount.update(asked.repeats & world.threads.keys())
    _recount_shared(tx)


def _recount_shared(tx: Transaction) -> None:
    """Have the repeated turns counted of threads of which two parts get the same turn now."""
    put = {rows.rollout_id: {turn.turn_id for turn in rows.turns.values()} for rows in tx.rows}
    for thread_id, thread in tx.world.threads.items():
        seen: set[str] = set()
        for part in thread.parts:
            turns = put.get(part.rollout_id, set())
            if turns & seen:
                tx.world.recount.add(thread_id)
            seen |= turns


def take(tx: Transaction, rows: Rows, seen: Iterable[EventState] = ()) -> None:
    """Take the rows of a rollout into the transaction; `seen`: events that are told of before."""
    tx.rows.append(rows)
    tx.events.extend(seen)
    tx.events.extend(rows.events.values())
    tx.anomalies.extend(
        (rows.rollout_id, Anomaly(kind, Offset(offset), length, detail), from_batch)
        for (offset, length, kind, detail), from_batch in rows.anomalies.items()
    )
    tx.world.tally(
        RolloutId(rows.rollout_id),
        [*places(rows.items.values())],
        [*places(rows.turns.values())],
    )


def recount(tx: Transaction, rollout_id: RolloutId) -> None:
    """Have the repeated turns counted of all threads that a rollout is part of."""
    tx.world.recount.update(
        thread_id
        for thread_id, thread in tx.world.threads.items()
        if any(part.rollout_id == rollout_id for part in thread.parts)
    )


def other_thread(source: str, rollout_id: str, thread_id: str) -> list[Query]:
    """Let what a rollout's records told so far be told of the thread that it says now."""
    return [
        (
            "DELETE FROM events AS e USING events AS o WHERE e.source_id = %s AND e.thread_id = %s"
            " AND o.source_id = e.source_id AND o.rollout_id = %s AND o.from_record"
            " AND o.uid = e.uid AND o.thread_id <> e.thread_id",
            (source, thread_id, rollout_id),
        ),
        (
            "UPDATE events SET thread_id = %s WHERE source_id = %s AND rollout_id = %s"
            " AND from_record",
            (thread_id, source, rollout_id),
        ),
    ]


def values_of(
    batch: Batch, row: Rollout | None, now_ms: int, *, elsewhere: bool = False, anew: bool = False
) -> dict[str, Any]:
    """Give a rollout's columns as a batch leaves them. `anew`: records are counted from 0."""
    base, end = batch.header.base, batch.end
    counted = row.now["records"] if row and not anew else 0
    # Of one that is there, these may have changed with another rollout of the same transaction.
    begun = {} if row else {"start_position": 0, "items": 0, "turns": 0}
    return {
        "thread_id": escapes.text(batch.thread_id),
        "base_rollout_id": base and escapes.text(base.rollout_id),
        "base_end_ordinal": base and base.end_ordinal,
        "base_end_offset": base and base.end_offset,
        "elsewhere": elsewhere,
        **lies(batch.file),
        "generation": end.generation,
        "next_offset": end.offset,
        "next_ordinal": end.next_ordinal,
        "head": end.fingerprint.head,
        "tail": end.fingerprint.tail,
        "state": end.state,
        "read_at_ms": now_ms,
        "records": counted + batch.records,
        **begun,
        **{name: _held(getattr(batch.header, name)) for name in HEADER},
        **{name: _held(getattr(batch.meta, name)) for name in META},
    }


def _held(value: Any) -> Any:
    return escapes.text(value) if isinstance(value, str) else value


def lies(file: RolloutFile) -> dict[str, Any]:
    """Give the columns of where a rollout lies."""
    return {
        "home": escapes.text(file.home),
        "path": escapes.text(file.path),
        "archived": file.archived,
        "compressed": file.name.compressed,
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "device": file.device,
        "inode": file.inode,
        "gone_at_ms": None,
    }


# Moves, names, files that are gone ----------------------------------------------------------------


async def _own(tx: Transaction, ids: Sequence[str]) -> dict[RolloutId, Rollout]:
    """Read and lock rollouts of this source, and all that a change of them can touch."""
    own, related = await tx.begin(load.own(tx.source, ids), load.family(ids, (), ()))
    stored = {row.rollout_id: row for row in map(load.rollout_of, own)}
    here = [one for one, row in stored.items() if not row.now["elsewhere"]]
    await tx.family(here, sorted({stored[one].thread_id for one in here}), (), related)
    for one in here:
        tx.world.rollouts[one] = stored[one]
    tx.world.begin()
    return stored


async def found_at(tx: Transaction, files: Sequence[RolloutFile]) -> None:
    """Note where rollouts lie now. Files of rollouts that are not here are passed over."""
    by_id = {file.name.rollout_id: file for file in files}
    stored = await _own(tx, [*by_id])
    for one, row in stored.items():
        row.now.update(lies(by_id[one]))
    _relink_changed(tx, stored)
    tx.last += save.rollouts(row for row in stored.values() if row.now["elsewhere"])
    await tx.commit()


def _relink_changed(tx: Transaction, stored: Mapping[RolloutId, Rollout]) -> None:
    here = [one for one, row in stored.items() if not row.now["elsewhere"]]
    changed = [one for one in here if stored[one].relinked]
    if changed:
        tx.world.relink(changed)
        tx.events.extend(tx.world.events)


async def gone(tx: Transaction, rollout_ids: Sequence[RolloutId]) -> None:
    """Note that files are gone; their rows stay."""
    stored = await _own(tx, rollout_ids)
    for row in stored.values():
        if row.there:
            row.now["gone_at_ms"] = tx.now_ms
    _relink_changed(tx, stored)
    tx.last += save.rollouts(row for row in stored.values() if row.now["elsewhere"])
    await tx.commit()


#: Tables whose rows go with their rollout, of which nothing is told.
_OWNED: Final = (
    "realtime_items",
    "anomaly_rows",
    "frames",
    "kept_rows",
    "changed_files",
    "items",
    "turns",
)
_PURGED: Final = (
    (TURN, "turns", "x.rollout_id, x.turn_id, NULL, x.uid, NULL", ""),
    (ITEM, "items", "x.rollout_id, x.turn_id, x.item_id, x.uid, x.type", ""),
    (REALTIME, "realtime_items", "x.rollout_id, NULL, x.item_id, x.uid, x.type", ""),
    (EVENT, "events", "x.rollout_id, x.turn_id, NULL, x.uid, x.type", " AND x.from_record"),
)


async def purge(tx: Transaction, rollout_ids: Sequence[RolloutId]) -> None:
    """Take all rows of rollouts away; events that were seen on disk stay."""
    stored = await _own(tx, rollout_ids)
    ids = [*stored]
    if not ids:
        await tx.leave()
        return
    place = (tx.source, ids)
    told = [
        (f"SELECT {columns} FROM {table} AS x WHERE x.source_id = %s AND x.rollout_id = ANY(%s)"
         f" AND x.tombstone = 0{more}"
         f" ORDER BY {'x.seq' if kind == EVENT else 'x.rollout_id, x.position'}", place)
        for kind, table, columns, more in _PURGED
    ]  # fmt: skip
    *rows, usages = await tx.wire.ask(*told, *load.usages(tx.source, ids))
    for (kind, *_), some in zip(_PURGED, rows[: len(_PURGED)], strict=True):
        tx.told.extend(
            Told(
                kind, TOMBSTONE, tx.source, stored[rollout_id].thread_id, rollout_id, turn_id,
                item_id, uid.bytes, type_,
            )
            for rollout_id, turn_id, item_id, uid, type_ in some
        )  # fmt: skip
    usage = [load.usage_of(row) for row in usages]
    for row in usage:
        if row.source == tx.source and row.rollout_id in stored:
            row.tombstone = 1
    tx.responses.extend(usage)
    # What was told of them before goes too: nothing in the feed names a row that is no more.
    tx.first += [
        (
            "DELETE FROM feed AS f WHERE f.source_id = %s AND f.rollout_id = ANY(%s)"
            f" AND (f.kind IN ({TURN}, {ITEM}, {REALTIME}) OR f.kind = {EVENT} AND EXISTS (SELECT 1"
            " FROM events AS e WHERE e.source_id = f.source_id AND e.thread_id = f.thread_id"
            " AND e.uid = f.uid AND e.from_record))",
            place,
        ),
        *((f"DELETE FROM {table} WHERE source_id = %s AND rollout_id = ANY(%s)", place)
          for table in _OWNED),
        ("DELETE FROM events WHERE source_id = %s AND rollout_id = ANY(%s) AND from_record", place),
        ("UPDATE events SET rollout_id = NULL WHERE source_id = %s AND rollout_id = ANY(%s)",
         place),
    ]  # fmt: skip
    tx.last += [
        (f"DELETE FROM {table} WHERE source_id = %s AND rollout_id = ANY(%s)", place)
        for table in ("usage", "rollouts")
    ]
    tx.last.append((
        "UPDATE claims SET source_id = NULL WHERE source_id = %s AND rollout_id = ANY(%s)",
        place,
    ))  # fmt: skip
    world = tx.world
    here = [one for one, row in stored.items() if not row.now["elsewhere"]]
    threads = list(dict.fromkeys(world.rollouts[one].thread_id for one in here))
    world.purged.update(here)
    world.relink(here, threads)
    for one in here:
        world.rollouts[one].now = dict(world.rollouts[one].was or {})
    for event in world.events:
        if event.rollout_id in stored:
            event.rollout_id = None
    tx.events.extend(world.events)
    for thread_id in threads:
        if not any(
            row.thread_id == thread_id
            for one, row in world.rollouts.items()
            if one not in world.purged
        ):
            forget(tx, thread_id)
    await tx.commit()


def forget(tx: Transaction, thread_id: ThreadId) -> None:
    """Forget what a thread was called, now and before."""
    tx.world.names.pop((tx.source, thread_id), None)
    tx.last += [
        ("DELETE FROM names WHERE source_id = %s AND thread_id = %s", (tx.source, thread_id)),
        (
            "UPDATE events SET payload = '{}', escaped = false"
            " WHERE source_id = %s AND thread_id = %s",
            (tx.source, thread_id),
        ),
    ]


async def note(tx: Transaction, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
    """Note anomalies of a rollout; of one that is not here, nothing."""
    (own,) = await tx.begin(load.own(tx.source, [rollout_id]))
    if not own:
        await tx.leave()
        return
    tx.anomalies.extend((rollout_id, one, False) for one in anomalies)
    await tx.commit()


async def name(tx: Transaction, names: Mapping[ThreadId, str]) -> None:
    """Set names of threads; those that are called so already cost nothing."""
    wanted_names = {one: escapes.text(given) for one, given in names.items()}
    known, related = await tx.begin(
        (
            "SELECT thread_id, name FROM names WHERE source_id = %s AND thread_id = ANY(%s)",
            (tx.source, [*wanted_names]),
        ),
        load.family((), [*wanted_names], ()),
    )
    now: dict[str, str] = dict(known)
    changed = {one: given for one, given in wanted_names.items() if now.get(one) != given}
    await tx.family((), [*wanted_names], (), related)
    world = tx.world
    world.begin()
    for thread_id, given in changed.items():
        world.names[tx.source, thread_id] = given
        thread = world.threads.get(thread_id)
        if thread is None or thread.state is None or thread.state.source == tx.source:
            # Else it is told by the source that has it.
            world.event(thread_id, None, "thread.renamed", {"name": names[thread_id]})
    tx.events.extend(world.events)
    tx.last += save.names(changed, tx.source)
    await tx.commit()


async def unname(tx: Transaction, thread_id: ThreadId) -> None:
    """Forget a thread's name."""
    (related,) = await tx.begin(load.family((), [thread_id], ()))
    await tx.family((), [thread_id], (), related)
    tx.world.begin()
    forget(tx, thread_id)
    await tx.commit()


async def mend(tx: Transaction) -> None:
    """Drop rows of rollouts that are not there; compute chains, positions and counters anew."""
    place = (tx.source,)
    ids, lost = await tx.begin(
        ("SELECT rollout_id, thread_id FROM rollouts WHERE source_id = %s AND NOT elsewhere"
         " ORDER BY 1", place),
        ("SELECT thread_id FROM thread_states WHERE source_id = %s"
         " UNION SELECT thread_id FROM thread_parts WHERE source_id = %s", place * 2),
    )  # fmt: skip
    orphan = (
        "x.source_id = %s AND NOT EXISTS (SELECT 1 FROM rollouts AS r"
        " WHERE r.source_id = x.source_id AND r.rollout_id = x.rollout_id)"
    )
    gone_rows: list[list[Row]] = await tx.wire.ask(*(
        (f"SELECT {columns} FROM {table} AS x WHERE {orphan} AND x.tombstone = 0"
         " ORDER BY x.position", place)
        for kind, table, columns, _ in _PURGED if kind != EVENT
    ))  # fmt: skip
    for (kind, *_), some in zip(_PURGED, gone_rows, strict=False):
        tx.told.extend(
            Told(kind, TOMBSTONE, tx.source, rollout_id, rollout_id, turn_id, item_id, uid.bytes,
                 type_)
            for rollout_id, turn_id, item_id, uid, type_ in some
        )  # fmt: skip
    tx.first += [
        (f"DELETE FROM {table} AS x WHERE {orphan}", place) for table in (*_OWNED, "usage")
    ]
    rollout_ids = [one for one, _ in ids]
    thread_ids = sorted({*(one for _, one in ids), *(one for (one,) in lost)})
    await tx.family(rollout_ids, thread_ids)
    world = tx.world
    world.begin()
    have = {row.thread_id for row in world.rollouts.values()}
    world.relink(rollout_ids, [ThreadId(one) for (one,) in lost if one not in have])
    tx.events.extend(world.events)
    items, turns = await tx.wire.ask(*(
        (f"SELECT rollout_id, count(*) FROM {table} WHERE source_id = %s AND tombstone = 0"
         " GROUP BY 1", place)
        for table in ("items", "turns")
    ))  # fmt: skip
    for found, column in ((items, "items"), (turns, "turns")):
        counted: dict[str, int] = dict(found)
        for one in rollout_ids:
            world.rollouts[one].now[column] = counted.get(one, 0)
    for thread in world.threads.values():
        for part in thread.parts:
            part.counted = False
    world.recount.update(world.threads)
    await tx.commit()
