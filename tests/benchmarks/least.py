"""How far the machine goes: what a projection cannot do without, each half alone.

    python -m tests.benchmarks.least parse HOME
    python -m tests.benchmarks.least write FINISHED DATABASE

`parse` splits every rollout into lines and parses each of them, and does nothing with it. `write`
holds the rows of a finished database in memory, with the words of its items, and inserts the same
ones into a new one with the same schema: no checkpoint, no look-up, no sum, a few transactions.
Both tell their seconds, without those for the interpreter and for the rows to come into memory.
With two cores no projection in Python is faster than the longer of the two.
"""

from __future__ import annotations

import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson

from projector.model.settings import Settings
from projector.search.text import Indexing

#: Rows a transaction, of each table.
_AT_ONCE = 4096
_INDEX = "_item_index"


def parse(home: Path) -> float:
    """Parse each line of a home; return the seconds."""
    began = time.perf_counter()
    for path in sorted(home.glob("sessions/*/*/*/rollout-*.jsonl")):
        with path.open("rb") as file:
            for line in file:
                orjson.loads(line)
    return time.perf_counter() - began


def _tables(db: sqlite3.Connection) -> list[str]:
    """Return the tables with rows, without what SQLite and the index keep for themselves."""
    names = [
        str(name) for (name,) in db.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
    ]
    return [name for name in names if not name.startswith(("sqlite_", _INDEX))]


def _columns(db: sqlite3.Connection, table: str) -> list[str]:
    """Return the columns that are stored: computed ones are hidden from this pragma."""
    return [str(row[1]) for row in db.execute(f"PRAGMA table_info({table})")]


def _words(db: sqlite3.Connection) -> list[tuple[int, bytes]]:
    settings = Settings().search
    indexing = Indexing(settings.index, settings.max_text_bytes)
    rows = db.execute("SELECT item, type, json FROM _items ORDER BY item")
    return [(item, indexing.words_of(kind, json) or b"") for item, kind, json in rows]


def _some(rows: list[Any]) -> Iterator[list[Any]]:
    for at in range(0, len(rows), _AT_ONCE):
        yield rows[at : at + _AT_ONCE]


def write(finished: Path, database: Path) -> float:
    """Insert the rows of a finished database into a new one; return the seconds."""
    old = sqlite3.connect(f"{finished.absolute().as_uri()}?mode=ro", uri=True)
    made = [
        str(sql)
        for (sql,) in old.execute(
            "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
            f" AND name NOT LIKE '{_INDEX}_%'"
        )
    ]
    columns = {name: _columns(old, name) for name in _tables(old)}
    rows = {
        name: old.execute(f"SELECT {', '.join(every)} FROM {name}").fetchall()
        for name, every in columns.items()
    }
    words = _words(old)
    old.close()
    db = sqlite3.connect(database, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL", *made):
        db.execute(statement)
    began = time.perf_counter()
    for name, held in rows.items():
        into = f"INSERT INTO {name} ({', '.join(columns[name])}) VALUES"
        for some in _some(held):
            db.execute("BEGIN")
            db.executemany(f"{into} ({', '.join('?' * len(columns[name]))})", some)
            db.execute("COMMIT")
    for some in _some(words):
        db.execute("BEGIN")
        db.executemany(f"INSERT INTO {_INDEX} (rowid, text) VALUES (?, CAST(? AS TEXT))", some)
        db.execute("COMMIT")
    return time.perf_counter() - began


def main() -> None:
    """Do what the command line says."""
    what, *paths = sys.argv[1:]
    seconds = (parse if what == "parse" else write)(*map(Path, paths))
    sys.stdout.write(f"{seconds}\n")


if __name__ == "__main__":
    main()
