"""What only a Citus cluster does: schemas that move, nodes that go, tables spread by rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import LiteralString

import psycopg
import pytest

from projector import cli
from projector.model.changes import Change
from projector.model.errors import StoreUnavailable
from projector.store.open import open_store
from projector.store.postgres.store import PostgresStore
from tests.faults.fleet import MOVE
from tests.support.citus import Cluster, schema_of
from tests.support.databases import reading
from tests.support.makers import at, batch, event, file_of, item, rollout_id
from tests.support.server import Server

#: On a node: a commit takes long there.
_SLOW_COMMITS = """
SET citus.enable_ddl_propagation TO off;
CREATE FUNCTION pg_temp.slow() RETURNS trigger LANGUAGE plpgsql AS
  $$ BEGIN PERFORM pg_sleep(30); RETURN NULL; END $$;
CREATE CONSTRAINT TRIGGER slow AFTER UPDATE ON {shard} DEFERRABLE INITIALLY DEFERRED
  FOR EACH ROW EXECUTE FUNCTION pg_temp.slow();
"""
#: Ends who sleeps there in a commit.
_CUT = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
    " WHERE usename = %s AND wait_event = 'PgSleep'"
)


@pytest.fixture
def url(server: Server) -> Iterator[str]:
    """Give the address of an empty schema of its own."""
    assert isinstance(server, Cluster)
    made = server.make_database(server.template())
    yield made
    server.drop_database(made)


async def _written(store: PostgresStore, number: int) -> None:
    start = at(1000 * number) if number else None
    rows: list[Change] = [
        item(1, f"i{number}", 1000 * number),
        event(1, "turn.started", 1000 * number),
    ]
    await store.commit([batch(file_of(1), rows, start=start, end=1000 * (number + 1))])


def _whole(url: str, items: int) -> None:
    """See that all items are there, once each, and the feed has no gap."""
    with reading(url) as db:
        assert db.rows("SELECT count(*), count(DISTINCT item_id) FROM all_items") == [
            (items, items)
        ]
        ((low, high, count),) = db.rows("SELECT min(seq), max(seq), count(*) FROM changes")
        assert (low, high) == (1, count)


def test_a_schema_that_moves_while_it_is_written(url: str, server: Server) -> None:
    """There and back: what a commit finds locked or gone is written again."""

    async def move(done: list[int]) -> None:
        async with await psycopg.AsyncConnection.connect(server.url(), autocommit=True) as db:
            for _ in range(2):
                await db.execute(MOVE, (schema_of(url),))
                done.append(1)

    async def write() -> int:
        store = await open_store(url, source="one")
        assert isinstance(store, PostgresStore)
        done: list[int] = []
        moving = asyncio.create_task(move(done))
        number = 0
        while len(done) < 2 and not moving.done():
            try:
                await _written(store, number)
            except StoreUnavailable:
                known = await store.checkpoint(rollout_id(1))
                number = known.offset // 1000 if known else 0
            else:
                number += 1
        await moving
        await store.close()
        return number

    written = asyncio.run(write())
    assert written > 10
    _whole(url, written)


def test_a_node_that_goes_while_it_commits(url: str, server: Server) -> None:
    """It is not known what was written: the checkpoint tells."""
    role = schema_of(url)
    with psycopg.connect(server.url(), autocommit=True) as db:
        ask = "SELECT shard_name, nodename, nodeport FROM citus_shards WHERE table_name::text = %s"
        ((shard, host, port),) = db.execute(ask, (f"{role}._sources",)).fetchall()
        where = f"host={host} port={port} user={db.info.user} dbname={db.info.dbname}"

    async def write() -> None:
        store = await open_store(url, source="one")
        assert isinstance(store, PostgresStore)
        await _written(store, 0)
        async with await psycopg.AsyncConnection.connect(where, autocommit=True) as node:
            await node.execute(_SLOW_COMMITS.format(shard=shard).encode())
            writing = asyncio.create_task(_written(store, 1))
            await _until(node, _CUT, role)
            with pytest.raises(StoreUnavailable):
                await writing
            await node.execute(f"DROP TRIGGER slow ON {shard}".encode())
        assert await store.checkpoint(rollout_id(1)) == at(1000)
        await _written(store, 1)
        await store.close()

    asyncio.run(write())
    _whole(url, 2)


async def _until(db: psycopg.AsyncConnection, question: LiteralString, role: str) -> None:
    """Ask until there is a row."""
    async with asyncio.timeout(20):
        while await (await db.execute(question, (role,))).fetchone() is None:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


def test_tables_spread_by_rows_are_told_of(
    url: str, server: Server, capsys: pytest.CaptureFixture[str]
) -> None:
    """By whoever writes, reads or looks for problems; undone, the schema is as it was."""
    name = schema_of(url)
    asyncio.run(_one(url))
    with psycopg.connect(server.url(), autocommit=True) as db:
        db.execute(f"SELECT citus_schema_undistribute('{name}')".encode())
        db.execute(f"SELECT create_distributed_table('{name}._items', 'source_id')".encode())
        for table in ("_rollouts", "_turns"):
            place = f"'{name}.{table}', 'source_id', colocate_with => '{name}._items'"
            db.execute(f"SELECT create_distributed_table({place})".encode())
        for command in ("doctor", "threads", "run"):
            assert cli.run([command, "--database", url]) == 1, command
            told = "".join(capsys.readouterr())
            assert "its tables are distributed by rows" in told, command
            assert "citus_schema_distribute" in told
        for table in ("_items", "_rollouts", "_turns"):
            db.execute(f"SELECT undistribute_table('{name}.{table}')".encode())
        assert cli.run(["threads", "--database", url]) == 0  # on the coordinator alone
        db.execute(f"SELECT citus_schema_distribute('{name}')".encode())
    assert cli.run(["threads", "--database", url]) == 0
    _whole(url, 1)
    with reading(url) as db:
        assert db.size().database > 100_000


async def _one(url: str) -> None:
    store = await open_store(url, source="one")
    assert isinstance(store, PostgresStore)
    await _written(store, 0)
    await store.close()
