"""A rollout that is not what it was: made anew in one transaction."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from projector.model.changes import (
    Anomaly,
    Change,
    Lookup,
    RollbackFrame,
    Tombstone,
    TombstoneFrames,
)
from projector.model.errors import CheckpointMoved
from projector.model.ids import ItemId, Offset, TurnId
from projector.store.protocol import Batch
from projector.store.schema_names import REPLACED
from tests.contract.backends import Backend, Queried, Run
from tests.support.makers import (
    LEGACY,
    at,
    batch,
    continuing,
    event,
    file_of,
    item,
    rollout_id,
    thread_id,
    turn,
    usage,
)

OLD = at(1000)


async def anew(*steps: Sequence[Change], number: int = 1, **more: Any) -> AsyncIterator[Batch]:
    """Make the batches of the next generation, 500 bytes each."""
    for n, changes in enumerate(steps, 1):
        yield batch(
            file_of(number), changes, start=at(500 * (n - 1), generation=1),
            end=at(500 * n, generation=1), records=5, **more,
        )  # fmt: skip


def shown(store: Queried, run: Run, columns: str = "item_id", view: str = "thread_history") -> Any:
    return run(store.query(f"SELECT {columns} FROM {view} ORDER BY position"))


def test_rows_that_come_again_are_replaced_whole(store: Queried, run: Run) -> None:
    """Promise: a row whose uid occurs again keeps its uid and is replaced completely."""
    old = item(1, "a", 100, created=1, started=1, completed=1, json='{"n":1}')
    run(store.commit([batch(file_of(1), [old, turn(1, "t", 50, error="{}")])]))
    new = item(1, "a", 300, created=2, json='{"n":2}')

    run(store.replace(OLD, anew([turn(1, "t", 60)], [new])))

    columns = "position, uid, created_at_ms, started_at_ms, completed_at_ms, item_json"
    (uid_before,) = {row[1] for row in shown(store, run, columns)}
    assert shown(store, run, columns) == [(300, uid_before, 2, None, None, '{"n":2}')]
    assert shown(store, run, "error_json", "thread_turn_history") == [(None,)]
    assert run(store.checkpoint(rollout_id(1))) == at(1000, generation=1)
    assert run(store.query("SELECT records, items, turns FROM _rollouts")) == [(10, 1, 1)]


def test_rows_that_do_not_come_again_become_tombstones(store: Queried, run: Run) -> None:
    """Promise: living rows that do not occur again become tombstones."""
    rows: list[Change] = [item(1, "a", 100), item(1, "b", 200), turn(1, "t", 50), turn(1, "u", 60)]
    run(store.commit([batch(file_of(1), rows)]))

    run(store.replace(OLD, anew([item(1, "b", 20), turn(1, "t", 10)])))

    assert shown(store, run) == [("b",)]
    assert shown(store, run, "turn_id", "thread_turn_history") == [("t",)]
    assert run(store.query("SELECT item_count, turn_count FROM threads")) == [(1, 1)]
    gone = run(store.query("SELECT item_id, tombstone FROM all_items WHERE NOT visible"))
    assert gone == [("a", "replaced")]


def test_it_may_come_back_later(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))
    run(store.replace(OLD, anew([item(1, "b", 20)])))
    again = item(1, "a", 600, created=9)
    run(store.commit([batch(file_of(1), [again], start=at(500, generation=1), end=700)]))

    assert shown(store, run, "item_id, position, created_at_ms") == [("b", 20, 1), ("a", 600, 9)]
    assert run(store.query("SELECT item_count FROM threads")) == [(2,)]


def test_events_keep_their_uid_and_seq(store: Queried, run: Run) -> None:
    """What no longer happened is no longer told; nothing is told twice."""
    kept, lost = event(1, "turn.started", 100), event(1, "turn.completed", 200)
    run(store.commit([batch(file_of(1), [lost, kept])]))
    before = run(store.query("SELECT seq, uid FROM lifecycle_events WHERE type = 'turn.started'"))

    run(store.replace(OLD, anew([kept, event(1, "turn.failed", 200)])))

    now = run(store.query("SELECT seq, uid, type FROM lifecycle_events ORDER BY seq"))
    assert [kind for *_, kind in now] == ["turn.started", "turn.failed"]
    assert [row[:2] for row in now[:1]] == before


def test_usage_is_counted_once(store: Queried, run: Run) -> None:
    """What stands elsewhere in the new content does not count twice."""
    run(store.commit([batch(file_of(1), [usage(1, 100, 10), usage(1, 200, 20)])]))

    run(store.replace(OLD, anew([usage(1, 100, 11), usage(1, 300, 20)])))

    rows = run(store.query("SELECT input_tokens FROM token_usage ORDER BY 1"))
    assert rows == [(11,), (20,)]


def test_anomalies_of_the_old_content_go_those_noted_stay(store: Queried, run: Run) -> None:
    old, new = Anomaly("torn", Offset(1), 2, ""), Anomaly("torn", Offset(3), 4, "")
    noted = Anomaly("replaced", Offset(0), 0, "cut short")
    run(store.commit([batch(file_of(1), [old])]))
    run(store.add_anomalies(rollout_id(1), [noted]))

    run(store.replace(OLD, anew([new])))

    kinds = run(store.query("SELECT kind, byte_offset FROM anomalies ORDER BY byte_offset"))
    assert kinds == [("replaced", 0), ("torn", 3)]


def test_frames_are_those_of_the_new_content(store: Queried, run: Run) -> None:
    frames = [RollbackFrame(10, TurnId("t"), None), RollbackFrame(20, TurnId("t"), None)]
    run(store.commit([batch(file_of(1), frames, header=LEGACY)]))
    rows = [item(1, "a", 5, ordinal=None, owner=30), item(1, "b", 6, ordinal=None, owner=31)]
    first: list[Change] = [RollbackFrame(30, None, None), RollbackFrame(31, None, None), *rows]

    run(store.replace(OLD, anew(first, [TombstoneFrames(Offset(400), 31)], header=LEGACY)))

    assert run(store.find(rollout_id(1), Lookup(frames=9))).frames == (
        RollbackFrame(30, None, None),
    )
    assert shown(store, run) == [("a",)]


def test_a_new_header_moves_rows_and_chain(store: Queried, run: Run) -> None:
    """A rollout that turns out to continue another one: its tombstones move along."""
    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))
    run(store.commit([batch(file_of(2), [item(2, "x", 100), item(2, "y", 200)])]))
    run(store.commit([batch(file_of(3), [item(3, "z", 0)], header=continuing(2, 150))]))

    run(store.replace(OLD, anew([item(2, "x", 50)], number=2, header=continuing(1, 700))))

    rows = run(
        store.query(
            "SELECT item_id FROM thread_history WHERE thread_id = ? ORDER BY position",
            (thread_id(3),),
        )
    )
    assert rows == [("a",), ("x",), ("z",)]
    counts = run(store.query("SELECT item_count FROM threads ORDER BY thread_id"))
    assert counts == [(1,), (2,), (3,)]
    places = run(store.query("SELECT item_id, position & 1023 FROM all_items WHERE NOT visible"))
    assert places == [("y", 200)]


@pytest.mark.parametrize("start", [at(900), at(1000, generation=1)], ids=["offset", "generation"])
def test_a_checkpoint_that_moved_stops_it(store: Queried, run: Run, start: Any) -> None:
    """Promise: the rollout is not at `start`. Nothing was written."""
    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))

    with pytest.raises(CheckpointMoved):
        run(store.replace(start, anew([item(1, "b", 100)])))

    assert shown(store, run) == [("a",)]
    assert run(store.checkpoint(rollout_id(1))) == OLD


def test_another_writer_meanwhile_stops_it(backend: Backend, run: Run) -> None:
    """Nobody is locked out while the batches are made; who was faster is not overwritten."""

    async def race() -> list[tuple[Any, ...]]:
        async with backend.open() as one, backend.open(busy_timeout_s=0.1) as other:
            await one.commit([batch(file_of(1), [item(1, "a", 100)])])

            async def slow() -> AsyncIterator[Batch]:
                yield batch(file_of(1), [item(1, "b", 0)], end=at(500, generation=1))
                late = batch(file_of(1), [item(1, "c", 1000)], start=OLD, end=1100)
                await other.commit([late])
                yield batch(file_of(1), [item(1, "d", 500)], end=at(900, generation=1))

            with pytest.raises(CheckpointMoved):
                await one.replace(OLD, slow())
            return await one.query("SELECT item_id FROM thread_history ORDER BY position")

    assert run(race()) == [("a",), ("c",)]


def test_readers_see_the_rows_before_or_after(backend: Backend, run: Run) -> None:
    """Promise 4, from a second connection and from the same one; other rollouts go on."""
    sql = "SELECT item_id FROM thread_history WHERE thread_id = ? ORDER BY position"
    who = (thread_id(1),)
    seen = []

    async def watch() -> None:
        async with backend.open() as one, backend.open() as other:
            await one.commit([batch(file_of(1), [item(1, "a", 100), item(1, "b", 200)])])

            async def slow() -> AsyncIterator[Batch]:
                yield batch(file_of(1), [item(1, "b", 0)], end=at(500, generation=1))
                seen.append(await one.query(sql, who))
                seen.append(await other.query(sql, who))
                await one.commit([batch(file_of(2), [item(2, "x", 0)])])
                yield batch(file_of(1), [item(1, "c", 600)], end=at(900, generation=1))
                seen.append(await other.query(sql, who))

            await one.replace(OLD, slow())
            seen.append(await other.query(sql, who))

    run(watch())

    before, after = [("a",), ("b",)], [("b",), ("c",)]
    assert seen == [before, before, before, after]


def test_find_sees_the_new_rows_only(store: Queried, run: Run) -> None:
    """A reducer that makes the rollout anew must not meet what it replaces."""
    run(store.commit([batch(file_of(1), [item(1, "a", 100), turn(1, "t", 50)])]))
    wants = Lookup(items=frozenset({ItemId("a"), ItemId("b")}), turns=frozenset({TurnId("t")}))
    found = []

    async def asking() -> AsyncIterator[Batch]:
        yield batch(file_of(1), [item(1, "b", 40)], end=at(500, generation=1))
        found.append(await store.find(rollout_id(1), wants))

    run(store.replace(OLD, asking()))

    assert set(found[0].items) == {"b"}
    turn_ = found[0].turns[TurnId("t")]
    assert turn_.row is None
    assert [message.item_id for message in turn_.messages] == ["b"]
    assert [known.offset for known in found[0].items[ItemId("b")]] == [40]


def test_what_fails_on_the_way_changes_nothing(store: Queried, run: Run) -> None:
    """The file vanishes while it is read: the old rows stay, and the next attempt is free."""
    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))

    async def breaking() -> AsyncIterator[Batch]:
        yield batch(file_of(1), [item(1, "b", 0)], end=at(500, generation=1))
        raise FileNotFoundError

    with pytest.raises(FileNotFoundError):
        run(store.replace(OLD, breaking()))

    assert shown(store, run) == [("a",)]
    run(store.replace(OLD, anew([item(1, "c", 0)])))
    assert shown(store, run) == [("c",)]


def test_no_batches_write_nothing(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))

    run(store.replace(OLD, anew()))

    assert shown(store, run) == [("a",)]
    assert run(store.checkpoint(rollout_id(1))) == OLD


def test_two_replacements_at_once_wait_for_each_other(store: Queried, run: Run) -> None:
    async def both() -> None:
        for number in (1, 2):
            await store.commit([batch(file_of(number), [item(number, "old", 0)])])
        await asyncio.gather(
            store.replace(OLD, anew([item(1, "a", 0)], [item(1, "b", 600)])),
            store.replace(OLD, anew([item(2, "c", 1)], [item(2, "d", 601)], number=2)),
        )

    run(both())

    assert shown(store, run) == [("a",), ("c",), ("b",), ("d",)]


def test_what_was_dropped_before_and_is_not_there_any_more_is_replaced(
    store: Queried, run: Run
) -> None:
    """The reason that its row has is that of the rollout as it is now."""
    dropped = item(1, "a", 100)
    run(store.commit([batch(file_of(1), [dropped, Tombstone(dropped.uid, Offset(200))])]))

    run(store.replace(OLD, anew([item(1, "b", 40)])))

    assert run(store.query("SELECT item_id, tombstone FROM _items ORDER BY item_id")) == [
        ("a", REPLACED),
        ("b", 0),
    ]
