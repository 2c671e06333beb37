"""A rollout that ends in a whole record without a newline, projected anew."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from projector.run.progress import Silent
from projector.run.rebuild import rebuild
from projector.store.open import open_store
from tests.sample import make
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import Rows, rows_of

ROLLOUT = "019b8d62-7a80-7000-8000-000000000002.jsonl"


def a_home(folder: Path) -> tuple[Path, Path, bytes]:
    """Give a home, a rollout in it, and the beginning of that up to an item without newline."""
    shutil.copytree(make.SHIPPED, folder)
    (rollout,) = folder.glob(f"sessions/**/rollout-2026-01-05T09-00-00-{ROLLOUT}")
    data = rollout.read_bytes()
    cut = data.index(b"\n", data.rindex(b'"item_completed"'))
    return folder, rollout, data[:cut]


def projected(home: Path, database: Path) -> Rows:
    """Give the rows of a first backfill, but for what is noted of the file."""
    backfilled(home, database)
    return without_notes(database)


def without_notes(database: Path) -> Rows:
    rows = rows_of(database)
    del rows["anomalies"]
    return rows


def test_a_rebuild_takes_its_last_record_too(tmp_path: Path) -> None:
    home, rollout, cut = a_home(tmp_path / "home")
    rollout.write_bytes(cut)
    before = projected(home, tmp_path / "p.db")

    async def rebuilt() -> None:
        settings = settings_for(home, tmp_path / "p.db")
        store = await open_store(settings.database)
        try:
            await rebuild(store, settings, chosen=None, progress=Silent())
        finally:
            await store.close()

    asyncio.run(rebuilt())

    assert without_notes(tmp_path / "p.db") == before


def test_a_replacement_takes_its_last_record_too(tmp_path: Path) -> None:
    home, rollout, cut = a_home(tmp_path / "home")
    backfilled(home, tmp_path / "p.db")
    rollout.write_bytes(cut)
    backfilled(home, tmp_path / "p.db")

    assert without_notes(tmp_path / "p.db") == projected(home, tmp_path / "new.db")
