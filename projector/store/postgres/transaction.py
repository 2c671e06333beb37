"""One transaction of a source: reads under the source's lock, writes and appends to the feed.

1. The row of the source is locked first. So its writers are serialised, numbers of the feed grow in
   the order of commits, and what was read stays true to the end.
2. Rollouts of a batch are locked next; a transaction that computes a chain locks the rollouts of
   the chain, or the claims of missing ones. So sources whose rollouts continue each other see each
   other's rows.
3. A transaction that reads the rows of a model response first waits for any other that chooses
   which of them counts (the table `_settling`), whatever its source.
4. Everything is written, and committed, in the last round trip. One more comes before it if rows
   must be counted after they are written.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Sequence
from typing import Final

from projector.model.changes import Anomaly, LimitRow
from projector.model.errors import StoreReplaced
from projector.model.ids import RolloutId, ThreadId
from projector.store.postgres import feed, load_unit_of_work, ownership, save, save_unit_of_work
from projector.store.postgres import usage as usages
from projector.store.postgres.apply import EventState, Rows
from projector.store.postgres.feed_entries import FeedEntry, RowEntries, op_of, told_event
from projector.store.postgres.pipeline import Pipeline, Query, Row
from projector.store.postgres.save import Search
from projector.store.postgres.unit_of_work import UnitOfWork
from projector.store.postgres.usage import Usage
from projector.store.rules import usage as rules
from projector.store.rules.feed import (
    ITEM,
    MARK_BITS,
    REALTIME,
    THREAD,
    TURN,
    UNKNOWN,
    UPDATE,
    Cursor,
    FeedState,
    Newest,
    rewound,
)


class Transaction:
    """A transaction. Call `begin` first and `commit` last."""

    def __init__(self, wire: Pipeline, source: str, now_ms: int, known: Newest = UNKNOWN) -> None:
        """Create it; `known`: the newest entry of the feed that this process wrote."""
        self.wire: Final = wire
        self.source: Final = source
        self.now_ms: Final = now_ms
        self.unit: Final = UnitOfWork(source, now_ms)
        self.search = Search("off", 0, 0)
        self.rows: Final[list[Rows]] = []
        self.events: Final[list[EventState]] = []
        """In the order of the feed."""
        self.responses: Final[list[Usage]] = []
        """The first living rows of reported responses."""
        self.anomalies: Final[list[tuple[str, Anomaly, bool]]] = []
        self.limits: Final[list[tuple[str, LimitRow]]] = []
        self.first: list[Query] = []
        """Statements before the rows."""
        self.last: list[Query] = []
        """Statements after the rows."""
        self.told: Final[list[FeedEntry]] = []
        """Feed entries before all others."""
        self.row_entries: Final = RowEntries()
        """Feed entries of rows that are written already."""
        self.spent_elsewhere: Final[list[FeedEntry]] = []
        """Feed entries of threads that were not read, and whose tokens change."""
        self.heirs: Final[list[Row]] = []
        """Threads that inherit what changes of an older part: source, thread, current rollout."""
        self.newest = known
        """The newest known entry of the feed."""
        self._stored = UNKNOWN

    async def begin(self, *queries: Query) -> list[list[Row]]:
        """Begin, lock the source, and run further queries, in one round trip."""
        locked, *answers = await self.wire.begin((load_unit_of_work.LOCK, (self.source,)), *queries)
        if not locked:
            raise StoreReplaced("the source's row was taken away: all of it is projected anew")
        ((feed_id, last, mark, what, text_bytes, number),) = locked
        self.search = Search(what, text_bytes, number)
        self._stored = Newest(feed_id.bytes, Cursor(last, mark))
        if self.newest not in (UNKNOWN, self._stored):
            await self._see_whether_it_was_rewound()
        return answers

    async def _see_whether_it_was_rewound(self) -> None:
        """Store it if the feed no longer has the newest known entry."""
        feed_id, known = self.newest
        (((*state, mark),),) = await self.wire.execute(feed.standing(self.source, known.seq))
        same = feed_id == self._stored.feed_id
        if lost := rewound(known, FeedState(*state), mark, same_feed=same):
            self.first.append(feed.rewind(self.source, lost))

    async def family(
        self,
        rollout_ids: Collection[str],
        thread_ids: Collection[str] = (),
        bases: Collection[str] = (),
        read: Sequence[Row] | None = None,
    ) -> None:
        """Read all that a change of rollouts can touch; lock what has to stay unchanged.

        `bases`: rollouts that they will continue; their claims and those of `rollout_ids` are
        locked already. `read`: the result of `load_unit_of_work.family` for them.
        """
        ask = load_unit_of_work.family([*rollout_ids], [*thread_ids], [*bases])
        if read is None:
            (read,) = await self.wire.execute(ask)
        locked: set[str] = {*bases, *rollout_ids}
        while True:
            found = {row.rollout_id: row for row in map(load_unit_of_work.rollout_of, read)}
            foreign = {one for one, row in found.items() if row.source != self.source}
            missing = {
                base
                for row in found.values()
                if (base := row.now["base_rollout_id"]) and base not in found
            }
            if not (foreign | missing) - locked:
                break
            # Rows read before the lock may have changed.
            locked |= foreign | missing
            *_, read = await self.wire.execute(
                *([load_unit_of_work.locked(sorted(foreign))] if foreign else []),
                *([ownership.claim((), missing, self.source)] if missing else []),
                ask,
            )
        self.unit.rollouts.update(found)
        wanted = {*thread_ids, *self.unit.threads_below([*rollout_ids])}
        states, parts, names, counts = await self.wire.execute(
            *load_unit_of_work.threads(sorted(wanted))
        )
        self.unit.threads.clear()
        load_unit_of_work.take_threads(self.unit, states, parts, names)
        for thread_id, kind, count in counts:
            self.unit.counts[thread_id, kind] = count

    async def commit(self) -> None:
        """Write the changed rows, append to the feed, and commit."""
        unit = self.unit
        usage = [row for rows in self.rows for row in rows.usage.values()]
        for row in usage:
            row.thread_id = unit.rollouts[RolloutId(row.rollout_id)].thread_id
        # An unchanged row may be of a response that was not asked for: see `responses`.
        settled = usages.settled(usage, self.responses)
        sums = rules.changes(settled)
        await self._spent(sums)
        writes: list[Query] = [
            *self.first,
            *save_unit_of_work.moved(unit, unit.moved),
            *save.rows(self.rows, self.search),
            *usages.written(settled, sums, self.source),
        ]
        counts = save_unit_of_work.counts(unit)
        if counts or unit.moved:
            moved = _moved(unit)
            answers = await self.wire.execute(*writes, *moved, *counts)
            writes = []
            if counts:
                save_unit_of_work.take_counts(unit, answers[-len(counts) :])
            unit.add_up_repeated()
            begin = len(answers) - len(counts) - len(moved)
            moved_rows = answers[begin : begin + len(moved)]
        else:
            unit.add_up_repeated()
            moved_rows = []
        told = self._told(moved_rows)
        newest = self._stored
        if told:
            last = Cursor(newest.cursor.seq + len(told), secrets.randbits(MARK_BITS))
            newest = newest._replace(cursor=last)
        noted = [*self.anomalies, *((one, odd, False) for one, odd in unit.anomalies)]
        await self.wire.execute(
            *writes,
            *save_unit_of_work.rollouts(unit.rollouts.values()),
            *save_unit_of_work.threads(unit),
            *save.anomalies(noted, self.source, self.now_ms),
            *save.limits(self.limits, self.source),
            *save.events((row for row in self.events if row.was != row.state()), self.source),
            *save.feed(told, newest.cursor, self.source, self.now_ms),
            *self.last,
            ("COMMIT", ()),
        )
        self.newest = newest

    async def _spent(self, sums: rules.Sums) -> None:
        """Add entries of the threads whose tokens change, also of those that were not read yet."""
        unit = self.unit
        spent = {ThreadId(one) for (_, one), amounts in sums.threads.items() if amounts[-1]}
        unit.spent |= spent & unit.threads.keys()
        others = sorted(spent - unit.threads.keys())
        heirs = {ThreadId(row[1]): row for row in self.heirs}
        unit.spent |= heirs.keys() & unit.threads.keys()
        others = [one for one in others if one not in heirs]
        for source, thread_id, rollout_id in heirs.values():
            if thread_id not in unit.threads:
                self.spent_elsewhere.append(
                    FeedEntry(THREAD, UPDATE, str(source), thread_id, rollout_id)
                )
        if others:
            states, *_ = await self.wire.execute(*load_unit_of_work.threads(others))
            for source, thread_id, rollout_id, *_ in states:
                self.spent_elsewhere.append(
                    FeedEntry(THREAD, UPDATE, str(source), thread_id, rollout_id)
                )

    async def leave(self) -> None:
        """Roll back."""
        await self.wire.execute(("ROLLBACK", ()))

    def _told(self, moved: Sequence[Sequence[Row]]) -> list[FeedEntry]:
        """Return the entries in their order; new events get their numbers."""
        told = [*self.told]
        changed: list[FeedEntry] = []
        for event in self.events:
            if op := op_of(event):
                if event.was is None:
                    event.seq = self._stored.cursor.seq + 1 + len(told)
                    told.append(told_event(event, self.source, op))
                else:
                    changed.append(told_event(event, self.source, op))
        told += changed
        for rows in self.rows:
            thread_id = self.unit.rollouts[rows.rollout_id].thread_id  # type: ignore[index] # an id
            self.row_entries.add(rows, thread_id)
        self.row_entries.add_moved(
            one for kind in (TURN, ITEM, REALTIME) for one in self._told_moved(kind, moved)
        )
        told += self.row_entries.in_order()
        return told + self.unit.told_threads() + self.spent_elsewhere

    def _told_moved(self, kind: int, moved: Sequence[Sequence[Row]]) -> Iterable[FeedEntry]:
        """Yield entries of stored rows whose positions changed with those of their rollout."""
        for rows in moved:
            for row in rows:
                if row[0] == kind:
                    source, rollout_id, turn_id, item_id, uid, type_ = row[1:]
                    thread_id = self.unit.rollouts[rollout_id].thread_id
                    yield FeedEntry(
                        kind, UPDATE, str(source), thread_id, rollout_id, turn_id, item_id,
                        uid.bytes, type_,
                    )  # fmt: skip


def _moved(unit: UnitOfWork) -> list[Query]:
    """Read the living rows of rollouts whose start position changed."""
    found: list[Query] = []
    for rollout_id in unit.moved:
        place = (unit.rollouts[rollout_id].source, rollout_id)
        for kind, table, item in (
            (TURN, "_turns", "x.turn_id, NULL, x.uid, NULL"),
            (ITEM, "_items", "x.turn_id, x.item_id, x.uid, x.type"),
            (REALTIME, "_realtime_items", "NULL, x.item_id, x.uid, x.type"),
        ):
            found.append((
                f"SELECT {kind}, x.source_id, x.rollout_id, {item} FROM {table} AS x"
                " WHERE x.source_id = %s AND x.rollout_id = %s AND x.tombstone = 0"
                " ORDER BY x.position",
                place,
            ))  # fmt: skip
    return found
