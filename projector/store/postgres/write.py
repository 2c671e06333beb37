"""What `commit` of the store does in a transaction: batches of several rollouts at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from projector.model.changes import Anomaly
from projector.model.errors import CheckpointMoved, RulesMoved
from projector.model.ids import Checkpoint, FileState, Offset, RolloutFile, RolloutId, ThreadId
from projector.store.postgres import load_unit_of_work as load_world
from projector.store.postgres import ownership as claims
from projector.store.postgres import save_unit_of_work as save_world
from projector.store.postgres import text as escapes
from projector.store.postgres import usage as usages
from projector.store.postgres.apply import (
    EventState,
    Rows,
    apply,
    places,
    wanted,
)
from projector.store.postgres.load import RowLoader
from projector.store.postgres.pipeline import Query, Row
from projector.store.postgres.transaction import Transaction
from projector.store.postgres.unit_of_work import Rollout, UnitOfWork
from projector.store.protocol import Batch
from projector.store.rules.lineage import EVERYTHING, MAX_PARTS
from projector.store.rules.shown_threads import OPENING, passed_on, shows
from projector.store.schema_names import HEADER, META

#: The anomaly of a rollout that another source projects: copied or synced homes.
SECOND_HOST: Final = Anomaly("second_host", Offset(0), 0, "another host projects it")


async def commit(tx: Transaction, batches: Sequence[Batch]) -> None:
    """Write batches.

    Raises:
        CheckpointMoved: a rollout is not at its `start`. Nothing was written.
    """
    by_id = {batch.file.name.rollout_id: batch for batch in batches}
    fresh = [one for one, batch in by_id.items() if batch.start is None]
    reverts = False
    asked = RowLoader(
        tx.source,
        {
            one: (wanted(batch.changes), batch.thread_id, batch.start is None)
            for one, batch in by_id.items()
        },
    )
    queries = [load_world.own(tx.source, [*by_id]), *asked.queries]
    if fresh:
        bases, threads = _related(batches)
        queries.insert(0, claims.claim(fresh, [*bases, *threads], tx.source))
        reverts = all(_may_extend(by_id[one]) for one in fresh)
        if reverts:
            old = [one for one in by_id if one not in fresh]
            queries += load_world.ends_of_threads_with(old, bases)
            queries += load_world.around_reverts(fresh, threads)
        else:
            queries.append(load_world.family([*by_id], threads, bases))
    else:
        queries += load_world.ends_of_threads_with([*by_id])
    answers = iter(await tx.begin(*queries))
    claimed: dict[str, Any] = dict(next(answers)) if fresh else {}
    stored = {row.rollout_id: row for row in map(load_world.rollout_of, next(answers))}
    for one, batch in by_id.items():
        row = stored.get(one)
        at_start(one, row, batch)
        if row is not None and row.now["revision"] > batch.end.revision:
            raise RulesMoved.to(one, row.now["revision"])
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
    await _read_world(tx, here, stored, values, rest, fresh=bool(fresh), reverts=reverts)
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
    tx.last += save_world.rollouts([stub])
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
    reverts: bool,
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
    if reverts and not relinked and _take_ends(tx, here, stored, values, rest):
        pass
    elif fresh:
        for known in (world.threads, world.rollouts, world.names, world.counts):
            known.clear()
        await tx.family([*here], threads, bases, None if reverts or relinked else rest[0])
    elif relinked:
        if claim := [*bases, *threads]:
            await tx.wire.execute(claims.claim((), claim, tx.source))
        await tx.family([*here], threads, bases)
    else:
        _take(world, rest)
        if not _shown_by_ends(world, stored, values):
            rest = await tx.wire.execute(*load_world.threads_with([*here]))
            world.threads.clear()
            _take(world, rest)
    for one in here:
        if one in stored:
            world.rollouts[one] = stored[one]
    world.begin()


def _take(world: UnitOfWork, read: Sequence[list[Row]]) -> None:
    states, parts, names, rollouts = read
    load_world.take_threads(world, states, parts, names)
    for row in map(load_world.rollout_of, rollouts):
        world.rollouts[row.rollout_id] = row


def _may_extend(batch: Batch) -> bool:
    """True if a new rollout may continue the last part of its thread: a revert."""
    return batch.header.base is not None and str(batch.thread_id) != batch.file.name.rollout_id


def _take_ends(
    tx: Transaction,
    here: Mapping[RolloutId, Batch],
    stored: Mapping[RolloutId, Rollout],
    values: Mapping[RolloutId, dict[str, Any]],
    rest: Sequence[list[Row]],
) -> bool:
    """Take the ends of chains, if each new rollout goes behind one: see `UnitOfWork._extend`.

    So a revert reads the last part of its thread. False: the chains have to be read whole.
    """
    world = tx.world
    *ends, continued, counts = rest
    _take(world, ends)
    for thread_id, kind, count in counts:
        world.counts[thread_id, kind] = count
    last: dict[ThreadId, Rollout] = {}
    for one in here:
        if one in stored:
            continue
        row = Rollout(tx.source, one, values[one])
        thread = world.threads.get(row.thread_id)
        if continued or thread is None or thread.state is None or thread.state.incomplete:
            return False
        before = last.get(row.thread_id) or world.rollouts.get(thread.state.rollout_id)
        if (
            before is None
            or thread.state.source != tx.source
            or before.source != tx.source
            or before.thread_id != row.thread_id
            or before.rollout_id != row.now["base_rollout_id"]
            or not before.there
            or row.candidate < before.candidate
            or one <= before.rollout_id
            or not thread.parts
            or thread.parts[-1].place[1:] != (thread.state.rollout_id, EVERYTHING)
            or thread.parts[-1].source != tx.source
            or thread.length + len(here) > MAX_PARTS
        ):
            return False
        last[row.thread_id] = row
    return _shown_by_ends(world, stored, values)


def _shown_by_ends(
    world: UnitOfWork, stored: Mapping[RolloutId, Rollout], values: Mapping[RolloutId, Any]
) -> bool:
    """True if what batches change is shown of threads whatever the parts have that were not read.

    Of a current rollout, so are values that it has before and after. A value that comes or goes,
    and one of an older part, may be what others have, too.
    """
    for thread in world.threads.values():
        if thread.whole or thread.state is None:
            continue
        current = world.rollouts.get(thread.state.rollout_id)
        for one in {part.rollout_id for part in thread.parts} & values.keys() & stored.keys():
            was, now = stored[one].now, {**stored[one].now, **values[one]}
            changed = passed_on(was, now)
            if current is None or current.rollout_id != one:
                if current is None or shows(changed, current.now):
                    return False
            elif changed.intersection(OPENING) or any(
                was[name] is None or now[name] is None for name in changed
            ):
                return False
    return True


async def _fold(
    tx: Transaction,
    here: Mapping[RolloutId, Batch],
    values: Mapping[RolloutId, dict[str, Any]],
    asked: RowLoader,
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
                tx.first += usages.rethread(tx.source, one, left[0], row.thread_id)
    for one, batch in here.items():
        rows = asked.rows[one]
        rows.indexing = batch.indexing
        rows.move(world.moved.get(one, 0))
        row = world.rollouts[one]
        for event in rows.events.values():
            event.thread_id = row.thread_id
        apply(rows, batch.changes, start=row.start, thread_id=row.thread_id, now_ms=tx.now_ms)
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
            "DELETE FROM _events AS e USING _events AS o"
            " WHERE e.source_id = %s AND e.thread_id = %s AND o.source_id = e.source_id"
            " AND o.rollout_id = %s AND o.from_record"
            " AND o.uid = e.uid AND o.thread_id <> e.thread_id",
            (source, thread_id, rollout_id),
        ),
        (
            "UPDATE _events SET thread_id = %s WHERE source_id = %s AND rollout_id = %s"
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
        "checksum": end.fingerprint.checksum,
        "trusted_bytes": None if row is None or anew else trusted_in(row, batch.file),
        "state": end.state,
        "revision": end.revision,
        "kinds": end.kinds,
        "read_at_ms": now_ms,
        "records": counted + batch.records,
        **begun,
        **{name: _held(getattr(batch.header, name)) for name in HEADER},
        **{name: _held(getattr(batch.meta, name)) for name in META},
    }


def _held(value: Any) -> Any:
    return escapes.text(value) if isinstance(value, str) else value


def trusted_in(row: Rollout, file: RolloutFile) -> int | None:
    """Return how many bytes of a rollout are trusted, now that it was found in `file`."""
    trusted: int | None = row.now["trusted_bytes"]
    return FileState.of(file).trusted_bytes(state_of(row), trusted)


def state_of(row: Rollout) -> FileState:
    """Return in which file a rollout was seen last."""
    now = row.now
    inode = min(now["inode"], (1 << 63) - 1)
    path = escapes.plain(now["path"])
    return FileState(inode, now["size"], now["mtime_ns"], now["compressed"], now["ctime_ns"], path)


def lies(file: RolloutFile) -> dict[str, Any]:
    """Give the columns of where a rollout lies."""
    return {
        "home": escapes.text(file.home),
        "path": escapes.text(file.path),
        "archived": file.archived,
        "compressed": file.name.compressed,
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "ctime_ns": file.ctime_ns,
        "device": file.device,
        "inode": file.inode,
        "gone_at_ms": None,
    }
