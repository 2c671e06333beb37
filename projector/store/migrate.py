"""Migrates a SQLite schema to the version of this program, one `.sql` file at a time.

Files are `sql/BACKEND/NNNN_name.sql`, numbered from 1 without gaps, applied in order and each once.
A released file never changes (its checksum is stored), so that every database has gone through the
same steps. There is no downgrade: a database of a newer version is refused.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
import time
from collections.abc import Iterator, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

from projector.model.errors import StoreRefused
from projector.store.sqlite.file import APPLICATION_ID, writing

_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.sql")

_LOG = """
CREATE TABLE IF NOT EXISTS _migrations (
  version       INTEGER PRIMARY KEY,
  name          TEXT NOT NULL,
  sha256        TEXT NOT NULL,   -- of the file that was applied
  applied_at_ms INTEGER NOT NULL
) STRICT
"""


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Return the checksum of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(backend: str) -> tuple[Migration, ...]:
    """Read the steps of a backend, in order."""
    found = []
    for file in resources.files("projector.store").joinpath("sql", backend).iterdir():
        if named := _NAME.fullmatch(file.name):
            text = file.read_text(encoding="utf-8")
            found.append(Migration(int(named["version"]), named["name"], text))
    found.sort()
    assert [step.version for step in found] == list(range(1, len(found) + 1)), found
    return tuple(found)


def migrate(db: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> None:
    """Apply missing migrations. Several processes may do so at once.

    Raises:
        StoreRefused: the database is of a newer version, or another program's.
    """
    if version(db, path, steps) == len(steps):
        return
    for step in steps:
        with writing(db):
            # Checked again under the lock: another process may have been faster
            if version(db, path, steps) >= step.version:
                continue
            db.execute(_LOG)
            for statement in statements(step.sql):
                db.execute(statement)
            db.execute(
                "INSERT INTO _migrations VALUES (?, ?, ?, ?)",
                (step.version, step.name, step.sha256, time.time_ns() // 1_000_000),
            )
            db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {step.version}")


def statements(sql: str) -> Iterator[str]:
    """Split a script into statements; `executescript` would end the transaction."""
    at = 0
    for found in re.finditer(";", sql):
        statement = sql[at : found.end()]
        if sqlite3.complete_statement(statement):
            yield statement
            at = found.end()
    assert not re.sub(r"--[^\n]*", "", sql[at:]).strip(), sql[at:]


def version(db: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> int:
    """Return the version of the schema, 0 for an empty database. Changes nothing.

    Raises:
        StoreRefused: the database is of a newer version, or another program's.
    """
    # In one statement, so from one snapshot: another process may be creating the schema.
    application, found, objects = db.execute(
        "SELECT application_id, user_version, (SELECT count(*) FROM sqlite_master)"
        " FROM pragma_application_id, pragma_user_version"
    ).fetchone()
    if application != APPLICATION_ID:
        if application or found or objects:
            raise StoreRefused(
                f"{path}: is another program's database", hint="Give another path for ours"
            )
        return 0
    if found > len(steps):
        raise StoreRefused(
            f"{path}: has schema {found}, made by a newer codex-projector; "
            f"this one knows up to {len(steps)}",
            hint="Upgrade codex-projector, or give another path",
        )
    applied = db.execute("SELECT version, sha256 FROM _migrations ORDER BY version").fetchall()
    for step, (number, sha256) in zip(steps, applied, strict=False):
        if (step.version, step.sha256) != (number, sha256):
            raise StoreRefused(
                f"{path}: its schema {number} is not that of any released codex-projector",
                hint="Move it away and run backfill: it is made again from the rollouts",
            )
    return int(found)
