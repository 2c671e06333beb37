"""Every column of every view is described, with the right unit, on both engines alike."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from projector.model.changes import ThreadMetadata
from projector.store import view_descriptions
from projector.store.open import open_store
from tests.support.databases import ENGINES, Empty, Where, reading, url_of
from tests.support.makers import batch, file_of, item, turn

_NAMED = {
    "sqlite": "SELECT s.name, c.name FROM sqlite_schema AS s JOIN pragma_table_xinfo(s.name) AS c"
    " WHERE s.type = 'view' AND s.name NOT LIKE '\\_%' ESCAPE '\\' ORDER BY s.name, c.cid",
    "postgres": "SELECT c.relname, a.attname FROM pg_class AS c"
    " JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0"
    " WHERE c.relkind = 'v' AND c.relnamespace = current_schema()::regnamespace"
    " AND c.relname NOT LIKE '\\_%' ORDER BY c.relname, a.attnum",
}
#: Milliseconds, the seconds of which a turn has, and the time as both engines write it.
TIMES = [
    (1_767_603_632_123, "2026-01-05T09:00:32.123Z"),
    (0, "1970-01-01T00:00:00.000Z"),
    (-1, "1969-12-31T23:59:59.999Z"),
    (-62_135_596_800_000, "0001-01-01T00:00:00.000Z"),
    (-62_135_596_800_001, None),
    (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
    (253_402_300_800_000, None),
    ((1 << 63) - 1, None),
    (-(1 << 63), None),
]


def pairs(rows: Iterable[tuple[Any, ...]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for view, column in rows:
        found.setdefault(view, []).append(column)
    return found


@pytest.mark.parametrize("engine", ENGINES)
def test_every_column_of_every_view_is_described(empty: Empty, engine: str) -> None:
    """In its place, and nothing else is."""
    with empty(engine) as where:
        asyncio.run(_open(where))
        with closing(reading(where)) as db:
            there = pairs(db.rows(_NAMED[engine]))
            told = db.rows("SELECT view_name, column_name, unit, meaning FROM columns")

    assert {view: [*about.columns] for view, about in described(engine).items()} == there
    assert pairs(row[:2] for row in told) == there
    assert {unit for _, _, unit, _ in told} <= {*UNIT_OF_NAME.values(), *OTHER_UNITS}
    assert [row for row in told if not row[3] or re.search(r"[^.]\.$", row[3])] == []


def test_engines_have_the_same_columns_but_those_of_many_hosts() -> None:
    sqlite, postgres = described("sqlite"), described("postgres")
    alone = {"escaped", "host", "source_id"}

    assert [*sqlite] == [name for name in postgres if name != "sources"]
    for name, view in sqlite.items():
        assert {**view.columns} == {
            column: about for column, about in postgres[name].columns.items() if column not in alone
        }


#: What the end of a name says of the unit.
UNIT_OF_NAME = {
    r".*_at_ms|since_ms": "ms since 1970 (UTC)",
    r"duration_ms": "ms",
    r".*_tokens": "tokens",
    r".*_id": "id",
    r"\w+_(offset|length)": "bytes",
    r".*_count|.*ordinal|position": "count",
    r"item_json|error_json": "JSON",
    r"archived|deleted|inherited|visible|attached|incomplete": "yes or no",
    r"uid": "UUID",
}
OTHER_UNITS = {"", "amount", "cursor", "min", "percent", "s since 1970 (UTC)", "text", "time (UTC)",
               "word"}  # fmt: skip


def test_units_are_those_that_names_promise() -> None:
    """And beside each time in milliseconds stands the same as a time, but in Codex's views."""
    wrong = []
    for view, about in view_descriptions.VIEWS.items():
        names = [*about.columns]
        for name, column in about.columns.items():
            for pattern, unit in UNIT_OF_NAME.items():
                if re.fullmatch(pattern, name) and name != "source_id" and column.unit != unit:
                    wrong.append((view, name))
            if view.startswith("codex_"):
                assert column.unit != "time (UTC)"
            elif column.unit == "ms since 1970 (UTC)":
                after = names[names.index(name) + 1]
                assert after == name.removesuffix("_ms")
                assert about.columns[after].unit == "time (UTC)"
            elif column.unit == "s since 1970 (UTC)":
                assert names[names.index(name) + 1] == name.replace("_at", "_time")

    assert wrong == []


@pytest.mark.parametrize("engine", ENGINES)
def test_times_are_the_same_on_both_engines(empty: Empty, engine: str) -> None:
    """Whatever a rollout holds: no number makes a view unreadable."""

    async def story(where: Where) -> None:
        store = await open_store(url_of(where), source="one")
        try:
            rows: list[Any] = []
            for number, (ms, _) in enumerate(TIMES):
                made = item(1, f"i{number}", number + 1, created=ms)
                rows += [
                    made._replace(started_at_ms=ms, completed_at_ms=ms),
                    turn(1, f"t{number}", number + 50)._replace(started_at=ms // 1000),
                ]
            await store.commit(
                [batch(file_of(1), rows, meta=ThreadMetadata(updated_at_ms=TIMES[0][0]))]
            )
        finally:
            await store.close()

    with empty(engine) as where:
        asyncio.run(story(where))
        with closing(reading(where)) as db:
            items = [
                db.rows(f"SELECT {name}_ms, {name} FROM {view} WHERE item_id LIKE 'i%'")
                for view in ("thread_history", "all_items")
                for name in ("created_at", "started_at", "completed_at")
            ]
            turns = db.rows("SELECT started_at, started_time FROM thread_turn_history")
            every = db.rows("SELECT started_at, started_time FROM all_turns")
            threads = db.rows("SELECT updated_at FROM threads")
            ((kind,),) = db.rows(
                "SELECT CAST(typeof(created_at) AS text) FROM thread_history LIMIT 1"
                if engine == "sqlite"
                else "SELECT pg_typeof(created_at)::text FROM thread_history LIMIT 1"
            )

    assert threads == [(TIMES[0][1],)]
    assert kind == ("text" if engine == "sqlite" else "timestamp with time zone")
    for found in items:
        assert {**dict(found)} == dict(TIMES)
    assert sorted(turns) == sorted(every)
    for seconds, time in turns:
        assert time == (_written(seconds) if abs(seconds) < 1 << 40 else None)


def _written(seconds: int) -> str | None:
    """Give the time of seconds, by another way."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return f"{moment.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


def described(engine: str) -> dict[str, view_descriptions.View]:
    return view_descriptions.described(engine)


async def _open(where: Where) -> None:
    await (await open_store(url_of(where), source="one")).close()
