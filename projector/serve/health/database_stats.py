"""Counts of a database's contents, cheap enough for every scrape."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from projector.model import codex_release
from projector.store.questions import contents
from projector.store.reading import Connection


class DatabaseStats(Struct, frozen=True, kw_only=True):
    """Rows by kind, size of the files in bytes, version of the schema."""

    rollouts: int
    threads: int
    turns: int
    items: int
    anomalies: Mapping[str, int]
    """By kind."""
    newer_rollouts: int
    """Rollouts that a newer Codex wrote than the rules were read from."""
    database_bytes: int
    wal_bytes: int
    free_bytes: int | None
    """Free bytes on the database's disk; None: unknown."""
    schema: int
    rules: contents.RulesBehind = contents.UP_TO_DATE
    """Rollouts that were not projected by the rules of this program."""


def count(db: Connection) -> DatabaseStats:
    """Count the contents of the database. Raises as `Connection` does."""
    with db.snapshot():
        totals = contents.totals(db)
        threads = contents.thread_count(db)
        anomalies = contents.anomaly_counts(db)
        releases = contents.releases(db)
        schema = db.schema()
        rules = contents.rules_behind(db)
    size = db.size()
    return DatabaseStats(
        rollouts=totals.rollouts,
        threads=threads,
        turns=totals.turns,
        items=totals.items,
        anomalies=anomalies,
        newer_rollouts=codex_release.newer(releases).rollouts,
        database_bytes=size.database,
        wal_bytes=size.log,
        free_bytes=size.free,
        schema=schema.found,
        rules=rules,
    )
