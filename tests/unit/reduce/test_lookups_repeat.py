"""Law 4 of `reduce/protocol.py`, for every reducer: a question changes nothing."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.ids import Line
from projector.reduce.detect import resume, start
from projector.reduce.protocol import Reducer
from tests.support.legacy_records import (
    answer,
    call,
    event,
    header,
    lines_from,
    output,
    rolled_back,
    said,
    started,
)
from tests.support.memory import Memory
from tests.support.memory_legacy import ROLLOUT, lines_of
from tests.support.paginated import THREAD
from tests.unit.reduce.legacy import test_legacy_laws
from tests.unit.reduce.migrated import test_migrated
from tests.unit.reduce.paginated import test_paginated_laws

RUNS = "Wall time: 0.1 seconds\nProcess running with session ID 7\nOutput:\nsome\n"
#: What a later line may reach back to: boundaries, a running process, open calls, a reasoning.
STORY = lines_from(
    [
        header(),
        started("t1"),
        *said("one"),
        event("agent_reasoning", text="a"),
        call("c1", ("exec_command", {"cmd": "top"})),
        output("c1", RUNS),
        started("t2"),
        *said("two"),
        call("c2", ("exec_command", {"cmd": "ls"})),
        event("agent_reasoning", text="b"),
        started("t3"),
        *said("three"),
        answer("done"),
        rolled_back(2),
        event("agent_reasoning", text="c"),
        call("c3", ("write_stdin", {"session_id": 7})),
        output("c3", "Wall time: 0.1 seconds\nProcess exited with code 0\nOutput:\nlast\n"),
        output("c2", "late"),
        rolled_back(1),
        *said("four"),
    ]
)
Asked = list[tuple[int, int]]


def fold(
    lines: Sequence[Line], cuts: Sequence[int], restarts: Sequence[bool], asked: Asked | None
) -> tuple[Memory, Reducer, list[Any]]:
    """Take the lines in pieces; before each, ask for it again and for the `asked` slices."""
    memory, told = Memory(), list[Any]()
    reducer = start(ROLLOUT, THREAD)
    bounds = [0, *sorted({min(cut, len(lines)) for cut in cuts}), len(lines)]
    for at, (begin, end) in enumerate(itertools.pairwise(bounds)):
        piece = lines[begin:end]
        for _ in range(10):
            wants = reducer.lookup(piece)
            if asked is not None:
                state = reducer.dump_state()
                for first, last in asked:
                    reducer.lookup(lines[first:last])
                    assert reducer.lookup(piece) == wants
                assert reducer.lookup(list(piece)) == wants
                assert reducer.dump_state() == state
            if not wants:
                break
            told.append(wants)
            reducer.provide(wants, memory.find(wants))
        else:
            raise AssertionError("it always wants more")
        memory.apply(reducer.apply(piece))
        if at < len(restarts) and restarts[at]:
            reducer = resume(ROLLOUT, THREAD, reducer.dump_state())
    return memory, reducer, told


@st.composite
def migrated(draw: st.DrawFn) -> bytes:
    """Draw a rollout that Codex migrated."""
    records = draw(st.lists(test_migrated.RECORDS, max_size=15))
    fields: dict[str, Any] = draw(test_migrated.HEADS)
    head = header(history_mode="paginated", **fields)
    whole = [head, started("t1"), test_migrated.SIGN, *records]
    return lines_from([{"ordinal": at} | record for at, record in enumerate(whole)])


ROLLOUTS = {
    "legacy": test_legacy_laws.ROLLOUTS | st.just(STORY),
    "paginated": test_paginated_laws.files().map(lambda lines: b"\n".join([*lines, b""])),
    "migrated": migrated(),
}


@pytest.mark.parametrize("kind", ROLLOUTS)
@given(data=st.data())
def test_asking_twice_or_for_other_lines_changes_nothing(kind: str, data: st.DataObject) -> None:
    """Neither an answer, nor what is saved, nor any row."""
    lines = lines_of(data.draw(ROLLOUTS[kind]))
    places = st.integers(0, len(lines))
    cuts = data.draw(st.lists(places, max_size=6))
    restarts = data.draw(st.lists(st.booleans(), max_size=7))
    asked = data.draw(st.lists(st.tuples(places, places), max_size=3))

    once, reducer, told = fold(lines, cuts, restarts, None)
    again, other, told_again = fold(lines, cuts, restarts, asked)

    assert told == told_again
    assert once.rows() == again.rows()
    assert reducer.dump_state() == other.dump_state()


def test_the_story_asks_for_all_that_can_be_asked_for() -> None:
    """Otherwise the test above would show little."""
    lines = lines_of(STORY)

    _, _, told = fold(lines, range(len(lines)), [True] * len(lines), None)

    assert all(any(getattr(wants, name) for wants in told) for name in ("turns", "items", "frames"))


@given(cuts=st.lists(st.integers(0, 25), max_size=8), restarts=st.lists(st.booleans(), max_size=9))
def test_the_story_is_the_same_in_pieces(cuts: list[int], restarts: list[bool]) -> None:
    """Whether a piece comes to the reducer of the piece before or to one made anew."""
    lines = lines_of(STORY)

    whole, pieces = fold(lines, [], [], None), fold(lines, cuts, restarts, None)

    assert whole[0].rows() == pieces[0].rows()
    assert whole[1].dump_state() == pieces[1].dump_state()
