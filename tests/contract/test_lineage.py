"""Whatever rollouts there are and however they arrive, threads show what the model says."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projector.model.changes import BaseRef, Change, SessionHeader
from projector.model.ids import Offset, Ordinal
from projector.store.protocol import Batch
from tests.contract.backends import ENGINES, Fresh, Queried, Run
from tests.contract.lineage_model import Rollout, Told, shown
from tests.support.examples import examples
from tests.support.makers import (
    PAGINATED,
    at,
    batch,
    continuing,
    file_of,
    item,
    rollout_id,
    thread_id,
    turn,
)

END = 1000


def tree_of(count: int, chance: Random) -> dict[int, Rollout]:
    """Make rollouts as Codex does, mostly: forks, reverts, attached ones; and damaged ones."""
    made: dict[int, Rollout] = {}
    starts: dict[int, int] = {}
    deep = chance.random() < 0.3
    for number in range(1, count + 1):
        one = Rollout(number, number)
        if number > 1 and chance.random() < 0.9:
            base = made[number - 1 if deep else chance.randrange(1, number)]
            one.base = base.number
            one.end_offset = 100 * chance.randint(1, 10)
            one.end_ordinal = starts[base.number] + one.end_offset // 100
            one.attached = chance.random() < 0.15
            if chance.random() < 0.5:
                one.thread, one.attached = base.thread, base.attached
        damage = chance.randrange(30)
        if damage == 0:
            one.base = chance.randint(1, count)  # itself, or one that comes later: cycles
        elif damage == 1:
            one.base = count + 1  # never to be had
        elif damage == 2:
            one.end_ordinal = chance.choice([-5, 0, 3, 1 << 30, 1 << 62])
        starts[number] = one.end_ordinal
        for place in sorted(chance.sample(range(10), chance.randint(0, 6))):
            name = f"t{chance.randrange(3)}"
            if chance.random() < 0.5:
                one.rows.append(Told(100 * place, name, f"i{place}"))
            elif not any(row.turn == name and row.item is None for row in one.rows):
                one.rows.append(Told(100 * place, name, None))
        made[number] = one
    return made


def header(one: Rollout) -> SessionHeader:
    if one.base is None:
        return replace(PAGINATED, attached=one.attached)
    base = BaseRef(
        rollout_id=rollout_id(one.base),
        end_ordinal=Ordinal(one.end_ordinal),
        end_offset=Offset(one.end_offset),
    )
    return replace(PAGINATED, base=base, attached=one.attached)


def batches(one: Rollout, cuts: list[int]) -> Iterator[Batch]:
    """Give a rollout in pieces."""
    start = None
    for low, high in itertools.pairwise([0, *sorted(set(cuts) - {0, END}), END]):
        changes: list[Change] = [
            item(one.number, row.item, row.offset, turn=row.turn)
            if row.item is not None
            else turn(one.number, row.turn, row.offset)
            for row in one.rows
            if low <= row.offset < high
        ]
        file = file_of(one.number, thread=one.thread)
        yield batch(file, changes, start=start, end=high, header=header(one))
        start = at(high)


async def compare(store: Queried, there: dict[int, Rollout]) -> None:
    """Hold every view of every thread against the model."""
    numbers = {rollout_id(number): number for number in there}
    for thread in {one.thread for one in there.values()}:
        want = shown(there, thread)
        who = (thread_id(thread),)
        items = await store.query(
            "SELECT rollout_id, turn_id, item_id FROM thread_history WHERE thread_id = ?"
            " ORDER BY position",
            who,
        )
        turns = await store.query(
            "SELECT rollout_id, turn_id FROM thread_turn_history WHERE thread_id = ?"
            " ORDER BY position",
            who,
        )
        state = await store.query(
            "SELECT item_count, turn_count, incomplete FROM threads WHERE thread_id = ?", who
        )
        assert [(numbers[one], *rest) for one, *rest in items] == want.items
        assert [(numbers[one], *rest) for one, *rest in turns] == want.turns
        assert state == [(len(want.items), len(want.turns), want.incomplete)]
        visible = await store.query(
            "SELECT count(*) FROM all_items WHERE visible AND thread_id = ?", who
        )
        own = [one for one in want.items if there[one[0]].thread == thread]
        assert visible == [(len(own),)]


@pytest.mark.parametrize("engine", ENGINES)
@examples(25)
@given(count=st.integers(1, 30), seed=st.integers(0))
def test_any_tree_in_any_order_shows_what_the_model_shows(
    engine: str, fresh: Fresh, count: int, seed: int
) -> None:
    """Files arrive in any order, in any pieces, several to a transaction; some go away."""
    chance = Random(seed)
    tree = tree_of(count, chance)
    waiting = {
        number: batches(one, chance.sample([100, 300, 500, 700], chance.randint(0, 2)))
        for number, one in tree.items()
    }

    async def arrive() -> None:
        with fresh(engine) as made:
            async with made.open() as store:
                while waiting:
                    group = chance.sample(sorted(waiting), min(len(waiting), chance.randint(1, 5)))
                    now = [(number, next(waiting[number], None)) for number in group]
                    for number, piece in now:
                        if piece is None:
                            del waiting[number]
                    await store.commit([piece for _, piece in now if piece is not None])
                await compare(store, tree)
                lost = chance.sample(sorted(tree), min(count, chance.randint(0, 3)))
                await store.mark_missing([rollout_id(number) for number in lost], purge=True)
                left = {number: one for number, one in tree.items() if number not in lost}
                await compare(store, left)

    asyncio.run(arrive())


def history(store: Queried, run: Run, thread: int) -> list[str]:
    rows = run(
        store.query(
            "SELECT item_id FROM thread_history WHERE thread_id = ? ORDER BY position",
            (thread_id(thread),),
        )
    )
    return [name for (name,) in rows]


def put(store: Queried, run: Run, number: int, names: str, **more: Any) -> None:
    rows = [item(number, name, 100 * place) for place, name in enumerate(names, 1)]
    thread = more.pop("thread", None)
    run(store.commit([batch(file_of(number, thread=thread), rows, **more)]))


def test_a_fork_shows_its_base_up_to_the_cut(store: Queried, run: Run) -> None:
    put(store, run, 1, "abcd")
    put(store, run, 2, "xy", header=continuing(1, 300))

    assert history(store, run, 1) == list("abcd")
    assert history(store, run, 2) == list("abxy")


def test_forking_and_reverting_copy_no_rows(store: Queried, run: Run) -> None:
    put(store, run, 1, "abcd")
    put(store, run, 2, "", header=continuing(1, 300))
    put(store, run, 3, "", thread=1, header=continuing(1, 200))

    assert run(store.query("SELECT count(*) FROM _items")) == [(4,)]
    assert history(store, run, 1) == ["a"]
    assert history(store, run, 2) == ["a", "b"]


def test_what_a_revert_cut_off_is_a_tombstone_that_a_fork_still_shows(
    store: Queried, run: Run
) -> None:
    put(store, run, 1, "abc")
    put(store, run, 2, "x", header=continuing(1, 400))
    put(store, run, 3, "y", thread=1, header=continuing(1, 200))

    found = run(
        store.query(
            "SELECT item_id, visible, tombstone FROM all_items WHERE thread_id = ?"
            " ORDER BY position",
            (thread_id(1),),
        )
    )
    assert found == [("a", 1, None), ("b", 0, "reverted"), ("c", 0, "reverted"), ("y", 1, None)]
    assert history(store, run, 2) == list("abcx")


def test_a_late_base_makes_the_fork_whole(store: Queried, run: Run) -> None:
    put(store, run, 2, "x", header=continuing(1, 200))
    before = run(store.query("SELECT position, item_id FROM thread_history"))
    assert run(store.query("SELECT incomplete FROM threads")) == [(1,)]

    put(store, run, 1, "ab")

    assert history(store, run, 2) == ["a", "x"]
    assert run(store.query("SELECT incomplete FROM threads")) == [(0,), (0,)]
    after = run(store.query("SELECT position, item_id FROM thread_history"))
    assert before[0] in after, "a late base renumbers nothing"


def test_a_turn_that_a_fork_ended_stands_in_the_fork(store: Queried, run: Run) -> None:
    """The newest part's row wins, though only its abort is known there.

    One of which no more than an abort is visible is not shown: an attached thread's, too.
    """
    run(store.commit([batch(file_of(1), [turn(1, "t", 100), item(1, "a", 200)])]))
    own = turn(2, "t", 100, status="interrupted", end_offset=200)
    alone = turn(2, "u", 200, status="interrupted", end_offset=300)
    begun = turn(2, "v", 300, status="interrupted", end_offset=500)
    run(store.commit([batch(file_of(2), [own, alone, begun], header=continuing(1, 300))]))
    apart = turn(3, "t", 100, status="interrupted", end_offset=200)
    run(store.commit([batch(file_of(3), [apart], header=continuing(1, 300, attached=True))]))

    found = run(
        store.query(
            "SELECT turn_id, status, rollout_id FROM thread_turn_history"
            " WHERE thread_id <> ? ORDER BY thread_id, position",
            (thread_id(1),),
        )
    )
    assert found == [("t", "interrupted", rollout_id(2)), ("v", "interrupted", rollout_id(2))]


def test_a_turn_that_ended_behind_a_cut_is_open_before_it(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [turn(1, "t", 100, status="completed", end_offset=900)])]))
    run(store.commit([batch(file_of(2), header=continuing(1, 300))]))

    found = run(
        store.query(
            "SELECT thread_id, status, completed_at, duration_ms FROM thread_turn_history"
            " ORDER BY thread_id"
        )
    )
    assert [row[:2] for row in found] == [
        (thread_id(1), "completed"),
        (thread_id(2), "inProgress"),
    ]
    assert found[1][2:] == (None, None)


def test_a_turn_counted_in_two_parts_counts_once(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [turn(1, "t", 100)])]))
    own = [turn(2, "t", 100)]
    run(store.commit([batch(file_of(2), header=continuing(1, 300), end=100)]))
    run(store.commit([batch(file_of(2), own, start=at(100), header=continuing(1, 300), end=300)]))

    counts = run(store.query("SELECT turn_count FROM threads ORDER BY thread_id"))
    assert counts == [(1,), (1,)]


def test_a_cycle_ends_the_walk_and_is_noted(store: Queried, run: Run) -> None:
    put(store, run, 1, "a", header=continuing(2, 500))
    put(store, run, 2, "b", header=continuing(1, 500))
    put(store, run, 3, "c", header=continuing(2, 500))

    assert history(store, run, 3) == ["b", "c"]
    assert run(store.query("SELECT incomplete FROM threads")) == [(1,), (1,), (1,)]
    assert run(store.query("SELECT DISTINCT kind FROM anomalies")) == [("lineage.cycle",)]


def test_a_header_that_becomes_known_changes_the_chain(store: Queried, run: Run) -> None:
    """The first line was torn: what it says comes with a later batch."""
    put(store, run, 1, "ab")
    put(store, run, 2, "", end=50)
    rows = [item(2, "x", 100)]
    late = batch(file_of(2), rows, start=at(50), header=continuing(1, 200))
    run(store.commit([late]))

    assert history(store, run, 2) == ["a", "x"]


def test_the_newest_rollout_on_disk_is_the_current_one(store: Queried, run: Run) -> None:
    """A revert whose file is taken away is undone; a thread without any file shows its newest."""
    put(store, run, 1, "ab")
    put(store, run, 2, "x", thread=1, header=continuing(1, 200))

    run(store.mark_missing([rollout_id(2)], purge=False))
    assert history(store, run, 1) == ["a", "b"]
    assert run(store.query("SELECT rollout_id, deleted FROM threads")) == [(rollout_id(1), 0)]

    run(store.mark_missing([rollout_id(1)], purge=False))
    assert history(store, run, 1) == ["a", "x"]
    assert run(store.query("SELECT rollout_id, deleted FROM threads")) == [(rollout_id(2), 1)]


def test_a_rollout_that_turns_out_to_be_of_another_thread_leaves_the_first(
    store: Queried, run: Run
) -> None:
    """Its name said one thread, its first whole line says another."""
    put(store, run, 1, "a")
    put(store, run, 2, "b", thread=1, end=500)
    rows = [item(2, "c", 600)]
    moved = replace(PAGINATED, thread_id=thread_id(7))
    run(store.commit([batch(file_of(2, thread=1), rows, start=at(500), end=700, header=moved)]))

    assert (history(store, run, 1), history(store, run, 7)) == (["a"], ["b", "c"])
    assert run(store.query("SELECT count(*) FROM threads")) == [(2,)]
