"""The comparison itself: equal rows pass, and each way of being wrong is found."""

from __future__ import annotations

import dataclasses
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.live.compare import compare
from tests.live.model import Json
from tests.live.shown import TABLES, History, Shown

THREAD = "0199a0c0-0000-7000-8000-000000000001"
GONE = "0199a0c0-0000-7000-8000-000000000002"
OTHER = "0199a0c0-0000-7000-8000-000000000003"
ITEMS: tuple[tuple[str, Json], ...] = (
    ("t1", {"type": "userMessage", "id": "u1", "content": []}),
    ("t1", {"type": "agentMessage", "id": "a1", "text": "one"}),
    ("t2", {"type": "userMessage", "id": "u2", "content": []}),
    ("t2", {"type": "mcpToolCall", "id": "m1", "arguments": {"share": 1.5}}),
)


def item_row(place: int, turn: str, item: Json) -> Json:
    return {
        "thread_id": THREAD, "turn_id": turn, "item_id": item["id"], "rollout_ordinal": place,
        "created_at_ms": 1000 + place, "item_json": json.dumps(item), "item_type": item["type"],
        "updated_at_ordinal": place, "started_at_ms": None, "completed_at_ms": 1000 + place,
    }  # fmt: skip


def turn_row(turn: str, ordinal: int, status: str) -> Json:
    ended = status != "inProgress"
    return {
        "thread_id": THREAD, "turn_id": turn, "rollout_ordinal": ordinal, "status": status,
        "error_json": None, "started_at": 1, "completed_at": 2 if ended else None,
        "duration_ms": 900 if ended else None, "first_user_item_id": None,
        "final_agent_item_id": None, "rollout_byte_offset": 10 * ordinal,
        "rollout_end_ordinal": ordinal + 5 if ended else None,
        "rollout_end_byte_offset": 10 * ordinal + 50 if ended else None, "root_turn_id": None,
    }  # fmt: skip


def state_row(thread: str) -> Json:
    return {"thread_id": thread, "next_rollout_byte_offset": 500, "next_rollout_ordinal": 20}


def realtime_row() -> Json:
    return {
        "thread_id": THREAD, "item_id": "r1", "rollout_ordinal": 18, "created_at_ms": 5,
        "item_type": "transcript_segment", "item_json": '{"id":"r1","text":"hm"}',
    }  # fmt: skip


def turn_shown(turn: str, status: str) -> Json:
    ended = status != "inProgress"
    items = [item for name, item in ITEMS if name == turn]
    return {
        "id": turn, "status": status if ended else "interrupted", "error": None, "startedAt": 1,
        "completedAt": 2 if ended else None, "durationMs": 900 if ended else None, "items": items,
    }  # fmt: skip


@pytest.fixture
def shown() -> Shown:
    turns = (("t1", "completed"), ("t2", "inProgress"))
    about = {
        "source": "cli", "model_provider": "p", "cli_version": "1", "history_mode": "paginated",
        "archived": 0, "name": None,
    }  # fmt: skip
    return Shown(
        rows={
            "thread_items": [item_row(n, turn, item) for n, (turn, item) in enumerate(ITEMS)],
            "thread_turns": [turn_row(turn, 10 * n, status) for n, (turn, status) in
                             enumerate(turns)],
            "thread_realtime_items": [realtime_row()],
            "thread_history_projection_state": [state_row(THREAD)],
        },
        histories={
            THREAD: History(items=ITEMS, turns=[turn_shown(*turn) for turn in turns]),
        },
        threads={THREAD: {"id": THREAD, **about}},
        gone=frozenset({GONE}),
    )  # fmt: skip


@pytest.fixture
def database(tmp_path: Path, shown: Shown) -> Path:
    """Make a database that shows just what Codex shows, as plain tables."""
    made = tmp_path / "projected.db"
    history = [
        {
            "thread_id": THREAD, "position": n, "rollout_id": THREAD, "turn_id": turn,
            "item_id": item["id"], "uid": f"i{n}", "item_json": json.dumps(item),
            "provenance": "snapshot",
        }
        for n, (turn, item) in enumerate(ITEMS)
    ]  # fmt: skip
    turns = [
        {
            "thread_id": THREAD, "position": n, "rollout_id": THREAD, "uid": f"t{n}",
            **{name: row[name] for name in ("turn_id", "status", "error_json", "started_at",
                                            "completed_at", "duration_ms")},
        }
        for n, row in enumerate(shown.rows["thread_turns"])
    ]  # fmt: skip
    events = [
        {"seq": 1, "rollout_id": THREAD, "turn_id": "t1", "type": "turn.started"},
        {"seq": 2, "rollout_id": THREAD, "turn_id": "t1", "type": "turn.completed"},
        {"seq": 3, "rollout_id": THREAD, "turn_id": "t2", "type": "turn.started"},
    ]
    about = {**shown.threads[THREAD], "thread_id": THREAD, "deleted": 0, "source_json": None}
    with closing(sqlite3.connect(made)) as db, db:
        for table, (view, _) in TABLES.items():
            fill(db, view, shown.rows[table])
        fill(db, "thread_history", history)
        fill(db, "thread_turn_history", turns)
        fill(db, "lifecycle_events", events)
        fill(db, "threads", [{name: value for name, value in about.items() if name != "id"}])
    return made


def fill(db: sqlite3.Connection, table: str, rows: Sequence[Any]) -> None:
    columns = list(rows[0])
    db.execute(f"CREATE TABLE {table} ({', '.join(columns)})")
    places = ", ".join("?" * len(columns))
    db.executemany(f"INSERT INTO {table} VALUES ({places})", [tuple(row.values()) for row in rows])


def change(database: Path, statement: str) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        assert db.execute(statement).rowcount > 0, "the fault must be there to be found"


def test_equal_rows_pass(shown: Shown, database: Path) -> None:
    report = compare(shown, database)

    assert report.differences == []
    assert report.equal["codex_thread_items"] == len(ITEMS)
    assert report.equal["thread_history"] == len(ITEMS)
    assert report.meant == {"thread_turn_history: nobody runs it any more": 1}


# fmt: off
FAULTS = [
    ("a row of an item is lost",
     "DELETE FROM codex_thread_items WHERE item_id = 'a1'"),
    ("a row of a turn is lost",
     "DELETE FROM codex_thread_turns WHERE turn_id = 't2'"),
    ("a realtime row is lost",
     "DELETE FROM codex_thread_realtime_items"),
    ("a row is there twice",
     "INSERT INTO codex_thread_items SELECT * FROM codex_thread_items LIMIT 1"),
    ("a row is too many",
     f"INSERT INTO codex_projection_state VALUES ('{OTHER}', 1, 1)"),
    ("an item says something else",
     "UPDATE codex_thread_items SET item_json = replace(item_json, 'one', 'two')"),
    ("a number is spelt anew",
     "UPDATE codex_thread_items SET item_json = replace(item_json, '1.5', '1.50')"),
    ("a number became text",
     "UPDATE codex_thread_items SET rollout_ordinal = '0' WHERE item_id = 'u1'"),
    ("a time is another",
     "UPDATE codex_thread_items SET created_at_ms = created_at_ms + 1"),
    ("a NULL became 0",
     "UPDATE codex_thread_items SET started_at_ms = 0"),
    ("a turn ended otherwise",
     "UPDATE codex_thread_turns SET status = 'failed' WHERE turn_id = 't1'"),
    ("a running turn has no start",
     "UPDATE codex_thread_turns SET started_at = NULL WHERE turn_id = 't2'"),
    ("a checkpoint is short of the end",
     "UPDATE codex_projection_state SET next_rollout_byte_offset = 499"),
    ("an item is not in the history",
     "DELETE FROM thread_history WHERE item_id = 'm1'"),
    ("an item is in the history twice",
     "INSERT INTO thread_history SELECT * FROM thread_history LIMIT 1"),
    ("two items changed places",
     "UPDATE thread_history SET position = 3 - position"),
    ("an item is in another turn",
     "UPDATE thread_history SET turn_id = 't2' WHERE item_id = 'a1'"),
    ("the history says something else",
     "UPDATE thread_history SET item_json = replace(item_json, 'one', 'two')"),
    ("two turns changed places",
     "UPDATE thread_turn_history SET position = 1 - position"),
    ("a turn is not in the history",
     "DELETE FROM thread_turn_history WHERE turn_id = 't1'"),
    ("a listed turn ended otherwise",
     "UPDATE thread_turn_history SET status = 'failed' WHERE turn_id = 't1'"),
    ("a listed turn has an error",
     "UPDATE thread_turn_history SET error_json = '{\"message\":\"x\"}'"),
    ("a listed turn took longer",
     "UPDATE thread_turn_history SET duration_ms = 901"),
    ("two rows share a uid",
     "UPDATE thread_history SET uid = 'i0'"),
    ("a thread is missing",
     "DELETE FROM threads"),
    ("a thread is somebody else's",
     f"UPDATE threads SET thread_id = '{OTHER}'"),
    ("a thread has another name",
     "UPDATE threads SET name = 'x'"),
    ("a thread is said to be deleted",
     "UPDATE threads SET deleted = 1"),
    ("an end has no event",
     "DELETE FROM lifecycle_events WHERE type = 'turn.completed'"),
    ("the last event is another",
     "UPDATE lifecycle_events SET type = 'turn.failed' WHERE seq = 2"),
]
# fmt: on


@pytest.mark.parametrize("fault", [pytest.param(sql, id=name) for name, sql in FAULTS])
def test_each_fault_is_found(shown: Shown, database: Path, fault: str) -> None:
    change(database, fault)

    assert compare(shown, database).differences


def test_a_start_that_codex_lost_is_meant(shown: Shown, database: Path) -> None:
    first, second = shown.rows["thread_turns"]
    rows = {**shown.rows, "thread_turns": [{**first, "started_at": None}, second]}

    report = compare(dataclasses.replace(shown, rows=rows), database)

    assert report.differences == []
    assert report.meant["codex_thread_turns: started_at that Codex lost"] == 1


#: What a release that lacks a null key and a column writes instead.
OLDER = (
    "UPDATE codex_thread_items SET item_json = replace(item_json, '{', '{\"later\":null,')",
    "UPDATE thread_history SET item_json = replace(item_json, '{', '{\"later\":null,')",
)


@pytest.mark.parametrize("pinned", [True, False])
@pytest.mark.parametrize("more", OLDER)
def test_absent_is_null_with_another_release_only(
    shown: Shown, database: Path, more: str, *, pinned: bool
) -> None:
    change(database, more)

    assert bool(compare(shown, database, pinned=pinned).differences) == pinned


def test_a_column_that_a_release_lacks_is_null(shown: Shown, database: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("ALTER TABLE codex_thread_turns ADD COLUMN later")

    assert compare(shown, database).differences
    assert not compare(shown, database, pinned=False).differences


def test_a_value_is_not_null_with_another_release(shown: Shown, database: Path) -> None:
    change(database, OLDER[0].replace("null", "0"))

    assert compare(shown, database, pinned=False).differences


def test_rows_of_deleted_rollouts_are_meant(shown: Shown, database: Path) -> None:
    with closing(sqlite3.connect(database)) as db, db:
        db.execute("INSERT INTO codex_projection_state VALUES (?, 1, 1)", (GONE,))

    report = compare(shown, database)

    assert report.differences == []
    assert report.meant["codex_projection_state: of a deleted rollout"] == 1


@pytest.mark.parametrize("migrated", [True, False])
def test_what_calls_tell_of_is_meant_where_codex_migrated(
    shown: Shown, database: Path, *, migrated: bool
) -> None:
    """Codex has all but the item `m1`; the migration gave its first item an id."""
    items = [(turn, item | {"id": "item-1"} if item["id"] == "u1" and migrated else item)
             for turn, item in ITEMS]  # fmt: skip
    had = [item_row(n, turn, item) for n, (turn, item) in enumerate(items)][:-1]
    change(database, "UPDATE thread_history SET provenance = 'response_item' WHERE item_id = 'm1'")
    if migrated:
        for view in ("codex_thread_items", "thread_history"):
            column = f"item_id = 'item-1', item_json = '{json.dumps(items[0][1])}'"
            change(database, f"UPDATE {view} SET {column} WHERE item_id = 'u1'")
    turns = [
        turn | {"items": [item for name, item in items[:-1] if name == turn["id"]]}
        for turn in shown.histories[THREAD].turns
    ]
    history = History(items=items[:-1], turns=turns)
    rows = {**shown.rows, "thread_items": had}

    report = compare(dataclasses.replace(shown, rows=rows, histories={THREAD: history}), database)

    assert (report.differences == []) == migrated
    assert report.meant["codex_thread_items: rebuilt from the model's calls"] == migrated


@pytest.mark.parametrize("migrated", [True, False])
def test_how_a_turn_ended_is_meant_where_codex_migrated(
    shown: Shown, database: Path, *, migrated: bool
) -> None:
    for view in ("codex_thread_turns", "thread_turn_history"):
        ended = "status = 'completed', completed_at = 2, duration_ms = 900"
        change(database, f"UPDATE {view} SET {ended} WHERE turn_id = 't2'")
    change(database, "UPDATE lifecycle_events SET type = 'turn.completed' WHERE turn_id = 't2'")
    below = {THREAD: 0} if migrated else {}

    report = compare(dataclasses.replace(shown, own_below=below), database)

    assert (report.differences == []) == migrated
    assert report.meant["codex_thread_turns: how a turn ended before Codex migrated it"] == (
        3 if migrated else 0
    )
