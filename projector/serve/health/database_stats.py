"""Counts of a database's contents, cheap enough for every scrape."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from projector.store.reading import Connection, Sql

#: Threads of a source.
THREADS: Final = Sql(
    "SELECT count(*) FROM _thread_states",
    "SELECT count(*) FROM _thread_states WHERE source_id = :source",
)
_SUMS: Final = "SELECT count(*), coalesce(sum(turns), 0), coalesce(sum(items), 0) FROM _rollouts"
_ROLLOUTS: Final = Sql(_SUMS, f"{_SUMS} WHERE source_id = :source")
_KINDS: Final = Sql(
    "SELECT kind, count(*) FROM _anomaly_rows GROUP BY kind",
    "SELECT kind, count(*) FROM _anomaly_rows WHERE source_id = :source GROUP BY kind",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseStats:
    """Rows by kind, size of the files in bytes, version of the schema."""

    rollouts: int
    threads: int
    turns: int
    items: int
    anomalies: Mapping[str, int]
    """By kind."""
    database_bytes: int
    wal_bytes: int
    free_bytes: int | None
    """Free bytes on the database's disk; None: unknown."""
    schema: int


def count(db: Connection) -> DatabaseStats:
    """Count the contents of the database. Raises as `Connection` does."""
    with db.snapshot():
        ((rollouts, turns, items),) = db.rows(_ROLLOUTS)
        ((threads,),) = db.rows(THREADS)
        anomalies = dict(db.rows(_KINDS))
        schema = db.schema()
    size = db.size()
    return DatabaseStats(
        rollouts=rollouts,
        threads=threads,
        turns=turns,
        items=items,
        anomalies=anomalies,
        database_bytes=size.database,
        wal_bytes=size.log,
        free_bytes=size.free,
        schema=schema.found,
    )
