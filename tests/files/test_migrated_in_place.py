"""Codex migrates a legacy thread in place: `rename()` of a new file over the old one."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import pytest

from projector.discover.watch import Watch
from projector.run.daemon import Daemon
from projector.store.open import open_store
from tests.support.generator.rollouts import Rollout
from tests.support.migration import migrated
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import rows_of
from tests.support.writes import Writes


class Shown(NamedTuple):
    """What readers see of an item."""

    uid: str
    type: str
    provenance: str
    json: str


def shown(database: Path) -> list[Shown]:
    """Give the history of the one thread that is there."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        rows = db.execute(
            "SELECT uid, type, provenance, item_json FROM thread_history ORDER BY position"
        ).fetchall()
    db.close()
    return [Shown(*row) for row in rows]


def spent(database: Path) -> tuple[int, int]:
    """Give how many responses there were, and their tokens."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        count, tokens = db.execute("SELECT count(*), sum(total_tokens) FROM token_usage").fetchone()
    db.close()
    return count, tokens


def rebuilt(history: list[Shown]) -> list[Shown]:
    return [row for row in history if row.provenance == "response_item"]


def words(history: list[Shown]) -> list[dict[str, object]]:
    """Give the items in their order, without the ids that the migration makes up."""
    return [
        {name: held for name, held in json.loads(row.json).items() if name != "id"}
        for row in history
    ]


def replace(path: Path) -> None:
    """Do as Codex does: another file of the same time takes its place."""
    times = path.stat()
    new = path.with_name(f".{path.name}.paginated.tmp")
    new.write_bytes(migrated(path.read_bytes()))
    os.utime(new, ns=(times.st_atime_ns, times.st_mtime_ns))
    new.replace(path)


def make_agents(path: Path) -> None:
    """Make it the rollout of an agent, of which the migration shows nothing."""
    first, rest = path.read_bytes().split(b"\n", 1)
    head = json.loads(first)
    head["payload"]["source"] = {"subagent": {"thread_spawn": {"parent_thread_id": _PARENT}}}
    path.write_bytes(json.dumps(head).encode() + b"\n" + rest)


_PARENT = "01a30000-0000-7000-8000-00000000ffff"


@pytest.mark.parametrize("live", [False, True])
@pytest.mark.parametrize("agent", [False, True])
def test_nothing_visible_is_lost(tmp_path: Path, *, live: bool, agent: bool) -> None:
    home, database = tmp_path / "home", tmp_path / "p.db"
    path = Rollout(seed=7, history="legacy").write(home, size=200_000, turns=3)
    if agent:
        make_agents(path)
    backfilled(home, database)
    before, cost = shown(database), spent(database)
    if live:
        asyncio.run(_replaced_under_a_daemon(path, home, database))
    else:
        replace(path)
        backfilled(home, database)
    after = shown(database)

    assert (b"subagent_history_start_ordinal" in path.read_bytes()) == agent
    assert Counter(row.type for row in rebuilt(before))["commandExecution"] > 20
    assert rebuilt(before) == rebuilt(after)
    assert words(before) == words(after)
    assert cost == spent(database)
    backfilled(home, tmp_path / "fresh.db")
    assert shown(tmp_path / "fresh.db") == after


async def _replaced_under_a_daemon(path: Path, home: Path, database: Path) -> None:
    stop = asyncio.Event()
    settings = settings_for(home, database, rescan_s=1.0)
    store = await open_store(settings.database)
    async with Watch(settings.codex_homes, rescan_s=1.0) as watch:
        writes = Writes(store)
        daemon = asyncio.create_task(Daemon(store, settings, watch, stop).run())
        replace(path)
        await writes.until(lambda: _replaced(database))
        stop.set()
        await daemon
    await store.close()


def _replaced(database: Path) -> bool:
    """Tell whether the thread is a paginated one now."""
    return bool(rows_of(database)["codex_thread_items"]) and all(
        row.provenance != "event" for row in shown(database)
    )
