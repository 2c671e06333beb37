"""Loads a PostgreSQL server as a fleet does: `python -m tests.benchmarks.load --seconds 600`.

Many sources commit ten records at a time, in turns, over as many connections as a pooler would
hold, and a report keeps a snapshot half of the time, so that rows that die cannot be vacuumed. Told
ten times: commits, what one cost the server, dead rows, and the size; at the end growth by table,
and what a year is by the second half, when every source is known and there are dead rows.
`--url` names a database of your own; else a server is started, set as one that keeps data.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Final, NamedTuple

import psycopg

from projector.model.changes import Change, ThreadMetadata
from projector.store.postgres.store import PostgresStore
from projector.store.protocol import Batch
from tests.benchmarks.suite.postgres import LASTING
from tests.support.makers import at, batch, file_of, item, turn, usage
from tests.support.server import Server

#: Commits of a source each time that it connects, as a daemon with little to do.
_EACH: Final = 5
#: Commits of an ordinary developer's year: 10,000 records a day.
_YEAR: Final = 365 * 1000
_TABLES: Final = (
    "SELECT relname, pg_total_relation_size(relid), n_live_tup, n_dead_tup"
    " FROM pg_stat_user_tables WHERE schemaname = current_schema() ORDER BY 2 DESC LIMIT 8"
)
_SIZE: Final = (
    "SELECT sum(pg_total_relation_size(relid))::bigint, sum(n_dead_tup)::bigint"
    " FROM pg_stat_user_tables WHERE schemaname = current_schema()"
)
_STEPS: Final = 10


class _Sample(NamedTuple):
    """What there was at a moment."""

    seconds: float
    commits: int
    cpu_s: float
    size: int
    """Bytes of tables and indexes."""
    dead: int
    """Dead rows, as the server counts them."""


class _Load:
    """Sources, how far each is, and what was done."""

    def __init__(self, url: str, pid: int, sources: int, seconds: float) -> None:
        self.url = url
        self.pid = pid
        """The server's process; 0: not on this machine."""
        self.seconds = seconds
        self.steps = dict.fromkeys(range(1, sources + 1), 0)
        self.until = time.monotonic() + seconds
        self.commits = 0
        self.waits: list[float] = []

    async def work(self, mine: list[int]) -> None:
        """Commit for some sources in turns, until the time is over."""
        while True:
            for number in mine:
                store = await PostgresStore.open(self.url, source=f"host-{number}")
                for _ in range(_EACH):
                    began = time.perf_counter()
                    await store.commit([_told(number, self.steps[number])])
                    self.waits.append(time.perf_counter() - began)
                    self.steps[number] += 1
                    self.commits += 1
                await store.close()
                if time.monotonic() > self.until:
                    return

    async def report(self) -> None:
        """Hold a snapshot for ten seconds, again and again."""
        while time.monotonic() < self.until:
            async with await psycopg.AsyncConnection.connect(self.url) as db:
                await db.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                await db.execute("SELECT count(*) FROM _sources")
                await asyncio.sleep(10)
            await asyncio.sleep(10)

    async def watch(self, say: Callable[[str], object]) -> list[_Sample]:
        """Tell again and again how it goes."""
        began = time.monotonic()
        found = [await self._sample(began)]
        for _ in range(_STEPS):
            await asyncio.sleep(self.seconds / _STEPS)
            found.append(await self._sample(began))
            last, now = found[-2:]
            commits = max(now.commits - last.commits, 1)
            say(
                f"{now.seconds:5.0f} s {now.commits:8,} commits"
                f" {commits / (now.seconds - last.seconds):6.1f}/s"
                f" {(now.cpu_s - last.cpu_s) / commits * 1000:6.2f} ms CPU each"
                f" {now.size / 1e6:8.1f} MB {now.dead:8,} dead rows\n"
            )
        return found

    async def _sample(self, began: float) -> _Sample:
        async with await psycopg.AsyncConnection.connect(self.url) as db:
            row = await (await db.execute(_SIZE)).fetchone()
        assert row is not None
        cpu_s = _cpu(self.pid) if self.pid else 0.0
        return _Sample(time.monotonic() - began, self.commits, cpu_s, *row)


def _told(number: int, step: int) -> Batch:
    begins, turn_id = step * 1000, f"t{step // 4}"
    changes: list[Change] = [
        turn(number, turn_id, step // 4 * 4000 + 1, status="inProgress"),
        *(item(number, f"i{step}.{n}", begins + 10 + n * 50, turn=turn_id) for n in range(5)),
        usage(number, begins + 500, 3, response=f"r{number}.{step}", turn=turn_id),
    ]
    meta = ThreadMetadata(updated_at_ms=step + 1, last_turn_at_ms=step + 1)
    start = at(begins) if step else None
    return batch(file_of(number), changes, start=start, end=at(begins + 1000), meta=meta)


def _cpu(pid: int) -> float:
    """Give the CPU time of a server and all its processes that have ended, seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:15])) / 100


async def _run(load: _Load, connections: int, say: Callable[[str], object]) -> list[_Sample]:
    numbers = [*load.steps]
    shares = [numbers[at::connections] for at in range(connections)]
    store = await PostgresStore.open(load.url, source="host-1")  # makes the tables
    await store.close()
    watching = asyncio.create_task(load.watch(say))
    await asyncio.gather(load.report(), *(load.work(share) for share in shares if share))
    return await watching


def main() -> None:
    """Run it as told, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--connections", type=int, default=20)
    parser.add_argument("--url", default="")
    told = parser.parse_args()
    with ExitStack() as stack:
        url, pid = told.url, 0
        if not url:
            server = stack.enter_context(closing(Server(**LASTING)))
            url = server.make_database(server.template())
            pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        load = _Load(url, pid, told.sources, told.seconds)
        say = sys.stdout.write
        samples = asyncio.run(_run(load, told.connections, say))
        with psycopg.connect(url) as db:
            tables = db.execute(_TABLES).fetchall()
    waits = sorted(load.waits)
    half, last = samples[_STEPS // 2], samples[-1]
    commits = max(last.commits - half.commits, 1)
    say(f"{load.commits:,} commits of ten records by {told.sources:,} sources\n")
    say(f"{load.commits / last.seconds:,.0f} a second, of which a fleet of 1,000 has 12\n")
    median, most = (waits[len(waits) * share // 100] * 1000 for share in (50, 99))
    say(f"median {median:.1f} ms, 99 % {most:.1f} ms\n")
    if pid:
        each = (last.cpu_s - half.cpu_s) / commits * 1000
        say(f"CPU of the server: {each:.2f} ms a commit, connecting and vacuum included\n")
    each = (last.size - half.size) / commits
    say(f"{each / 1000:.2f} kB a commit: {each * _YEAR / 1e9:.2f} GB a year and host\n")
    for name, taken, living, dead in tables:
        say(f"  {name:16} {taken / 1e6:8.1f} MB {living:>10,} rows {dead:>9,} dead\n")


if __name__ == "__main__":
    main()
