"""A file whose header names another thread than its own name: it takes no thread over."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest
from msgspec import structs

from projector.model.settings import Source
from projector.run.backfill import backfill
from projector.run.progress import Silent
from projector.store.open import open_store
from tests.benchmarks.rollouts import Rollout
from tests.databases import Where, reading
from tests.projecting import backfilled, settings_for
from tests.rows import rows_of

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
def test_it_stands_alone(
    tmp_path: Path, history: Literal["paginated", "legacy"], name: str
) -> None:
    """Both names sort behind those of the threads: a newest file is a thread's whole history."""
    home = tmp_path / "home"
    thread, third = Rollout(seed=1, history=history), Rollout(seed=2)
    for one in (thread, third):
        one.write(home, size=5_000)
    backfilled(home, tmp_path / "before.db")
    named = LATER if name.startswith("a thread") else f"{third.thread_id}_{LATER}"
    path = stray(thread, home, named)
    text = path.read_bytes()
    path.write_bytes(text[: text.index(b"\n", len(text) // 2) + 1])

    backfilled(home, tmp_path / "p.db")

    seen, before = rows_of(tmp_path / "p.db"), rows_of(tmp_path / "before.db")
    for view in ("threads", "thread_history", "thread_turn_history"):
        assert [row for row in seen[view] if LATER not in map(str, row)] == before[view]
    ((rollout_id, kind),) = rows(
        tmp_path / "p.db", "SELECT rollout_id, kind FROM anomalies WHERE kind = 'other_thread'"
    )
    assert (rollout_id, kind) == (LATER, "other_thread")
    assert rows(
        tmp_path / "p.db", f"SELECT turn_count > 0 FROM threads WHERE thread_id = '{LATER}'"
    )
    types = {
        str(row[0])
        for row in rows(
            tmp_path / "p.db", f"SELECT type FROM lifecycle_events WHERE thread_id = '{LATER}'"
        )
    }
    assert "thread.started" in types
    assert "thread.reverted" not in types


def test_a_stray_file_of_another_host_takes_no_thread_over(tmp_path: Path, postgres: str) -> None:
    thread = Rollout(seed=1)
    for host in ("one", "two"):
        thread.write(tmp_path / host, size=5_000)
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
    alone = f"SELECT thread_id FROM threads WHERE rollout_id = '{LATER}'"
    assert rows(postgres, alone) == [(LATER,)]


async def backfill_as(host: str, home: Path, database: str) -> None:
    settings = structs.replace(settings_for(home, database), source=Source(name=host))
    store = await open_store(database, source=host)
    try:
        await backfill(store, settings, selection=(), progress=Silent())
    finally:
        await store.close()
