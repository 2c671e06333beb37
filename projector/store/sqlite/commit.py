"""Writes the batches of one transaction: of as many rollouts as possible with the same statements.

Nearly all batches continue a rollout whose place among others stays what it is, or begin one that
has to do with no other: these are *plain*, and neighbours are written together. A rollout that
continues another one, or changes its thread or base, is written by itself: chains of threads depend
on it.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from itertools import count, takewhile
from typing import Final, NamedTuple

from projector.model.ids import RolloutId
from projector.store.protocol import Batch
from projector.store.rules.lineage import EVERYTHING
from projector.store.sqlite import counters, rollouts, stale_threads, threads
from projector.store.sqlite.execute import of_keys
from projector.store.sqlite.rollouts import Row
from projector.store.sqlite.search_index import Texts
from projector.store.sqlite.write import Target, write

#: Queries of what a new rollout must not find, if it is to have to do with no other.
_ITS_THREAD: Final = (
    "SELECT thread_id FROM _rollouts WHERE thread_id IN ({keys})",
    "SELECT thread_id FROM _thread_states WHERE thread_id IN ({keys})",
    # Of rows that were purged: they say what of its files was told.
    "SELECT thread_id FROM _events WHERE thread_id IN ({keys}) AND from_record = 0",
)
_CONTINUING: Final = "SELECT base_rollout_id FROM _rollouts WHERE base_rollout_id IN ({keys})"


def commit(db: sqlite3.Connection, batches: Sequence[Batch], now_ms: int, texts: Texts) -> None:
    """Write batches of different rollouts; part of a transaction.

    Raises:
        CheckpointMoved: a rollout is not at its batch's start.
    """
    at, reach = 0, len(batches)
    while at < len(batches):
        # Looked up as far ahead as there may be plain ones, and not again and again.
        plain = _plain(db, batches[at : at + reach])
        _write_plain(db, plain, now_ms, texts)
        at += len(plain)
        if len(plain) < reach and at < len(batches):
            _write_alone(db, batches[at], now_ms, texts)
            at += 1
        reach = 2 * len(plain) + 2


class _Plain(NamedTuple):
    """A batch whose rollout has to do with no other."""

    batch: Batch
    row: Row | None
    """The rollout before it; None: it is new."""


def _plain(db: sqlite3.Connection, batches: Sequence[Batch]) -> list[_Plain]:
    """Return the first batches that are plain.

    Raises:
        CheckpointMoved: one of these is not at its start.
    """
    begun = Counter(batch.thread_id for batch in batches if batch.start is None)
    bases = {batch.header.base.rollout_id for batch in batches if batch.header.base is not None}

    def may_be(batch: Batch) -> bool:
        if batch.start is not None:
            return True
        return (
            batch.header.base is None
            and not batch.file.archived
            and begun[batch.thread_id] == 1
            and batch.file.name.rollout_id not in bases
            and (batch.thread_id + batch.file.path).isascii()
        )

    some = list(takewhile(may_be, batches))
    known = rollouts.lookup_all(db, [batch.file.name.rollout_id for batch in some])
    continued = counters.continued(db, [row.rollout for row in known.values()])
    new = [batch for batch in some if batch.start is None]
    thread_ids = [batch.thread_id for batch in new]
    met = {thread for sql in _ITS_THREAD for (thread,) in of_keys(db, sql, thread_ids)}
    rollout_ids = [batch.file.name.rollout_id for batch in new]
    met |= {base for (base,) in of_keys(db, _CONTINUING, rollout_ids)}

    def is_plain(batch: Batch) -> bool:
        row = known.get(batch.file.name.rollout_id)
        if row is None:
            return met.isdisjoint((batch.thread_id, batch.file.name.rollout_id))
        return row.rollout not in continued and row.lineage == rollouts.standing_of(batch)

    plain = []
    for batch in takewhile(is_plain, some):
        row = known.get(batch.file.name.rollout_id)
        rollouts.check_start(row, batch)
        plain.append(_Plain(batch, row))
    return plain


def _write_plain(
    db: sqlite3.Connection, plain: Sequence[_Plain], now_ms: int, texts: Texts
) -> None:
    (last,) = db.execute("SELECT coalesce(max(rollout), 0) FROM _rollouts").fetchone()
    numbers = count(last + 1)
    old = [(one.row, one.batch) for one in plain if one.row is not None]
    new = [(next(numbers), one.batch) for one in plain if one.row is None]
    _begin(db, new, now_ms)
    rollouts.advance_all(db, old, now_ms)
    stale_threads.mark(db, [one.batch.thread_id for one in plain])
    placed = [(row.rollout, row.start_position, batch) for row, batch in old]
    placed += [(rollout, 0, batch) for rollout, batch in new]
    changing = [one for one in placed if one[2].changes]
    since = {
        rollout: start + (batch.start.offset if batch.start else 0)
        for rollout, start, batch in changing
    }
    before = counters.counts_since(
        db, {row.rollout: since[row.rollout] for row, batch in old if batch.changes}
    )
    touched = write(
        db,
        [
            (_target(rollout, start, batch, now_ms, texts), batch.changes)
            for rollout, start, batch in changing
        ],
    )
    counters.tally_all(
        db,
        [
            counters.Counted(rollout, since[rollout], before.get(rollout, (0, 0)), each)
            for (rollout, _, _), each in zip(changing, touched, strict=True)
        ],
    )


def _begin(db: sqlite3.Connection, new: Sequence[tuple[int, Batch]], now_ms: int) -> None:
    """Insert rollouts, each the only one of its thread, without a base, and their threads."""
    rollouts.insert_all(db, new, now_ms)
    db.executemany(
        "INSERT INTO _thread_states (thread_id, rollout, archived, deleted, incomplete)"
        " VALUES (?, ?, 0, 0, 0)",
        [(batch.thread_id, rollout) for rollout, batch in new],
    )
    db.executemany(
        "INSERT INTO _thread_parts (thread_id, part, rollout, rollout_id, upto, items, turns)"
        f" VALUES (?, 0, ?, ?, {EVERYTHING}, 0, 0)",
        [(batch.thread_id, rollout, batch.file.name.rollout_id) for rollout, batch in new],
    )


def _write_alone(db: sqlite3.Connection, batch: Batch, now_ms: int, texts: Texts) -> None:
    rollout_id: RolloutId = batch.file.name.rollout_id
    old = rollouts.at_start(db, batch)
    row = rollouts.put(db, old, batch, now_ms)
    if old is None or old.lineage != row.lineage:
        left = [old.lineage.thread_id] if old else []
        threads.relink(db, [rollout_id], now_ms, left=left)
        row = rollouts.lookup(db, rollout_id) or row
    read_from = batch.start.offset if batch.start else 0
    counted = counters.before(db, row.rollout, row.start_position + read_from)
    to = _target(row.rollout, row.start_position, batch, now_ms, texts)
    (touched,) = write(db, [(to, batch.changes)])
    counters.tally(db, counted, touched)


def _target(rollout: int, start: int, batch: Batch, now_ms: int, texts: Texts) -> Target:
    same = batch.indexing == texts.indexing
    return Target("", rollout, batch.thread_id, start, now_ms, texts, extracted=same)
