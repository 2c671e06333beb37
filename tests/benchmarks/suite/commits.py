"""What a small commit costs the server: planned each time and once, and beside dead rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import psycopg

from projector.model.changes import Change, ThreadMetadata
from projector.store.postgres.store import PostgresStore
from projector.store.protocol import Batch
from tests.benchmarks.bench import Run, benchmark
from tests.benchmarks.suite.postgres import LASTING
from tests.support.makers import at, batch, file_of, item, turn, usage
from tests.support.server import Server

_BYTES: Final = 1000
"""Bytes of a rollout that a commit reads."""


def _told(step: int) -> Batch:
    """Give ten records: five items, their turn, what they cost."""
    begins = step * _BYTES
    turn_id, opened = f"t{step // 4}", step // 4 * 4 * _BYTES + 1
    changes: list[Change] = [
        turn(1, turn_id, opened, status="completed" if step % 4 == 3 else "inProgress"),
        *(item(1, f"i{step}.{n}", begins + 10 + n * 50, turn=turn_id) for n in range(5)),
        usage(1, begins + 500, 3, response=f"r{step}", turn=turn_id),
    ]
    meta = ThreadMetadata(
        updated_at_ms=step + 1, last_turn_at_ms=step + 1, reported_total_tokens=step, cwd="/home/x"
    )
    start = at(begins) if step else None
    return batch(file_of(1), changes, start=start, end=at(begins + _BYTES), meta=meta)


def _cpu_of(pid: int) -> float:
    """Give the CPU time of a process so far, seconds, to the nanosecond."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e9


class _Writer:
    """A store that commits, and the server process that works for it."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self._step = 0

    async def commits(self, number: int) -> float:
        """Commit; give what one cost the server, milliseconds."""
        assert self._store._db is not None
        pid = self._store._db.info.backend_pid
        began = _cpu_of(pid)
        for _ in range(number):
            await self._store.commit([_told(self._step)])
            self._step += 1
        return (_cpu_of(pid) - began) / number * 1000


async def _begun(stores: Mapping[str, PostgresStore]) -> dict[str, _Writer]:
    """Give writers of these stores, whose tables have a few rows and statistics of them."""
    writers = {name: _Writer(store) for name, store in stores.items()}
    for name, store in stores.items():
        await writers[name].commits(10)
        _sql(store.url, "VACUUM ANALYZE")
    return writers


@benchmark("postgres-commit", "server CPU of a commit of ten records: planned each time, and once")
def planned(run: Run) -> None:
    """Commit by turns through a connection that prepares statements and one that may not.

    So that is what a commit costs behind a pooler that does not track prepared statements.
    """
    with closing(Server(**LASTING)) as server:
        asyncio.run(_by_turns(run, server))
    run.result.compare("prepared", "not prepared", "server CPU", at_most=0.5)


async def _by_turns(run: Run, server: Server) -> None:
    with server.database() as one, server.database() as other:
        stores = {name: await PostgresStore.open(url) for name, url in zip(
            ("prepared", "not prepared"), (one, other), strict=True)}  # fmt: skip
        stores["not prepared"]._wire._may_prepare = False  # type: ignore[union-attr] # is open
        writers = await _begun(stores)
        await writers["prepared"].commits(100)  # looks for statistics, then plans
        for _ in run.rounds():
            for name, writer in writers.items():
                spent = await writer.commits(run.scaled(200, 30))
                run.result.sample(name, "server CPU", spent, "ms a commit")
        for store in stores.values():
            await store.close()


@benchmark("postgres-dead-rows", "server CPU of a commit beside dead rows that a snapshot keeps")
def dead_rows(run: Run) -> None:
    """Commit by turns beside the dead rows of as many commits as a day has, and beside none.

    A snapshot is held in both: it also keeps all versions of the rows that each commit changes.
    """
    with closing(Server(**LASTING)) as server:
        asyncio.run(_beside(run, server))
    run.result.compare("dead rows", "none", "server CPU", at_most=1.2)


async def _beside(run: Run, server: Server) -> None:
    with server.database() as one, server.database() as other:
        urls = {"none": one, "dead rows": other}
        stores = {name: await PostgresStore.open(url) for name, url in urls.items()}
        writers = await _begun(stores)
        for writer in writers.values():
            await writer.commits(100)
        with _snapshot(one), _snapshot(other):
            number = run.scaled(1_000_000, 100_000)
            _sql(other, f"INSERT INTO _settling SELECT generate_series(1, {number})")
            _sql(other, "DELETE FROM _settling")
            for _ in run.rounds():
                for name, writer in writers.items():
                    spent = await writer.commits(run.scaled(200, 30))
                    run.result.sample(name, "server CPU", spent, "ms a commit")
        for store in stores.values():
            await store.close()


@contextmanager
def _snapshot(url: str) -> Iterator[None]:
    """Hold a snapshot, as a dump or a report does: what dies meanwhile cannot be vacuumed."""
    with psycopg.connect(url) as db:
        db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        db.execute("SELECT count(*) FROM _sources")
        yield


def _sql(url: str, statement: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        db.execute(statement.encode())
