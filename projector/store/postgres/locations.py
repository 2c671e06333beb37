"""Writes where rollouts are, deletes rollouts, sets names of threads, and notes anomalies."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Final

from projector.model.changes import Anomaly
from projector.model.ids import FileState, Offset, RolloutFile, RolloutId, ThreadId
from projector.store.postgres import load_unit_of_work, sanitize, save, save_unit_of_work
from projector.store.postgres import text as escapes
from projector.store.postgres import usage as usages
from projector.store.postgres.feed_entries import FeedEntry
from projector.store.postgres.pipeline import Pipeline, Row
from projector.store.postgres.transaction import Transaction
from projector.store.postgres.unit_of_work import Rollout
from projector.store.postgres.write import lies, state_of, take_ends, trusted_in
from projector.store.rules.feed import EVENT, ITEM, REALTIME, TOMBSTONE, TURN
from projector.store.schema_names import REPLACED


async def _own(tx: Transaction, ids: Sequence[str]) -> tuple[dict[RolloutId, Rollout], set[str]]:
    """Read and lock rollouts of this source, their threads, and which of them are continued."""
    own, *unit, counts, continued = await tx.begin(
        load_unit_of_work.own(tx.source, ids),
        *load_unit_of_work.ends_of_threads({}, ids),
        load_unit_of_work.counts_of_threads(ids),
        load_unit_of_work.continued(ids),
    )
    stored = {row.rollout_id: row for row in map(load_unit_of_work.rollout_of, own)}
    take_ends(tx.unit, unit)
    for thread_id, kind, count in counts:
        tx.unit.counts[thread_id, kind] = count
    for one, row in stored.items():
        if not row.now["elsewhere"]:
            tx.unit.rollouts[one] = row
    tx.unit.begin()
    return stored, {one for (one,) in continued}


async def update_locations(tx: Transaction, files: Sequence[RolloutFile]) -> None:
    """Store where rollouts are now. Files of unknown rollouts are skipped."""
    by_id = {file.name.rollout_id: file for file in files}
    stored, _ = await _own(tx, [*by_id])
    for one, row in stored.items():
        row.now["trusted_bytes"] = trusted_in(row, by_id[one])
        row.now.update(lies(by_id[one], row.thread_id))
    await _refile(tx, stored)
    tx.last += save_unit_of_work.rollouts(row for row in stored.values() if row.now["elsewhere"])
    await tx.commit()


async def verified(tx: Transaction, file: RolloutFile) -> None:
    """Record that `file` has the bytes before the checkpoint, unless it was replaced meanwhile."""
    (own,) = await tx.begin(load_unit_of_work.own(tx.source, [file.name.rollout_id]))
    for row in map(load_unit_of_work.rollout_of, own):
        if not state_of(row).may_have_other_bytes_than(FileState.of(file)):
            row.now["trusted_bytes"] = file.size if row.now["size"] > file.size else None
            tx.last += save_unit_of_work.rollouts([row])
    await tx.commit()


async def _refile(tx: Transaction, stored: Mapping[RolloutId, Rollout]) -> None:
    """Choose the current rollouts of threads again after files appeared, vanished or moved.

    Usually that reads the last parts of their chains; else everything that a change can touch.
    """
    unit = tx.unit
    here = [one for one, row in stored.items() if not row.now["elsewhere"]]
    changed = [one for one in here if stored[one].relinked]
    if not changed:
        return
    threads = sorted({stored[one].thread_id for one in changed})
    chosen = await _currents(tx, threads, changed)
    if chosen is None or not all(unit.refile(*one) for one in chosen.items()):
        await _read_family(tx, here)
        unit.relink(changed)
    tx.events.extend(unit.events)


async def _read_family(tx: Transaction, rollout_ids: Sequence[RolloutId]) -> None:
    """Read everything that a change of rollouts can touch, not only the ends of chains."""
    unit = tx.unit
    now = {one: unit.rollouts[one] for one in rollout_ids}
    for known in (unit.threads, unit.rollouts, unit.names, unit.counts, unit.repeat):
        known.clear()
    unit.events.clear()
    await tx.family(rollout_ids, sorted({row.thread_id for row in now.values()}))
    after = {one: row.now for one, row in now.items()}
    for one, row in now.items():
        row.now = dict(row.was or {})
        unit.rollouts[one] = row
    unit.begin()
    for one, row in now.items():
        row.now = after[one]


async def _currents(
    tx: Transaction,
    threads: Sequence[ThreadId],
    changed: Sequence[RolloutId],
    gone: Collection[RolloutId] = (),
) -> dict[ThreadId, RolloutId] | None:
    """Return the current rollouts of threads after some `changed`; those `gone` do not count.

    Reads what it takes to make chains end with them. None: that is not enough.
    """
    unit = tx.unit
    before: dict[ThreadId, Rollout] = {}
    for thread_id in threads:
        state = unit.threads[thread_id].state if thread_id in unit.threads else None
        row = unit.rollouts.get(state.rollout_id) if state else None
        if row is None or row.thread_id != thread_id or row.source != tx.source:
            return None
        before[thread_id] = row
    among = {one: [] if row.rollout_id in gone else [row] for one, row in before.items()}
    for one in changed:
        if one not in gone:
            among[unit.rollouts[one].thread_id].append(unit.rollouts[one])
    # Where the current one is less than it was, any other may be it now.
    less = [
        thread_id
        for thread_id, row in before.items()
        if row.rollout_id in gone or row.candidate < row.candidate_of(row.was or row.now)
    ]
    if less:
        (found,) = await tx.wire.execute(load_unit_of_work.next_current(less, changed))
        for row in map(load_unit_of_work.rollout_of, found):
            among[row.thread_id].append(unit.rollouts.setdefault(row.rollout_id, row))
    if not all(among.values()):
        return None
    chosen = {one: max(some, key=lambda row: row.candidate) for one, some in among.items()}
    switched = {one: row for one, row in chosen.items() if row is not before[one]}
    if switched and not await _read_tails(tx, switched):
        return None
    return {thread_id: row.rollout_id for thread_id, row in chosen.items()}


async def _read_tails(tx: Transaction, switched: Mapping[ThreadId, Rollout]) -> bool:
    """Read the parts of chains from those on that new current rollouts are, or continue.

    False: another source has one of them.
    """
    parts, rows = await tx.wire.execute(
        *load_unit_of_work.tails([*switched], [row.rollout_id for row in switched.values()])
    )
    load_unit_of_work.take_parts(tx.unit, parts)
    for row in map(load_unit_of_work.rollout_of, rows):
        tx.unit.rollouts.setdefault(row.rollout_id, row)
    sources = {row.source for row in switched.values()}
    for thread_id in switched:
        sources |= {part.source for part in tx.unit.threads[thread_id].parts}
    return sources == {tx.source}


async def mark_missing(tx: Transaction, rollout_ids: Sequence[RolloutId]) -> None:
    """Record that files are gone; their rows stay."""
    stored, _ = await _own(tx, rollout_ids)
    for row in stored.values():
        if row.there:
            row.now["gone_at_ms"] = tx.now_ms
    await _refile(tx, stored)
    tx.last += save_unit_of_work.rollouts(row for row in stored.values() if row.now["elsewhere"])
    await tx.commit()


#: Tables whose rows are deleted with their rollout without feed entries.
_OWNED: Final = (
    "_realtime_items",
    "_anomaly_rows",
    "_limit_rows",
    "_frames",
    "_kept_rows",
    "_changed_files",
    "_items",
    "_turns",
)
_PURGED: Final = (
    (TURN, "_turns", "x.rollout_id, x.turn_id, NULL, x.uid, NULL", ""),
    (ITEM, "_items", "x.rollout_id, x.turn_id, x.item_id, x.uid, x.type", ""),
    (REALTIME, "_realtime_items", "x.rollout_id, NULL, x.item_id, x.uid, x.type", ""),
    (EVENT, "_events", "x.rollout_id, x.turn_id, NULL, x.uid, x.type", " AND x.from_record"),
)


async def purge(tx: Transaction, rollout_ids: Sequence[RolloutId]) -> None:
    """Delete all rows of rollouts, except events that no record reports."""
    stored, continued = await _own(tx, rollout_ids)
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
    *rows, found = await tx.wire.execute(*told, *usages.of_rollouts(tx.source, ids))
    for (kind, *_), some in zip(_PURGED, rows[: len(_PURGED)], strict=True):
        tx.told.extend(
            FeedEntry(
                kind, TOMBSTONE, tx.source, stored[rollout_id].thread_id, rollout_id, turn_id,
                item_id, uid.bytes, type_,
            )
            for rollout_id, turn_id, item_id, uid, type_ in some
        )  # fmt: skip
    spent = [usages.of_row(row) for row in found]
    for row in spent:
        row.mark_tombstone(REPLACED)
    if spent:
        named = sorted({row.response_id for row in spent if row.response_id is not None})
        *_, first = await tx.wire.execute(*usages.first_of(named, tx.source, ids))
        tx.responses.extend(map(usages.of_row, first))
        for row in spent:
            row.put = False  # deleted
        tx.responses.extend(spent)
    tx.first += [
        *((f"DELETE FROM {table} WHERE source_id = %s AND rollout_id = ANY(%s)", place)
          for table in _OWNED),
        ("DELETE FROM _events WHERE source_id = %s AND rollout_id = ANY(%s) AND from_record",
         place),
        ("UPDATE _events SET rollout_id = NULL WHERE source_id = %s AND rollout_id = ANY(%s)",
         place),
    ]  # fmt: skip
    tx.last += [
        (f"DELETE FROM {table} WHERE source_id = %s AND rollout_id = ANY(%s)", place)
        for table in ("_usage", "_rollouts")
    ]
    tx.last.append((
        "UPDATE _claims SET source_id = NULL WHERE source_id = %s AND rollout_id = ANY(%s)",
        place,
    ))  # fmt: skip
    unit = tx.unit
    here = [one for one, row in stored.items() if not row.now["elsewhere"]]
    threads = list(dict.fromkeys(unit.rollouts[one].thread_id for one in here))
    chosen = None if continued else await _currents(tx, threads, here, here)
    unit.purged.update(here)
    if chosen is None or not all(unit.refile(*one) for one in chosen.items()):
        await _read_family(tx, here)
        unit.relink(here, threads)
    for one in here:
        unit.rollouts[one].now = dict(unit.rollouts[one].was or {})
    for event in unit.events:
        if event.rollout_id in stored:
            event.rollout_id = None
    tx.events.extend(unit.events)
    left = {row.thread_id for one, row in unit.rollouts.items() if one not in unit.purged}
    for thread_id in threads:
        if thread_id not in left:
            forget(tx, thread_id)
    await tx.commit()


def forget(tx: Transaction, thread_id: ThreadId) -> None:
    """Delete a thread's name, and the names in its events."""
    tx.unit.names.pop((tx.source, thread_id), None)
    tx.last += [
        ("DELETE FROM _names WHERE source_id = %s AND thread_id = %s", (tx.source, thread_id)),
        (
            "UPDATE _events SET payload = '{}', escaped = false"
            " WHERE source_id = %s AND thread_id = %s",
            (tx.source, thread_id),
        ),
    ]


async def add_anomalies(
    tx: Transaction, rollout_id: RolloutId, anomalies: Sequence[Anomaly]
) -> None:
    """Insert anomalies of a rollout; does nothing for an unknown one."""
    (own,) = await tx.begin(load_unit_of_work.own(tx.source, [rollout_id]))
    if not own:
        await tx.leave()
        return
    tx.anomalies.extend((rollout_id, one, False) for one in anomalies)
    await tx.commit()


async def noted_anomalies(wire: Pipeline, source: str, kind: str) -> dict[RolloutId, list[Anomaly]]:
    """Return a source's anomalies of a kind that were inserted outside of batches."""
    (rows,) = await wire.execute(
        (
            "SELECT rollout_id, byte_offset, byte_length, detail FROM _anomaly_rows"
            " WHERE source_id = %s AND kind = %s AND NOT from_batch",
            (source, kind),
        )
    )
    found: dict[RolloutId, list[Anomaly]] = {}
    for rollout_id, offset, length, detail in rows:
        found.setdefault(RolloutId(rollout_id), []).append(
            Anomaly(kind, Offset(offset), length, escapes.plain(detail))
        )
    return found


async def remove_anomalies(
    wire: Pipeline, source: str, rollout_id: RolloutId, anomalies: Sequence[Anomaly]
) -> None:
    """Delete anomalies that were inserted outside of batches."""
    written = [sanitize.anomaly(one) for one in anomalies]
    await wire.begin(
        (
            "DELETE FROM _anomaly_rows AS a USING unnest(%s::bigint[], %s::bigint[], %s::text[],"
            " %s::text[]) AS k (byte_offset, byte_length, kind, detail)"
            " WHERE a.source_id = %s AND a.rollout_id = %s AND a.byte_offset = k.byte_offset"
            " AND a.byte_length = k.byte_length AND a.kind = k.kind AND a.detail = k.detail"
            " AND NOT a.from_batch",
            (
                [one.offset for one in written],
                [one.length for one in written],
                [one.kind for one in written],
                [one.detail for one in written],
                source,
                rollout_id,
            ),
        ),
        ("COMMIT", ()),
    )


async def set_names(tx: Transaction, names: Mapping[ThreadId, str]) -> None:
    """Set names of threads; unchanged names cost nothing."""
    wanted_names = {one: escapes.text(given) for one, given in names.items()}
    known, *read, counts = await tx.begin(
        (
            "SELECT thread_id, name FROM _names WHERE source_id = %s AND thread_id = ANY(%s)",
            (tx.source, [*wanted_names]),
        ),
        *load_unit_of_work.ends_of_threads({}, (), [*wanted_names]),
        load_unit_of_work.events_of([*wanted_names]),
    )
    now: dict[str, str] = dict(known)
    changed = {one: given for one, given in wanted_names.items() if now.get(one) != given}
    unit = tx.unit
    take_ends(unit, read)
    for thread_id, kind, count in counts:
        unit.counts[thread_id, kind] = count
    unit.begin()
    for thread_id, given in changed.items():
        unit.names[tx.source, thread_id] = given
        thread = unit.threads.get(thread_id)
        if thread is None or thread.state is None or thread.state.source == tx.source:
            # Else the source that has it appends the entry.
            unit.event(thread_id, None, "thread.renamed", {"name": names[thread_id]})
    tx.events.extend(unit.events)
    tx.last += save.names(changed, tx.source)
    await tx.commit()


async def delete_name(tx: Transaction, thread_id: ThreadId) -> None:
    """Delete a thread's name."""
    take_ends(tx.unit, await tx.begin(*load_unit_of_work.ends_of_threads({}, (), [thread_id])))
    tx.unit.begin()
    forget(tx, thread_id)
    await tx.commit()


async def rebuild_derived(tx: Transaction) -> None:
    """Delete rows of unknown rollouts; compute chains, positions and counters again."""
    place = (tx.source,)
    ids, lost = await tx.begin(
        ("SELECT rollout_id, thread_id FROM _rollouts WHERE source_id = %s AND NOT elsewhere"
         " ORDER BY 1", place),
        ("SELECT thread_id FROM _thread_states WHERE source_id = %s"
         " UNION SELECT thread_id FROM _thread_parts WHERE source_id = %s", place * 2),
    )  # fmt: skip
    orphan = (
        "x.source_id = %s AND NOT EXISTS (SELECT 1 FROM _rollouts AS r"
        " WHERE r.source_id = x.source_id AND r.rollout_id = x.rollout_id)"
    )
    gone_rows: list[list[Row]] = await tx.wire.execute(*(
        (f"SELECT {columns} FROM {table} AS x WHERE {orphan} AND x.tombstone = 0"
         " ORDER BY x.position", place)
        for kind, table, columns, _ in _PURGED if kind != EVENT
    ))  # fmt: skip
    for (kind, *_), some in zip(_PURGED, gone_rows, strict=False):
        tx.told.extend(
            FeedEntry(kind, TOMBSTONE, tx.source, rollout_id, rollout_id, turn_id, item_id,
                      uid.bytes, type_)
            for rollout_id, turn_id, item_id, uid, type_ in some
        )  # fmt: skip
    tx.first += [
        (f"DELETE FROM {table} AS x WHERE {orphan}", place) for table in (*_OWNED, "_usage")
    ]
    tx.last += usages.add_up(tx.source)
    rollout_ids = [one for one, _ in ids]
    thread_ids = sorted({*(one for _, one in ids), *(one for (one,) in lost)})
    await tx.family(rollout_ids, thread_ids)
    unit = tx.unit
    unit.begin()
    have = {row.thread_id for row in unit.rollouts.values()}
    unit.relink(rollout_ids, [ThreadId(one) for (one,) in lost if one not in have])
    tx.events.extend(unit.events)
    items, turns = await tx.wire.execute(*(
        (f"SELECT rollout_id, count(*) FROM {table} WHERE source_id = %s AND tombstone = 0"
         " GROUP BY 1", place)
        for table in ("_items", "_turns")
    ))  # fmt: skip
    for found, column in ((items, "items"), (turns, "turns")):
        counted: dict[str, int] = dict(found)
        for one in rollout_ids:
            unit.rollouts[one].now[column] = counted.get(one, 0)
    for thread in unit.threads.values():
        for part in thread.parts:
            part.counted, part.repeated = False, 0
    unit.repeat.update({one: set(thread.numbers) for one, thread in unit.threads.items()})
    await tx.commit()
