"""What is in the database, counted at once: cheap enough for every scrape."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from projector.serve.connect import connect, explained


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Rows by kind, bytes of the files, version of the schema."""

    rollouts: int
    threads: int
    turns: int
    items: int
    anomalies: Mapping[str, int]
    """By kind."""
    database_bytes: int
    wal_bytes: int
    schema: int


def count(path: str) -> Counts:
    """Count what the database at `path` holds.

    Raises:
        StoreRefused: there is no such database, or it is none of ours.
        StoreUnavailable: it cannot be read now.
    """
    try:
        with closing(connect(path)) as connection:
            connection.execute("BEGIN")
            rollouts, turns, items = connection.execute(
                "SELECT count(*), coalesce(sum(turns), 0), coalesce(sum(items), 0) FROM rollouts"
            ).fetchone()
            (threads,) = connection.execute("SELECT count(*) FROM thread_states").fetchone()
            kinds = connection.execute("SELECT kind, count(*) FROM anomaly_rows GROUP BY kind")
            anomalies = dict(kinds.fetchall())
            (schema,) = connection.execute("PRAGMA user_version").fetchone()
    except sqlite3.Error as error:
        raise explained(path, error) from error
    return Counts(
        rollouts=rollouts,
        threads=threads,
        turns=turns,
        items=items,
        anomalies=anomalies,
        database_bytes=_size(path),
        wal_bytes=_size(path + "-wal"),
        schema=schema,
    )


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
