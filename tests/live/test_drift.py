"""How another release is told: by type and path, and what to do about it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.live import drift

KNOWN: dict[str, dict[str, list[str]]] = {
    "schema": {"ThreadItem": ["<plan>.text required", "<plan>.text has type string"], "Old": ["."]},
    "records": {"event_msg error": [".message"], "item Plan": [".id"]},
    "tables": {"databases": ["state_5.sqlite"], "state_5.sqlite threads": ["id TEXT"]},
    "features": {"default": ["goals is on", "artifact is off"]},
}


def later(**areas: dict[str, list[str]]) -> dict[str, dict[str, list[str]]]:
    return {area: {**KNOWN[area], **areas.get(area, {})} for area in KNOWN}


def test_what_is_known_is_no_news() -> None:
    assert drift.differences(KNOWN, later()) == ([], 0)
    assert drift.advice([], rows=False) == []


def test_all_that_is_said_of_a_new_member_is_one_fact() -> None:
    more = [
        *KNOWN["schema"]["ThreadItem"], "<mcp>.environment", "<mcp>.environment has type string",
        "<mcp>.environment.id required", "<mcp>.environment[].x", "<mcp>.environmentId",
    ]  # fmt: skip

    lines, news = drift.differences(KNOWN, later(schema={"ThreadItem": more}))

    assert (lines, news) == (
        ["new       schema ThreadItem: <mcp>.environment, <mcp>.environmentId"], 2,
    )  # fmt: skip


def test_each_area_is_told_and_has_its_advice() -> None:
    seen = later(
        records={"hologram": [".path"]},
        tables={"databases": ["state_5.sqlite", "new_1.sqlite"], "state_5.sqlite threads": []},
        features={"default": ["goals is on", "artifact is on"]},
    )
    del seen["schema"]["Old"], seen["records"]["item Plan"]

    lines, news = drift.differences(KNOWN, seen)

    assert lines == [
        "gone      schema Old: .",
        "new       records hologram: .path",
        "not seen  records item Plan: .id",
        "new       tables databases: new_1.sqlite",
        "gone      tables state_5.sqlite threads: id TEXT",
        "new       features default: artifact is on",
        "gone      features default: artifact is off",
    ]
    assert news == 6
    told = drift.advice(lines, rows=True)
    assert len(told) == 1 + len(drift.AREAS) + 2
    assert told[0] == "what to do next:"


def test_a_record_that_was_not_seen_asks_for_nothing() -> None:
    lines, news = drift.differences(KNOWN, later(records={"item Plan": []}))

    assert (lines, news) == (["not seen  records item Plan: .id"], 0)
    assert drift.advice(lines, rows=False) == []


def test_rows_that_differ_in_the_same_way_are_told_once() -> None:
    row = "  DIFFERS codex_thread_items ('01a4{}', 'A', 'c{}'): item_json of plan: .text: {} found"
    told = "\n".join(["seed 1: fine", *(row.format(at, at, at) for at in range(500))])

    lines = drift.grouped(told)

    assert lines[0] == "seed 1: fine"
    assert len(lines) == 2
    assert "500 times" in lines[1]
    assert "item_json of plan: .text" in lines[1]


def test_tables_indexes_and_databases_are_seen(tmp_path: Path) -> None:

    for name in ("state_5.sqlite", "goals_1.sqlite"):
        with closing(sqlite3.connect(tmp_path / name)) as db:
            db.execute("CREATE TABLE threads (id TEXT)")
            db.execute("CREATE INDEX idx ON threads (id)")

    seen = drift.observe(tmp_path, {"definitions": {}}, ["goals is on"])

    assert seen["tables"] == {
        "databases": ["goals_1.sqlite", "state_5.sqlite"],
        "state_5.sqlite index": ["idx"],
        "state_5.sqlite table": ["threads"],
        "state_5.sqlite threads": ["id TEXT"],
    }
    assert seen["features"] == {"default": ["goals is on"]}
