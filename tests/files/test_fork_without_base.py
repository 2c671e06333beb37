"""A fork whose base is not there: shown, marked, and never tried again until the base comes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest

from projector.run.scheduler import Scheduler
from projector.store.sqlite.store import SqliteStore
from tests.support.databases import reading
from tests.support.following import World, following
from tests.support.generator.rollouts import Rollout


def incomplete(database: Path, thread: str) -> bool:
    with reading(database) as db:
        ((found,),) = db.rows(
            "SELECT incomplete FROM threads WHERE thread_id = :thread", {"thread": thread}
        )
    return bool(found)


class Watched:
    """Counts what is done: rounds, and questions and writes to the store."""

    def __init__(self, patch: pytest.MonkeyPatch, path: Path) -> None:
        self.done: list[str] = []
        for kind, names in ((Scheduler, ["round"]), (SqliteStore, ["commit", "find", "replace"])):
            for name in names:
                patch.setattr(kind, name, self._counted(name, getattr(kind, name)))
        opened = os.open

        def counted(found: Any, *arguments: Any, **named: Any) -> int:
            if found == str(path):
                self.done.append("open")
            return opened(found, *arguments, **named)

        patch.setattr(os, "open", counted)

    def _counted(self, name: str, really: Any) -> Any:
        async def counted(*arguments: Any) -> Any:
            self.done.append(name)
            return await really(*arguments)

        return counted


def test_it_costs_nothing_while_its_base_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Over many scans no round is taken and its file is not opened; then it becomes whole."""
    base = Rollout(seed=1)
    path = base.write(tmp_path / "elsewhere", size=6_000)
    fork = base.forked(base.cut())
    made = World(tmp_path, [fork])
    written = fork.write(made.home, size=3_000)
    watched = Watched(monkeypatch, written)

    async def run() -> None:
        async with following(made, rescan_s=0.02) as daemon:
            await daemon.until_said("daemon.caught_up")
            assert incomplete(made.database, fork.thread_id)
            watched.done.clear()
            for _ in range(10):
                await daemon.until_said("scan.finished")
            assert watched.done == []

            there = made.home / base.path
            there.parent.mkdir(parents=True, exist_ok=True)
            path.rename(there)
            made.rollouts.append(base)
            await daemon.until_read()
            await daemon.until(lambda: not incomplete(made.database, fork.thread_id))
            assert "open" not in watched.done

    asyncio.run(run())
    assert made.whole() == made.rows()
