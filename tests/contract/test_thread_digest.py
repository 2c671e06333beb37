"""SQLite: what is folded of a thread's parts, and kept, is what the view `threads` shows."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path
from random import Random
from typing import Any

import pytest

from projector.store.sqlite.thread_digest import shown
from tests.contract.backends import SqliteBackend
from tests.contract.test_same import Story


@pytest.mark.parametrize("seed", range(12))
def test_folded_part_by_part_it_is_what_the_view_shows(seed: int, tmp_path: Path) -> None:
    """After commits, replacements, purges and moves in any order; and folded anew."""
    backend = SqliteBackend(tmp_path)

    async def tell() -> None:
        async with backend.open() as store:
            story = Story(Random(seed), store)
            with closing(sqlite3.connect(backend.path)) as db:
                for step in range(40):
                    backend.clock = step + 1
                    told = await story.step()
                    compare(db, told)

    asyncio.run(tell())


def compare(db: sqlite3.Connection, told: str) -> None:
    threads = [one for (one,) in db.execute("SELECT thread_id FROM threads")]
    kept = {one: values(row) for one, row in shown(db, threads).items()}
    assert kept.keys() == set(threads), told
    for one in threads:
        # Times are those in milliseconds, written otherwise.
        view = db.execute("SELECT * FROM threads WHERE thread_id = ?", (one,))
        names = [name for name, *_ in view.description]
        row = tuple(
            value
            for name, value in zip(names, view.fetchone(), strict=True)
            if not name.endswith("_at")
        )
        assert Counter(kept[one][:-1]) == Counter(row), told
    db.execute("DELETE FROM _feed_parts")
    assert {one: values(row) for one, row in shown(db, threads).items()} == kept, told
    db.rollback()


def values(found: tuple[Any, ...]) -> list[Any]:
    """Return what the view shows, and the fingerprint of the chain behind it."""
    return [*found[:10], *found[11:], found[10]]
