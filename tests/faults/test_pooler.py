"""Through PgBouncer in transaction mode: each transaction may meet another server process."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import psycopg
import pytest

from projector.model.changes import Change
from projector.store.open import open_store
from projector.store.postgres.store import PostgresStore
from projector.store.protocol import Holder
from tests.faults.test_cut import home_of
from tests.support.databases import reading
from tests.support.makers import at, batch, file_of, item, rollout_id, turn
from tests.support.projecting import backfilled
from tests.support.rows import rows_of
from tests.support.server import Server, user

#: $TEST_PGBOUNCER names another one: those of 1.21 and newer track prepared statements.
POOLER: Final = (
    os.environ.get("TEST_PGBOUNCER")
    or shutil.which("pgbouncer")
    or shutil.which("pgbouncer", path="/usr/sbin")
)
_CONFIG: Final = """
[databases]
* = host={server} port={port}
[pgbouncer]
listen_port = 6432
listen_addr =
unix_socket_dir = {folder}
auth_type = trust
auth_file = {folder}/users
pool_mode = transaction
default_pool_size = 2
max_client_conn = 100
"""
# It ends with the pipe to whoever started it, also when that one is killed.
_KEEP: Final = '"$0" "$1" & pid=$!; cat >/dev/null; kill $pid; wait'

pytestmark = pytest.mark.skipif(
    POOLER is None, reason="pgbouncer is not installed: apt-get install pgbouncer"
)


@pytest.fixture(scope="module")
def pooler(server: Server) -> Iterator[Path]:
    """Give the folder of its socket."""
    assert POOLER is not None
    with tempfile.TemporaryDirectory(prefix="pg-") as name:
        folder = Path(name)
        (folder / "config").write_text(
            _CONFIG.format(server=server.folder, port=server.port, folder=folder)
        )
        (folder / "users").write_text("".join(f'"{name}" ""\n' for name in server.users()))
        whose = user()  # who can reach the server's socket
        if whose is not None:
            for path in (folder, *folder.iterdir()):
                os.chown(path, whose, -1)
        keeper = subprocess.Popen(
            ["sh", "-c", _KEEP, POOLER, str(folder / "config")],
            stdin=subprocess.PIPE, stderr=subprocess.DEVNULL, user=whose, cwd="/",
        )  # fmt: skip
        try:
            _wait_for(_through(folder, server.url()))
            yield folder
        finally:
            keeper.communicate()


def _wait_for(url: str) -> None:
    deadline = time.monotonic() + 20
    while True:
        try:
            psycopg.connect(url).close()
        except psycopg.Error:
            assert time.monotonic() < deadline, "the pooler does not start"
            time.sleep(0.05)
        else:
            return


def _through(pooler: Path, url: str) -> str:
    """Give the address of the same database, as the same user, by the pooler."""
    return re.sub(r"host=.*&port=\d+", f"host={pooler}&port=6432", url)


def test_a_home_through_the_pooler(pooler: Path, server: Server, tmp_path: Path) -> None:
    """Schema, rows, readers: as without it."""
    home = home_of(tmp_path, 3)
    url = server.make_database()
    through = _through(pooler, url)
    backfilled(home, through, batch_records=20)
    backfilled(home, tmp_path / "p.db")

    assert rows_of(through) == rows_of(tmp_path / "p.db")
    assert rows_of(url) == rows_of(through)


def test_more_daemons_than_connections(pooler: Path, postgres: str) -> None:
    """Ten sources share two connections: leases, batches and feeds are each their own."""

    async def write(number: int) -> None:
        store = await open_store(_through(pooler, postgres), source=f"s{number}")
        assert isinstance(store, PostgresStore)
        try:
            await store.acquire_lock(Holder(pid=1, host="elsewhere", version="1", started_at_ms=1))
            for n in range(8):
                start = at(1000 * n) if n else None
                rows = [item(number, f"i{n}", 1000 * n)]
                await store.commit([batch(file_of(number), rows, start=start, end=1000 * (n + 1))])
                known = await store.checkpoint(rollout_id(number))
                assert known == at(1000 * (n + 1))
        finally:
            await store.close()

    async def all_of_them() -> None:
        await asyncio.gather(*(write(number) for number in range(1, 11)))

    asyncio.run(all_of_them())
    with reading(postgres) as db:
        assert db.rows("SELECT item_count FROM threads") == [(8,)] * 10
        gaps = db.rows(
            "SELECT source_id FROM changes GROUP BY source_id HAVING count(*) <> max(seq)"
        )
        assert gaps == []


def test_statements_are_prepared_only_where_the_pooler_tracks_them(
    pooler: Path, postgres: str
) -> None:
    """Many commits by several sources over two connections; statistics are there, so all would."""
    assert POOLER is not None
    said = subprocess.run([POOLER, "--version"], capture_output=True, text=True, check=True).stdout
    tracks = tuple(map(int, said.split()[1].split(".")[:2])) >= (1, 21)

    async def write() -> list[bool]:
        stores = [
            await PostgresStore.open(_through(pooler, postgres), source=f"s{number}")
            for number in range(5)
        ]
        for step in range(70):
            for number, store in enumerate(stores, 1):
                rows: list[Change] = [turn(number, f"t{step}", 1000 * step)]
                rows.append(item(number, f"i{step}", 1000 * step))
                start = at(1000 * step) if step else None
                await store.commit(
                    [batch(file_of(number), rows, start=start, end=1000 * (step + 1))]
                )
            if step == 2:
                with psycopg.connect(postgres, autocommit=True) as db:
                    db.execute("ANALYZE")
        found = [bool(store._db and store._db.prepare_threshold) for store in stores]
        for store in stores:
            await store.close()
        return found

    assert asyncio.run(write()) == [tracks] * 5
    with psycopg.connect(postgres) as db:
        assert db.execute("SELECT count(*) FROM _items").fetchone() == (350,)
