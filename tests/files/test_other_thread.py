"""A file whose header names another thread than its own name: it takes no thread over."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Literal

import pytest
from msgspec import structs

from projector.model.settings import Source
from projector.run.backfill import backfill
from projector.run.progress import Silent
from projector.store.check import derived_check
from projector.store.open import open_store
from tests.conftest import NewDatabase
from tests.support.databases import Where, reading
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled, settings_for

LATER = "7fffffff-0000-7000-8000-000000000001"
OTHER = "7fffffff-0000-7000-8000-000000000002"


def rows(database: Where, sql: str) -> list[tuple[object, ...]]:
    with reading(database) as db:
        return [tuple(row) for row in db.rows(sql)]


def stray(rollout: Rollout, home: Path, name: str) -> Path:
    """Write a copy of a rollout under another name, as long as its first turn."""
    source = home / rollout.path
    folder = source.parent
    path = folder / source.name.replace(f"{rollout.thread_id}.jsonl", f"{name}.jsonl")
    path.write_bytes(source.read_bytes())
    return path


@pytest.mark.parametrize("history", ["paginated", "legacy"])
@pytest.mark.parametrize("name", ["a thread of its own", "a revert of a third thread"])
def test_it_takes_no_thread_over(
    tmp_path: Path,
    new_database: NewDatabase,
    history: Literal["paginated", "legacy"],
    name: str,
) -> None:
    """Both names sort behind those of the threads: a newest file is a thread's whole history."""
    home = tmp_path / "home"
    thread, third = Rollout(seed=1, history=history), Rollout(seed=2)
    for one in (thread, third):
        one.write(home, size=5_000)
    before, database = new_database(), new_database()
    backfilled(home, before)
    named = LATER if name.startswith("a thread") else f"{third.thread_id}_{LATER}"
    path = stray(thread, home, named)
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"\n", len(text) // 2) + 1])

    backfilled(home, database)

    shown = "SELECT thread_id, rollout_id, item_id FROM thread_history ORDER BY thread_id, position"
    assert rows(database, shown) == rows(before, shown)
    newest = "SELECT thread_id, rollout_id, turn_count, item_count FROM threads ORDER BY thread_id"
    assert rows(database, newest) == rows(before, newest)
    noted = "SELECT rollout_id FROM anomalies WHERE kind = 'other_thread'"
    assert rows(database, noted) == [(LATER,)]
    reverted = "SELECT count(*) FROM lifecycle_events WHERE type = 'thread.reverted'"
    assert rows(database, reverted) == [(0,)]
    with reading(database) as db:
        assert list(derived_check.differences(db, None)) == []


@pytest.mark.parametrize("history", ["paginated", "legacy"])
def test_it_is_shown_while_the_thread_has_no_other_file(
    tmp_path: Path, new_database: NewDatabase, history: Literal["paginated", "legacy"]
) -> None:
    home, database = tmp_path / "home", new_database()
    thread = Rollout(seed=1, history=history)
    thread.write(home, size=5_000)
    path = stray(thread, home, LATER)
    own = home / thread.path
    kept = own.rename(tmp_path / "kept")
    current = "SELECT thread_id, rollout_id, deleted FROM threads"
    shown = f"SELECT count(*) > 0 FROM thread_history WHERE thread_id = '{thread.thread_id}'"

    backfilled(home, database)
    assert [(one, two) for one, two, _ in rows(database, current)] == [(thread.thread_id, LATER)]
    assert rows(database, shown) == [(True,)]
    kept.rename(own)
    backfilled(home, database)
    assert [two for _, two, _ in rows(database, current)] == [thread.thread_id]
    own.unlink()
    backfilled(home, database)
    assert [two for _, two, _ in rows(database, current)] == [LATER]
    own.with_name(path.name).unlink()
    backfilled(home, database)
    assert [(two, bool(gone)) for _, two, gone in rows(database, current)] == [
        (thread.thread_id, True)
    ]


def test_a_stray_file_of_another_host_takes_no_thread_over(tmp_path: Path, postgres: str) -> None:
    thread = Rollout(seed=1)
    thread.write(tmp_path / "one", size=5_000)
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    stray(thread, tmp_path / "two", LATER)
    (tmp_path / "two" / thread.path).unlink()
    asyncio.run(backfill_as("one", tmp_path / "one", postgres))
    mine = (
        "SELECT rollout_id, item_count, turn_count, total_tokens FROM threads"
        f" WHERE thread_id = '{thread.thread_id}'"
    )
    before = rows(postgres, mine)

    asyncio.run(backfill_as("two", tmp_path / "two", postgres))

    assert rows(postgres, mine) == before
    assert [row[0] for row in before] == [thread.thread_id]
    noted = "SELECT rollout_id FROM anomalies WHERE kind = 'other_thread'"
    assert rows(postgres, noted) == [(LATER,)]


async def backfill_as(host: str, home: Path, database: str) -> None:
    settings = structs.replace(settings_for(home, database), source=Source(name=host))
    store = await open_store(database, source=host)
    try:
        await backfill(store, settings, selection=(), progress=Silent())
    finally:
        await store.close()
