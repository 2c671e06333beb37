"""`Store` on PostgreSQL: each method takes a few round trips, each write one transaction.

One connection, one transaction at a time. A connection that failed is closed, and opened again when
it is needed next. A write whose outcome is unknown is never repeated: the caller reads the
checkpoint first. Only if the server reports a conflict with other transactions, so that nothing was
written, the whole transaction is run again.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import PurePath
from typing import Any, Final, Self, TypeVar

import psycopg

from projector.model.changes import Anomaly, Lookup, LookupResult
from projector.model.database_url import shown, source_id
from projector.model.errors import ProjectorError, StoreRefused, StoreReplaced, StoreUnavailable
from projector.model.ids import Checkpoint, RolloutFile, RolloutId, RolloutName, ThreadId
from projector.model.prices import Price
from projector.model.revisions import ProjectedBy
from projector.search.text import Extent
from projector.store import newest_entry, state_file
from projector.store.migrations import migrations
from projector.store.newest_entry import Memory
from projector.store.postgres import (
    citus,
    feed,
    lease,
    locations,
    prepared,
    prices,
    revisions,
    sanitize,
    schema,
    search,
    write,
)
from projector.store.postgres import text as escapes
from projector.store.postgres.connect import AGAIN, ODD, connect, faults
from projector.store.postgres.find import checkpoint_of, find
from projector.store.postgres.pipeline import Pipeline, Row
from projector.store.postgres.replace import finish
from projector.store.postgres.staging import Scratch
from projector.store.postgres.transaction import Transaction
from projector.store.protocol import (
    Batch,
    DaemonState,
    Heartbeat,
    Holder,
    Outdated,
    RolloutStatus,
    Totals,
)
from projector.store.rollout_status import RolloutStatuses
from projector.store.rules.feed import UNKNOWN

T = TypeVar("T")

#: How often a transaction is run again after conflicts with others.
_ATTEMPTS: Final = 8

_SOURCE: Final = (
    "INSERT INTO _sources (source_id, name, host, since_ms, feed_id) VALUES (%s, %s, %s, %s, %s)"
    " ON CONFLICT (source_id) DO UPDATE SET host = excluded.host"
    " WHERE _sources.host <> excluded.host"
)
_LZ4: Final = (
    "SELECT 1 FROM pg_settings WHERE name = 'default_toast_compression' AND source = 'default'"
    " AND 'lz4' = ANY(enumvals)"
)
_STATUSES: Final = (
    "SELECT rollout_id, thread_id, generation, next_offset, gone_at_ms, home, path, archived,"
    " compressed, size, mtime_ns, ctime_ns, device, inode, trusted_bytes FROM _rollouts"
    " WHERE source_id = %s"
)
_PLACES: Final = (
    "SELECT rollout_id, generation, next_offset FROM _rollouts WHERE source_id = %s"
    " AND rollout_id = ANY(%s)"
)
_CHECKPOINT: Final = (
    "SELECT generation, next_offset, next_ordinal, head, tail, checksum, state,"
    " revision, mode, kinds FROM _rollouts"
    " WHERE source_id = %s AND rollout_id = %s"
)
_ATTEMPT: Final = (
    "INSERT INTO _attempts (source_id, rollout_id, started_at_ms) VALUES (%s, %s, %s)"
    " ON CONFLICT (source_id, rollout_id) DO UPDATE SET started_at_ms = excluded.started_at_ms"
)
_ATTEMPTED: Final = "DELETE FROM _attempts WHERE source_id = %s AND rollout_id = ANY(%s)"
_COUNT_ATTEMPTS: Final = "UPDATE _attempts SET failures = failures + 1 WHERE source_id = %s"
_ATTEMPTS_LEFT: Final = "SELECT rollout_id, failures FROM _attempts WHERE source_id = %s"
_NAMES: Final = "SELECT thread_id, name FROM _names WHERE source_id = %s"
_TOTALS: Final = (
    "SELECT count(*), (SELECT count(*) FROM _thread_states WHERE source_id = %s),"
    " coalesce(sum(turns), 0)::bigint, coalesce(sum(items), 0)::bigint,"
    " (SELECT count(*) FROM _anomaly_rows WHERE source_id = %s)"
    " FROM _rollouts WHERE source_id = %s AND NOT elsewhere"
)


def _now_ms() -> int:
    return time.time_ns() // 1_000_000


class PostgresStore:
    """The store of one process. Created by `open`; `close` it."""

    def __init__(
        self, url: str, name: str, lock_timeout_s: float, now_ms: Callable[[], int]
    ) -> None:
        self.url: Final = url
        self.name_of_source: Final = name
        self.source: Final = str(source_id(name))
        self._lock_timeout_s: Final = lock_timeout_s
        self._now_ms: Final = now_ms
        self._one_at_a_time: Final = asyncio.Lock()
        self._one_replacement: Final = asyncio.Lock()
        self._db: psycopg.AsyncConnection[Row] | None = None
        self._wire: Pipeline | None = None
        self._identity: uuid.UUID | None = None
        self._lease: uuid.UUID | None = None
        self._state_file: int | None = None
        self._holder: Holder | None = None
        self._anew: dict[RolloutId, Scratch] = {}
        self._confirmed: dict[RolloutId, tuple[int, int]] = {}
        """Generation and offset of the rollouts of the last commit."""
        self._newest = UNKNOWN
        """The newest entry of the feed that is known to have been committed on this host."""
        self._memory: Memory | None = None
        self.trips = 0
        """Round trips of closed connections."""
        self._closed = False
        self._abandoned = False
        self._connecting: asyncio.Task[psycopg.AsyncConnection[Row]] | None = None

    @classmethod
    def closed(cls, url: str, *, source: str = "", busy_timeout_s: float = 30.0) -> Self:
        """Create the store of a database without connecting to it: `reopen` does.

        Arguments are those of `open`.
        """
        return cls(url, source or socket.gethostname(), busy_timeout_s, _now_ms)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        source: str = "",
        busy_timeout_s: float = 30.0,
        now_ms: Callable[[], int] = _now_ms,
    ) -> Self:
        """Open a database, migrated if needed.

        `source`: the name of this installation; empty: that of the host. `busy_timeout_s`: how long
        to wait for another program's lock; then StoreUnavailable. `now_ms`: the clock of
        `noted_at_ms` and the like.

        Raises:
            StoreRefused: it cannot be used as it is.
            StoreUnavailable: it cannot be used now.
        """
        store = cls(url, source or socket.gethostname(), busy_timeout_s, now_ms)
        try:
            async with store._one_at_a_time:
                with faults(url):
                    await store._connected(migrating=True)
        except BaseException:
            await store._give_up()
            raise
        return store

    async def _connected(self, *, migrating: bool = False) -> Pipeline:
        """Return the connection, opened if needed.

        Raises:
            StoreReplaced: the database is another one by now.
        """
        if self._db is not None and not self._db.closed and self._wire is not None:
            return self._wire
        try:
            self._db = await self._connect()
        except StoreRefused as refused:
            if self._identity is None:
                raise
            # The server accepted us before: what has changed there may change again.
            raise StoreUnavailable(refused.message, hint=refused.hint) from refused
        has_citus = await self._has_citus(self._db)
        self._wire = Pipeline(
            self._db,
            self._lock_timeout_s,
            may_prepare=await prepared.possible(self._db),
            has_citus=has_citus,
            has_lz4=not has_citus and await self._has_lz4(self._db),
        )
        steps = migrations("postgres")
        if migrating:
            found: uuid.UUID | None = await schema.migrate(self._db, shown(self.url), steps)
        else:
            found = await schema.identity(self._db, shown(self.url), steps)
        if self._identity is not None and found != self._identity:
            raise StoreReplaced(f"{shown(self.url)}: was removed or replaced")
        self._identity = found
        await self._see_whether_all_is_there(self._wire)
        values = (
            self.source, escapes.text(self.name_of_source), escapes.text(socket.gethostname()),
            self._now_ms(), uuid.uuid4(),
        )  # fmt: skip
        # A transaction, whose waits for locks end: on Citus one that is prepared may hold the row.
        try:
            await self._wire.begin((_SOURCE, values))
            await self._wire.execute(("COMMIT", ()))
        except BaseException:
            await self._give_up()  # the next call would find a failed transaction
            raise
        if self._memory is None:
            path = state_file.remote_path(shown(self.url), self.source, newest_entry.SUFFIX)
            self._memory = await asyncio.to_thread(Memory.in_folder, path)
            self._newest = await asyncio.to_thread(self._memory.read)
        return self._wire

    async def _has_lz4(self, db: psycopg.AsyncConnection[Row]) -> bool:
        """Return whether the server can pack by lz4, and was told nothing about it."""
        return bool(await (await db.execute(_LZ4)).fetchone())

    async def _has_citus(self, db: psycopg.AsyncConnection[Row]) -> bool:
        """Return whether the server has the extension Citus.

        Raises:
            StoreRefused: it has, and the tables are spread in a way that does not work.
        """
        if not await (await db.execute(citus.VERSION)).fetchone():
            return False
        spread = await (await db.execute(citus.SPREAD)).fetchone()
        if spread != (0,):
            raise citus.refuse(shown(self.url))
        return True

    async def _see_whether_all_is_there(self, wire: Pipeline) -> None:
        """Check that the server still has what it confirmed last, and so everything before.

        A standby that takes over may be behind, and a server that does not wait for its disk loses
        the last commits in a crash.

        Raises:
            StoreReplaced: it does not: what is known of its rows is void.
        """
        if not self._confirmed:
            return
        (rows,) = await wire.execute((_PLACES, (self.source, [*self._confirmed])))
        confirmed, self._confirmed = self._confirmed, {}
        found = {rollout_id: (generation, offset) for rollout_id, generation, offset in rows}
        if any(found.get(one, (-1, 0)) < place for one, place in confirmed.items()):
            raise StoreReplaced(f"{shown(self.url)}: has lost what it had confirmed")

    def _confirm(self, ends: Iterable[Batch]) -> None:
        self._confirmed = {
            one.file.name.rollout_id: (one.end.generation, one.end.offset) for one in ends
        }

    async def _connect(self) -> psycopg.AsyncConnection[Row]:
        """Connect, until `abandon` is called."""
        if not self._abandoned:
            self._connecting = asyncio.ensure_future(connect(self.url))
            try:
                return await self._connecting
            except asyncio.CancelledError:
                self._connecting.cancel()
                if not self._abandoned:
                    raise
            finally:
                self._connecting = None
        raise StoreUnavailable(f"{shown(self.url)}: the server does not answer")

    def abandon(self) -> None:
        """See `Store`. A connection is cut: its server, if it lives, takes the rest back."""
        self._abandoned = True
        if self._connecting is not None:
            self._connecting.cancel()
        if self._db is not None:
            with (
                suppress(psycopg.Error, OSError),
                socket.fromfd(self._db.pgconn.socket, socket.AF_UNIX, socket.SOCK_STREAM) as wire,
            ):
                wire.shutdown(socket.SHUT_RDWR)

    async def _give_up(self) -> None:
        db, self._db = self._db, None
        wire, self._wire = self._wire, None
        if wire is not None:
            self.trips += wire.trips
        if db is not None:
            with suppress(psycopg.Error):
                await db.close()

    @property
    def round_trips(self) -> int:
        """Number of round trips to the server."""
        return self.trips + (self._wire.trips if self._wire is not None else 0)

    async def _run(self, work: Callable[[Pipeline], Awaitable[T]]) -> T:
        """Run `work` on the connection; after any failure the next call starts with a new one.

        Raises:
            StoreReplaced: the database is another one by now.
            StoreUnavailable: it is unknown what was written.
        """
        assert not self._closed, "the store is closed"
        async with self._one_at_a_time:
            for attempt in range(1, _ATTEMPTS + 1):
                try:
                    with faults(self.url):
                        return await self._once(work, last=attempt == _ATTEMPTS)
                except _Again:
                    # Conflicting transactions must not all retry at the same moment.
                    await asyncio.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311
            raise AssertionError("the last attempt raises")

    async def _once(self, work: Callable[[Pipeline], Awaitable[T]], *, last: bool) -> T:
        wire = await self._connected()
        try:
            return await work(wire)
        except (ProjectorError, *ODD, *AGAIN) as error:
            await self._roll_back()
            if isinstance(error, AGAIN) and not last:
                raise _Again from error
            raise
        except BaseException:
            # Cancelled, or the connection is lost: its state is unknown.
            await self._give_up()
            raise

    async def _roll_back(self) -> None:
        """Roll back a transaction that failed."""
        try:
            if self._db is not None:
                await self._db.rollback()
        except psycopg.Error:
            await self._give_up()

    async def _transact(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        async def run(wire: Pipeline) -> T:
            tx = Transaction(wire, self.source, self._now_ms(), self._newest)
            done = await work(tx)
            self._newest = tx.newest
            if self._memory is not None and self._newest.cursor.mark is not None:
                await asyncio.to_thread(self._memory.write, self._newest)
            return done

        return await self._run(run)

    async def reopen(self) -> None:
        """See `Store`."""
        async with self._one_at_a_time:
            await self._give_up()
            self._identity, self._confirmed = None, {}
            with faults(self.url):
                await self._connected(migrating=True)
        if self._lease is not None:
            assert self._holder is not None, "a lease has a holder"
            await self.acquire_lock(self._holder)

    async def acquire_lock(self, holder: Holder) -> None:
        """See `Store`. The lock is a lease in the source's row."""
        if self._state_file is None:
            path = state_file.remote_path(shown(self.url), str(self.source))
            self._state_file = await asyncio.to_thread(state_file.lock_remote, path)
        mine = self._lease or uuid.uuid4()
        await self._run(lambda wire: lease.hold(wire, self.source, mine, holder, shown(self.url)))
        self._lease, self._holder = mine, holder

    async def publish(self, state: DaemonState) -> None:
        """See `Store`. It is put into a file on the daemon's host."""
        if self._state_file is not None:
            await asyncio.to_thread(state_file.write, self._state_file, state)

    async def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """See `Store`. Renews the lease.

        Raises:
            AlreadyRunning: another daemon has taken it, while the server was out of reach.
        """
        await self._run(
            lambda wire: lease.beat(wire, self.source, self._lease, heartbeat, shown(self.url))
        )

    async def set_names(self, names: Mapping[ThreadId, str]) -> None:
        """See `Store`."""
        wanted = {one: str(sanitize.text(given)) for one, given in names.items()}
        known: dict[str, str] = dict(await self._ask(_NAMES))
        changed = {
            one: given for one, given in wanted.items() if known.get(one) != escapes.text(given)
        }
        if changed:
            await self._transact(lambda tx: locations.set_names(tx, changed))

    async def _ask(self, text: str, *more: Any, times: int = 1) -> list[Row]:
        async def ask(wire: Pipeline) -> list[Row]:
            (rows,) = await wire.execute((text, (*(self.source,) * times, *more)))
            return rows

        return await self._run(ask)

    async def statuses(self) -> RolloutStatuses:
        """See `Store`."""
        return RolloutStatuses.of(map(_status, await self._ask(_STATUSES)))

    async def checkpoint(self, rollout_id: RolloutId) -> Checkpoint | None:
        """See `Store`."""
        rows = await self._ask(_CHECKPOINT, rollout_id)
        return checkpoint_of(rows[0]) if rows else None

    async def find(self, rollout_id: RolloutId, wants: Lookup) -> LookupResult:
        """See `Store`. While the rollout is made anew, these are its new rows only."""
        if rollout_id in self._anew:
            return await self._anew[rollout_id].find(rollout_id, wants)
        if not wants:
            return LookupResult()
        asked = sanitize.wants(wants)
        found = await self._run(lambda wire: find(wire, self.source, rollout_id, asked))
        return found if asked is wants else sanitize.found(found, wants)

    async def commit(self, batches: Sequence[Batch]) -> None:
        """See `Store`."""
        try:
            await self._transact(lambda tx: write.commit(tx, batches))
        except ODD:
            # The server refuses some value: all are sanitized, which costs as much again.
            whole = [sanitize.batch(one) for one in batches]
            await self._transact(lambda tx: write.commit(tx, whole))
        self._confirm(batches)

    async def replace(self, start: Checkpoint, batches: AsyncIterator[Batch]) -> None:
        """See `Store`. No batches: nothing is written."""
        async with self._one_replacement:
            scratch: Scratch | None = None
            one: RolloutId | None = None
            try:
                async for batch in batches:
                    if scratch is None:
                        one = batch.file.name.rollout_id
                        rows = await self._ask(_CHECKPOINT, one)
                        write.at_checkpoint(one, start, checkpoint_of(rows[0]) if rows else None)
                        scratch = self._anew[one] = await Scratch.make()
                    await scratch.add(batch)
                made = scratch
                if made is not None:
                    try:
                        await self._transact(lambda tx: finish(tx, start, made))
                    except ODD:
                        made.mended = True
                        await self._transact(lambda tx: finish(tx, start, made))
                    assert made.last is not None, "there was a batch"
                    self._confirm([made.last])
            finally:
                if one is not None:
                    self._anew.pop(one, None)
                if scratch is not None:
                    await scratch.close()

    async def update_locations(self, files: Sequence[RolloutFile]) -> None:
        """See `Store`. Files of rollouts that are not here are passed over."""
        if files:
            whole = [sanitize.file(file) for file in files]
            await self._transact(lambda tx: locations.update_locations(tx, whole))

    async def verified(self, file: RolloutFile) -> None:
        """See `Store`."""
        await self._transact(lambda tx: locations.verified(tx, file))

    async def raise_revisions(
        self, to: int, is_outdated: Callable[[ProjectedBy], bool]
    ) -> Outdated:
        """See `Store`. Of this source."""
        return await self._run(
            lambda wire: revisions.raise_revisions(wire, self.source, to, is_outdated)
        )

    async def attempt(self, rollout_id: RolloutId) -> None:
        """See `Store`."""
        await self._ask(_ATTEMPT, rollout_id, time.time_ns() // 1_000_000)

    async def attempted(self, rollout_ids: Sequence[RolloutId]) -> None:
        """See `Store`."""
        await self._ask(_ATTEMPTED, list(rollout_ids))

    async def attempts(self, *, count: bool) -> Mapping[RolloutId, int]:
        """See `Store`."""
        if count:
            await self._ask(_COUNT_ATTEMPTS)
        return dict(await self._ask(_ATTEMPTS_LEFT))

    async def mark_missing(self, rollout_ids: Sequence[RolloutId], *, purge: bool) -> None:
        """See `Store`."""
        if rollout_ids:
            self._confirmed = {}
            work = locations.purge if purge else locations.mark_missing
            await self._transact(lambda tx: work(tx, rollout_ids))

    async def purge(self, thread_id: ThreadId, rollout_ids: Sequence[RolloutId]) -> None:
        """Delete a thread: all rows of its rollouts, its name, the content of its events.

        Its lifecycle events stay without any text. The server overwrites deleted rows when it
        vacuums.
        """
        await self.mark_missing(rollout_ids, purge=True)
        await self._transact(lambda tx: locations.delete_name(tx, thread_id))

    async def empty_log(self) -> None:
        """Do nothing: a server's log is not ours to empty."""

    async def add_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """See `Store`. Of a rollout that is not here, nothing is noted."""
        whole = [sanitize.anomaly(one) for one in anomalies]
        await self._transact(lambda tx: locations.add_anomalies(tx, rollout_id, whole))

    async def noted_anomalies(self, kind: str) -> Mapping[RolloutId, Sequence[Anomaly]]:
        """See `Store`. Of this source."""
        return await self._run(lambda wire: locations.noted_anomalies(wire, self.source, kind))

    async def remove_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """See `Store`."""
        await self._run(
            lambda wire: locations.remove_anomalies(wire, self.source, rollout_id, tuple(anomalies))
        )

    async def configure_search(self, extent: Extent, max_text_bytes: int) -> None:
        """See `Store`."""
        await self._run(lambda wire: search.choose(wire, self.source, extent, max_text_bytes))

    async def backfill_search(self) -> bool:
        """See `Store`."""
        return await self._run(lambda wire: search.fill(wire, self.source))

    async def rebuild_derived(self) -> None:
        """See `Store`."""
        await self._transact(locations.rebuild_derived)

    async def prune(self, before_ms: int) -> bool:
        """See `Store`."""
        return await self._run(lambda wire: feed.prune(wire, self.source, before_ms))

    async def models_to_price(self, version: str) -> Sequence[tuple[str, str]]:
        """See `Store`."""

        async def ask(wire: Pipeline) -> list[tuple[str, str]]:
            (rows,) = await wire.execute((prices.MODELS, (version,)))
            return prices.plain(rows)

        return await self._run(ask)

    async def set_prices(self, version: str, listed: Sequence[Price], own: Sequence[Price]) -> None:
        """See `Store`."""
        await self._run(lambda wire: prices.put(wire, str(self.source), version, listed, own))

    async def totals(self) -> Totals:
        """See `Store`. Of this source."""
        ((rollouts, threads, turns, items, anomalies),) = await self._ask(_TOTALS, times=3)
        return Totals(
            rollouts=rollouts, threads=threads, turns=turns, items=items, anomalies=anomalies
        )

    async def close(self) -> None:
        """See `Store`. Gives the lease back."""
        if self._closed:
            return
        held = self._lease
        if held is not None:
            # A server that is gone must not keep the process from ending; the lease expires.
            with suppress(ProjectorError):
                await self._run(lambda wire: wire.execute(lease.let_go(self.source, held)))
        self._closed = True
        if self._memory is not None:
            self._memory.close()
        if self._state_file is not None:
            os.close(self._state_file)
        await self._give_up()


class _Again(Exception):
    """A conflict with other transactions; nothing was written."""


def _status(row: Row) -> RolloutStatus:
    rollout_id, thread_id, generation, offset, gone, home, path, archived, compressed, *file = row
    size, mtime_ns, ctime_ns, device, inode, trusted = file
    path = escapes.plain(path)
    name = RolloutName.parse(PurePath(path).name) or RolloutName(
        thread_id=thread_id, rollout_id=rollout_id, started="", compressed=compressed
    )
    where = RolloutFile(
        name=name, home=escapes.plain(home), path=path, archived=archived, size=size,
        mtime_ns=mtime_ns, ctime_ns=ctime_ns, device=int(device), inode=int(inode),
    )  # fmt: skip
    return RolloutStatus(
        rollout_id=RolloutId(rollout_id), thread_id=ThreadId(thread_id), generation=generation,
        offset=offset, file=None if gone is not None else where,
        trusted_bytes=trusted if gone is None else None,
    )  # fmt: skip
