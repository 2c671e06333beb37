"""Finds the row that counts of a response, and keeps the entries by which it is found.

Ids of responses are random: in one index of all of them, each row of a batch would rewrite a page
of its own, the more so the larger the database is (at 800 MB of rollouts, a third of the writer's
time and half of what it writes). So new entries wait in a small table, and thousands at once come
into the large one. Each counted row with an id has an entry in one of both. An entry whose row does
not count, is gone or is another one by now is passed over.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

#: Entries that wait: the small table has some dozens of pages.
WAITING: Final = 16_384

#: Tables of entries.
_TABLES: Final = ("_responses", "_responses_new")
#: How an entry begins: the end of an id tells as much as all of it.
_ENDING: Final = "substr({id}, -12)"

#: SQL that is true for a row `n` whose response has another row that counts.
MET: Final = " OR ".join(
    f"EXISTS (SELECT 1 FROM {table} AS e CROSS JOIN _usage_rows AS v ON v.usage = e.usage"
    f" WHERE e.ending = {_ENDING.format(id='n.response_id')} AND e.usage <> n.usage"
    " AND v.response_id = n.response_id AND v.counted = 1)"
    for table in _TABLES
)
#: SQL that is true for the row `n` that counts of response ?1, and few others.
FOUND: Final = "n.usage IN ({})".format(
    " UNION ALL ".join(
        f"SELECT e.usage FROM {table} AS e WHERE e.ending = {_ENDING.format(id='?1')}"
        for table in _TABLES
    )
)


def take_new(db: sqlite3.Connection, last: int) -> None:
    """Insert entries of the rows after number `last`, which count."""
    _take(db, "_responses_new", last)
    (waiting,) = db.execute("SELECT count(*) FROM _responses_new").fetchone()
    if waiting > WAITING:
        db.execute("INSERT OR IGNORE INTO _responses SELECT * FROM _responses_new")
        db.execute("DELETE FROM _responses_new")


def rebuild(db: sqlite3.Connection) -> None:
    """Make the entries of all rows that count."""
    for table in _TABLES:
        db.execute(f"DELETE FROM {table}")
    _take(db, "_responses", 0)


def _take(db: sqlite3.Connection, table: str, last: int) -> None:
    # NOT INDEXED: see `usage`
    db.execute(
        f"INSERT OR IGNORE INTO {table} SELECT {_ENDING.format(id='response_id')}, usage"
        " FROM _usage_rows NOT INDEXED WHERE usage > ? AND counted AND response_id IS NOT NULL"
        " ORDER BY 1, 2",
        (last,),
    )


def add(db: sqlite3.Connection, rows: Iterable[tuple[str, int]]) -> None:
    """Insert entries of rows that count by now: id of the response, number of the row."""
    db.executemany(
        f"INSERT OR IGNORE INTO _responses_new VALUES ({_ENDING.format(id='?')}, ?)", rows
    )


def remove(db: sqlite3.Connection, rows: Iterable[tuple[str, int]]) -> None:
    """Delete entries of rows that do not count any more."""
    gone = list(rows)
    for table in _TABLES:
        db.executemany(
            f"DELETE FROM {table} WHERE ending = {_ENDING.format(id='?')} AND usage = ?", gone
        )
