"""The tables of `reduce/turn_states.py` hold of both reducers: every entry, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from typing import Any, Final

import pytest

from projector.model.changes import Event, EventType, TurnRow
from projector.model.ids import ThreadId
from projector.reduce.detect import start
from projector.reduce.turn_states import (
    LEGACY,
    PAGINATED,
    Cause,
    Life,
    TurnState,
    state_of,
)
from tests.support import legacy_records as old
from tests.support import paginated as new
from tests.support.memory_legacy import ROLLOUT, MemoryStore, lines_of

Records = Sequence[dict[str, Any]]

ERROR = new.event("error", message="e", codex_error_info=None)
FAILURE = {"message": "m"}
S, C = TurnState, Cause

# fmt: off
#: Records after which turn A is in a state.
NEW_STATES: Final[dict[TurnState, Records]] = {
    S.ABSENT:           [],
    S.RUNNING:          [new.started("A")],
    S.FAILED_OPEN:      [new.started("A"), ERROR],
    S.COMPLETED_OPEN:   [new.started("A"), new.complete("A", duration_ms="odd")],
    S.INTERRUPTED_OPEN: [new.started("A"), new.aborted("A", duration_ms="odd")],
    S.COMPLETED:        [new.started("A"), new.complete("A")],
    S.FAILED:           [new.started("A"), new.complete("A", error=FAILURE)],
    S.INTERRUPTED:      [new.started("A"), new.aborted("A")],
}
NEW_CAUSES: Final[dict[Cause, Records]] = {
    C.STARTED:           [new.started("A")],
    C.COMPLETED:         [new.complete("A")],
    C.FAILED:            [new.complete("A", error=FAILURE)],
    C.ABORTED:           [new.aborted("A")],
    C.ERROR:             [ERROR],
    C.REFUSED_COMPLETED: [new.complete("A", duration_ms="odd")],
    C.REFUSED_FAILED:    [new.complete("A", error=FAILURE, duration_ms="odd")],
    C.REFUSED_ABORTED:   [new.aborted("A", duration_ms="odd")],
}

PLAN = {"type": "Plan", "id": "p", "text": "p"}
NAMED = [old.event("item_completed", thread_id=ROLLOUT, turn_id="A", item=PLAN)]
IMPLIED = [old.ran("c", "A", "agent")]
OVER = [old.event("turn_aborted", reason="interrupted")]
OLD_STATES: Final[dict[TurnState, Records]] = {
    S.ABSENT:         [],
    S.NAMED:          NAMED,
    S.RUNNING:        [old.started("A")],
    S.FAILED_OPEN:    [old.started("A"), ERROR],
    S.COMPLETED_OPEN: IMPLIED,
    S.COMPLETED:      [old.started("A"), old.completed("A")],
    S.FAILED:         [old.started("A"), old.completed("A", error=FAILURE)],
    S.INTERRUPTED:    [old.started("A"), *OVER],
}
OLD_CAUSES: Final[dict[Cause, Records]] = {
    C.STARTED:   [old.started("A")],
    C.COMPLETED: [old.completed("A")],
    C.FAILED:    [old.completed("A", error=FAILURE)],
    C.ABORTED:   [old.event("turn_aborted", turn_id="A", reason="interrupted")],
    C.NAMED:     NAMED,
}


def _bare(text: str) -> dict[str, Any]:
    """A line of the first releases, which have no times."""
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


#: What takes more than a record: state before, records to get there, causes one after the other,
#: and the records that are these causes.
OLD_STORIES: Final[Sequence[tuple[TurnState, Records, Sequence[Cause], Records]]] = [
    (S.ABSENT,         [],                    [C.IMPLIED], IMPLIED),
    (S.NAMED,          NAMED,                 [C.IMPLIED], IMPLIED),
    (S.NAMED,          [_bare("one")],        [C.CLOSED],  [_bare("two")]),
    (S.NAMED,          [_bare("one")],        [C.ERROR],   [ERROR]),
    (S.RUNNING,        [old.started("A")],    [C.ERROR],   [ERROR]),
    (S.COMPLETED_OPEN, IMPLIED,               [C.ERROR],   [ERROR]),
    (S.COMPLETED_OPEN, IMPLIED,               [C.CLOSED],  [old.started("B")]),
    (S.FAILED_OPEN,    [*IMPLIED, ERROR],     [C.ERROR],   [ERROR]),
    (S.FAILED_OPEN,    [*IMPLIED, ERROR],     [C.CLOSED],  [old.started("B")]),
    # The end of another turn has ended it.
    *(
        (state, [old.started("A"), by], [cause], OLD_CAUSES[end])
        for state, by in (
            (S.COMPLETED, old.completed("B")),
            (S.FAILED, old.completed("B", error=FAILURE)),
            (S.INTERRUPTED, old.event("turn_aborted", turn_id="B", reason="interrupted")),
        )
        for cause, end in (
            (C.OWN_COMPLETED, C.COMPLETED), (C.OWN_FAILED, C.FAILED), (C.OWN_ABORTED, C.ABORTED),
        )
    ),
    # Rollbacks.
    (S.RUNNING, [old.started("A"), *old.said("one"), *old.said("two")],
        [C.RESUMED], [old.rolled_back(1)]),
    *(
        (state, [old.started("A"), *old.said("one"), *old.said("two"), end],
            [C.END_ROLLED_BACK, C.RESUMED], [old.rolled_back(1)])
        for state, end in (
            (S.COMPLETED, OLD_CAUSES[C.COMPLETED][0]),
            (S.FAILED, OLD_CAUSES[C.FAILED][0]),
            (S.INTERRUPTED, OVER[0]),
        )
    ),
    (S.INTERRUPTED, [*IMPLIED, *old.said("one"), *OVER],
        [C.END_ROLLED_BACK, C.RESUMED_IMPLICIT], [old.rolled_back(1)]),
    (S.COMPLETED, [*IMPLIED, *old.said("one"), *old.said("two")],
        [C.RESUMED_IMPLICIT], [old.rolled_back(1)]),
    (S.FAILED, [*IMPLIED, *old.said("one"), ERROR, *old.said("two")],
        [C.RESUMED_IMPLICIT], [old.rolled_back(1)]),
]
# fmt: on


def _state(row: TurnRow | None) -> TurnState:
    return S.ABSENT if row is None else state_of(row.status, ended=row.end_offset is not None)


def _paginated(before: Records, records: Records) -> tuple[TurnState, TurnState, list[EventType]]:
    """Return the state of turn A before and after `records`, and the events of these."""
    lines = new.lines_of(new.written([new.meta(), *before, *records]))
    reducer = start(new.ROLLOUT, new.THREAD)
    first = reducer.apply(lines[: 1 + len(before)])
    then = reducer.apply(lines[1 + len(before) :])
    rows = [each for each in first if isinstance(each, TurnRow)]
    after = [*rows, *(each for each in then if isinstance(each, TurnRow))]
    events = [each.type for each in then if isinstance(each, Event)]
    return _state(rows[-1] if rows else None), _state(after[-1] if after else None), events


def _legacy(before: Records, records: Records) -> tuple[TurnState, TurnState, list[EventType]]:
    """The same of the first turn of a legacy rollout."""
    lines = lines_of(
        old.lines_from([*([old.header()] if _timed(before) else []), *before, *records])
    )
    reducer, store = start(ROLLOUT, ThreadId(ROLLOUT)), MemoryStore()
    cut = len(lines) - len(records)
    store.apply(reducer.apply(lines[:cut]))
    turns = store.living_turns()
    named = turns[0].turn_id if turns else "A"
    state = _old_state(store.turn(named))
    then = reducer.apply(lines[cut:])
    store.apply(then)
    events = [each.type for each in then if isinstance(each, Event) and each.turn_id == named]
    return state, _old_state(store.turn(named)), events


def _old_state(row: TurnRow | None) -> TurnState:
    timed = row is None or row.started_at is not None or row.completed_at is not None
    state = _state(row)
    return S.NAMED if state is S.COMPLETED_OPEN and not timed else state


def _timed(before: Records) -> bool:
    return all("payload" in each for each in before)


def _expected(
    life: Life, state: TurnState, causes: Sequence[Cause]
) -> tuple[TurnState, list[EventType]]:
    events: list[EventType] = []
    for cause in causes:
        step = life.get(state, {}).get(cause)
        if step is not None:
            state = step.after
            events += step.events
    return state, events


@pytest.mark.parametrize("cause", NEW_CAUSES, ids=lambda each: each.name)
@pytest.mark.parametrize("before", NEW_STATES, ids=lambda each: each.name)
def test_a_paginated_turn(before: TurnState, cause: Cause) -> None:
    """What the table lists happens, with its events; what it does not list changes nothing."""
    found = _paginated(NEW_STATES[before], NEW_CAUSES[cause])

    assert found == (before, *_expected(PAGINATED, before, [cause]))


@pytest.mark.parametrize("cause", OLD_CAUSES, ids=lambda each: each.name)
@pytest.mark.parametrize("before", OLD_STATES, ids=lambda each: each.name)
def test_a_legacy_turn(before: TurnState, cause: Cause) -> None:
    found = _legacy(OLD_STATES[before], OLD_CAUSES[cause])
    # A start closes an implicit turn first, also that which it names.
    causes = [C.CLOSED] if (before, cause) == (S.COMPLETED_OPEN, C.STARTED) else []

    assert found == (before, *_expected(LEGACY, before, [*causes, cause]))


@pytest.mark.parametrize(("before", "records", "causes", "told"), OLD_STORIES)
def test_what_takes_more_than_a_record(
    before: TurnState, records: Records, causes: Sequence[Cause], told: Records
) -> None:
    assert _legacy(records, told) == (before, *_expected(LEGACY, before, causes))


def test_every_entry_is_tried() -> None:
    """A new line in a table needs a case here."""
    tried: set[tuple[TurnState, Cause]] = {(s, c) for s in OLD_STATES for c in OLD_CAUSES}
    for state, _, causes, _ in OLD_STORIES:
        for cause in causes:
            tried.add((state, cause))
            state = LEGACY[state][cause].after  # noqa: PLW2901 - one after the other
    entries = {(state, cause) for state, steps in LEGACY.items() for cause in steps}

    assert entries - tried == set()
    assert set(chain(*PAGINATED.values())) == set(NEW_CAUSES)
    assert set(PAGINATED) == set(NEW_STATES)
