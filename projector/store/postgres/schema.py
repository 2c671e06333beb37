"""Migrates a PostgreSQL database to the current schema; many daemons may do so at once.

All steps are one transaction under an advisory lock of the transaction, which a pooler in
transaction mode keeps too: whoever comes second finds the schema.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Sequence
from typing import Final

import psycopg
from psycopg import errors, sql

from projector.model.errors import StoreRefused
from projector.store.migrations import Migration, statements
from projector.store.postgres import search_path

#: Bytes `CxPjPgSc`: key of the advisory lock of migrations.
_LOCK: Final = 0x4378506A50675363

_LOG: Final = """
CREATE TABLE IF NOT EXISTS _migrations (
  version       integer PRIMARY KEY,
  name          text NOT NULL,
  sha256        text NOT NULL,   -- of the file that was applied
  applied_at_ms bigint NOT NULL,
  database_id   uuid NOT NULL    -- of the first: which database this is
);
COMMENT ON TABLE _migrations IS 'Which steps of the schema were applied. Internal.';
"""
_APPLIED: Final = "SELECT version, sha256, database_id::text FROM _migrations ORDER BY version"


async def migrate(db: psycopg.AsyncConnection, where: str, steps: Sequence[Migration]) -> uuid.UUID:
    """Apply missing migrations; return the database's own id.

    `db`: in autocommit. `where`: the database, as it may be shown.

    Raises:
        StoreRefused: the database is of a newer version, or not ours, or the user has no schema.
    """
    known = await identity(db, where, steps)
    if known is not None:
        return known
    try:
        await _apply(db, where, steps)
    except (errors.InvalidSchemaName, errors.InsufficientPrivilege) as error:
        found = await (await db.execute(search_path.QUESTION)).fetchone()
        if found is not None and (refused := search_path.SearchPath(*found).unmade(where)):
            raise refused from error
        raise
    known = await identity(db, where, steps)
    assert known is not None, where
    return known


async def _apply(db: psycopg.AsyncConnection, where: str, steps: Sequence[Migration]) -> None:
    """Apply missing migrations, in one transaction.

    Raises:
        StoreRefused: the database is of a newer version, or not ours.
    """
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        # Checked again under the lock: another process may have been faster. Making the table comes
        # first: this session may remember that there is none, and locks of ours do not tell it.
        await db.execute(_LOG)
        applied = await _applied(db)
        check(where, applied or [], steps)
        try:
            for step in steps[len(applied or ()) :]:
                for statement in statements(step.sql):
                    await db.execute(sql.SQL(statement))
                await db.execute(
                    "INSERT INTO _migrations VALUES (%s, %s, %s, %s, %s)",
                    (step.version, step.name, step.sha256, _now_ms(), uuid.uuid4()),
                )
        except (errors.DuplicateTable, errors.DuplicateObject) as error:
            raise StoreRefused(
                f"{where}: holds tables of another program",
                hint="Give a database of its own, or a schema by options=-csearch_path=NAME",
            ) from error


async def identity(
    db: psycopg.AsyncConnection, where: str, steps: Sequence[Migration]
) -> uuid.UUID | None:
    """Return the database's own id; None: its schema is not the current one yet.

    Raises:
        StoreRefused: the database is of a newer version, or not ours.
    """
    applied = await _applied(db)
    if not applied:
        return None
    check(where, applied, steps)
    return uuid.UUID(applied[0][2]) if len(applied) == len(steps) else None


async def _applied(db: psycopg.AsyncConnection) -> list[tuple[int, str, str]] | None:
    """Return the applied migrations; None: there is no table of them."""
    try:
        cursor = await db.execute("SELECT to_regclass('_migrations') IS NOT NULL")
        row = await cursor.fetchone()
        if row is None or not row[0]:
            return None
        return await (await db.execute(_APPLIED)).fetchall()
    except errors.UndefinedColumn:
        return [(0, "", "")]  # another program's table of that name


def check(where: str, applied: Sequence[tuple[int, str, str]], steps: Sequence[Migration]) -> None:
    """Check that the applied migrations are ours.

    Raises:
        StoreRefused: they are not.
    """
    if len(applied) > len(steps):
        raise StoreRefused(
            f"{where}: has schema {len(applied)}, made by a newer codex-projector; "
            f"this one knows up to {len(steps)}",
            hint="Upgrade codex-projector, or give another database",
        )
    for step, (number, sha256, _) in zip(steps, applied, strict=False):
        if (step.version, step.sha256) != (number, sha256):
            raise StoreRefused(
                f"{where}: its schema {number} is not that of any released codex-projector",
                hint="Give another database and run backfill: it is made again from the rollouts",
            )


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
