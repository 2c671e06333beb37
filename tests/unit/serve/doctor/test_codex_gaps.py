"""What Codex shows less of, and why: a table."""

from __future__ import annotations

from typing import Any

import pytest

from projector.model.ids import RolloutId, ThreadId
from projector.serve.doctor.codex_gaps import ADVICE, Held, Missing, Record, shortfalls

SOME = Missing(("t3", "t4"), 4, 1)
NAMED = frozenset({"byte_order_mark", "torn"})


def held(**facts: Any) -> Held:
    return Held(
        thread_id=ThreadId("T"), rollout_id=RolloutId("T"), path="/r", end=900,
        **{"codex_offset": 500, "codex_ordinal": 7, **facts},
    )  # fmt: skip


def at(ordinal: int | None) -> Record:
    return Record("record", ordinal)


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("nothing is missing", {}, []),
    ("read to the end, records left out", {"passed": SOME}, ["passed over"]),
    ("the ordinal it waits for came before", {"beyond": SOME, "at": at(6)}, ["stands still"]),
    ("a greater ordinal than it waits for", {"beyond": SOME, "at": at(8)}, ["stands still"]),
    ("a record without an ordinal", {"beyond": SOME, "at": at(None)}, ["stands still"]),
    (
        "its checkpoint is inside a record",
        {"beyond": SOME, "at": Record("inside")},
        ["stands still"],
    ),
    (
        "its checkpoint is behind the end",
        {"beyond": SOME, "at": Record("beyond")},
        ["stands still"],
    ),
    ("stuck, and written just now", {"beyond": SOME, "at": at(6), "fresh": True}, ["stands still"]),
    ("both", {"passed": SOME, "beyond": SOME, "at": at(6)}, ["passed over", "stands still"]),
    ("nothing keeps it", {"beyond": SOME, "at": at(7)}, ["behind"]),
    ("nobody knows what stands there", {"beyond": SOME}, ["behind"]),
    ("nothing keeps it, written just now", {"beyond": SOME, "at": at(7), "fresh": True}, []),
    ("it reads another file", {"beyond": SOME, "shown_instead": "/o"}, ["other file"]),
    ("and its checkpoint is there", {"passed": SOME, "shown_instead": "/o"}, ["other file"]),
    ("an older file holds more", {"older": (("/o", SOME),)}, ["older file"]),
    (
        "never opened, and an older file",
        {"codex_offset": None, "older": (("/o", SOME),)},
        ["older file"],
    ),
    ("never opened", {"codex_offset": None, "beyond": SOME}, []),
    ("never opened, nothing in it", {"codex_offset": None, "incomplete": True}, []),
    (
        "never opened, begins badly",
        {"codex_offset": None, "beyond": SOME, "listed": True, "odd": NAMED},
        ["refused"],
    ),
    (
        "begins badly, not even listed",
        {"codex_offset": None, "beyond": SOME, "listed": False, "odd": NAMED},
        ["refused"],
    ),
    (
        "begins badly, Codex was never there",
        {"codex_offset": None, "beyond": SOME, "odd": NAMED},
        [],
    ),
    (
        "odd, but not for Codex",
        {"codex_offset": None, "beyond": SOME, "listed": True, "odd": frozenset({"ordinal_gap"})},
        [],
    ),
    ("its base is gone", {"codex_offset": None, "beyond": SOME, "incomplete": True}, ["refused"]),
    (
        "another file is taken for the current",
        {"codex_offset": None, "beyond": SOME, "shown_instead": "/o"},
        ["other file"],
    ),
    (
        "what goes on it is projected without",
        {"codex_offset": None, "beyond": SOME, "inherited": True},
        ["base missing"],
    ),
]


@pytest.mark.parametrize(("facts", "why"), [pytest.param(*case[1:], id=case[0]) for case in CASES])
def test_why(facts: dict[str, Any], why: list[str]) -> None:
    assert why == [short.why for short in shortfalls(held(**facts))]


@pytest.mark.parametrize("facts", [case[1] for case in CASES if case[2]])
def test_the_line_names_thread_turn_and_numbers(facts: dict[str, Any]) -> None:
    for short in shortfalls(held(**facts)):
        assert short.line().startswith(("thread T: Codex", "thread T: an older file"))
        assert "from turn t3 on 2 turns and 4 items" in short.line()
        assert ADVICE[short.why]
