"""Backups of databases of each engine, put back as people put them back."""

from __future__ import annotations

import shutil
from pathlib import Path
from tempfile import mkdtemp

import psycopg

from projector.store.postgres.pipeline import composed
from tests.support.databases import Where

_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"
_SUFFIXES = ("", "-wal", "-shm")


class Backup:
    """A copy of all that a database holds, to be restored any number of times."""

    def __init__(self, database: Where) -> None:
        """Make it. No one may be writing a file."""
        self._database = database
        if isinstance(database, Path):
            self._copy = Path(mkdtemp(dir=database.parent)) / database.name
            _replace(self._copy, database)
            return
        with psycopg.connect(database) as db:
            db.execute("DROP SCHEMA IF EXISTS backup CASCADE")
            db.execute("CREATE SCHEMA backup")
            for (table,) in db.execute(_TABLES).fetchall():
                db.execute(composed(f'CREATE TABLE backup."{table}" AS TABLE "{table}"'))

    def restore(self) -> None:
        """Put it in the place of what is there: a file by renaming, a server's rows by copying."""
        if isinstance(self._database, Path):
            _replace(self._database, self._copy)
            return
        with psycopg.connect(self._database) as db:
            tables = [table for (table,) in db.execute(_TABLES).fetchall()]
            for table in tables:
                db.execute(composed(f'TRUNCATE "{table}"'))
                db.execute(composed(f'INSERT INTO "{table}" TABLE backup."{table}"'))


def _replace(to: Path, of: Path) -> None:
    for suffix in _SUFFIXES[1:]:
        Path(f"{to}{suffix}").unlink(missing_ok=True)
    for suffix in reversed(_SUFFIXES):
        if Path(f"{of}{suffix}").exists():
            shutil.copy(f"{of}{suffix}", f"{to}.copied")
            Path(f"{to}.copied").rename(f"{to}{suffix}")
