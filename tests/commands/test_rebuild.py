"""`projector rebuild`: made anew in place, unseen by readers; a damaged database is made again."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from projector.model.errors import AlreadyRunning, StoreDamaged
from projector.model.ids import Checkpoint
from projector.run.progress import Silent
from projector.run.rebuild import rebuild
from projector.store.open import open_store
from projector.store.protocol import Batch, Holder
from projector.store.sqlite.lock import hold
from projector.store.sqlite.store import SqliteStore
from tests.sample import make
from tests.support.extended import THREAD, extended
from tests.support.homes import put
from tests.support.migration import migrated
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import Rows, rows_of
from tests.support.stage import (
    appended,
    asked,
    changed,
    first_file,
    home_with_all_kinds,
    projector,
)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a home, and a database that was backfilled from it."""
    folder = tmp_path_factory.mktemp("sound")
    home_with_all_kinds(folder / "home")
    backfilled(folder / "home", folder / "p.db")
    return folder


@pytest.fixture
def folder(sound: Path, tmp_path: Path) -> Path:
    """A copy of it."""
    shutil.copytree(sound / "home", tmp_path / "home")
    backfilled(tmp_path / "home", tmp_path / "p.db")
    return tmp_path


def seen(folder: Path) -> Rows:
    return rows_of(folder / "p.db")


def test_nothing_changes_where_all_was_right(folder: Path) -> None:
    """Not a row, not a uid, and no event comes twice."""
    before = seen(folder)

    result = projector(folder, "rebuild")

    assert (result.exception, result.return_value) == (None, 0)
    assert before == seen(folder)
    assert asked(folder, "SELECT min(generation) FROM _rollouts") == (1,)
    assert asked(folder, "SELECT count(*) FROM anomalies WHERE kind = 'replaced'") == (0,)


@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE _item_rows SET rest = '{}' WHERE item = 1",
        "DELETE FROM _item_rows WHERE item < 4",
        "UPDATE _item_rows SET position = position + 1000000 WHERE item = 2",
        "UPDATE _item_rows SET uid = x'01' WHERE item = 1",
        "UPDATE _item_rows SET tombstone = 0",
        "DELETE FROM _turns",
        "DELETE FROM _usage_rows WHERE usage = 1",
        "DELETE FROM _anomaly_rows",
        "DELETE FROM _frames",
        "UPDATE _rollouts SET start_position = start_position + 5, originator = 'x', items = 0",
        "UPDATE _rollouts SET state = x'00'",
        "UPDATE _thread_parts SET upto = 7, items = 100",
        "DELETE FROM _thread_parts",
        "DELETE FROM _thread_states",
        (
            "INSERT INTO _item_rows"
            " (uid, rollout, position, turn_key, item_id, created_at_ms, kind, rest, provenance)"
            " VALUES (x'00', 99, 1, 1, 'i', 1, 'x', '{}', 1)"
        ),
    ],
)
def test_what_verify_finds_is_mended(folder: Path, sql: str) -> None:
    before = seen(folder)
    changed(folder, sql)
    assert projector(folder, "verify").return_value == 1

    assert projector(folder, "rebuild").return_value == 0

    assert projector(folder, "verify").return_value == 0
    assert before == seen(folder)


def test_rows_that_the_files_do_not_say_become_tombstones(folder: Path) -> None:
    changed(
        folder,
        "INSERT INTO _item_rows (uid, rollout, position, turn_key, item_id, created_at_ms, kind,"
        " rest, provenance) SELECT x'00', rollout, position, turn_key, 'new', 1, kind, rest,"
        " provenance FROM _item_rows WHERE item = 1",
    )

    assert projector(folder, "rebuild").return_value == 0

    assert projector(folder, "verify").return_value == 0
    assert asked(folder, "SELECT tombstone FROM _items WHERE item_id = 'new'") == (1,)


def test_one_thread_alone(folder: Path) -> None:
    (thread,) = asked(folder, "SELECT thread_id FROM _rollouts WHERE mode = 'legacy'")

    assert projector(folder, "rebuild", str(thread)).return_value == 0

    assert asked(folder, "SELECT sum(generation), count(*) FROM _rollouts") == (1, 3)


def test_rows_without_a_file_are_kept(folder: Path) -> None:
    first_file(folder).unlink()
    backfilled(folder / "home", folder / "p.db")
    before = seen(folder)

    result = projector(folder, "rebuild")

    assert result.return_value == 0
    assert "1 rollout without a file kept" in result.stdout
    assert before == seen(folder)


def test_a_rollout_that_cannot_be_read_keeps_its_rows(folder: Path) -> None:
    before = seen(folder)
    path = first_file(folder)
    path.unlink()
    path.mkdir()

    result = projector(folder, "rebuild")

    assert result.return_value == 1
    assert str(path) in result.stderr
    assert before == seen(folder)


def _moved_on(db: sqlite3.Connection, rollout_id: str) -> None:
    db.execute(
        "UPDATE _rollouts SET generation = generation + 1 WHERE rollout_id = ?", (rollout_id,)
    )


class Contested(SqliteStore):
    """Another writer moves the checkpoint in the midst of the first two replacements."""

    times = 2

    async def replace(self, start: Checkpoint, batches: AsyncIterator[Batch]) -> None:
        async def disturbed() -> AsyncIterator[Batch]:
            async for batch in batches:
                if Contested.times:
                    Contested.times -= 1
                    await self._run(_moved_on, batch.file.name.rollout_id)
                yield batch

        await super().replace(start, disturbed())


def test_a_daemon_that_writes_meanwhile_is_no_harm(folder: Path) -> None:
    """The checkpoint has moved: the rollout is begun again from where it stands."""
    settings = settings_for(folder / "home", folder / "p.db")

    async def contested() -> int:
        store = await Contested.open(folder / "p.db")
        try:
            done = await rebuild(store, settings, chosen=None, progress=Silent())
        finally:
            await store.close()
        assert done.faults == ()
        return done.rollouts

    assert asyncio.run(contested()) == 3
    assert Contested.times == 0
    assert projector(folder, "verify").return_value == 0


def test_what_was_appended_comes_with_it(folder: Path) -> None:
    appended(folder, b'{"timestamp":"2026-11-02T00:00:00.000Z","ordinal":900,"type":"x"}\n')

    assert projector(folder, "rebuild").return_value == 0

    assert projector(folder, "verify").stdout.count("behind") == 0


# A damaged database --------------------------------------------------------------------------


def damage(folder: Path, table: str) -> None:
    """Overwrite the root page of a table or an index."""
    db = sqlite3.connect(folder / "p.db")
    (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    (size,) = db.execute("PRAGMA page_size").fetchone()
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    with (folder / "p.db").open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def numbers(folder: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(folder / "p.db") as db:
        found = db.execute("SELECT seq, uid, noted_at_ms FROM _events ORDER BY seq").fetchall()
    db.close()
    return found


def kept(folder: Path) -> list[Path]:
    """Give the damaged files that were kept, without their logs."""
    return [path for path in folder.glob("p.db.damaged-*") if not path.name.endswith(("l", "m"))]


@pytest.mark.parametrize("table", ["items_by_position", "_turns", "_frames", "_thread_parts"])
def test_a_damaged_database_is_made_again(folder: Path, table: str) -> None:
    """From the rollouts, in its place; events keep their numbers; the damaged one is kept."""
    before, events = seen(folder), numbers(folder)
    damage(folder, table)
    wreck = (folder / "p.db").read_bytes()
    assert projector(folder, "verify").exception.__class__ is StoreDamaged

    result = projector(folder, "rebuild")

    assert (result.exception, result.return_value) == (None, 0)
    assert before == seen(folder)
    assert events == numbers(folder)
    assert projector(folder, "verify").return_value == 0
    assert [path.read_bytes() for path in kept(folder)] == [wreck]
    assert str(kept(folder)[0]) in result.stdout
    assert (folder / "p.db").stat().st_mode & 0o777 == 0o600
    assert not (folder / "p.db.new").exists()


def test_limits_without_a_file_are_saved(tmp_path: Path) -> None:
    """The sample has some."""
    shutil.copytree(make.SHIPPED, tmp_path / "home")
    backfilled(tmp_path / "home", tmp_path / "p.db")
    for path in (tmp_path / "home").rglob("*.jsonl"):
        path.unlink()
    backfilled(tmp_path / "home", tmp_path / "p.db")
    every = "SELECT count(*), sum(used_percent), min(resets_at_ms) FROM rate_limits"
    before = asked(tmp_path, every)
    damage(tmp_path, "items_by_position")

    assert projector(tmp_path, "rebuild").return_value == 0
    assert before == asked(tmp_path, every)
    assert before[0] != 0


@pytest.mark.parametrize("table", ["items_by_position", "_thread_parts", "usage_by_turn"])
def test_rows_without_a_file_are_saved(folder: Path, table: str) -> None:
    """As far as they can be read, and so are events of threads that are gone."""
    first_file(folder).unlink()
    backfilled(folder / "home", folder / "p.db")
    before, events = seen(folder), numbers(folder)
    damage(folder, table)

    result = projector(folder, "rebuild")

    assert result.return_value == 0
    assert "1 rollout without a file" in result.stdout
    assert before == seen(folder)
    assert events == numbers(folder)


@pytest.mark.parametrize("table", ["items_by_position", "_frames"])
def test_what_a_migration_dropped_is_saved(folder: Path, table: str) -> None:
    """Though the rollout's file is there: it does not hold it any more."""
    path = put(folder / "home", f"sessions/rollout-2026-03-01T09-00-00-{THREAD}.jsonl", extended())
    backfilled(folder / "home", folder / "p.db")
    path.write_bytes(migrated(extended()))
    backfilled(folder / "home", folder / "p.db")
    before, events = seen(folder), numbers(folder)
    damage(folder, table)

    result = projector(folder, "rebuild")

    assert result.return_value == 0
    assert "without a file" not in result.stdout
    assert seen(folder) | {"anomalies": []} == before | {"anomalies": []}
    assert set(numbers(folder)) <= set(events)
    assert projector(folder, "verify").return_value == 0
    assert b"view_image" not in path.read_bytes()
    assert asked(folder, "SELECT count(*) FROM _kept_rows WHERE alone") == (4,)


def test_what_cannot_be_saved_is_told(folder: Path) -> None:
    first_file(folder).unlink()
    backfilled(folder / "home", folder / "p.db")
    damage(folder, "_item_rows")

    result = projector(folder, "rebuild")

    assert result.return_value == 0
    assert "not all could be read of: _item_rows" in result.stdout
    assert asked(folder, "SELECT count(*) FROM _rollouts") == (3,)
    assert projector(folder, "verify").return_value == 0


def test_events_that_are_new_are_numbered_behind_all_others(folder: Path) -> None:
    (last,) = asked(folder, "SELECT max(seq) FROM _events WHERE from_record")
    (given,) = asked(folder, "SELECT max(seq) FROM _feed")
    changed(folder, f"DELETE FROM _events WHERE seq = {last}")
    damage(folder, "items_by_position")

    assert projector(folder, "rebuild").return_value == 0

    (again,) = asked(folder, "SELECT max(seq) FROM _events")
    assert int(str(again)) > int(str(given))


def test_while_a_daemon_has_the_damaged_database_nothing_is_done(folder: Path) -> None:
    """It is named, and both files stay as they are."""
    damage(folder, "items_by_position")
    before = (folder / "p.db").read_bytes()
    held = hold(folder / "p.db", Holder(pid=4711, host="here", version="1", started_at_ms=0))
    try:
        result = projector(folder, "rebuild")
    finally:
        os.close(held)

    assert isinstance(result.exception, AlreadyRunning)
    assert "4711" in str(result.exception)
    assert before == (folder / "p.db").read_bytes()
    assert kept(folder) == []


def test_threads_of_a_damaged_database_cannot_be_rebuilt_alone(folder: Path) -> None:
    (thread,) = asked(folder, "SELECT thread_id FROM _rollouts WHERE mode = 'legacy'")
    damage(folder, "_rollouts")

    result = projector(folder, "rebuild", str(thread))

    assert isinstance(result.exception, StoreDamaged)
    assert "without a thread" in str(result.exception)
    assert kept(folder) == []


def test_a_damaged_database_is_said_clearly(folder: Path) -> None:
    """By whoever meets the damage: what it is, and what to do."""
    damage(folder, "_rollouts")

    with pytest.raises(StoreDamaged, match="projector rebuild"):
        asyncio.run(_standings(folder))


async def _standings(folder: Path) -> None:
    store = await open_store(f"sqlite:///{folder}/p.db")
    try:
        await store.statuses()
    finally:
        await store.close()
