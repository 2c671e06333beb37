"""Counts the work of a backfill: what the database does, and calls of Python functions."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from projector.run.backfill import backfill
from projector.run.progress import Silent
from projector.store.open import open_store
from projector.store.postgres.pipeline import Pipeline, Query, Row
from projector.store.protocol import Store
from projector.store.sqlite import store as engine
from projector.store.sqlite.store import SqliteStore
from tests.faults.thread_changes import Act, Shape, Told, build
from tests.support.databases import SOURCE, Where
from tests.support.projecting import settings_for

#: Steps of SQLite's machine between two counts.
GRAIN: Final = 20


class Work(NamedTuple):
    """What it took."""

    database: int
    """SQLite: steps of its machine, in `GRAIN`. PostgreSQL: statements, and rows they gave."""
    calls: int
    """Of Python functions, on all threads."""


def put(home: Path, files: Mapping[str, bytes]) -> None:
    """Write a home."""
    for name, data in files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def backfill_work(home: Path, database: Where, patch: pytest.MonkeyPatch) -> Work:
    """Backfill a home, some records a batch, and count."""

    async def run(store: Store, _: Callable[[], Work]) -> None:
        settings = settings_for(home, database, batch_records=25)
        await backfill(store, settings, selection=(), progress=Silent())

    return counted(database, patch, run)


def counted(
    database: Where,
    patch: pytest.MonkeyPatch,
    run: Callable[[Store, Callable[[], Work]], Awaitable[None]],
) -> Work:
    """Open a store, run, and close it; `run` can ask for the work so far."""
    done = calls = 0

    def step() -> None:
        nonlocal done
        done += 1

    def call(_frame: Any, event: str, _argument: Any) -> None:
        nonlocal calls
        if event == "call":
            calls += 1

    def so_far() -> Work:
        return Work(done, calls)

    ask = Pipeline.execute

    async def execute(wire: Pipeline, *queries: Query) -> list[list[Row]]:
        nonlocal done
        answers = await ask(wire, *queries)
        done += len(queries) + sum(map(len, answers))
        return answers

    async def main() -> None:
        store: Store
        if isinstance(database, Path):
            store = await SqliteStore.open(database, on_progress=step)
        else:
            store = await open_store(database, source=SOURCE)
        try:
            await run(store, so_far)
        finally:
            await store.close()

    with patch.context() as patched:
        patched.setattr(engine, "_PROGRESS_STEPS", GRAIN)
        patched.setattr(Pipeline, "execute", execute)
        threading.setprofile(call)
        sys.setprofile(call)
        try:
            asyncio.run(main())
        finally:
            sys.setprofile(None)
            threading.setprofile(None)
    return so_far()


def acts_work(
    database: Where, patch: pytest.MonkeyPatch, shape: Shape, acts: Iterable[Act], size: int
) -> list[Work]:
    """Build a home in a store, and count what is done to it then, one after another."""
    done: list[Work] = []

    async def run(store: Store, so_far: Callable[[], Work]) -> None:
        home = Told(store, shape, size)
        await build(home)
        for act in acts:
            before = so_far()
            await act(home)
            done.append(Work(*(n - m for n, m in zip(so_far(), before, strict=True))))

    counted(database, patch, run)
    return done
