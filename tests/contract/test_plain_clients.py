"""What a client sees that has nothing of this program: names, and later every view."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.projecting import backfilled

#: Views that people and programs may rely on.
PUBLIC = frozenset({
    "all_items", "all_turns", "anomalies", "changes", "codex_projection_state",
    "codex_thread_items", "codex_thread_realtime_items", "codex_thread_turns", "commands",
    "file_changes", "lifecycle_events", "messages", "search", "thread_history", "thread_tokens",
    "thread_turn_history", "threads", "token_days", "token_usage", "tool_calls",
})  # fmt: skip
SAMPLE = Path(__file__).parents[2] / "projector" / "sample"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("plain") / "projector.db"
    backfilled(SAMPLE, path)
    return path


def test_names_of_what_is_internal_begin_with_an_underscore(database: Path) -> None:
    """Tables all are."""
    with closing(sqlite3.connect(database)) as db:
        found = db.execute(
            "SELECT type, name FROM sqlite_schema WHERE type IN ('table', 'view')"
            " AND substr(name, 1, 7) <> 'sqlite_'"
        ).fetchall()
    shown = {name for kind, name in found if kind == "view" and not name.startswith("_")}

    assert [name for kind, name in found if kind == "table" and not name.startswith("_")] == []
    assert shown == PUBLIC
