"""Rollbacks of legacy rollouts: what they count, what they take, what is open again."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from tests.support.legacy_records import (
    Record,
    answer,
    call,
    completed,
    event,
    header,
    item,
    lines_from,
    message,
    output,
    ran,
    rolled_back,
    said,
    started,
)
from tests.support.memory_legacy import project, story


def turn(name: str) -> list[Record]:
    """A turn of one message and one answer."""
    return [started(name), *said(f"u {name}"), answer(f"a {name}"), completed(name)]


def user(text: str) -> Record:
    return event("user_message", message=text)


GONE = "t1:u t1 t1:a t1"
ROLLBACKS = [
    ("the last turn", [*turn("t1"), *turn("t2"), rolled_back(1)], GONE),
    (
        "two, then one of what followed",
        [*turn("t1"), *turn("t2"), *turn("t3"), rolled_back(2), *turn("t4"), rolled_back(1)],
        GONE,
    ),
    ("more than there are", [*turn("t1"), rolled_back(9)], ""),
    ("none", [*turn("t1"), rolled_back(0)], GONE),
    (
        "a steered turn counts once a message",
        [*turn("t1"), started("t2"), *said("u"), *said("v"), answer("b"), rolled_back(1)],
        f"{GONE} t2:u",
    ),
    (
        "a turn without user input does not count",
        [
            *turn("t1"),
            *turn("t2"),
            started("t3"),
            event("context_compacted"),
            completed("t3"),
            rolled_back(1),
        ],
        GONE,
    ),
    (
        "context is no user input",
        [
            *turn("t1"),
            *turn("t2"),
            started("t3"),
            message("<goal_context>x</goal_context>"),
            answer("g"),
            completed("t3"),
            rolled_back(1),
        ],
        GONE,
    ),
    (
        "what came between a turn's start and its message goes with it",
        [*turn("t1"), started("t2"), answer("early"), *said("u"), rolled_back(1)],
        GONE,
    ),
    (
        "what a turn without a message left stays, if it had ended",
        [*turn("t1"), started("t2"), answer("g"), completed("t2"), *said("u"), rolled_back(1)],
        f"{GONE} t2:g",
    ),
    (
        "without turn records, text goes on in the turn before",
        [*said("u"), answer("a"), *said("v"), rolled_back(1), answer("b")],
        "A:u A:a A:b",
    ),
    (
        "a message without its response counts once",
        [user("u"), answer("a"), user("v"), rolled_back(1)],
        "A:u A:a",
    ),
    (
        "a message between agents counts",
        [
            *turn("t1"),
            {"type": "inter_agent_communication", "payload": {}},
            answer("b"),
            item("agent_message"),
            answer("c"),
            rolled_back(2),
        ],
        GONE,
    ),
    (
        "a record between message and event makes two of them",
        [
            *turn("t1"),
            started("t2"),
            message("u"),
            event("token_count", info=None),
            user("u"),
            rolled_back(1),
        ],
        GONE,
    ),
    (
        "late records of a turn that is gone are passed over",
        [
            *turn("t1"),
            started("t2"),
            *said("u"),
            rolled_back(1),
            ran("c", "t2", "agent"),
            completed("t2"),
        ],
        GONE,
    ),
    (
        "late records of a turn before are its own",
        [*turn("t1"), *turn("t2"), ran("c", "t1", "agent"), rolled_back(1)],
        f"{GONE} t1:c",
    ),
    (
        "a turn under the id of one that is gone is a new one",
        [*turn("t1"), *turn("t2"), rolled_back(1), *turn("t2")],
        f"{GONE} t2:u t2 t2:a t2",
    ),
    (
        "reasoning goes on where it was",
        [
            event("agent_reasoning", text="r"),
            *said("u"),
            rolled_back(1),
            event("agent_reasoning", text="s"),
        ],
        "A:r+s",
    ),
    (
        "the output of a call that is gone is passed over",
        [
            *turn("t1"),
            started("t2"),
            *said("u"),
            call("c", ("shell", {"command": ["ls"]})),
            rolled_back(1),
            output("c", "x"),
        ],
        GONE,
    ),
]


@pytest.mark.parametrize(
    ("records", "expected"), [pytest.param(*case[1:], id=case[0]) for case in ROLLBACKS]
)
def test_what_a_rollback_takes(records: Sequence[Record], expected: str) -> None:
    """It counts user boundaries, and the rows stay as tombstones."""
    store, _ = project(lines_from([header(), *records]))

    assert story(store) == expected


def test_a_turn_that_is_open_again() -> None:
    """The end of a steered turn is of the last message: gone with it, the turn goes on."""
    records = [
        header(),
        started("t1"),
        *said("u"),
        *said("v"),
        completed("t1", error={"message": "m"}),
        rolled_back(1),
        answer("b"),
    ]

    store, _ = project(lines_from(records))

    found = store.turn("t1")
    assert found is not None
    assert (found.status, found.completed_at, found.error_json) == ("inProgress", None, None)
    assert story(store) == "t1:u t1:b"


def test_an_implicit_turn_that_is_active_again() -> None:
    """It is completed, as implicit turns are, and lasts until its next line."""
    records = [header(), *said("u"), answer("a"), *said("v"), rolled_back(1), answer("b")]

    store, _ = project(lines_from(records))

    (found,) = store.living_turns()
    assert found.status == "completed"
    assert found.end_offset is None
    assert found.completed_at == 1_772_359_200 + 7


def test_a_preview_that_is_gone_makes_room() -> None:
    """The next message is the first one that is left."""
    _, reducer = project(lines_from([header(), *said("u"), rolled_back(1), *said("v")]))

    assert reducer.meta.preview == "v"


def test_tombstones_keep_their_rows() -> None:
    """Nothing that was said is lost from the database."""
    store, _ = project(lines_from([header(), *turn("t1"), rolled_back(1)]))

    assert len(store.items) == 2
    assert len(store.turns) == 1
    assert [*store.living_items(), *store.living_turns()] == []
