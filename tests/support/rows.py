"""All that readers see of a database, to be compared."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.support.databases import Where, reading

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
    "lifecycle_events": frozenset({"seq", "noted_at_ms", "noted_at"}),
    "anomalies": frozenset({"noted_at_ms", "noted_at"}),
}

Rows = dict[str, list[tuple[object, ...]]]

#: What PostgreSQL's views have behind the columns of both.
OF_SERVERS: Final = frozenset({"source_id", "host", "escaped"})


def rows_of(database: Where) -> Rows:
    """Give every row of every view, each view in one order, arrival columns left out."""
    shown: Rows = {}
    with reading(database) as db:
        for view, arrival in VIEWS.items():
            rows = db.dicts(f"SELECT * FROM {view}")
            shown[view] = sorted(
                (
                    tuple(value for name, value in row.items() if name not in arrival | OF_SERVERS)
                    for row in rows
                ),
                key=repr,
            )
    return shown


def show_in_file(database: Where, path: Path) -> None:
    """Make a SQLite file with a table of each public view's name, columns and rows.

    JSON, uids and flags are as in SQLite's views.
    """
    path.unlink(missing_ok=True)
    with reading(database) as source, closing(sqlite3.connect(path)) as file, file:
        views: dict[str, list[str]] = {}
        for view, column in source.rows("SELECT view_name, column_name FROM columns"):
            views.setdefault(view, []).append(column)
        for view, columns in views.items():
            names = ", ".join(columns)
            file.execute(f"CREATE TABLE {view} ({names})")
            shown = source.rows(f"SELECT {names} FROM {view}")
            file.executemany(f"INSERT INTO {view} VALUES ({', '.join('?' * len(columns))})", shown)
