"""The dashboards of the data: every query runs, and reads what its time range holds."""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from projector.store.open import open_to_read
from tests.sample import make
from tests.support import docs, grafana
from tests.support.databases import SOURCE
from tests.support.generator.lines import EPOCH_MS
from tests.support.generator.mix import LEAN
from tests.support.generator.rollouts import write_home
from tests.support.projecting import backfilled
from tests.support.server import Server

#: Rollouts of the small home, of the large one, and the items of each.
FEW, MANY, ITEMS = 4, 40, 80
#: The time of the small home's rollouts, which are the large home's first ones.
SPAN = EPOCH_MS - 1, EPOCH_MS + FEW * 5 * 3_600_000 - 1
#: Tables that grow with what is said and done.
LARGE = re.compile(r"\b_?(items|item_rows|usage|usage_rows|turns|events|limit_rows|feed)\b")
PANELS = [
    pytest.param(engine, query, id=f"{engine}: {title}")
    for engine in grafana.ENGINES
    for title, query in grafana.asked(engine).items()
]


def asked_in(query: str, span: tuple[int, int]) -> str:
    """Put the range of a dashboard into a query, as Grafana does."""
    return query.replace("$__from", str(span[0])).replace("$__to", str(span[1]))


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give a small home, and one with the same rollouts and many later ones."""
    folder = tmp_path_factory.mktemp("work")
    for name, rollouts in (("few", FEW), ("many", MANY)):
        write_home(folder / name, rollouts=rollouts, items=rollouts * ITEMS, mix=LEAN)
    return folder / "few", folder / "many"


@pytest.fixture(scope="module")
def databases(
    homes: tuple[Path, Path], server: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, tuple[str, str]]]:
    """Give both homes in each engine."""
    folder = tmp_path_factory.mktemp("databases")
    with server.database() as few, server.database() as many:
        found = {
            "sqlite": (f"sqlite:///{folder}/few.db", f"sqlite:///{folder}/many.db"),
            "postgres": (few, many),
        }
        for urls in found.values():
            for home, url in zip(homes, urls, strict=True):
                backfilled(home, url)
        yield found


@pytest.mark.parametrize(("engine", "query"), PANELS)
def test_work_is_that_of_the_time_range(
    databases: dict[str, tuple[str, str]], engine: str, query: str
) -> None:
    """The same rows, and about as much read, when ten times as much lies outside of the range."""
    counted = [
        (_sqlite if engine == "sqlite" else _postgres)(url, asked_in(query, SPAN))
        for url in databases[engine]
    ]
    (rows_few, few), (rows_many, many) = counted

    assert rows_many == rows_few or "token_days" in query, "sums of days know whole days only"
    assert many <= 2 * few + 3 * MANY  # there are more days, too


def _sqlite(url: str, query: str) -> tuple[list[Any], int]:
    """Return the rows, and the steps of SQLite's machine by tens."""
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    db = sqlite3.connect(url.removeprefix("sqlite:///"))
    try:
        plan = [str(row[3]) for row in db.execute(f"EXPLAIN QUERY PLAN {query}")]
        scans = [one for one in plan if one.startswith("SCAN ") and "INDEX" not in one]
        assert not [one for one in scans if LARGE.search(one)], plan
        db.set_progress_handler(step, 10)
        rows = db.execute(query).fetchall()
    finally:
        db.close()
    return rows, steps


def _postgres(url: str, query: str) -> tuple[list[Any], int]:
    """Return the rows, and how many rows of large tables were read."""
    with psycopg.connect(url) as db:
        db.execute("ANALYZE")
        # Small tables are scanned because they are small: what large ones would have is asked for.
        db.execute("SET enable_seqscan = off")
        rows = db.execute(query).fetchall()
        found = db.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}").fetchone()
    assert found is not None
    nodes = list(_nodes(found[0][0]["Plan"]))
    large = [one for one in nodes if LARGE.search(one.get("Relation Name", ""))]
    assert not [one for one in large if one["Node Type"] == "Seq Scan"]
    read = sum(
        (one["Actual Rows"] + one.get("Rows Removed by Filter", 0)) * one["Actual Loops"]
        for one in large
    )
    return rows, int(read)


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for one in plan.get("Plans", ()):
        yield from _nodes(one)


@pytest.mark.parametrize("engine", grafana.ENGINES)
def test_panels_show_what_was_done(engine: str, server: Server, tmp_path: Path) -> None:
    """Over the sample, of whose week every panel but the limits has rows."""
    with server.database() as url:
        where = url if engine == "postgres" else f"sqlite:///{tmp_path}/p.db"
        backfilled(make.SHIPPED, where)
        week = 1_767_225_600_000, 1_767_830_400_000  # the first of January 2026 on
        shown = {}
        with open_to_read(where, source=SOURCE) as db:
            for title, query in grafana.asked(engine).items():
                # Bound by name elsewhere: a colon of a format is none of ours.
                shown[title] = db.rows(asked_in(query, week))
    assert {title for title, rows in shown.items() if not rows} <= {
        "Limits", "List price a day, by model",
    }  # fmt: skip
    tokens = shown["Tokens a day, by model"]
    assert [(int(time), metric, int(number)) for time, metric, number in tokens] == [
        (1_767_484_800, "gpt-5", 2400), (1_767_571_200, "gpt-5-codex", 50100),
    ]  # fmt: skip
    assert "teapot" in json.dumps(shown["Newest failed commands"], default=str)


@pytest.mark.parametrize("engine", grafana.ENGINES)
def test_panels_have_places_of_their_own(engine: str) -> None:
    panels = json.loads(grafana.text(engine))["panels"]
    taken = {
        (x, y)
        for one in panels
        for x in range(one["gridPos"]["x"], one["gridPos"]["x"] + one["gridPos"]["w"])
        for y in range(one["gridPos"]["y"], one["gridPos"]["y"] + one["gridPos"]["h"])
    }

    assert len(taken) == sum(one["gridPos"]["w"] * one["gridPos"]["h"] for one in panels)
    assert len({one["id"] for one in panels}) == len(panels)
    assert docs.dashboards()
