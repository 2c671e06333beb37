"""Rollouts of which a long line is being read, and how often that ended the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from projector.model.ids import RolloutId
from projector.store.sqlite.file import writing


def begin(db: sqlite3.Connection, rollout_id: RolloutId, now_ms: int) -> None:
    """Insert a rollout whose long line is about to be read."""
    with writing(db):
        db.execute(
            "INSERT INTO _attempts (rollout_id, started_at_ms) VALUES (?, ?)"
            " ON CONFLICT (rollout_id) DO UPDATE SET started_at_ms = excluded.started_at_ms",
            (rollout_id, now_ms),
        )


def end(db: sqlite3.Connection, rollout_ids: Sequence[RolloutId]) -> None:
    """Delete rollouts whose long lines are committed."""
    with writing(db):
        db.executemany(
            "DELETE FROM _attempts WHERE rollout_id = ?", [(one,) for one in rollout_ids]
        )


def failures(db: sqlite3.Connection, *, count: bool) -> dict[RolloutId, int]:
    """Return these rollouts with their failures; `count`: add one failure to each first."""
    if count and db.execute("SELECT 1 FROM _attempts").fetchone():
        with writing(db):
            db.execute("UPDATE _attempts SET failures = failures + 1")
    return dict(db.execute("SELECT rollout_id, failures FROM _attempts"))
