"""Codex's own databases, as far as `doctor` reads them, made by hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

#: The tables of `thread_history_1.sqlite`, as Codex 0.169.0 has them.
_HISTORY: Final = """
CREATE TABLE thread_turns (
  thread_id TEXT NOT NULL, turn_id TEXT NOT NULL, rollout_ordinal INTEGER NOT NULL,
  status TEXT NOT NULL, error_json TEXT, started_at INTEGER, completed_at INTEGER,
  duration_ms INTEGER, first_user_item_id TEXT, final_agent_item_id TEXT,
  rollout_byte_offset INTEGER, rollout_end_ordinal INTEGER, rollout_end_byte_offset INTEGER,
  root_turn_id TEXT, PRIMARY KEY (thread_id, turn_id));
CREATE UNIQUE INDEX idx_thread_turns_page ON thread_turns (thread_id, rollout_ordinal);
CREATE TABLE thread_items (
  thread_id TEXT NOT NULL, turn_id TEXT NOT NULL, item_id TEXT NOT NULL,
  rollout_ordinal INTEGER NOT NULL, created_at_ms INTEGER NOT NULL, item_json TEXT NOT NULL,
  item_type TEXT NOT NULL DEFAULT '', updated_at_ordinal INTEGER NOT NULL DEFAULT 0,
  started_at_ms INTEGER, completed_at_ms INTEGER, PRIMARY KEY (thread_id, turn_id, item_id));
CREATE UNIQUE INDEX idx_thread_items_page ON thread_items (thread_id, rollout_ordinal);
CREATE TABLE thread_history_projection_state (
  thread_id TEXT PRIMARY KEY, next_rollout_byte_offset INTEGER NOT NULL,
  next_rollout_ordinal INTEGER NOT NULL);
"""


def stalled(codex: Path, ours: Path, *, at: int, ordinal: int, thread: str | None = None) -> None:
    """Make a history that has all that is projected before byte `at`, and waits for `ordinal`.

    A turn whose end lies behind is still running there. `thread`: only of this one's rollouts.
    """
    db = sqlite3.connect(codex)
    db.execute("PRAGMA journal_mode = WAL")
    db.executescript(_HISTORY)
    with db:
        db.execute("ATTACH ? AS p", (str(ours),))
        db.execute(
            "INSERT INTO thread_turns SELECT * FROM p.codex_thread_turns"
            " WHERE rollout_byte_offset < ?1 AND (?2 IS NULL OR thread_id = ?2)",
            (at, thread),
        )
        db.execute(
            "UPDATE thread_turns SET status = 'inProgress', completed_at = NULL"
            " WHERE rollout_end_byte_offset > ?",
            (at,),
        )
        db.execute(
            "INSERT INTO thread_items SELECT r.rollout_id, i.turn_id, i.item_id, i.ordinal,"
            " i.created_at_ms, i.json, i.type, i.updated_ordinal, i.started_at_ms,"
            " i.completed_at_ms FROM p._items AS i JOIN p._rollouts AS r ON r.rollout = i.rollout"
            " WHERE i.position - r.start_position < ?1 AND (?2 IS NULL OR r.rollout_id = ?2)",
            (at, thread),
        )
        db.execute(
            "INSERT INTO thread_history_projection_state SELECT rollout_id, min(?1, next_offset),"
            " ?3 FROM p._rollouts WHERE ?2 IS NULL OR rollout_id = ?2",
            (at, thread, ordinal),
        )
    db.close()


def listed(state: Path, *threads: tuple[str, Path]) -> None:
    """Make `state_5.sqlite` with threads and the paths of their current rollouts."""
    db = sqlite3.connect(state)
    with db:
        db.execute("CREATE TABLE threads (id TEXT PRIMARY KEY, rollout_path TEXT NOT NULL)")
        db.executemany(
            "INSERT INTO threads VALUES (?, ?)", [(name, str(path)) for name, path in threads]
        )
    db.close()
