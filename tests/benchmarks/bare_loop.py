"""The yardstick: the least that a projection in Python can do.

    python -m tests.benchmarks.bare_loop HOME DATABASE

Finds the records of items by their bytes, parses only those, and inserts one row each, a rollout
a transaction. It keeps no checkpoint, knows no turns, checks nothing, and so could not be used.
"""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson

_TABLE = """
CREATE TABLE _items (
    rollout TEXT NOT NULL, turn TEXT NOT NULL, id TEXT NOT NULL, ordinal INTEGER, ms INTEGER,
    type TEXT, json TEXT, PRIMARY KEY (rollout, turn, id)
)
"""
_MARK = b'"payload":{"type":"item_completed"'


def items(path: Path) -> Iterator[tuple[str, str, str, int, int, str, str]]:
    """Give a row for each record of an item."""
    with path.open("rb") as file:
        for line in file:
            if _MARK in line:
                record = orjson.loads(line)
                payload = record["payload"]
                item = payload["item"]
                yield (
                    payload["thread_id"],
                    payload["turn_id"],
                    item["id"],
                    record["ordinal"],
                    payload["completed_at_ms"],
                    item["type"],
                    orjson.dumps(item).decode(),
                )


def main() -> None:
    """Insert all items of a home into a new database."""
    home, database = sys.argv[1:]
    db = sqlite3.connect(database, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute(_TABLE)
    for path in sorted(Path(home).glob("sessions/*/*/*/rollout-*.jsonl")):
        db.execute("BEGIN")
        db.executemany("INSERT OR REPLACE INTO _items VALUES (?, ?, ?, ?, ?, ?, ?)", items(path))
        db.execute("COMMIT")
    db.close()


if __name__ == "__main__":
    main()
