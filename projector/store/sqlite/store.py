"""`Store` on SQLite: each method is one call on aiosqlite's thread, each write one transaction.

One connection writes and checkpoints the WAL: SQLite before 3.51.3 may damage a database if two do.
A method's whole work is one function that runs on that connection's thread, because each awaited
call costs 65 us. Cancelling an `await` does not stop what runs there.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Concatenate, Final, ParamSpec, Self, TypeVar

import aiosqlite
from msgspec.structs import astuple

from projector.model.changes import Anomaly, Lookup, LookupResult
from projector.model.errors import ProjectorError, StoreRefused, StoreReplaced, StoreUnavailable
from projector.model.ids import Checkpoint, RolloutFile, RolloutId, ThreadId
from projector.model.prices import Price
from projector.model.revisions import ProjectedBy
from projector.search.text import Extent
from projector.store import state_file
from projector.store.migrations import migrations
from projector.store.protocol import Batch, DaemonState, Heartbeat, Holder, Outdated, Totals
from projector.store.rollout_status import RolloutStatuses
from projector.store.sqlite import (
    attempts,
    changed_files,
    commit,
    feed,
    locations,
    prices,
    revisions,
    rollouts,
    search_index,
    threads,
)
from projector.store.sqlite.file import (
    PAGE_SIZE,
    execute_with_retry,
    faults,
    identity,
    log_of,
    prepare,
    remove_log,
    writing,
)
from projector.store.sqlite.find import Where, find
from projector.store.sqlite.guard import Guard, check, resolved
from projector.store.sqlite.lock import hold, is_held
from projector.store.sqlite.newest import Memory, note_rewound
from projector.store.sqlite.schema import migrate, version

P = ParamSpec("P")
T = TypeVar("T")
Work = Callable[Concatenate[sqlite3.Connection, P], T]

_PRAGMAS: Final = (
    f"PRAGMA page_size = {PAGE_SIZE}",
    "PRAGMA journal_mode = WAL",
    # A power failure may lose the last commits, rows and checkpoint together; never consistency.
    "PRAGMA synchronous = NORMAL",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA cache_size = -32768",  # KiB: ids of responses, in random order, of a million items fit
    "PRAGMA wal_autocheckpoint = 1000",  # pages: 16 MB
    "PRAGMA journal_size_limit = 67108864",
)

#: SQLite virtual machine steps between two calls of `on_progress`: some milliseconds.
_PROGRESS_STEPS: Final = 200_000


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class SqliteStore:
    """The store of one process. Created by `open`; `close` it."""

    def __init__(
        self,
        path: Path,
        connect: Callable[[Path], Awaitable[aiosqlite.Connection]],
        now_ms: Callable[[], int],
    ) -> None:
        self._name: Final = path
        self.path = path
        """The file that the path leads to, through symbolic links."""
        self._guard: Guard | None = None
        self._connect: Final = connect
        self._db: aiosqlite.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._log: tuple[int, int] | None = None
        self._holder: Holder | None = None
        self._now_ms: Final = now_ms
        self._one_replacement: Final = asyncio.Lock()
        self._replacing: RolloutId | None = None
        self._lock: int | None = None
        self._memory: Memory | None = None
        self._closed = False

    @classmethod
    def closed(
        cls,
        path: Path,
        *,
        busy_timeout_s: float = 30.0,
        now_ms: Callable[[], int] = _now_ms,
        on_progress: Callable[[], None] | None = None,
    ) -> Self:
        """Create the store of a database file without opening it: `reopen` does.

        `busy_timeout_s`: how long to wait for another program's write; then StoreUnavailable.
        `now_ms`: the clock of `noted_at_ms` and its like.
        `on_progress`: called every few milliseconds while SQLite is at work, on its thread; not
        while it waits for a lock or a disk. Must not raise.

        Raises:
            StoreRefused: it cannot be used as it is.
            StoreUnavailable: it cannot be used now.
        """

        async def connect(file: Path) -> aiosqlite.Connection:
            db = await aiosqlite.connect(
                file, isolation_level=None, timeout=busy_timeout_s, cached_statements=256
            )
            if on_progress is not None:
                # A result other than 0 would interrupt the statement.
                await db.set_progress_handler(lambda: on_progress() or 0, _PROGRESS_STEPS)
            return db

        return cls(path, connect, now_ms)

    @classmethod
    async def open(
        cls,
        path: Path,
        *,
        busy_timeout_s: float = 30.0,
        now_ms: Callable[[], int] = _now_ms,
        on_progress: Callable[[], None] | None = None,
    ) -> Self:
        """Open a database file; created, private and migrated if needed.

        Arguments are those of `closed`.

        Raises:
            StoreRefused: it cannot be used as it is.
            StoreUnavailable: it cannot be used now.
        """
        store = cls.closed(
            path, busy_timeout_s=busy_timeout_s, now_ms=now_ms, on_progress=on_progress
        )
        await store._open()  # noqa: SLF001 - its own
        return store

    async def _open(self) -> None:
        self.path = await asyncio.to_thread(resolved, self._name)
        await asyncio.to_thread(check, self.path)
        await asyncio.to_thread(prepare, self.path)
        self._guard = await asyncio.to_thread(Guard, self.path)
        try:
            self._memory = await asyncio.to_thread(Memory, self.path)
            with faults(self.path):
                self._db = await self._connect(self.path)
            with faults(self.path):
                await self._execute(_set_up, self.path, self._now_ms(), self._memory)
        except BaseException:
            await self._let_go()
            raise
        self._file, self._log = identity(self.path), identity(log_of(self.path))

    async def reopen(self) -> None:
        """See `Store`.

        The connection is given up without touching the files: SQLite leaves a log beside a
        database alone that is not the one it has open. The log of the database that is gone is
        removed: SQLite would take it for that of the new one, and write old pages into it.
        """
        await self._let_go()
        try:
            if self._log is not None and identity(log_of(self.path)) == self._log:
                await asyncio.to_thread(remove_log, self.path)
            await self._open()
        except StoreRefused as refused:
            # If it was open before, a disk or a permission may come back.
            if self._file is not None and isinstance(refused.__cause__, OSError):
                raise StoreUnavailable(refused.message, hint=refused.hint) from refused
            raise
        if self._lock is not None and not is_held(self.path, self._lock):
            assert self._holder is not None, "a lock has a holder"
            os.close(self._lock)
            self._lock = None
            await self.acquire_lock(self._holder)

    def abandon(self) -> None:
        """See `Store`. SQLite's work is this process's own: there is nobody to wait for."""

    async def _let_go(self) -> None:
        db, self._db = self._db, None
        if db is not None:
            with suppress(sqlite3.Error):  # nothing is lost: every write was committed
                await db.close()
        guard, self._guard = self._guard, None
        if guard is not None:
            guard.release()
        memory, self._memory = self._memory, None
        if memory is not None:
            memory.close()

    async def _run(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work` on the connection's thread, with the plain connection.

        aiosqlite offers one call per statement only; `_execute`, which all its methods use, allows
        one call per batch (measured: 19 k rows/s against 243 k). Its public way, a connection by
        `factory` whose `executescript` takes a function, costs 4 % of a backfill's CPU. This is the
        only place that uses it, held by tests against the installed version.

        Raises:
            StoreReplaced: the path leads to another file by now, or to none. Nobody would see what
                is written to the old one.
        """
        if self._db is None or identity(self._name) != self._file:
            raise StoreReplaced(f"{self._name}: was removed or replaced")
        with faults(self.path, used=True):
            return await self._execute(work, *args, **kwargs)

    async def _write(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run `work`, which may append to the feed, as `_run` does."""
        memory = self._memory
        assert memory is not None, "the store is closed"

        def run(db: sqlite3.Connection) -> T:
            done = work(db, *args, **kwargs)
            memory.follow(db)
            return done

        return await self._run(run)

    async def _execute(self, work: Work[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        assert self._db is not None, "the store is closed"
        plain = self._db._conn  # noqa: SLF001 - see `_run`
        done: T = await self._db._execute(work, plain, *args, **kwargs)  # type: ignore[no-untyped-call]  # noqa: SLF001 - same
        return done

    async def acquire_lock(self, holder: Holder) -> None:
        """See `Store`. The lock is a flock on `DATABASE.lock`."""
        assert self._lock is None, "held already"
        self._lock = await asyncio.to_thread(hold, self.path, holder)
        self._holder = holder

    async def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """See `Store`."""
        await self._run(_beat, heartbeat)

    async def publish(self, state: DaemonState) -> None:
        """See `Store`. It is what `DATABASE.lock` holds."""
        if self._lock is not None:
            await asyncio.to_thread(state_file.write, self._lock, state)

    async def set_names(self, names: Mapping[ThreadId, str]) -> None:
        """See `Store`."""
        await self._write(locations.set_names, dict(names), self._now_ms())

    async def statuses(self) -> RolloutStatuses:
        """See `Store`."""
        return await self._run(rollouts.statuses)

    async def checkpoint(self, rollout_id: RolloutId) -> Checkpoint | None:
        """See `Store`."""
        return await self._run(rollouts.checkpoint, rollout_id)

    async def find(self, rollout_id: RolloutId, wants: Lookup) -> LookupResult:
        """See `Store`. While the rollout is made anew, these are its new rows only."""
        return await self._run(_find, rollout_id, wants, anew=self._replacing == rollout_id)

    async def commit(self, batches: Sequence[Batch]) -> None:
        """See `Store`."""
        await self._write(_commit, tuple(batches), self._now_ms())

    async def replace(self, start: Checkpoint, batches: AsyncIterator[Batch]) -> None:
        """See `Store`. No batches: nothing is written.

        The new rows are made in temporary tables, which lock nobody out however long the batches
        take, and come into the others in one transaction.
        """
        from projector.store.sqlite import replace  # noqa: PLC0415 - rare

        async with self._one_replacement:
            last: Batch | None = None
            records = 0
            try:
                async for batch in batches:
                    if last is None:
                        self._replacing = batch.file.name.rollout_id
                        await self._run(replace.begin, start, batch)
                    await self._run(replace.stage, batch, self._now_ms())
                    last = batch
                    records += batch.records
                if last is not None:
                    await self._write(replace.finish, start, last, records, self._now_ms())
            finally:
                self._replacing = None
                # What is left is deleted with the connection, and before the next replacement; an
                # error here must not hide the one that ended this.
                with suppress(ProjectorError):
                    await self._run(replace.forget)

    async def update_locations(self, files: Sequence[RolloutFile]) -> None:
        """See `Store`. Files of rollouts that are not here are passed over."""
        await self._write(locations.update_locations, tuple(files), self._now_ms())

    async def verified(self, file: RolloutFile) -> None:
        """See `Store`."""
        await self._run(rollouts.verified, file)

    async def raise_revisions(
        self, to: int, is_outdated: Callable[[ProjectedBy], bool]
    ) -> Outdated:
        """See `Store`."""
        return await self._run(revisions.raise_revisions, to, is_outdated)

    async def attempt(self, rollout_id: RolloutId) -> None:
        """See `Store`."""
        await self._run(attempts.begin, rollout_id, self._now_ms())

    async def attempted(self, rollout_ids: Sequence[RolloutId]) -> None:
        """See `Store`."""
        await self._run(attempts.end, tuple(rollout_ids))

    async def attempts(self, *, count: bool) -> Mapping[RolloutId, int]:
        """See `Store`."""
        return await self._run(attempts.failures, count=count)

    async def mark_missing(self, rollout_ids: Sequence[RolloutId], *, purge: bool) -> None:
        """See `Store`."""
        await self._write(locations.mark_missing, tuple(rollout_ids), self._now_ms(), purge=purge)

    async def purge(self, thread_id: ThreadId, rollout_ids: Sequence[RolloutId]) -> None:
        """See `Store`. What is deleted is overwritten in the file.

        Rows first, then names and events, then words of the index.
        """
        await self._run(_overwrite)
        await self._write(locations.mark_missing, tuple(rollout_ids), self._now_ms(), purge=True)
        await self._write(locations.delete_name, thread_id, self._now_ms())
        # The index keeps words of deleted items until it is merged.
        await self._run(_query, "INSERT INTO _item_index (_item_index) VALUES ('optimize')", ())

    async def empty_log(self) -> None:
        """Empty the write-ahead log. Only with the daemon's lock, because one process may do so."""
        assert self._lock is not None, "hold() comes first"
        await self._run(_query, "PRAGMA wal_checkpoint(TRUNCATE)", ())

    async def add_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """See `Store`. Of a rollout that is not here, nothing is noted."""
        await self._run(locations.add_anomalies, rollout_id, tuple(anomalies), self._now_ms())

    async def noted_anomalies(self, kind: str) -> Mapping[RolloutId, Sequence[Anomaly]]:
        """See `Store`."""
        return await self._run(locations.noted_anomalies, kind)

    async def remove_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """See `Store`."""
        await self._run(locations.remove_anomalies, rollout_id, tuple(anomalies))

    async def configure_search(self, extent: Extent, max_text_bytes: int) -> None:
        """See `Store`."""
        await self._run(search_index.choose, extent, max_text_bytes)

    async def backfill_search(self) -> bool:
        """See `Store`."""
        return await self._run(search_index.fill)

    async def rebuild_derived(self) -> None:
        """See `Store`."""
        from projector.store.sqlite.rebuild_derived import rebuild_derived  # noqa: PLC0415 - rare

        await self._write(rebuild_derived, self._now_ms())

    async def prune(self, before_ms: int) -> bool:
        """See `Store`."""
        return await self._run(feed.prune, before_ms)

    async def models_to_price(self, version: str) -> Sequence[tuple[str, str]]:
        """See `Store`."""
        return await self._run(prices.models, version)

    async def set_prices(self, version: str, listed: Sequence[Price], own: Sequence[Price]) -> None:
        """See `Store`."""
        await self._run(prices.put, version, tuple(listed), tuple(own))

    async def totals(self) -> Totals:
        """See `Store`."""
        return await self._run(_totals)

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Return all rows of one query, in one short snapshot."""
        return await self._run(_query, sql, tuple(parameters))

    async def close(self) -> None:
        """See `Store`. Gives up the lock last."""
        if self._closed:
            return
        self._closed = True
        try:
            await self._let_go()
        finally:
            if self._lock is not None:
                os.close(self._lock)
                self._lock = None


def _set_up(db: sqlite3.Connection, path: Path, now_ms: int, memory: Memory) -> None:
    steps = migrations("sqlite")
    version(db, path, steps)  # refuses before anything is changed, including the journal mode
    for pragma in _PRAGMAS:
        execute_with_retry(db, pragma)
    known = memory.read()  # before the database: what others write meanwhile is in both
    migrate(db, path, steps)
    search_index.keep(db)
    note_rewound(db, known)
    if db.execute("SELECT 1 FROM _feed_stale").fetchone():  # of a rebuilt file: `feed.tell_again`
        with feed.telling(db, now_ms):
            threads.tell_files(db, now_ms)
    memory.follow(db)


def _query(db: sqlite3.Connection, sql: str, parameters: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    return db.execute(sql, parameters).fetchall()


def _totals(db: sqlite3.Connection) -> Totals:
    row = db.execute(
        "SELECT count(*), (SELECT count(*) FROM _thread_states), coalesce(sum(turns), 0),"
        " coalesce(sum(items), 0), (SELECT count(*) FROM _anomaly_rows) FROM _rollouts"
    ).fetchone()
    return Totals(
        **dict(zip(("rollouts", "threads", "turns", "items", "anomalies"), row, strict=True))
    )


def _find(
    db: sqlite3.Connection, rollout_id: RolloutId, wants: Lookup, *, anew: bool
) -> LookupResult:
    row = rollouts.lookup(db, rollout_id)
    if row is None:
        return LookupResult()
    where = Where(row.rollout, row.start_position, "")
    if anew:
        where = Where(row.rollout, 0, "new")
    return find(db, where, wants)


def _commit(db: sqlite3.Connection, batches: Sequence[Batch], now_ms: int) -> None:
    with (
        feed.telling(db, now_ms),
        search_index.following(db) as texts,
        changed_files.following(db),
    ):
        commit.commit(db, batches, now_ms, texts)


def _overwrite(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA secure_delete = ON")


#: The heartbeat of a daemon that has not caught up keeps the previous `current_as_of_ms`.
_BEAT: Final = (
    "INSERT OR REPLACE INTO _heartbeat VALUES"
    " (1{marks}, coalesce(?, (SELECT current_as_of_ms FROM _heartbeat)))"
)


def _beat(db: sqlite3.Connection, heartbeat: Heartbeat) -> None:
    holder, *beat = astuple(heartbeat)
    values = (*astuple(holder), *beat)
    with writing(db):
        db.execute(_BEAT.format(marks=", ?" * (len(values) - 1)), values)
