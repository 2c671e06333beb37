"""What a reducer may ask of earlier rows: `Wants` and `Found`."""

from __future__ import annotations

from typing import Any

from projector.model.changes import Change, Lookup, LookupResult, Message, StoredTurn
from projector.model.ids import ItemId, TurnId
from tests.contract.backends import Queried, Run
from tests.support.makers import batch, continuing, file_of, item, rollout_id, turn

T, U = TurnId("t"), TurnId("u")


def message(name: str, offset: int, phase: str | None = None, **more: Any) -> Any:
    text = "null" if phase is None else f'"{phase}"'
    json = f'{{"type":"agentMessage","phase":{text}}}'
    return item(1, name, offset, kind="agentMessage", json=json, **more)


def test_what_does_not_exist_is_not_in_it(store: Queried, run: Run) -> None:
    """Promise: Rows that are not in it do not exist."""
    wants = Lookup(turns=frozenset({T}), items=frozenset({ItemId("a")}), frames=3)

    assert run(store.find(rollout_id(1), wants)) == LookupResult()
    run(store.commit([batch(file_of(1), [item(1, "b", 0, turn="u")])]))
    assert run(store.find(rollout_id(1), wants)) == LookupResult()


def test_an_open_turn_comes_with_its_messages_by_place(store: Queried, run: Run) -> None:
    row = turn(1, "t", 0)
    changes = [
        row,
        message("final", 400, "final_answer"),
        item(1, "user", 100, kind="userMessage"),
        item(1, "plan", 200, kind="plan"),
        message("plain", 300),
        message("comment", 500, "commentary"),
        message("no word", 510, ""),
        message("odd", 520, "plain"),
        message("odder", 530, "user"),
        message("elsewhere", 600, turn="u"),
    ]
    run(store.commit([batch(file_of(1), changes)]))

    found = run(store.find(rollout_id(1), Lookup(turns=frozenset({T}))))

    messages = (
        Message(ItemId("user"), 1, "user"),  # type: ignore[arg-type]
        Message(ItemId("plan"), 2, ""),  # type: ignore[arg-type]
        Message(ItemId("plain"), 3, "plain"),  # type: ignore[arg-type]
        Message(ItemId("final"), 4, "final"),  # type: ignore[arg-type]
        Message(ItemId("comment"), 5, ""),  # type: ignore[arg-type]
        Message(ItemId("no word"), 5, ""),  # type: ignore[arg-type]
        Message(ItemId("odd"), 5, ""),  # type: ignore[arg-type]
        Message(ItemId("odder"), 5, ""),  # type: ignore[arg-type]
    )
    assert found.turns == {T: StoredTurn(row=row, messages=messages)}


def test_a_turn_that_has_ended_comes_without_them(store: Queried, run: Run) -> None:
    """Promise: All items of the turn in order of position, empty if the turn has ended."""
    row = turn(1, "t", 0, status="completed", end_offset=500)
    run(store.commit([batch(file_of(1), [row, message("m", 100)])]))

    found = run(store.find(rollout_id(1), Lookup(turns=frozenset({T}))))

    assert found.turns == {T: StoredTurn(row=row)}


def test_a_turn_of_which_only_items_are_known_has_no_row(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [message("m", 100)])]))

    found = run(store.find(rollout_id(1), Lookup(turns=frozenset({T, U}))))

    messages = (Message(ItemId("m"), 1, "plain"),)  # type: ignore[arg-type]
    assert found.turns == {T: StoredTurn(row=None, messages=messages)}


def test_offsets_are_those_of_the_file_whatever_the_position(store: Queried, run: Run) -> None:
    row = turn(2, "t", 150)
    changes: list[Change] = [row, item(2, "a", 250, turn="t")]
    run(store.commit([batch(file_of(2), changes, header=continuing(1, 900))]))

    wants = Lookup(turns=frozenset({T}), items=frozenset({ItemId("a")}))
    found = run(store.find(rollout_id(2), wants))

    assert found.turns[T].row == row
    assert [known.offset for known in found.items[ItemId("a")]] == [250]


def test_other_rollouts_are_not_looked_at(store: Queried, run: Run) -> None:
    changes: list[Change] = [turn(1, "t", 0), item(1, "a", 100)]
    run(store.commit([batch(file_of(1), changes), batch(file_of(2))]))

    wants = Lookup(turns=frozenset({T}), items=frozenset({ItemId("a")}), frames=1)
    assert run(store.find(rollout_id(2), wants)) == LookupResult()
