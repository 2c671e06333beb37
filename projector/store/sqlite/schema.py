"""Migrates a SQLite database to the current schema; several processes may do so at once."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from projector.model.errors import StoreRefused
from projector.store.migrations import Migration, statements
from projector.store.sqlite.file import APPLICATION_ID, writing

_LOG: Final = """
CREATE TABLE IF NOT EXISTS _migrations (
  version       INTEGER PRIMARY KEY,
  name          TEXT NOT NULL,
  sha256        TEXT NOT NULL,   -- of the file that was applied
  applied_at_ms INTEGER NOT NULL
) STRICT
"""


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
