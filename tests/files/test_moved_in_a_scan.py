"""A rollout is unarchived while a backfill lists the folders: in neither when it was listed."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from projector.run.file_catalog import FileCatalog, Survey
from tests.sample import make
from tests.support.projecting import backfilled


@pytest.mark.parametrize("on_delete", ["keep", "purge"])
def test_it_is_not_taken_for_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_delete: str
) -> None:
    home, database, aside = tmp_path / "home", tmp_path / "p.db", tmp_path / "aside"
    shutil.copytree(make.SHIPPED, home)
    backfilled(home, database)
    (archived,) = (home / "archived_sessions").iterdir()
    day = home / "sessions" / "2026" / "01" / "04"
    day.mkdir(parents=True)
    everything = FileCatalog.everything

    def listed_too_early(surveyor: FileCatalog) -> Survey:
        archived.rename(aside)
        look = everything(surveyor)
        aside.rename(day / archived.name)
        return look

    monkeypatch.setattr(FileCatalog, "everything", listed_too_early)
    backfilled(home, database, on_delete=on_delete)

    with sqlite3.connect(database) as db:
        threads = "SELECT count(*), sum(deleted), sum(archived) FROM threads"
        assert db.execute(threads).fetchone() == (4, 0, 0)
        deleted = "SELECT count(*) FROM lifecycle_events WHERE type = 'thread.deleted'"
        assert db.execute(deleted).fetchone() == (0,)
    db.close()
