"""Very long lines, and very long rollouts of the old kind."""

from __future__ import annotations

import sqlite3

from tests.benchmarks.bench import Run, benchmark
from tests.benchmarks.contestants import AGENTS_VIEW, BARE, PROJECTOR, run_projector
from tests.benchmarks.processes import MIB
from tests.benchmarks.suite.backfill import race
from tests.support.generator.rollouts import parse_size


@benchmark("giant-line", "one item of 100 MB in a line: memory as a multiple of the line")
def giant_line(run: Run) -> None:
    """Project a rollout that ends with a command of a very long output."""
    size = run.scaled("100MB", "20MB")
    home = run.home("--size", "1MB", "--giant", size)
    line = parse_size(size) / MIB
    for _ in run.rounds():
        with run.folder() as scratch:
            cost = run_projector(home, scratch)
        run.result.sample("projector", "wall", cost.wall, "s")
        run.result.sample("projector", "peak memory", cost.peak, "MiB")
        run.result.sample("projector", "peak memory of the line", cost.peak / line, "x the line")
    run.result.promise("projector", "peak memory of the line", at_most=4)


@benchmark("compacted", "a rollout whose long compacted records make no rows")
def compacted(run: Run) -> None:
    """Measure what passing over long records costs."""
    home = run.home("--size", run.scaled("100MB", "10MB"), "--compacted")
    race(run, home, (PROJECTOR, BARE, AGENTS_VIEW))
    run.result.compare("bare loop", "projector", "wall")
    run.result.promise("projector", "peak memory", at_most=150)


@benchmark("backfill-legacy", "one legacy rollout of 200 MB, whole process")
def backfill_legacy(run: Run) -> None:
    """Measure the other kind; there the bare loop would find nothing."""
    home = run.home("--size", run.scaled("200MB", "10MB"), "--history", "legacy")
    race(run, home, (PROJECTOR, AGENTS_VIEW))
    run.result.compare("agentsview", "projector", "wall", at_least=3)
    run.result.promise("projector", "peak memory", at_most=150)


@benchmark("database-size", "size of the database beside the item JSON and its keys")
def database_size(run: Run) -> None:
    """Weigh the database of the ordinary rollout, its log merged."""
    home = run.home("--size", run.scaled("100MB", "10MB"))
    with run.folder() as scratch:
        run_projector(home, scratch)
        path = scratch / "projector.sqlite"
        with sqlite3.connect(path) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            json, keys = db.execute(
                "SELECT sum(length(CAST(item_json AS BLOB))),"
                " sum(length(thread_id) + length(turn_id) + length(item_id) + length(item_type))"
                " FROM codex_thread_items"
            ).fetchone()
            biggest = _biggest(db)
            words = _pages_of(db, "!_item!_index%")
        db.close()
        size = path.stat().st_size
    run.result.sample("projector", "database", size / MIB, "MiB")
    run.result.sample("projector", "item JSON", json / MIB, "MiB")
    run.result.sample("projector", "keys", keys / MIB, "MiB")
    run.result.sample("projector", "database to JSON and keys", size / (json + keys), "x")
    if words is not None:
        run.result.sample("projector", "without search", (size - words) / (json + keys), "x")
    run.result.promise("projector", "database to JSON and keys", at_most=1.5)
    run.result.promise("projector", "without search", at_most=1.3)
    run.result.notes.append(biggest)


def _biggest(db: sqlite3.Connection) -> str:
    """Tell what the pages of the database are full of, where SQLite can tell."""
    try:
        rows = db.execute(
            "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 8"
        ).fetchall()
    except sqlite3.Error:
        return "this SQLite has no dbstat: no shares of tables and indexes"
    return "largest: " + ", ".join(f"{name} {size / MIB:.1f} MiB" for name, size in rows)


def _pages_of(db: sqlite3.Connection, names: str) -> int | None:
    """Return the bytes of tables and indexes whose names are LIKE that; None: it cannot tell."""
    try:
        (size,) = db.execute(
            "SELECT sum(pgsize) FROM dbstat WHERE name LIKE ? ESCAPE '!'", (names,)
        ).fetchone()
    except sqlite3.Error:
        return None
    return int(size)
