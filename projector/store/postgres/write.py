"""Commits batches of several rollouts in one transaction: `Store.commit`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from projector.model.changes import Anomaly
from projector.model.errors import CheckpointMoved, RulesMoved
from projector.model.ids import (
    Checkpoint,
    FileState,
    Offset,
    RolloutFile,
    RolloutId,
    ThreadId,
    is_named_for,
)
from projector.store.postgres import load, load_unit_of_work, ownership, save_unit_of_work
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
from projector.store.rules.lineage import MAX_PARTS
from projector.store.rules.shown_threads import INHERITED, OPENING, bits, lacking, passed_on
from projector.store.schema_names import HEADER, META

#: Anomaly of a rollout that another source projects: copied or synced homes.
SECOND_HOST: Final = Anomaly("second_host", Offset(0), 0, "another host projects it")


async def commit(tx: Transaction, batches: Sequence[Batch]) -> None:
    """Write batches.

    Raises:
        CheckpointMoved: a rollout is not at its `start`. Nothing was written.
    """
    by_id = {batch.file.name.rollout_id: batch for batch in batches}
    fresh = [one for one, batch in by_id.items() if batch.start is None]
    kinds = {one: wanted(batch.changes) for one, batch in by_id.items()}
    since = {
        one: load_unit_of_work.ALL if kinds[one].has_tombstones else batch.start.offset
        for one, batch in by_id.items()
        if batch.start is not None
    }
    asked = RowLoader(
        tx.source,
        {one: (kinds[one], batch.thread_id, one in fresh) for one, batch in by_id.items()},
        since,
    )
    queries = [load_unit_of_work.own(tx.source, [*by_id]), *asked.queries]
    follow = all(_may_follow(by_id[one]) for one in fresh)
    if fresh:
        bases, threads = _related(batches)
        queries.insert(0, ownership.claim(fresh, [*bases, *threads], tx.source))
        new = sorted({by_id[one].thread_id for one in fresh})
        if follow:
            queries += load_unit_of_work.ends_of_threads(since, bases, new, tails=True)
            queries += [load_unit_of_work.continued([*by_id]), load_unit_of_work.events_of(threads)]
        else:
            queries += load_unit_of_work.ends_of_threads(since)
            queries += [
                load_unit_of_work.continued([*by_id]),
                load_unit_of_work.family(fresh, new, bases),
            ]
    else:
        queries += load_unit_of_work.ends_of_threads(since)
        queries.append(load_unit_of_work.continued([*by_id]))
    answers = iter(await tx.begin(*queries))
    claimed: dict[str, Any] = dict(next(answers)) if fresh else {}
    stored = {row.rollout_id: row for row in map(load_unit_of_work.rollout_of, next(answers))}
    for one, batch in by_id.items():
        row = stored.get(one)
        at_start(one, row, batch)
        if row is not None and row.now["revision"] > batch.end.revision:
            raise RulesMoved.to(one, row.now["revision"])
    asked.take([next(answers) for _ in asked.queries])
    rest = [*answers]
    # Of a rollout of another source only the checkpoint advances here, without rows.
    elsewhere = {one for one in fresh if str(claimed[one]) != tx.source}
    elsewhere |= {one for one, row in stored.items() if row.now["elsewhere"]}
    values = {
        one: values_of(batch, stored.get(one), tx.now_ms, elsewhere=one in elsewhere)
        for one, batch in by_id.items()
    }
    for one in elsewhere:
        _pass_over(tx, one, stored.get(one), values[one], fresh=one in fresh)
    here = {one: batch for one, batch in by_id.items() if one not in elsewhere}
    await read_unit(tx, here, stored, values, rest, fresh=bool(fresh), follow=follow)
    await _fold(tx, here, values, asked)
    await tx.commit()


def _related(batches: Collection[Batch]) -> tuple[list[str], list[str]]:
    """Return the rollouts that rollouts continue, and the threads that they belong to."""
    bases = {batch.header.base.rollout_id for batch in batches if batch.header.base}
    return sorted(bases), sorted({batch.thread_id for batch in batches})


def at_start(rollout_id: RolloutId, row: Rollout | None, batch: Batch) -> None:
    """Check that a rollout is at a batch's start.

    Raises:
        CheckpointMoved: it is not.
    """
    stands = (row.now["generation"], row.now["next_offset"]) if row else None
    begins = (batch.start.generation, batch.start.offset) if batch.start else None
    if stands != begins:
        raise CheckpointMoved.found(rollout_id, begins, stands)


def at_checkpoint(rollout_id: RolloutId, expected: Checkpoint, found: Checkpoint | None) -> None:
    """Check that a rollout is at a checkpoint.

    Raises:
        CheckpointMoved: it is not.
    """
    stands = (found.generation, found.offset) if found else None
    if stands != (expected.generation, expected.offset):
        raise CheckpointMoved.found(rollout_id, (expected.generation, expected.offset), stands)


def _pass_over(
    tx: Transaction, rollout_id: RolloutId, row: Rollout | None, values: dict[str, Any], *,
    fresh: bool,
) -> None:  # fmt: skip
    """Advance the checkpoint of a rollout that another source has."""
    stub = row or Rollout(tx.source, rollout_id, {})
    stub.now = {**stub.now, **values}
    tx.last += save_unit_of_work.rollouts([stub])
    if fresh:
        tx.anomalies.append((rollout_id, SECOND_HOST, False))


async def read_unit(
    tx: Transaction,
    here: Mapping[RolloutId, Batch],
    stored: Mapping[RolloutId, Rollout],
    values: Mapping[RolloutId, dict[str, Any]],
    rest: Sequence[list[Row]],
    *,
    fresh: bool = False,
    follow: bool = False,
) -> None:
    """Take what was read of lineage and threads, or read more of it where chains change.

    `rest`: what `ends_of_threads` and `continued` gave. Where rollouts are `fresh`, there is more:
    if all may `follow` one, the numbers of their threads' events; else their family.
    """
    unit = tx.unit
    old = {one: stored[one] for one in here if one in stored}
    relinked = [
        one
        for one, row in old.items()
        if row.lineage(row.now) != row.lineage({**row.now, **values[one]})
    ]
    bases, threads = _related(here.values())
    threads = sorted({*threads, *(stored[one].thread_id for one in relinked)})
    new = [one for one in here if one not in old]
    if relinked:
        if not fresh and (claim := [*bases, *threads]):
            await tx.wire.execute(ownership.claim((), claim, tx.source))
        await tx.family([*here], threads, bases)
    else:
        continued = {one for (one,) in rest[4]}
        if not new or not follow or not _take_followed(tx, new, values, rest, continued):
            for known in (unit.threads, unit.rollouts, unit.names, unit.counts):
                known.clear()
            if new:
                new_bases, new_threads = _related([here[one] for one in new])
                await tx.family(new, new_threads, new_bases, None if follow else rest[5])
            take_ends(unit, rest[:4])
        if _shown_by_ends(unit, old, values, continued):
            await _tell_heirs(tx, old, values, continued)
        else:
            whole = await tx.wire.execute(*load_unit_of_work.threads_with([*old]))
            others = {
                one: thread for one, thread in unit.threads.items()
                if not old.keys() & {part.rollout_id for part in thread.parts}
            }  # fmt: skip
            unit.threads.clear()
            take_ends(unit, whole)
            unit.threads.update(others)
    unit.rollouts.update(old)
    unit.begin()


def take_ends(unit: UnitOfWork, read: Sequence[list[Row]]) -> None:
    """Take the results of `ends_of_threads` or `threads_with`."""
    states, parts, names, rollouts = read
    load_unit_of_work.take_threads(unit, states, parts, names)
    for row in map(load_unit_of_work.rollout_of, rollouts):
        unit.rollouts[row.rollout_id] = row


def _may_follow(batch: Batch) -> bool:
    """True if a new rollout may be a revert, a stray file, or its whole thread."""
    first = str(batch.thread_id) == batch.file.name.rollout_id
    return first == (batch.header.base is None) or not first


def _take_followed(
    tx: Transaction,
    new: Sequence[RolloutId],
    values: Mapping[RolloutId, dict[str, Any]],
    rest: Sequence[list[Row]],
    continued: Collection[str],
) -> bool:
    """Take the ends of chains, if new rollouts take no more than those: see `_follow`."""
    take_ends(tx.unit, rest[:4])
    for thread_id, kind, count in rest[5]:
        tx.unit.counts[thread_id, kind] = count
    return _follow(tx, [Rollout(tx.source, one, values[one]) for one in new], continued)


def _follow(tx: Transaction, new: Sequence[Rollout], continued: Collection[str]) -> bool:
    """True if each new rollout goes behind a part that was read, or is older than the current one.

    So a revert reads what it cuts off: see `UnitOfWork.relink`. False: the chains have to be read
    whole.
    """
    unit = tx.unit
    chains: dict[ThreadId, list[tuple[int, str]]] = {}
    newest: dict[ThreadId, Rollout] = {}
    bases = {row.now["base_rollout_id"] for row in new}
    for row in new:
        one, thread_id, base = row.rollout_id, row.thread_id, row.now["base_rollout_id"]
        thread = unit.threads.get(thread_id)
        if one in continued:
            return False
        if thread is None or thread.state is None:
            if base is not None or one in bases or thread_id in newest:
                return False
            newest[thread_id] = row
            chains[thread_id] = []
            continue
        before = newest.get(thread_id) or unit.rollouts.get(thread.state.rollout_id)
        if before is None or before.thread_id != thread_id:
            return False
        if one not in bases and row.candidate < before.candidate:
            continue
        read = zip(thread.numbers, (str(part.rollout_id) for part in thread.parts), strict=True)
        chain = chains.setdefault(thread_id, [*read])
        at = next((at for at, (_, name) in enumerate(chain) if name == base), None)
        if (
            at is None
            or row.candidate < before.candidate
            or thread.state.incomplete
            or thread.state.source != tx.source
            or chain[-1][0] - chain[at][0] != len(chain) - 1 - at
            or chain[at][0] + 1 >= MAX_PARTS
            or any(part.source != tx.source for part in thread.parts)
        ):
            return False
        known = unit.rollouts.get(RolloutId(base))
        if not any(other.rollout_id == base for other in new) and (
            known is None or known.source != tx.source or known.thread_id != thread_id
        ):
            return False
        chain[at + 1 :] = [(chain[at][0] + 1, one)]
        newest[thread_id] = row
    return True


def _shown_by_ends(
    unit: UnitOfWork,
    old: Mapping[RolloutId, Rollout],
    values: Mapping[RolloutId, Any],
    continued: Collection[str],
) -> bool:
    """True if what batches change is shown of threads whatever the parts have that were not read.

    Of a current rollout, so are values that it has before and after. A value that comes or goes,
    and what the oldest part says, may be what others have, too.
    """
    changes = {one: passed_on(row.now, {**row.now, **values[one]}) for one, row in old.items()}

    def comes_or_goes(one: RolloutId) -> bool:
        was, now = old[one].now, {**old[one].now, **values[one]}
        return bool(changes[one].intersection(OPENING)) or any(
            was[name] is None or now[name] is None for name in changes[one]
        )

    if any(comes_or_goes(one) for one in old if one in continued):
        return False
    for thread in unit.threads.values():
        if thread.whole or thread.state is None or thread.state.rollout_id not in old:
            continue
        if comes_or_goes(thread.state.rollout_id):
            return False
    return True


async def _tell_heirs(
    tx: Transaction,
    old: Mapping[RolloutId, Rollout],
    values: Mapping[RolloutId, Any],
    continued: Collection[str],
) -> None:
    """Add entries of the threads that inherit what changes of an older part."""
    columns = {
        one: bits(passed_on(row.now, {**row.now, **values[one]}))
        for one, row in old.items()
        if one in continued
    }
    if any(columns.values()):
        (heirs,) = await tx.wire.execute(load_unit_of_work.heirs(columns))
        tx.heirs.extend(heirs)


async def _fold(
    tx: Transaction,
    here: Mapping[RolloutId, Batch],
    values: Mapping[RolloutId, dict[str, Any]],
    asked: RowLoader,
) -> None:
    unit = tx.unit
    seen: dict[RolloutId, list[EventState]] = {}
    for one in here:
        row = unit.rollouts.get(one)
        left: list[ThreadId] = []
        if row is None:
            row = unit.rollouts[one] = Rollout(tx.source, one, values[one])
        else:
            left = [row.thread_id]
            row.now.update(values[one])
        if row.relinked:
            before = len(unit.events)
            unit.relink([one], left=left)
            seen[one] = unit.events[before:]
            if left and left[0] != row.thread_id:
                tx.first += other_thread(tx.source, one, row.thread_id)
                tx.first += usages.rethread(tx.source, one, left[0], row.thread_id)
    for one, batch in here.items():
        rows = asked.rows[one]
        rows.indexing = batch.indexing
        rows.move(unit.moved.get(one, 0))
        row = unit.rollouts[one]
        for event in rows.events.values():
            event.thread_id = row.thread_id
        apply(rows, batch.changes, start=row.start, thread_id=row.thread_id, now_ms=tx.now_ms)
        take(tx, rows, seen.get(one, ()))
    own = {id(usage) for rows in tx.rows for usage in rows.usage.values()}
    for usage in asked.responses:
        if id(usage) not in own:
            usage.position += unit.moved.get(RolloutId(usage.rollout_id), 0)
    tx.responses.extend(asked.responses)
    repeat(tx, asked.repeats)
    _repeat_shared(tx)
    gone = [
        (rows.rollout_id, turn.turn_id, load_unit_of_work.ALL)
        for rows in tx.rows if rows.older for turn in rows.turns.values()
    ]  # fmt: skip
    if gone:
        await repeat_turns(tx, gone)


def _repeat_shared(tx: Transaction) -> None:
    """Count the repeated turns of the parts that get a turn that another part has."""
    put = {rows.rollout_id: {turn.turn_id for turn in rows.turns.values()} for rows in tx.rows}
    for thread_id, thread in tx.unit.threads.items():
        seen: set[str] = set()
        for number, part in zip(thread.numbers, thread.parts, strict=True):
            turns = put.get(part.rollout_id, set())
            if turns & seen:
                tx.unit.repeat.setdefault(thread_id, set()).add(number)
            seen |= turns


def repeat(tx: Transaction, parts: Sequence[Row]) -> None:
    """Count the repeated turns of parts again; those of other threads are skipped."""
    unit = tx.unit
    parts = [row for row in parts if row[1] in unit.threads]
    # Of a chain that was read completely, or is computed again, all parts are here.
    some = [row for row in parts if not unit.threads[row[1]].whole]
    load_unit_of_work.take_parts(unit, some, late=True)
    for _, thread_id, *_, number in parts:
        unit.repeat.setdefault(thread_id, set()).add(number)


async def repeat_turns(tx: Transaction, turns: Sequence[tuple[str, str, int]]) -> None:
    """Count repeated turns again after turns of rollouts were inserted or deleted."""
    several = {
        part.rollout_id
        for thread in tx.unit.threads.values()
        if len(thread.parts) > 1 or not thread.whole
        for part in thread.parts
    }
    turns = [one for one in turns if one[0] in several]
    if not turns:
        return
    (parts,) = await tx.wire.execute(load.repeats(tx.source, turns))
    repeat(tx, parts)
    whose = {rollout_id for rollout_id, *_ in turns}
    for thread_id, thread in tx.unit.threads.items():
        for number, part in zip(thread.numbers, thread.parts, strict=True):
            if part.rollout_id in whose:
                tx.unit.repeat.setdefault(thread_id, set()).add(number)


def take(tx: Transaction, rows: Rows, seen: Iterable[EventState] = ()) -> None:
    """Add the rows of a rollout to the transaction; `seen`: events with earlier feed entries."""
    tx.rows.append(rows)
    tx.events.extend(seen)
    tx.events.extend(rows.events.values())
    tx.anomalies.extend(
        (rows.rollout_id, Anomaly(kind, Offset(offset), length, detail), from_batch)
        for (offset, length, kind, detail), from_batch in rows.anomalies.items()
    )
    tx.limits.extend((rows.rollout_id, row) for row in rows.limits.values())
    tx.unit.tally(
        RolloutId(rows.rollout_id),
        [*places(rows.items.values())],
        [*places(rows.turns.values())],
    )


def other_thread(source: str, rollout_id: str, thread_id: str) -> list[Query]:
    """Move the events that a rollout's records reported to the thread that it names now."""
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
    """Return a rollout's columns after a batch. `anew`: records are counted from 0."""
    base, end = batch.header.base, batch.end
    counted = row.now["records"] if row and not anew else 0
    # Of a known rollout, these may have changed with another one of the same transaction.
    begun = {} if row else {"start_position": 0, "items": 0, "turns": 0}
    return {
        "thread_id": escapes.text(batch.thread_id),
        "base_rollout_id": base and escapes.text(base.rollout_id),
        "base_end_ordinal": base and base.end_ordinal,
        "base_end_offset": base and base.end_offset,
        "elsewhere": elsewhere,
        **lies(batch.file, batch.thread_id),
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
        "lacks": lacking({name: getattr(batch.meta, name) for name in INHERITED}),
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
    """Return the state of the file in which a rollout was seen last."""
    now = row.now
    inode = min(now["inode"], (1 << 63) - 1)
    path = escapes.plain(now["path"])
    return FileState(inode, now["size"], now["mtime_ns"], now["compressed"], now["ctime_ns"], path)


def lies(file: RolloutFile, thread_id: ThreadId) -> dict[str, Any]:
    """Return the columns that say where a rollout is."""
    return {
        "home": escapes.text(file.home),
        "path": escapes.text(file.path),
        "archived": file.archived,
        "named": is_named_for(file.path, thread_id),
        "compressed": file.name.compressed,
        "size": file.size,
        "mtime_ns": file.mtime_ns,
        "ctime_ns": file.ctime_ns,
        "device": file.device,
        "inode": file.inode,
        "gone_at_ms": None,
    }
