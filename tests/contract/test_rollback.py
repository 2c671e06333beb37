"""Legacy rollbacks: `RollbackFrame`, `TombstoneFrames` and `Tombstone` of `model/changes.py`."""

from __future__ import annotations

from typing import Any

import pytest

from projector.model.changes import Change, Lookup, RollbackFrame, Tombstone, TombstoneFrames
from projector.model.ids import ItemId, Offset, TurnId
from tests.contract.backends import Queried, Run
from tests.support.makers import LEGACY, at, batch, file_of, item, rollout_id, turn


def take(store: Queried, run: Run, *steps: list[Change]) -> None:
    """Commit each step as a batch of its own."""
    start = None
    for number, changes in enumerate(steps, 1):
        end = at(1000 * number)
        run(store.commit([batch(file_of(1), changes, start=start, end=end, header=LEGACY)]))
        start = end


def living(store: Queried, run: Run) -> list[str]:
    rows = run(store.query("SELECT item_id FROM thread_history ORDER BY position"))
    return [name for (name,) in rows]


def legacy(name: str, offset: int, **more: Any) -> Any:
    return item(1, name, offset, ordinal=None, **more)


def test_a_rollback_takes_the_rows_of_later_frames(store: Queried, run: Run) -> None:
    """Promise: write tombstones for the living rows of frames `owner_from` and later."""
    rows = [legacy("a", 10, owner=10), legacy("b", 20, owner=20), legacy("c", 30, owner=30)]
    free = legacy("z", 40)
    turns = [turn(1, "t", 11, ordinal=None, owner=10), turn(1, "u", 21, ordinal=None, owner=20)]

    take(store, run, [*rows, free, *turns], [TombstoneFrames(Offset(1500), owner_from=20)])

    assert living(store, run) == ["a", "z"]
    assert run(store.query("SELECT turn_id FROM thread_turn_history")) == [("t",)]
    assert run(store.query("SELECT item_count, turn_count FROM threads")) == [(2, 1)]
    tombstoned = run(store.query("SELECT item_id, tombstone FROM all_items WHERE NOT visible"))
    assert sorted(tombstoned) == [("b", "rolled back"), ("c", "rolled back")]


def test_a_rollback_reopens_a_turn_whose_end_it_takes(store: Queried, run: Run) -> None:
    """Promise: A surviving turn whose `end_owner` is one of these frames becomes `inProgress`."""
    ended = turn(
        1, "t", 11, ordinal=None, owner=10, end_owner=20, status="failed", error="{}",
        end_offset=900, completed_at=5,
    )  # fmt: skip

    take(store, run, [ended], [TombstoneFrames(Offset(1500), owner_from=20)])

    found = run(
        store.query("SELECT status, error_json, completed_at, started_at FROM thread_turn_history")
    )
    assert found == [("inProgress", None, None, 7)]
    known = run(store.find(rollout_id(1), Lookup(turns=frozenset({TurnId("t")}))))
    row = known.turns[TurnId("t")].row
    assert row is not None
    assert (row.end_offset, row.end_ordinal, row.end_owner) == (None, None, None)


def test_a_row_put_again_lives_again_as_if_it_were_new(store: Queried, run: Run) -> None:
    """Promise: A row that is written again under the same uid becomes living again."""
    first = legacy("a", 10, owner=10, created=1, started=1, completed=1)
    again = legacy("a", 1600, owner=1550, created=2)

    take(
        store, run, [first, legacy("b", 20)], [TombstoneFrames(Offset(1500), owner_from=10), again]
    )

    assert living(store, run) == ["b", "a"]
    found = run(
        store.query(
            "SELECT created_at_ms, started_at_ms, completed_at_ms FROM thread_history"
            " WHERE item_id = 'a'"
        )
    )
    assert found == [(2, None, None)]
    assert run(store.query("SELECT item_count FROM threads")) == [(2,)]


def test_changes_are_never_reordered_across_a_tombstone_frames(store: Queried, run: Run) -> None:
    """In one batch: put, roll back, put, roll back, put."""
    take(
        store,
        run,
        [
            legacy("a", 10, owner=10),
            TombstoneFrames(Offset(20), owner_from=10),
            legacy("b", 30, owner=30),
            legacy("c", 31),
            TombstoneFrames(Offset(40), owner_from=30),
            legacy("b", 50, owner=50),
        ],
    )

    assert living(store, run) == ["c", "b"]


def test_drop_takes_one_row(store: Queried, run: Run) -> None:
    """Promise: Remove one row from the history: a call that turned out never to have run."""
    row = legacy("a", 10)

    take(store, run, [row, legacy("b", 20)], [Tombstone(row.uid, Offset(1500))])

    assert living(store, run) == ["b"]
    assert run(store.query("SELECT tombstone FROM all_items WHERE NOT visible")) == [("dropped",)]
    assert run(store.query("SELECT item_count FROM threads")) == [(1,)]


@pytest.mark.parametrize("at_once", [False, True])
def test_a_dropped_row_that_is_put_again_has_a_new_place(
    store: Queried, run: Run, *, at_once: bool
) -> None:
    """Promise: it becomes living again with a new position and new times."""
    row, again = legacy("a", 10, created=5), legacy("a", 1030, created=6, owner=1030)
    before: list[Change] = [turn(1, "t", 5, ordinal=None), row, legacy("b", 20)]
    after: list[Change] = [Tombstone(row.uid, Offset(1030)), again, legacy("c", 1040)]

    take(store, run, *([[*before, *after]] if at_once else [before, after]))

    shown = run(
        store.query("SELECT item_id, position, created_at_ms FROM thread_history ORDER BY position")
    )
    assert [(name, made) for name, _, made in shown] == [("b", 1), ("a", 6), ("c", 1)]
    assert len({place for _, place, _ in shown}) == 3
    assert run(store.query("SELECT item_id FROM all_items WHERE NOT visible")) == []
    assert run(store.query("SELECT item_count FROM threads")) == [(3,)]
    (known,) = run(store.find(rollout_id(1), Lookup(items=frozenset({ItemId("a")})))).items["a"]
    assert (known.offset, known.owner) == (1030, 1030)


def test_frames_are_found_newest_first_without_those_popped(store: Queried, run: Run) -> None:
    """Promise: Number of newest frames that are not popped."""
    frames = [RollbackFrame(key, TurnId(f"t{key // 20}"), '{"a":1}') for key in (10, 20, 30, 40)]

    take(store, run, [*frames], [TombstoneFrames(Offset(1500), owner_from=40)])
    wants = Lookup(frames=2, frames_of=frozenset({TurnId("t1"), TurnId("t2"), TurnId("t9")}))
    found = run(store.find(rollout_id(1), wants))

    assert [frame.key for frame in found.frames] == [30, 20]
    assert found.frames_of == {
        TurnId("t1"): RollbackFrame(30, TurnId("t1"), '{"a":1}'),
        TurnId("t2"): RollbackFrame(40, TurnId("t2"), '{"a":1}', popped=True),
    }


def test_found_items_are_by_place_with_those_tombstoned(store: Queried, run: Run) -> None:
    early, late = legacy("x", 10, turn="t", owner=5), legacy("x", 20, turn="u")

    take(store, run, [late, early], [TombstoneFrames(Offset(1500), owner_from=5)])
    found = run(store.find(rollout_id(1), Lookup(items=frozenset({ItemId("x"), ItemId("no")}))))

    assert set(found.items) == {"x"}
    assert [(row.uid, row.offset, row.tombstoned) for row in found.items[ItemId("x")]] == [
        (early.uid, 10, True),
        (late.uid, 20, False),
    ]
