"""Many daemons over as many homes, into one PostgreSQL server, while all of it is disturbed.

Each daemon is a process, fed by random pieces of rollouts. Daemons are killed and started again,
connections are ended, the server is killed and started. In the end every row is that of SQLite
projections of the same homes.

    python -m tests.faults.fleet --daemons 20 --size 200000 --restarts 10 --kills 60 --cuts 300

With $TEST_CITUS, a report of two schemas of that cluster, whose nodes $TEST_CITUS_NODES kills and
starts again (see `tests.support.citus`), and one of two databases of a plain server beside them.
`--moves` is how often a schema goes over to another node:

    python -m tests.faults.fleet --daemons 12 --restarts 6 --kills 12 --cuts 40 --moves 4
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import psycopg

from projector.discover.watch import Watch
from projector.logs import events as log
from projector.run import daemon as daemons
from projector.run.daemon import Daemon
from projector.store.open import open_store
from projector.store.postgres.store import PostgresStore
from tests.benchmarks.suite.postgres import LASTING
from tests.faults.test_cut import append, pieces
from tests.support.citus import ADDRESS, NODES, Cluster, schema_of
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import Rows, rows_of
from tests.support.server import Server

_PATIENCE_S = 180
MOVE = (
    "SELECT citus_schema_move(c.table_schema::regnamespace, n.nodename, n.nodeport) FROM"
    " (SELECT DISTINCT split_part(s.table_name::text, '.', 1) AS table_schema, s.nodename AS at,"
    " s.nodeport AS port FROM citus_shards AS s WHERE s.table_name::text LIKE %s || '.%%') AS c"
    " JOIN pg_dist_node AS n ON n.shouldhaveshards AND (n.nodename, n.nodeport) <> (c.at, c.port)"
    " LIMIT 1"
)
_PLACES = (
    "SELECT split_part(table_name::text, '.', 1), min(nodename || ':' || nodeport)"
    " FROM citus_shards GROUP BY 1"
)
_CUT = (
    "SELECT count(pg_terminate_backend(pid)) FROM (SELECT pid FROM pg_stat_activity"
    " WHERE datname = current_database() AND usename = current_user"
    " AND pid <> pg_backend_pid() ORDER BY random() LIMIT 2) AS few"
)


@dataclass
class Report:
    """What was done, and what came of it."""

    engine: str
    daemons: int
    databases: int
    server_restarts: int = 0
    daemons_killed: int = 0
    connections_cut: int = 0
    schemas_moved: int = 0
    nodes: int = 1
    """On how many nodes the databases were in the beginning."""
    seconds: float = 0.0
    rows: int = 0
    """Of all views, equal to those of SQLite."""
    changes: int = 0
    """In the feeds of all sources, without a gap."""


@dataclass
class Member:
    """A daemon and its home."""

    number: int
    folder: Path
    url: str
    pid: int = 0
    sizes: dict[Path, int] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        """Where it looks."""
        return self.folder / "home"

    @property
    def source(self) -> str:
        """Whose rows they are."""
        return f"host-{self.number}"

    def start(self) -> None:
        """Start its process."""
        child = os.fork()
        if child:
            self.pid = child
            return
        code = 70
        try:
            daemons.STORE_WAIT_S = (0.05, 0.2)  # type: ignore[misc] # the fleet has less patience
            asyncio.run(self._follow())
            code = 0
        except BaseException as error:  # noqa: BLE001 - a child must not go on with the tests
            sys.stderr.write(f"{self.source}: {error!r}\n")
        finally:
            os._exit(code)

    async def _follow(self) -> None:
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        wanted = settings_for(self.home, self.url, rescan_s=1.0, batch_records=50)
        store = await _opened(self.url, self.source)
        try:
            async with Watch(wanted.codex_homes, rescan_s=1.0) as watch:
                await Daemon(store, wanted, watch, stop).run()
        finally:
            await store.close()

    def kill(self, how: signal.Signals) -> int:
        """End its process; give how it ended."""
        os.kill(self.pid, how)
        _, status = os.waitpid(self.pid, 0)
        return status


async def _opened(url: str, source: str) -> PostgresStore:
    """Open the store as a service manager would: again and again until the server is there."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            store = await open_store(url, source=source)
        except Exception:
            if time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.1)
        else:
            assert isinstance(store, PostgresStore)
            return store


def whole_home(folder: Path, seed: int, size: int) -> Path:
    """Make a home whose rollouts are of no other one."""
    home = folder / "whole"
    thread = Rollout(seed=seed)
    thread.write(home, size=size)
    thread.reverted(thread.cut()).write(home, size=size // 2)
    Rollout(seed=seed + 1, history="legacy").write(home, size=size)
    return home


def run(
    folder: Path,
    server: Server,
    *,
    databases: int = 1,
    daemons: int,
    size: int,
    seed: int,
    restarts: int,
    kills: int,
    cuts: int,
    moves: int = 0,
) -> Report:
    """Run it, and close the server; raises where rows differ."""
    chance = Random(seed)
    report = Report(type(server).__name__, daemons, databases)
    begun = time.monotonic()
    members: list[Member] = []
    try:
        urls = [server.make_database() for _ in range(databases)]
        for number in range(daemons):
            member = Member(number, folder / str(number), urls[number % len(urls)])
            (member.home / "sessions").mkdir(parents=True)
            members.append(member)
            member.start()
        if isinstance(server, Cluster):
            report.nodes = _nodes(urls)
        weather = _Weather(members, server, urls, report, chance)
        _feed(members, chance, weather.events(restarts, kills, cuts, moves), size)
        for url in urls:
            _until_read([member for member in members if member.url == url], url)
        for member in members:
            status = member.kill(signal.SIGTERM)
            member.pid = 0
            assert status == 0, (member.source, status)
        for url in urls:
            some = [member for member in members if member.url == url]
            rows, changes = _compare(some, folder, url)
            report.rows += rows
            report.changes += changes
    finally:
        for member in members:
            if member.pid:
                with suppress(ProcessLookupError, ChildProcessError):
                    member.kill(signal.SIGKILL)
        server.close()
    report.seconds = round(time.monotonic() - begun, 1)
    return report


def _feed(
    members: list[Member], chance: Random, events: list[Callable[[], None]], size: int
) -> None:
    """Write all homes, piece by piece; `events` happen in between, evenly."""
    left = []
    for member in members:
        whole = whole_home(member.folder, 1000 + 10 * member.number, size)
        for path, piece in pieces(whole, chance):
            left.append((member, path, piece))
            member.sizes[member.home / path] = member.sizes.get(member.home / path, 0) + len(piece)
    # Homes are written side by side, each in its own order.
    queues = {member.number: [one for one in left if one[0] is member] for member in members}
    step = max(1, len(left) // (len(events) + 1))
    for count in range(len(left)):
        number = chance.choice([number for number, queue in queues.items() if queue])
        member, path, piece = queues[number].pop(0)
        append(member.home / path, piece)
        if count % 10 == 0:
            time.sleep(0.002)
        if events and count % step == step - 1:
            events.pop()()
    while events:
        events.pop()()


@dataclass
class _Weather:
    """What happens to servers and daemons."""

    members: list[Member]
    server: Server
    urls: list[str]
    report: Report
    chance: Random

    def events(
        self, restarts: int, kills: int, cuts: int, moves: int = 0
    ) -> list[Callable[[], None]]:
        """Give so many of each, in any order."""
        events = [*(self.restart,) * restarts, *(self.kill,) * kills, *(self.cut,) * cuts]
        events += (self.move,) * moves
        self.chance.shuffle(events)
        return events

    def restart(self) -> None:
        """Kill the server, or a node of a cluster, and start it again."""
        if isinstance(self.server, Cluster):
            if not NODES:
                return
            subprocess.run(
                self.chance.choice(NODES), shell=True, check=True,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
            )  # fmt: skip
        else:
            self.server.kill()
            time.sleep(self.chance.random() * 0.5)
            self.server.start()
        self.report.server_restarts += 1

    def kill(self) -> None:
        """Kill a daemon, and start it again."""
        member = self.chance.choice(self.members)
        status = member.kill(signal.SIGKILL)
        assert os.WIFSIGNALED(status), (member.source, "had ended by itself", status)
        member.start()
        self.report.daemons_killed += 1

    def cut(self) -> None:
        """End some connections, in mid-transaction or not."""
        with (
            suppress(psycopg.Error),
            psycopg.connect(self.chance.choice(self.urls), autocommit=True) as db,
        ):
            row = db.execute(_CUT).fetchone()
            self.report.connections_cut += row[0] if row else 0

    def move(self) -> None:
        """Let a schema go over to another node, while it is written."""
        if not isinstance(self.server, Cluster):
            return
        name = schema_of(self.chance.choice(self.urls))
        with suppress(psycopg.Error), psycopg.connect(ADDRESS, autocommit=True) as db:
            db.execute(MOVE, (name,))
            self.report.schemas_moved += 1


def _nodes(urls: list[str]) -> int:
    """Count the nodes that databases are on, once each has its tables."""
    wanted = [schema_of(url) for url in urls]
    deadline = time.monotonic() + _PATIENCE_S
    with psycopg.connect(ADDRESS, autocommit=True) as db:
        while True:
            places: dict[str, str] = dict(db.execute(_PLACES).fetchall())
            if places.keys() >= set(wanted):
                return len({places[name] for name in wanted})
            assert time.monotonic() < deadline, "no tables"
            time.sleep(0.1)


def _until_read(members: list[Member], url: str) -> None:
    """Wait until all rollouts stand at their ends."""
    wanted = sorted(size for member in members for size in member.sizes.values())
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        with suppress(psycopg.Error), psycopg.connect(url, autocommit=True) as db:
            found = db.execute("SELECT next_offset FROM _rollouts").fetchall()
            if sorted(offset for (offset,) in found) == wanted:
                return
        assert time.monotonic() < deadline, "not all is read"
        time.sleep(0.1)


def _compare(members: list[Member], folder: Path, url: str) -> tuple[int, int]:
    """Hold the server's rows against those of SQLite; give how many there are, and changes."""
    expected: Rows = {}
    for member in members:
        database = folder / f"{member.number}.db"
        backfilled(member.home, database)
        for view, rows in rows_of(database).items():
            expected.setdefault(view, []).extend(rows)
    found = rows_of(url)
    for view, rows in expected.items():
        assert found[view] == sorted(rows, key=repr), view
    with psycopg.connect(url) as db:
        gaps = db.execute(
            "SELECT s.name FROM _sources AS s JOIN _feed AS f USING (source_id)"
            " GROUP BY s.name, s.last_seq HAVING count(*) <> s.last_seq OR min(seq) <> 1"
        ).fetchall()
        ((changes,),) = db.execute("SELECT count(*) FROM _feed").fetchall()
    assert gaps == [], "the feed has gaps"
    return sum(map(len, found.values())), changes


def main() -> None:
    """Run it as told, and report."""
    log.configure(level="error", form="json")
    # Stopped from outside, it stops what it started, as at its end.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    parser = argparse.ArgumentParser(description=__doc__)
    for name, default in (
        ("daemons", 20), ("size", 200_000), ("seed", 1), ("restarts", 10), ("kills", 60),
        ("cuts", 300), ("moves", 0),
    ):  # fmt: skip
        parser.add_argument(f"--{name}", type=int, default=default)
    wanted = vars(parser.parse_args())
    servers: list[Callable[[], Server]] = [lambda: Server(**LASTING)]
    if ADDRESS:
        servers.insert(0, Cluster)
        wanted["databases"] = 2
    for server in servers:
        with tempfile.TemporaryDirectory() as folder:
            print(run(Path(folder), server(), **wanted), flush=True)  # noqa: T201 - its purpose


if __name__ == "__main__":
    main()
