"""All that readers see of a database, to be compared."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

#: The views of the contract, and what depends on when a row arrived rather than on the rollouts.
VIEWS: Final[dict[str, frozenset[str]]] = {
    "codex_thread_items": frozenset(),
    "codex_thread_turns": frozenset(),
    "codex_thread_realtime_items": frozenset(),
    "codex_projection_state": frozenset(),
    "thread_history": frozenset(),
    "thread_turn_history": frozenset(),
    "threads": frozenset({"path"}),
    "token_usage": frozenset(),
    "thread_tokens": frozenset(),
    "lifecycle_events": frozenset({"seq", "noted_at_ms"}),
    "anomalies": frozenset({"noted_at_ms"}),
}

Rows = dict[str, list[tuple[object, ...]]]


def rows_of(database: Path) -> Rows:
    """Give every row of every view, each view in one order, arrival columns left out."""
    shown: Rows = {}
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        for view, arrival in VIEWS.items():
            cursor = db.execute(f"SELECT * FROM {view} LIMIT 0")
            columns = [name for name, *_ in cursor.description if name not in arrival]
            rows = db.execute(f"SELECT {', '.join(columns)} FROM {view}").fetchall()
            shown[view] = sorted(rows, key=repr)
    db.close()
    return shown
