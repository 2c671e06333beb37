"""PostgreSQL beside SQLite: rows a second, and how often a batch waits for the server."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from projector.model.settings import Settings
from projector.run.backfill import backfill
from projector.run.progress import Silent
from projector.store.open import open_store
from projector.store.postgres.store import PostgresStore
from projector.store.protocol import Batch
from tests.benchmarks.bench import Home, Run, benchmark
from tests.benchmarks.processes import measured, projector
from tests.support.databases import Where, reading, url_of
from tests.support.server import Server

_TABLES = ("_items", "_turns", "_usage", "_events")
#: As a server is run that people keep their data in.
LASTING = {
    "fsync": "on",
    "synchronous_commit": "on",
    "full_page_writes": "on",
    "autovacuum": "on",
    "shared_buffers": "256MB",
}


@benchmark("postgres", "one home into PostgreSQL and into SQLite: rows a second, round trips")
def postgres(run: Run) -> None:
    """Backfill the same rollouts in this process, by turns; the server is on this machine."""
    home = run.home("--size", run.scaled("20MB", "2MB"))
    with closing(Server(**LASTING)) as server:
        for _ in run.rounds():
            with run.folder() as scratch, server.database() as url:
                _measure(run, home, "SQLite", scratch / "p.db")
                _measure(run, home, "PostgreSQL", url)


@benchmark(
    "postgres-rows", "a backfill into PostgreSQL and into SQLite, whole process: rows a second"
)
def postgres_rows(run: Run) -> None:
    """Backfill the same rollouts by the command, by turns; the server is on this machine."""
    home = run.home("--size", run.scaled("100MB", "10MB"))
    with closing(Server(**LASTING)) as server:
        for _ in run.rounds():
            with run.folder() as scratch, server.database() as url:
                spent = _spent(server)
                _backfilled(run, home, scratch, "SQLite", scratch / "p.db")
                _backfilled(run, home, scratch, "PostgreSQL", url)
                run.result.sample("PostgreSQL", "CPU of the server", _spent(server) - spent, "s")
    run.result.compare("PostgreSQL", "SQLite", "rows", at_least=0.4)
    run.result.compare("PostgreSQL", "SQLite", "CPU")


def _backfilled(run: Run, home: Home, scratch: Path, who: str, where: Where) -> None:
    words = projector("backfill", "--codex-home", home.path, "--database", url_of(where))
    cost = measured(words, scratch)
    with reading(where) as db:
        rows = sum(db.rows(f"SELECT count(*) FROM {table}")[0][0] for table in _TABLES)
    run.result.sample(who, "rows", rows / cost.wall, "rows/s")
    run.result.sample(who, "CPU", cost.cpu, "s")
    run.result.sample(who, "wall", cost.wall, "s")


def _spent(server: Server) -> float:
    """Give the CPU time of the server's processes that have ended, seconds."""
    postmaster = (server.folder / "data" / "postmaster.pid").read_text().split()[0]
    times = Path(f"/proc/{postmaster}/stat").read_text().rpartition(")")[2].split()
    return (int(times[13]) + int(times[14])) / os.sysconf("SC_CLK_TCK")


def _measure(run: Run, home: Home, who: str, where: Where) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    batches, trips = asyncio.run(_project(home.path, where))
    wall, cpu = time.perf_counter() - began, time.process_time() - cpu
    with reading(where) as db:
        rows = sum(db.rows(f"SELECT count(*) FROM {table}")[0][0] for table in _TABLES)
    run.result.sample(who, "wall", wall, "s")
    run.result.sample(who, "CPU here", cpu, "s")
    run.result.sample(who, "rows", rows / wall, "rows/s")
    run.result.sample(who, "batches", batches, "")
    if trips:
        run.result.sample(who, "round trips a batch", trips / batches, "")


def _trips(store: object) -> int:
    return store.round_trips if isinstance(store, PostgresStore) else 0


async def _project(home: Path, where: Where) -> tuple[int, int]:
    """Project a home; give how many transactions of batches, and round trips, that took."""
    settings = Settings(codex_homes=(str(home),), database=url_of(where))
    store = await open_store(settings.database, source="one")
    counted = trips = 0
    commit: Any = store.commit

    async def counting(batches: Sequence[Batch]) -> None:
        nonlocal counted, trips
        counted += 1
        before = _trips(store)
        await commit(batches)
        trips += _trips(store) - before

    try:
        store.commit = counting  # type: ignore[method-assign] # it is watched
        await backfill(store, settings, selection=(), progress=Silent())
        return counted, trips
    finally:
        await store.close()
