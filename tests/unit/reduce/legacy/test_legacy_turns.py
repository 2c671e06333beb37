"""Turns of legacy rollouts: who opens them, what belongs to them, how they end."""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence

import orjson
import pytest

from tests.support.legacy_records import (
    Record,
    answer,
    completed,
    event,
    header,
    item,
    lines_from,
    message,
    ran,
    rolled_back,
    said,
    started,
    tokens,
)
from tests.support.memory_legacy import ROLLOUT, project, story


def user(text: str) -> Record:
    return event("user_message", message=text)


def thought(text: str) -> Record:
    return event("agent_reasoning", text=text)


def plan(turn: str, text: str = "p") -> Record:
    shown = {"type": "Plan", "id": text, "text": text}
    return event("item_completed", thread_id=ROLLOUT, turn_id=turn, item=shown)


REVIEW = event("entered_review_mode", target={"type": "custom"}, item_id="entered")
ABORT = event("turn_aborted", reason="interrupted")
UNTURNED = [
    (
        "a user message opens a turn, the next one another",
        [user("u"), answer("a"), user("v")],
        "A:u A:a B:v",
    ),
    (
        "items before the first user message are of its turn",
        [thought("r"), answer("a"), user("u"), user("v")],
        "A:r A:a A:u B:v",
    ),
    ("an abort without an id ends the active turn", [user("u"), ABORT, answer("a")], "A:u B:a"),
    ("an abort without an active turn is nothing", [ABORT, user("u")], "A:u"),
    ("an empty answer is nothing", [user("u"), answer(""), answer(" ")], "A:u A: "),
    (
        "an event that names a turn opens one of that id",
        [ran("c", "t1", "agent"), answer("a"), user("u"), user("v")],
        "t1:c t1:a t1:u A:v",
    ),
    (
        "an event that names another turn goes there all the same",
        [user("u"), ran("c", "t1", "agent"), answer("a")],
        "A:u t1:c A:a",
    ),
    ("a completed item opens nothing", [plan("t1"), answer("a")], "t1:p A:a"),
    ("an empty plan is nothing", [user("u"), plan("t1", "")], "A:u"),
    (
        "a message of another kind than plain is nothing",
        [event("user_message", message="<user_instructions>", kind="user_instructions"), user("u")],
        "A:u",
    ),
]


@pytest.mark.parametrize(
    ("records", "expected"), [pytest.param(*case[1:], id=case[0]) for case in UNTURNED]
)
def test_implicit_turns(records: Sequence[Record], expected: str) -> None:
    """Before 0.100 no record started a turn."""
    store, _ = project(lines_from([header(), *records]))

    assert story(store) == expected
    assert {turn.status for turn in store.living_turns()} <= {"completed", "interrupted"}


TURNED = [
    (
        "a turn begins and ends with its records",
        [started("t1"), user("u"), answer("a"), completed("t1")],
        "t1:u t1:a",
        {"t1": "completed"},
    ),
    (
        "a steered turn holds both messages",
        [started("t1"), user("u"), user("v"), completed("t1")],
        "t1:u t1:v",
        {"t1": "completed"},
    ),
    (
        "left open when another starts",
        [started("t1"), started("t2"), user("u"), completed("t2")],
        "t2:u",
        {"t1": "inProgress", "t2": "completed"},
    ),
    (
        "the first end counts",
        [started("t1"), completed("t1"), event("turn_aborted", turn_id="t1", reason="replaced")],
        "",
        {"t1": "completed"},
    ),
    (
        "an abort of an unknown reason is skipped",
        [started("t1"), event("turn_aborted", turn_id="t1", reason="bored")],
        "",
        {"t1": "inProgress"},
    ),
    (
        "items still come into a turn that has ended",
        [started("t1"), completed("t1"), ran("c", "t1", "agent"), answer("a")],
        "t1:c A:a",
        {"t1": "completed"},
    ),
    (
        "the same id again joins the first turn",
        [started("t1"), user("u"), completed("t1"), started("t1"), user("v"), completed("t1")],
        "t1:u t1:v",
        {"t1": "completed"},
    ),
    (
        "an unknown completion ends the active turn, and its own one still counts",
        [
            started("t1"),
            user("u"),
            completed("zz"),
            answer("a"),
            event("turn_aborted", turn_id="t1", reason="interrupted"),
        ],
        "t1:u t1:a",
        {"t1": "interrupted"},
    ),
    (
        "an unknown completion changes no implicit turn",
        [user("u"), completed("zz", error={"message": "m"}), answer("a")],
        "A:u A:a",
        {},
    ),
    (
        "a turn known by an item only is completed, without times",
        [started("t1"), plan("t2")],
        "t2:p",
        {"t1": "inProgress", "t2": "completed"},
    ),
    (
        "a turn that starts behind its item is a turn like others",
        [plan("t1"), started("t1"), answer("a")],
        "t1:p t1:a",
        {"t1": "inProgress"},
    ),
    (
        "the end of a review ends the turn within",
        [
            started("A"),
            REVIEW,
            started("B", root_turn_id="A"),
            user("u"),
            completed("A", error={"message": "m"}),
        ],
        "A:entered B:u",
        {"A": "failed", "B": "failed"},
    ),
]


@pytest.mark.parametrize(
    ("records", "expected", "statuses"), [pytest.param(*case[1:], id=case[0]) for case in TURNED]
)
def test_explicit_turns(records: Sequence[Record], expected: str, statuses: dict[str, str]) -> None:
    """Since 0.100 records start and end turns."""
    store, _ = project(lines_from([header(), *records]))

    have = {turn.turn_id: turn.status for turn in store.living_turns() if len(turn.turn_id) < 9}
    assert story(store) == expected
    assert have == statuses


ERRORS = [
    ("an error fails its turn", "other", [completed("t1")], "failed", "e"),
    (
        "an error of the rollback says nothing of the turn",
        "thread_rollback_failed",
        [completed("t1")],
        "completed",
        None,
    ),
    (
        "the completion's own error replaces it",
        None,
        [completed("t1", error={"message": "final"})],
        "failed",
        "final",
    ),
    ("an abort keeps the error", None, [ABORT], "interrupted", "e"),
]


@pytest.mark.parametrize(
    ("info", "records", "status", "error"), [pytest.param(*case[1:], id=case[0]) for case in ERRORS]
)
def test_errors(
    info: str | None, records: Sequence[Record], status: str, error: str | None
) -> None:
    """Errors that affect the turn make it failed, with the error."""
    fault = event("error", message="e", codex_error_info=info)

    store, _ = project(lines_from([header(), fault, started("t1"), fault, *records]))

    turn = store.turn("t1")
    assert turn is not None
    assert turn.status == status
    assert (json.loads(turn.error_json)["message"] if turn.error_json else None) == error


def test_times_of_turns() -> None:
    """Those of the records, else those of the lines; an implicit turn lasts to its last line."""
    records = [
        header(),
        started("t1", started_at=5),
        completed("t1", completed_at=9, duration_ms=4000),
        started("t2"),
        completed("t2"),
        user("u"),
        answer("a"),
        tokens(1),
    ]

    store, _ = project(lines_from(records))

    first, second, third = store.living_turns()
    begin = 1_772_359_200
    assert (first.started_at, first.completed_at, first.duration_ms) == (5, 9, 4000)
    assert (second.started_at, second.completed_at) == (begin + 3, begin + 4)
    assert (third.started_at, third.completed_at) == (begin + 5, begin + 6)
    assert store.living_items()[0].created_at_ms == (begin + 5) * 1000 + 250


def test_the_messages_that_a_turn_is_known_by() -> None:
    """The first of the user; the final answer, or else the last without a phase once it ended."""
    records = [
        header(),
        started("t1"),
        *said("u"),
        answer("a"),
        answer("b"),
        answer("c", "commentary"),
        completed("t1"),
        started("t2"),
        answer("d", "final_answer"),
        answer("e"),
    ]

    store, _ = project(lines_from(records))

    shown = {each["id"]: each.get("text") for _, each in store.history()}
    first, second = store.living_turns()
    assert first.first_user_item_id in shown
    assert shown[str(first.final_agent_item_id)] == "b"
    assert shown[str(second.final_agent_item_id)] == "d"


def test_every_change_of_a_status_has_its_event() -> None:
    """Started, completed, failed, cancelled: once each, in the order of the file."""
    records = [
        header(forked_from_id="01a30000-0000-7000-8000-00000000a001"),
        started("t1"),
        completed("t1"),
        started("t2"),
        event("error", message="e"),
        completed("t2"),
        started("t3"),
        ABORT,
        *said("u"),
        rolled_back(1),
    ]

    store, _ = project(lines_from(records))

    told = [(each.type, each.turn_id) for each in store.events.values()]
    implicit = told[8][1]
    assert told == [
        ("thread.started", None),
        ("thread.forked", None),
        ("turn.started", "t1"),
        ("turn.completed", "t1"),
        ("turn.started", "t2"),
        ("turn.failed", "t2"),
        ("turn.started", "t3"),
        ("turn.cancelled", "t3"),
        ("turn.started", implicit),
        ("turn.completed", implicit),
        ("thread.rolled_back", None),
    ]
    payload = json.loads(list(store.events.values())[-1].payload)
    assert payload["num_turns"] == 1


def test_ids_follow_from_the_file_alone() -> None:
    """UUIDv5 of the file's id, the line's offset and what it makes."""
    first = lines_from([header()])
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, f"codex-rollout:{ROLLOUT}")

    store, _ = project(lines_from([header(), user("u")]))

    turn_id, shown = store.history()[0]
    assert turn_id == str(uuid.uuid5(namespace, f"{len(first)}:turn"))
    assert shown["id"] == str(uuid.uuid5(namespace, f"{len(first)}:user"))


def test_a_header_again_and_one_of_another_thread_change_no_turn() -> None:
    """Only the first counts."""
    other = header(id="01a30000-0000-7000-8000-00000000ffff", cwd="/other")

    store, reducer = project(lines_from([header(), user("u"), other, answer("a")]))

    assert story(store) == "A:u A:a"
    assert reducer.meta.cwd == "/w"


def test_records_that_are_known_and_make_nothing() -> None:
    """World states, compactions, reasoning for the model, retired events: no rows, no notes."""
    records: list[Record] = [
        header(),
        {"type": "compacted", "payload": {"message": ""}},
        {"type": "world_state", "payload": {}},
        event("undo_completed", success=True),
        event("exec_command_begin", call_id="c"),
        item("ghost_snapshot"),
        item("reasoning", summary=[]),
        message("<environment_context>\n</environment_context>"),
    ]

    store, _ = project(lines_from(records))

    assert [*store.living_turns(), *store.living_items(), *store.noted()] == []


def test_events_tell_what_the_rows_say() -> None:
    """Times, durations, reasons, and the message and kind of an error, as in paginated rollouts."""
    records = [
        header(),
        started("t1", started_at=5),
        completed("t1", completed_at=9, duration_ms=4000),
        started("t2", started_at=10),
        event("error", message="busy", codex_error_info="server_overloaded"),
        started("t3", started_at=20),
        event("turn_aborted", turn_id="t3", reason="interrupted", completed_at=21, duration_ms=7),
    ]

    store, _ = project(lines_from(records))

    told = {
        (each.type, str(each.turn_id)): orjson.loads(each.payload) for each in store.events.values()
    }
    assert told["turn.started", "t1"] == {"status": "inProgress", "started_at": 5}
    assert told["turn.completed", "t1"] == {
        "status": "completed", "started_at": 5, "completed_at": 9, "duration_ms": 4000,
    }  # fmt: skip
    assert told["turn.failed", "t2"] == {
        "status": "failed",
        "started_at": 10,
        "error": {"message": "busy", "kind": "server_overloaded"},
    }
    assert told["turn.cancelled", "t3"] == {
        "status": "interrupted", "started_at": 20, "completed_at": 21, "duration_ms": 7,
        "reason": "interrupted",
    }  # fmt: skip
