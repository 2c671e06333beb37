"""A server that ends, connections that are cut, answers that never come: all is there, once."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import LiteralString

import psycopg
import pytest

from projector.discover.watch import Watch
from projector.model.errors import StoreUnavailable
from projector.run.daemon import Daemon
from projector.store.postgres.store import PostgresStore
from projector.store.protocol import Batch
from tests.faults import fleet
from tests.faults.test_cut import home_of
from tests.support import citus
from tests.support.databases import reading
from tests.support.generator.rollouts import Rollout
from tests.support.makers import at, batch, event, file_of, item, rollout_id
from tests.support.projecting import backfilled, settings_for
from tests.support.proxy import Cut, proxied
from tests.support.rows import rows_of
from tests.support.server import Server
from tests.support.writes import Writes


@pytest.fixture
def short() -> Iterator[Path]:
    """Give a folder whose name is short enough for a socket."""
    with tempfile.TemporaryDirectory(prefix="pr-") as folder:
        yield Path(folder)


@pytest.mark.parametrize("cut", ["order", "answer"])
def test_a_lost_answer_to_commit_is_never_sent_twice(
    server: Server, postgres: str, short: Path, cut: Cut
) -> None:
    """It is not known what was written: the checkpoint is read, and tells."""

    async def lose() -> None:
        async with proxied(server.socket, short) as proxy:
            url = postgres.replace(str(server.folder), str(short))
            store = await PostgresStore.open(url, source="one")
            await store.commit([batch(file_of(1), [item(1, "a", 1)])])
            late = batch(
                file_of(1), [item(1, "b", 1001), event(1, "turn.started", 1001)],
                start=at(1000), end=2000,
            )  # fmt: skip
            proxy.cut = cut
            with pytest.raises(StoreUnavailable):
                await store.commit([late])
            assert proxy.cuts == 1
            known = await store.checkpoint(rollout_id(1))
            assert known == (at(2000) if cut == "answer" else at(1000))
            if cut == "order":
                await store.commit([late])
            await store.close()

    asyncio.run(lose())
    with reading(postgres) as db:
        assert db.rows("SELECT item_id FROM all_items ORDER BY position") == [("a",), ("b",)]
        assert db.rows("SELECT count(*) FROM lifecycle_events") == [(1,)]
        ((low, high, count),) = db.rows("SELECT min(seq), max(seq), count(*) FROM changes")
        assert (low, high) == (1, count)


def test_a_replacement_whose_answer_is_lost_is_whole(
    server: Server, postgres: str, short: Path
) -> None:
    async def lose() -> None:
        async with proxied(server.socket, short) as proxy:
            url = postgres.replace(str(server.folder), str(short))
            store = await PostgresStore.open(url, source="one")
            await store.commit([batch(file_of(1), [item(1, "a", 1)])])

            async def anew() -> AsyncIterator[Batch]:
                yield batch(file_of(1), [item(1, "b", 5)], end=at(500, generation=1))

            proxy.cut = "answer"
            with pytest.raises(StoreUnavailable):
                await store.replace(at(1000), anew())
            assert await store.checkpoint(rollout_id(1)) == at(500, generation=1)
            await store.close()

    asyncio.run(lose())
    with reading(postgres) as db:
        assert db.rows("SELECT item_id FROM thread_history") == [("b",)]


def test_a_server_that_is_killed_in_a_backfill(tmp_path: Path) -> None:
    """The backfill ends with a word; the next one goes on from what was committed."""
    own = Server()
    try:
        home, url = home_of(tmp_path, 2), own.make_database()
        backfilled(home, tmp_path / "p.db")
        ends: list[str] = []
        for rows in (1, 8, 15):
            with ThreadPoolExecutor(1) as pool:
                running = pool.submit(backfilled, home, url, batch_records=3)
                while not running.done() and written(url) < rows:
                    pass
                own.kill()
                ends.append(type(running.exception()).__name__)
            own.start()
        backfilled(home, url, batch_records=20)

        assert set(ends) == {"StoreUnavailable"}
        assert rows_of(url) == rows_of(tmp_path / "p.db")
    finally:
        own.close()


def written(url: str) -> int:
    """Count items; 0 while there is no table."""
    try:
        with psycopg.connect(url) as db:
            row = db.execute("SELECT count(*) FROM _items").fetchone()
            return int(row[0]) if row else 0
    except psycopg.Error:
        return 0


def test_a_slow_server_is_waited_for_with_little_in_memory(
    tmp_path: Path, postgres: str, server: Server
) -> None:
    """Back-pressure is the loop itself: behind a batch that waits, nothing more is read."""
    home = tmp_path / "home"
    size = Rollout(seed=4).write(home, size=12 << 20).stat().st_size

    async def wait() -> None:
        settings, stop = settings_for(home, postgres), asyncio.Event()
        store = await PostgresStore.open(postgres, source=settings.source.name)
        async with Watch(settings.codex_homes, rescan_s=1.0) as watch:
            daemon, writes = Daemon(store, settings, watch, stop), Writes(store)
            async with (
                await psycopg.AsyncConnection.connect(postgres) as other,
                await psycopg.AsyncConnection.connect(server.url(), autocommit=True) as looking,
            ):
                following = asyncio.create_task(daemon.run())
                await writes.until(store.statuses)  # it has begun
                await other.execute("SELECT * FROM _sources FOR UPDATE")
                async with asyncio.timeout(30):
                    while not await _waits(looking, server.lock_waits):  # noqa: ASYNC110 - nobody tells
                        await asyncio.sleep(0.01)
                read = daemon.bytes_read
                await asyncio.sleep(0.3)
                assert daemon.bytes_read == read
                assert read < size
                await other.commit()

            async def is_read() -> bool:
                return next(iter((await store.statuses()).values())).offset == size

            await writes.until(is_read)
            stop.set()
            await following
        await store.close()

    asyncio.run(wait())
    backfilled(home, tmp_path / "p.db")
    assert rows_of(postgres) == rows_of(tmp_path / "p.db")


async def _waits(looking: psycopg.AsyncConnection, question: LiteralString) -> bool:
    found = await looking.execute(question)
    return await found.fetchone() is not None


def test_a_fleet_in_bad_weather(tmp_path: Path) -> None:
    """Daemons over their homes into one server, all of them killed now and then."""
    server = citus.Cluster() if citus.ADDRESS else Server()
    report = fleet.run(
        tmp_path, server, daemons=4, size=12_000, seed=5, restarts=2, kills=4, cuts=15
    )

    assert report.server_restarts == (2 if citus.NODES or not citus.ADDRESS else 0)
    assert report.daemons_killed == 4
    assert report.connections_cut > 0


def test_a_source_that_is_locked_while_it_connects_is_waited_for(postgres: str) -> None:
    """The wait ends, and the next try finds a connection of its own."""

    async def connect() -> None:
        first = await PostgresStore.open(postgres, source="one")
        await first.commit([batch(file_of(1), [item(1, "a", 1)])])
        await first.close()
        store = PostgresStore.closed(postgres, source="one", busy_timeout_s=0.2)
        async with await psycopg.AsyncConnection.connect(postgres) as other:
            await other.execute("SELECT * FROM _sources FOR UPDATE")
            for _ in range(2):
                with pytest.raises(StoreUnavailable, match="locked"):
                    await store.checkpoint(rollout_id(1))
            await other.rollback()
        assert await store.checkpoint(rollout_id(1)) == at(1000)
        await store.close()

    asyncio.run(connect())
