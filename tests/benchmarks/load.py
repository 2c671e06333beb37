"""Loads a PostgreSQL server as a fleet does: `python -m tests.benchmarks.load --seconds 600`.

Many sources commit ten records at a time, in turns, from several processes, over as many
connections as a pooler would hold, and a report keeps a snapshot half of the time, so that rows
that die cannot be vacuumed. Told ten times: commits, what one cost the server, dead rows, and the
size; at the end growth by table, and what a year is by the second half, when every source is known
and there are dead rows. `--url` names a database of your own; else a server is started, set as one
that keeps data.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack, closing
from ctypes import c_longlong
from dataclasses import dataclass
from itertools import chain, count
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

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
#: How long processes may take to end their last commits.
_PATIENCE_S: Final = 60
_FORK: Final = multiprocessing.get_context("fork")


class _Sample(NamedTuple):
    """What there was at a moment."""

    seconds: float
    commits: int
    cpu_s: float
    size: int
    """Bytes of tables and indexes."""
    dead: int
    """Dead rows, as the server counts them."""


@dataclass(frozen=True)
class _Work:
    """What a process does: sources commit in turns, over some connections."""

    commits: ClassVar[Synchronized[int]] = _FORK.Value(c_longlong, 0)
    """Those of all processes."""
    url: str
    shares: list[list[int]]
    """The sources of each connection."""
    until: float

    def done(self) -> list[float]:
        """Commit until the time is over; give how long each commit took, seconds."""
        return asyncio.run(self._all())

    async def _all(self) -> list[float]:
        return [*chain.from_iterable(await asyncio.gather(*map(self._in_turns, self.shares)))]

    async def _in_turns(self, mine: list[int]) -> list[float]:
        waits: list[float] = []
        turns = ((number, first) for first in count(0, _EACH) for number in mine)
        while time.monotonic() < self.until:
            number, first = next(turns)
            store = await PostgresStore.open(self.url, source=f"host-{number}")
            for step in range(first, first + _EACH):
                began = time.perf_counter()
                await store.commit([_told(number, step)])
                waits.append(time.perf_counter() - began)
                with self.commits:
                    self.commits.value += 1
            await store.close()
        return waits


class _Load:
    """A server that is worked for, and how it goes."""

    def __init__(self, url: str, pid: int, seconds: float) -> None:
        self.url = url
        self.pid = pid
        """The server's process; 0: not on this machine."""
        self.seconds = seconds
        self.until = time.monotonic() + seconds

    async def report(self) -> None:
        """Hold a snapshot for ten seconds, again and again."""
        while time.monotonic() < self.until:
            async with await psycopg.AsyncConnection.connect(self.url) as db:
                await db.set_isolation_level(psycopg.IsolationLevel.REPEATABLE_READ)
                await db.execute("SELECT count(*) FROM _sources")
                await asyncio.sleep(10)
            await asyncio.sleep(10)

    async def watched(self, say: Callable[[str], object]) -> list[_Sample]:
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
        return _Sample(time.monotonic() - began, _Work.commits.value, cpu_s, *row)


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


async def _seen(load: _Load, say: Callable[[str], object]) -> list[_Sample]:
    samples, _ = await asyncio.gather(load.watched(say), load.report())
    return samples


async def _with_tables(url: str) -> None:
    await (await PostgresStore.open(url, source="host-1")).close()


def main() -> None:
    """Run it as told, and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--sources", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=4)
    parser.add_argument("--connections", type=int, default=20, help="of all processes")
    parser.add_argument("--url", default="")
    told = parser.parse_args()
    connections = min(told.connections, told.sources)
    shares = [[*range(1 + at, 1 + told.sources, connections)] for at in range(connections)]
    with ExitStack() as stack:
        # Made first: what it inherits of a server would keep it alive.
        pool = stack.enter_context(_FORK.Pool(told.processes))
        url, pid = told.url, 0
        if not url:
            server = stack.enter_context(closing(Server(**LASTING)))
            url = server.make_database(server.template())
            pid = int((server.folder / "data" / "postmaster.pid").read_text().split()[0])
        asyncio.run(_with_tables(url))
        load = _Load(url, pid, told.seconds)
        parts = (shares[at :: told.processes] for at in range(told.processes))
        done = pool.map_async(_Work.done, [_Work(url, part, load.until) for part in parts])
        say = sys.stdout.write
        samples = asyncio.run(_seen(load, say))
        waits = sorted(chain.from_iterable(done.get(_PATIENCE_S)))
        with psycopg.connect(url) as db:
            tables = db.execute(_TABLES).fetchall()
    half, last = samples[_STEPS // 2], samples[-1]
    commits = max(last.commits - half.commits, 1)
    say(f"{last.commits:,} commits of ten records by {told.sources:,} sources\n")
    say(f"{last.commits / last.seconds:,.0f} a second, of which a fleet of 1,000 has 12\n")
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
