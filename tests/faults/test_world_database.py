"""The database is locked, full, forbidden, removed, replaced, damaged: one fault a test."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import time
from pathlib import Path

import pytest

from projector.model.errors import AlreadyRunning, StoreRefused
from projector.serve.health import collect as gather
from projector.serve.health import status
from projector.serve.health.snapshot import Facts
from projector.store.protocol import Holder
from projector.store.sqlite.reading import SqliteConnection
from projector.store.sqlite.store import SqliteStore
from tests.support.following import World, following, world
from tests.support.projecting import backfilled

OTHER = Holder(pid=1, host="h", version="0", started_at_ms=0)


def the_same(made: World) -> None:
    assert made.whole() == made.rows()


def test_locked_for_minutes(tmp_path: Path) -> None:
    """It is tried again until the other program is done; nothing is lost, nothing twice."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            other = sqlite3.connect(made.database, isolation_level=None)
            other.execute("BEGIN IMMEDIATE")
            made.grow()
            said = await daemon.until_said("store.lost")
            other.execute("ROLLBACK")
            other.close()
            await daemon.until_said("store.recovered")
            await daemon.until_read()
            assert "locked by another program" in said["error"]

    asyncio.run(run())
    the_same(made)


def test_locked_when_the_daemon_starts(tmp_path: Path) -> None:
    made = world(tmp_path)
    backfilled(made.home, made.database)
    made.grow()

    async def run() -> None:
        other = sqlite3.connect(made.database, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        async with following(made) as daemon:
            await daemon.until_said("store.lost")
            other.execute("ROLLBACK")
            other.close()
            await daemon.until_read()

    asyncio.run(run())
    the_same(made)


async def _pragma(store: SqliteStore, sql: str) -> int:
    rows = await store.query(sql)
    return int(rows[0][0]) if rows else 0


def test_disk_full(tmp_path: Path) -> None:
    """What did not fit is written when there is space again."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            pages = await _pragma(daemon.store, "PRAGMA page_count")
            await _pragma(daemon.store, f"PRAGMA max_page_count = {pages}")
            made.grow(size=100_000)
            said = await daemon.until_said("store.lost")
            await _pragma(daemon.store, "PRAGMA max_page_count = 1000000")
            await daemon.until_said("store.recovered")
            await daemon.until_read()
            assert "the disk is full" in said["error"]

    asyncio.run(run())
    the_same(made)


def test_permission_to_write_lost_and_regained(tmp_path: Path) -> None:
    """As on a disk that is mounted read-only after an error."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            await daemon.store.query("PRAGMA query_only = ON")
            made.grow()
            said = await daemon.until_said("store.lost")
            await daemon.store.query("PRAGMA query_only = OFF")
            await daemon.until_said("store.recovered")
            await daemon.until_read()
            assert "cannot be written" in said["error"]

    asyncio.run(run())
    the_same(made)


@pytest.mark.parametrize("what", ["the file", "the file and its log", "the folder"])
def test_removed_under_the_daemon(tmp_path: Path, what: str) -> None:
    """It is noticed though nobody writes to a rollout; a new one is filled from the rollouts."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            match what:
                case "the file":
                    made.database.unlink()
                case "the folder":
                    shutil.rmtree(made.database.parent)
                case _:
                    for file in made.database.parent.glob("p.db*"):
                        file.unlink()
            await daemon.until_said("store.reopened")
            await daemon.until_read()
            made.grow()
            await daemon.until_read()
            other = await SqliteStore.open(made.database)
            with pytest.raises(AlreadyRunning):
                await other.acquire_lock(OTHER)
            await other.close()

    asyncio.run(run())
    the_same(made)


def test_replaced_by_an_older_copy(tmp_path: Path) -> None:
    """Restored from a backup: it goes on from the checkpoints that are in it."""
    made = world(tmp_path)
    backfilled(made.home, made.database)
    backup = tmp_path / "backup.db"
    with sqlite3.connect(made.database) as old, sqlite3.connect(backup) as new:
        old.backup(new)
    old.close()
    new.close()

    async def run() -> None:
        async with following(made) as daemon:
            made.grow()
            await daemon.until_read()
            # From here on the log holds some pages only: they must not get into the copy.
            await daemon.store.query("PRAGMA wal_checkpoint(TRUNCATE)")
            made.grow()
            await daemon.until_read()
            backup.replace(made.database)
            await daemon.until_said("store.reopened")
            await daemon.until_read()

    asyncio.run(run())
    the_same(made)


def test_replaced_by_one_that_is_in_use(tmp_path: Path) -> None:
    """What another program has written there, and not merged yet, stays."""
    made = world(tmp_path)
    backfilled(made.home, made.database)
    other = tmp_path / "other.db"

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            await asyncio.to_thread(backfilled, made.home, other)
            reader = sqlite3.connect(other, isolation_level=None)
            reader.execute("PRAGMA wal_autocheckpoint = 0")
            reader.execute("INSERT INTO _names VALUES ('kept', 'in the log')")
            for suffix in ("-wal", "-shm"):
                os.link(f"{other}{suffix}", tmp_path / f"new{suffix}")
                (tmp_path / f"new{suffix}").replace(f"{made.database}{suffix}")
            other.replace(made.database)
            await daemon.until_said("store.reopened")
            await daemon.until_read()
            kept = await daemon.store.query("SELECT name FROM _names WHERE thread_id = 'kept'")
            reader.close()
            assert kept == [("in the log",)]

    asyncio.run(run())


def test_replaced_by_something_else(tmp_path: Path) -> None:
    """Said, and not tried again: somebody put it there."""
    made = world(tmp_path)
    garbage = tmp_path / "garbage"
    garbage.write_bytes(b"no database " * 10_000)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            await daemon.store.query("PRAGMA wal_checkpoint(TRUNCATE)")
            garbage.replace(made.database)
            await daemon.until(lambda: False)

    with pytest.raises(StoreRefused, match="is not a SQLite database"):
        asyncio.run(run())


def test_damaged(tmp_path: Path) -> None:
    """Said clearly, with what to do; the rollouts are the truth."""
    made = world(tmp_path)
    backfilled(made.home, made.database)
    made.grow()
    with made.database.open("r+b") as file:
        size = file.seek(0, 2)
        file.seek(8192)
        file.write(b"\xff" * (size - 8192))

    with pytest.raises(StoreRefused, match=r"is damaged\. .*rebuild"):
        backfilled(made.home, made.database)


@pytest.mark.parametrize(
    "fault", ["ALTER TABLE _item_rows RENAME COLUMN rest TO text", "DROP TABLE _turns"]
)
def test_another_schema(tmp_path: Path, fault: str) -> None:
    """No such column, no such table: to try again would mend nothing."""
    made = world(tmp_path)
    backfilled(made.home, made.database)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            with sqlite3.connect(made.database) as db:
                for (view,) in db.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'view'"
                ).fetchall():
                    db.execute(f"DROP VIEW {view}")
                db.execute(fault)
            db.close()
            made.grow()
            await daemon.until(lambda: False)

    with pytest.raises(StoreRefused, match="is not as this version"):
        asyncio.run(run())


def test_two_daemons(tmp_path: Path) -> None:
    """The second leaves and says who has it; the first goes on."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            with pytest.raises(AlreadyRunning, match=f"process {os.getpid()}"):
                async with following(made) as second:
                    await second.until(lambda: False)
            made.grow()
            await daemon.until_read()

    asyncio.run(run())
    the_same(made)


def test_a_backfill_beside_a_daemon(tmp_path: Path) -> None:
    """Both write; no rollout is taken twice from one place."""
    made = world(tmp_path, rollouts=6)

    async def run() -> None:
        async with following(made) as daemon:
            for _ in range(4):
                made.grow(size=20_000)
                await asyncio.to_thread(backfilled, made.home, made.database, batch_records=7)
            await daemon.until_read()

    asyncio.run(run())
    the_same(made)


def test_many_rollouts_are_told_of_by_the_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A living one is believed, and no file is looked at; a look gives the same."""
    made = world(tmp_path)

    def look(**more: bool) -> Facts:
        with SqliteConnection(str(made.database)) as db:
            return gather.collect(db, [str(made.home)], time.time_ns() // 1_000_000, **more)

    def shown(facts: Facts) -> dict[str, object]:
        found = status.document(facts)
        return {name: found[name] for name in found if not name.startswith(("wal", "data", "free"))}

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            await daemon.until(lambda: made.heartbeat()["files"] == 3)
            await daemon.until(lambda: made.heartbeat()["phase"] == "following")
            looked = look()
            monkeypatch.setattr(gather, "MANY_FILES", 3)
            monkeypatch.setattr(gather, "walk", lambda *_: pytest.fail("a file is looked at"))
            found: list[Facts] = []

            def rests() -> bool:
                found.append(look())  # an event of a file that was read may still come
                return found[-1].told == (0, 0, None)

            await daemon.until(rests)
            told = found[-1]
            assert looked.told is None
            assert told.files == looked.files == 3
            assert shown(told).keys() == shown(looked).keys()
            for name in (
                "rollouts",
                "items",
                "turns",
                "records",
                "rollouts_on_disk",
                "behind_bytes",
            ):
                assert shown(told)[name] == shown(looked)[name], name
            with pytest.raises(pytest.fail.Exception):
                look(rollouts=True)

    asyncio.run(run())
    with pytest.raises(pytest.fail.Exception):
        look()  # it has left


def test_what_always_is_in_line_has_not_waited_for_ever(tmp_path: Path) -> None:
    """Rollouts that grow all the time: what waits is what came last."""
    made = world(tmp_path)

    async def run() -> None:
        async with following(made) as daemon:
            await daemon.until_read()
            await daemon.until(lambda: made.heartbeat()["current_as_of_ms"])
            begun = time.time_ns() // 1_000_000
            for _ in range(5):
                made.grow()
                await daemon.until_read()

            def is_current() -> bool:
                beat = made.heartbeat()
                return beat["current_as_of_ms"] >= begun and beat["behind_since_ms"] is None

            await daemon.until(is_current)  # the heartbeat may still be one of the midst of it

    asyncio.run(run())
