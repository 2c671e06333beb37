"""What readers of the database wait for: a page of a long thread, and questions over much."""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.bench import Failed, Run, benchmark
from tests.benchmarks.following import backfilled
from tests.benchmarks.watching import read_only
from tests.support.docs import PAGES
from tests.support.questions import questions as questions_of

_PAGE = 100
#: A full scan of a table reads like this in SQLite's plan; of a few rows that were found
#: otherwise (`SCAN json_each`, of a subquery or a constant row) it is none.
_HARMLESS = ("SCAN CONSTANT ROW", "SCAN json_each", "SCAN (")


def scans(db: sqlite3.Connection, query: str, values: Sequence[Any]) -> list[str]:
    """Give the steps of a query's plan that read a whole table or index."""
    plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {query}", values)]
    derived = {step.split()[1] for step in plan if step.startswith(("MATERIALIZE", "CO-ROUTINE"))}
    return [
        step
        for step in plan
        if step.startswith("SCAN ")
        and not step.startswith(_HARMLESS)
        and step.split()[1] not in derived
    ]


def _timed(db: sqlite3.Connection, query: str, values: Sequence[Any]) -> tuple[float, int]:
    began = time.perf_counter()
    rows = db.execute(query, values).fetchall()
    return (time.perf_counter() - began) * 1000, len(rows)


@benchmark("page", "100 items in the middle of 100,000 over a lineage of 20 rollouts")
def page(run: Run) -> None:
    """Page by `position` behind an item in the middle, forwards and backwards."""
    home = run.home("--chain", "20", "--items", run.scaled("100000", "4000"), "--lean")
    with run.folder() as scratch:
        database = backfilled(home.path, scratch)
        db = read_only(database)
        thread = home.rollouts[0]["thread_id"]
        count = _one(db, "SELECT count(*) FROM thread_history WHERE thread_id = ?", thread)
        middle = _one(
            db,
            "SELECT position FROM thread_history WHERE thread_id = ? ORDER BY position"
            f" LIMIT 1 OFFSET {count // 2}",
            thread,
        )
        run.result.notes.append(f"{count:,} items visible in {len(home.rollouts)} rollouts")
        for name, sign, order in (("forwards", ">", "ASC"), ("backwards", "<", "DESC")):
            query = (
                "SELECT position, turn_id, item_id, uid, type, item_json, created_at_ms"
                f" FROM thread_history WHERE thread_id = ? AND position {sign} ?"
                f" ORDER BY position {order} LIMIT {_PAGE}"
            )
            for _ in range(max(run.repeat * 4, 20)):
                ms, rows = _timed(db, query, (thread, middle))
                if rows != _PAGE:
                    raise Failed(f"a page {name} has {rows} items")
                run.result.sample(name, "page", ms, "ms")
            run.result.promise(name, "page", at_most=5)
            full = scans(db, query, (thread, middle))
            run.result.sample(name, "full scans in the plan", len(full), "")
            run.result.promise(name, "full scans in the plan", at_most=0)
            run.result.notes += [f"{name}: {step}" for step in full]
        db.close()


def _one(db: sqlite3.Connection, query: str, *values: Any) -> Any:
    return db.execute(query, values).fetchone()[0]


#: The README asks its sample; what it names is replaced by what there is here.
_ELSEWHERE = {
    "'2026-01-06'": ":newest / 1000, 'unixepoch'",
    "'/home/robin/teapot'": "'/srv/voyage'",
    "'tea'": ":phrase",
}
_THREAD = re.compile(r"'[0-9a-f]{8}-[0-9a-f-]{27}'")
#: Beside those of the README.
_MORE = {
    "a thread's last messages": (
        "SELECT role, text FROM messages WHERE thread_id = :thread"
        " ORDER BY created_at_ms DESC LIMIT 50"
    ),
    "a thread's commands": (
        "SELECT command, exit_code FROM commands WHERE thread_id = :thread"
        " ORDER BY position DESC LIMIT 50"
    ),
    "newest commands of all threads": (
        "SELECT thread_id, command FROM commands ORDER BY created_at_ms DESC LIMIT 50"
    ),
    "tool calls of a server in a week": (
        "SELECT tool, count(*), avg(duration_ms) FROM tool_calls WHERE server = 'tides'"
        " AND created_at_ms >= :newest - 7 * 86400000 GROUP BY tool"
    ),
    "tokens of a thread": (
        "SELECT sum(total_tokens) FROM thread_turn_history WHERE thread_id = :thread"
    ),
    "newest lifecycle events": (
        "SELECT seq, type, payload FROM lifecycle_events ORDER BY seq DESC LIMIT 100"
    ),
}


def _asked() -> dict[str, str]:
    """Give what people ask: the questions of the README, and more."""
    found = {}
    for question in questions_of((PAGES / "questions.md").read_text("utf-8")):
        sql = _THREAD.sub(":thread", question.sql)
        for here, there in _ELSEWHERE.items():
            sql = sql.replace(here, there)
        found[question.words] = sql
    return {**found, **_MORE}


@benchmark("questions", "the README's ten questions and more, at a million items")
def questions(run: Run) -> None:
    """Ask each on a connection that is open already, as a dashboard would."""
    items = run.scaled("1000000", "10000")
    options = ("--rollouts", "200", "--forks", "40", "--items", items, "--lean")
    home = run.home(*options)
    with run.folder() as scratch:
        database = backfilled(home.path, scratch)
        db = read_only(database)
        newest = _one(db, "SELECT max(created_at_ms) FROM codex_thread_items")
        values = {
            "thread": home.rollouts[0]["thread_id"],
            "newest": newest,
            "phrase": '"harbour tow"',  # every word of these texts is in a tenth of the items
        }
        asked = _asked()
        for _ in run.rounds():
            for question, query in asked.items():
                began = time.perf_counter()
                db.execute(query, values).fetchall()
                run.result.sample(question, "answer", (time.perf_counter() - began) * 1000, "ms")
        db.close()
        run.result.notes.append(
            f"{home.items:,} items in 200 threads, of which 40 are forks,"
            f" {_mib(database):,.0f} MiB of database"
        )
    run.forget(*options)
    for question in asked:
        run.result.promise(question, "answer", at_most=50)


def _mib(path: Path) -> float:
    return path.stat().st_size / (1 << 20)
