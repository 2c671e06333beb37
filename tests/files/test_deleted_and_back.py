"""A thread's files go and come back: its events say so, whatever stays of its rows."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.databases import Where, reading
from tests.support.following import following, world
from tests.support.projecting import backfilled

_FILES = "SELECT type FROM lifecycle_events WHERE thread_id = :thread AND type LIKE 'thread.%ed'"


def _moved(thread: Path, to: Path) -> Path:
    """Move a rollout's file to the same place below another folder."""
    to.parent.mkdir(parents=True, exist_ok=True)
    return thread.rename(to)


def _events(database: Where, thread_id: str) -> list[str]:
    """Return the types of a thread's events, but for those that its records tell."""
    with reading(database) as db:
        found = db.rows(f"{_FILES} ORDER BY seq", {"thread": thread_id})
    return [kind for (kind,) in found if kind not in ("thread.started", "thread.forked")]


def _shown(database: Where, thread_id: str) -> list[tuple[int]]:
    with reading(database) as db:
        return db.rows(
            "SELECT deleted FROM threads WHERE thread_id = :thread", {"thread": thread_id}
        )


@pytest.mark.parametrize("on_delete", ["keep", "purge"])
def test_by_backfills(tmp_path: Path, database: Where, on_delete: str) -> None:
    made = world(tmp_path)
    thread_id = made.rollouts[0].thread_id
    (path,) = made.home.rglob(f"*{thread_id}.jsonl")
    aside = tmp_path / "aside.jsonl"
    backfilled(made.home, database, on_delete=on_delete)
    for times in (1, 2):
        _moved(path, aside)
        backfilled(made.home, database, on_delete=on_delete)
        assert _shown(database, thread_id) == ([(1,)] if on_delete == "keep" else [])
        _moved(aside, path)
        for _ in range(2):
            backfilled(made.home, database, on_delete=on_delete)

        assert _events(database, thread_id) == ["thread.deleted", "thread.restored"] * times
        assert _shown(database, thread_id) == [(0,)]
    assert _events(database, made.rollouts[1].thread_id) == []


@pytest.mark.parametrize("on_delete", ["keep", "purge"])
def test_by_the_daemon(tmp_path: Path, on_delete: str) -> None:
    made = world(tmp_path)
    thread_id = made.rollouts[0].thread_id
    (path,) = made.home.rglob(f"*{thread_id}.jsonl")

    async def run() -> None:
        async with following(made, on_delete=on_delete) as daemon:
            await daemon.until_read()
            _moved(path, tmp_path / "aside.jsonl")
            await daemon.until(lambda: _shown(made.database, thread_id) != [(0,)])
            _moved(tmp_path / "aside.jsonl", path)
            await daemon.until(lambda: _shown(made.database, thread_id) == [(0,)])
            await daemon.until_read()

    asyncio.run(run())

    assert _events(made.database, thread_id) == ["thread.deleted", "thread.restored"]
