"""Where rollouts lie, what threads are called, who follows the database."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import asdict, replace

from projector.model.changes import Anomaly, Change, SessionHeader, ThreadMetadata
from projector.model.errors import AlreadyRunning
from projector.model.ids import Offset
from projector.store.protocol import Heartbeat, Holder
from tests.contract.backends import Backend, Queried, Run
from tests.support.makers import (
    PAGINATED,
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

HOLDER = Holder(pid=4711, host="here", version="9.9", started_at_ms=1_700_000_000_000)


def events(store: Queried, run: Run) -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = run(
        store.query("SELECT type, thread_id FROM lifecycle_events ORDER BY seq")
    )
    return found


def test_moves_change_no_row(store: Queried, run: Run) -> None:
    """Promise: for moves, archiving, compression: none of their rows change."""
    end = at(1000, state=b"{}")
    run(store.commit([batch(file_of(1), [item(1, "a", 100)], end=end)]))
    before = run(store.query("SELECT * FROM thread_history"))
    moved = replace(file_of(1, archived=True, size=77), inode=5, mtime_ns=9)

    run(store.update_locations([moved, file_of(9)]))

    assert run(store.query("SELECT * FROM thread_history")) == before
    assert run(store.checkpoint(rollout_id(1))) == end
    statuses = run(store.statuses())
    assert {one: status.file for one, status in statuses.items()} == {rollout_id(1): moved}


def test_archiving_is_told_each_time_it_happens(store: Queried, run: Run) -> None:
    """Promise: a thread whose `archived` changes gets its lifecycle event."""
    run(store.commit([batch(file_of(1))]))
    for archived in (True, True, False, False, True):
        run(store.update_locations([file_of(1, archived=archived)]))

    kinds = ["thread.archived", "thread.unarchived", "thread.archived"]
    assert events(store, run) == [(kind, thread_id(1)) for kind in kinds]
    assert run(store.query("SELECT count(DISTINCT uid) FROM lifecycle_events")) == [(3,)]
    assert run(store.query("SELECT archived FROM threads")) == [(1,)]


def test_a_rollout_first_seen_archived_is_told_too(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1, archived=True))]))
    run(store.commit([batch(file_of(1, archived=True), start=at(1000), end=1100)]))

    assert events(store, run) == [("thread.archived", thread_id(1))]


def test_a_thread_of_several_rollouts_is_archived_once(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1))]))
    run(store.commit([batch(file_of(2, thread=1), header=continuing(1, 500))]))
    run(store.update_locations([file_of(1, archived=True)]))
    run(store.update_locations([file_of(2, thread=1, archived=True)]))

    assert events(store, run) == [("thread.archived", thread_id(1))]


def test_a_thread_without_files_is_deleted_and_keeps_its_rows(store: Queried, run: Run) -> None:
    """Promise: else they stay, marked."""
    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))
    for _ in range(2):
        run(store.mark_missing([rollout_id(1), rollout_id(7)], purge=False))

    assert events(store, run) == [("thread.deleted", thread_id(1))]
    assert run(store.query("SELECT deleted, item_count FROM threads")) == [(1, 1)]
    assert run(store.query("SELECT item_id FROM thread_history")) == [("a",)]

    run(store.update_locations([file_of(1)]))
    assert run(store.query("SELECT deleted FROM threads")) == [(0,)]
    run(store.mark_missing([rollout_id(1)], purge=False))
    kinds = ["thread.deleted", "thread.restored", "thread.deleted"]
    assert events(store, run) == [(kind, thread_id(1)) for kind in kinds]


@pytest.mark.parametrize("purge", [False, True], ids=["keep", "purge"])
@pytest.mark.parametrize("archived", [False, True], ids=["before", "since"])
def test_a_thread_that_comes_back_is_restored(
    store: Queried, run: Run, *, purge: bool, archived: bool
) -> None:
    """Promise: a thread whose files come back gets thread.restored, once each time.

    Though a purge leaves no row of it, what its events say is true of it after each step.
    """

    def come(*, archived: bool) -> None:
        if purge:
            run(store.commit([batch(file_of(1, archived=archived), [item(1, "a", 100)])]))
        else:
            run(store.update_locations([file_of(1, archived=archived)]))

    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))
    run(store.update_locations([file_of(1, archived=True)]))
    for _ in range(2):
        run(store.mark_missing([rollout_id(1)], purge=purge))
        come(archived=archived)
        run(store.update_locations([file_of(1, archived=archived)]))
        assert run(store.query("SELECT deleted, archived FROM threads")) == [(0, int(archived))]

    unarchived = [] if archived else ["thread.unarchived"]
    kinds = ["thread.archived", "thread.deleted", "thread.restored", *unarchived]
    kinds += ["thread.deleted", "thread.restored"]
    assert [kind for kind, _ in events(store, run)] == kinds
    found = run(store.query("SELECT count(*), count(DISTINCT uid) FROM lifecycle_events"))
    assert found == [(len(kinds), len(kinds))]
    told = run(store.query("SELECT type FROM changes WHERE kind = 'event' ORDER BY seq"))
    assert [kind for (kind,) in told] == kinds


@pytest.mark.parametrize("read_on", [False, True], ids=["moved", "read on"])
def test_a_file_that_gets_another_name_is_or_is_not_its_threads(
    store: Queried, run: Run, *, read_on: bool
) -> None:
    """Promise: the current rollout of a thread is chosen anew.

    A file that is named for another thread is current only where its thread has no other one.
    """
    header = replace(PAGINATED, thread_id=thread_id(1))

    def come(named_for: int, size: int) -> None:
        file = file_of(2, thread=named_for, size=size)
        if read_on:
            run(store.commit([batch(file, start=at(size), end=size + 1, header=header)]))
        else:
            run(store.update_locations([file]))

    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))
    second = batch(file_of(2, thread=1), [item(2, "b", 100)], end=1, header=header)
    run(store.commit([second]))
    assert run(store.query("SELECT rollout_id FROM threads")) == [(rollout_id(2),)]

    for size, named_for, current in ((1, 7, 1), (2, 1, 2), (3, 2, 1), (4, 1, 2)):
        come(named_for, size)
        assert run(store.query("SELECT rollout_id FROM threads")) == [(rollout_id(current),)]
        told = run(store.query("SELECT kind, rollout_id FROM changes ORDER BY seq DESC LIMIT 1"))
        assert told == [("thread", rollout_id(current))]


@pytest.mark.parametrize("purge", [False, True], ids=["keep", "purge"])
def test_a_thread_is_restored_by_any_of_its_rollouts(
    store: Queried, run: Run, *, purge: bool
) -> None:
    """While one of its files is there, it is not deleted; one that comes back restores it."""
    run(store.commit([batch(file_of(1))]))
    run(store.commit([batch(file_of(2, thread=1), header=continuing(1, 500))]))
    run(store.mark_missing([rollout_id(1)], purge=purge))
    run(store.mark_missing([rollout_id(2)], purge=purge))
    assert events(store, run) == [("thread.deleted", thread_id(1))]

    if purge:
        run(store.commit([batch(file_of(2, thread=1), header=continuing(1, 500))]))
        run(store.commit([batch(file_of(1))]))
    else:
        run(store.update_locations([file_of(2, thread=1)]))
        run(store.update_locations([file_of(1)]))
    kinds = ["thread.deleted", "thread.restored"]
    assert events(store, run) == [(kind, thread_id(1)) for kind in kinds]


def test_a_purge_takes_the_rows(store: Queried, run: Run) -> None:
    """Promise: with `purge` their rows are deleted too."""
    changes: list[Change] = [
        item(1, "a", 100), turn(1, "t", 50), usage(1, 60, 5), event(1, "turn.started", 50),
        Anomaly("torn", Offset(1), 1, ""),
    ]  # fmt: skip
    others: list[Change] = [
        item(2, "b", 100), turn(2, "u", 50), usage(2, 60, 5), event(2, "turn.started", 50),
        Anomaly("torn", Offset(1), 1, ""),
    ]  # fmt: skip
    run(store.commit([batch(file_of(1), changes), batch(file_of(2), others)]))

    run(store.mark_missing([rollout_id(1)], purge=True))

    for view in ("all_items", "all_turns", "token_usage", "anomalies", "codex_projection_state"):
        column = "thread_id" if view == "codex_projection_state" else "rollout_id"
        assert run(store.query(f"SELECT {column} FROM {view}")) == [(rollout_id(2),)], view
    assert events(store, run) == [("turn.started", thread_id(2)), ("thread.deleted", thread_id(1))]
    assert run(store.query("SELECT thread_id FROM threads")) == [(thread_id(2),)]
    assert run(store.checkpoint(rollout_id(1))) is None

    run(store.commit([batch(file_of(1), [item(1, "a", 100)])]))
    assert run(store.query("SELECT count(*) FROM thread_history")) == [(2,)]


def test_a_purge_takes_the_name_with_the_last_rollout(store: Queried, run: Run) -> None:
    """Promise: with `purge` their rows are deleted too, and what the thread was called."""
    run(store.commit([batch(file_of(1)), batch(file_of(2, thread=1)), batch(file_of(3))]))
    run(store.set_names({thread_id(1): "secret", thread_id(3): "other"}))

    run(store.mark_missing([rollout_id(2)], purge=True))
    assert run(store.query("SELECT name FROM threads ORDER BY 1")) == [("other",), ("secret",)]

    run(store.mark_missing([rollout_id(1)], purge=True))
    for table in ("_names", "_events"):
        rows = run(store.query(f"SELECT * FROM {table}"))
        assert "secret" not in repr(rows), table
    assert run(store.query("SELECT name FROM threads")) == [("other",)]


def test_names_are_for_threads_that_come_later_too(store: Queried, run: Run) -> None:
    """Promise: set names of threads, also of threads that appear later."""
    run(store.set_names({thread_id(1): "first", thread_id(2): "other"}))
    run(store.commit([batch(file_of(1), meta=ThreadMetadata(name="own"))]))
    run(store.commit([batch(file_of(3), meta=ThreadMetadata(name="own"))]))

    rows = run(store.query("SELECT name FROM threads ORDER BY thread_id"))
    assert rows == [("first",), ("own",)]


def test_a_new_name_is_told_each_time_it_changes(store: Queried, run: Run) -> None:
    """Promise: unchanged names cost nothing."""
    for name in ("a", "a", "b", "a"):
        run(store.set_names({thread_id(1): name}))

    found = run(store.query("SELECT type, payload FROM lifecycle_events ORDER BY seq"))
    assert found == [("thread.renamed", f'{{"name":"{name}"}}') for name in "aba"]
    assert run(store.query("SELECT count(DISTINCT uid) FROM lifecycle_events")) == [(3,)]


def test_metadata_is_that_of_the_visible_history(store: Queried, run: Run) -> None:
    """What the current rollout does not say is taken from the next older part."""
    first = ThreadMetadata(
        preview="hello", preview_offset=100, goal="win", model="old", cwd="/old",
        reported_total_tokens=5, updated_at_ms=50,
    )  # fmt: skip
    run(store.commit([batch(file_of(1), meta=first, header=replace(PAGINATED, created_at_ms=3))]))
    second = replace(continuing(1, 500), created_at_ms=9, cli_version="2")
    later = ThreadMetadata(preview="later", preview_offset=0, cwd="/new", updated_at_ms=60)
    run(store.commit([batch(file_of(2, thread=1), meta=later, header=second)]))

    columns = (
        "preview, cwd, model, reported_total_tokens, created_at_ms, updated_at_ms, cli_version,"
        " rollout_id"
    )
    found = run(store.query(f"SELECT {columns} FROM threads"))
    assert found == [("hello", "/new", "old", 5, 3, 60, "2", rollout_id(2))]


def test_a_message_behind_the_cut_is_no_preview(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), meta=ThreadMetadata(preview="late", preview_offset=600))]))
    run(
        store.commit(
            [batch(file_of(2), meta=ThreadMetadata(goal="win"), header=continuing(1, 500))]
        )
    )

    rows = run(store.query("SELECT preview FROM threads ORDER BY thread_id"))
    assert rows == [("late",), ("win",)]


def test_header_columns_of_threads(store: Queried, run: Run) -> None:
    header = SessionHeader(
        mode="legacy", source="cli", parent_thread_id=thread_id(8), forked_from_id=thread_id(9)
    )
    run(store.commit([batch(file_of(1), header=header)]))

    columns = "source, history_mode, parent_thread_id, forked_from_id"
    assert run(store.query(f"SELECT {columns} FROM threads")) == [
        ("cli", "legacy", thread_id(8), thread_id(9))
    ]


def test_a_response_told_of_in_two_rollouts_costs_once(store: Queried, run: Run) -> None:
    """The oldest rollout's row counts, in whatever order they came."""
    run(store.commit([batch(file_of(2), [usage(2, 100, 10, response="r")])]))
    run(store.commit([batch(file_of(1), [usage(1, 300, 10, response="r"), usage(1, 400, 1)])]))

    rows = run(store.query("SELECT rollout_id, input_tokens FROM token_usage ORDER BY 2"))
    assert rows == [(rollout_id(1), 1), (rollout_id(1), 10)]


def test_a_turns_tokens_are_those_before_the_cut(store: Queried, run: Run) -> None:
    changes: list[Change] = [
        turn(1, "t", 0),
        usage(1, 100, 10),
        usage(1, 200, 20),
        usage(1, 900, 40),
    ]
    run(store.commit([batch(file_of(1), changes)]))
    run(store.commit([batch(file_of(2), [usage(2, 50, 80)], header=continuing(1, 500))]))

    rows = run(
        store.query("SELECT input_tokens, total_tokens FROM thread_turn_history ORDER BY thread_id")
    )
    assert rows == [(70, 73), (110, 113)]


def test_there_is_one_daemon_a_database(backend: Backend, run: Run) -> None:
    """Promise: another daemon holds it; says which, where, since when."""

    async def two() -> str:
        async with backend.open() as one, backend.open() as other:
            await one.acquire_lock(HOLDER)
            with pytest.raises(AlreadyRunning) as refused:
                await other.acquire_lock(replace(HOLDER, pid=1))
            return str(refused.value)

    said = run(two())

    assert "process 4711 on here" in said
    assert "since 2023-11-14 22:13:20 UTC" in said


def test_the_hold_ends_with_close(backend: Backend, run: Run) -> None:
    """Promise: until `close` or the end of the process."""

    async def after() -> None:
        for _ in range(2):
            async with backend.open() as store:
                await store.acquire_lock(HOLDER)

    run(after())


def test_there_is_one_heartbeat(store: Queried, run: Run) -> None:
    """Promise: store the daemon's heartbeat, which has one row."""
    beat = Heartbeat(
        holder=HOLDER, beat_at_ms=5, interval_s=1.5, phase="following", watching="polling",
        watching_why="network home", behind_bytes=1, behind_since_ms=6, bytes_read=2, records=3,
        batches=4, set_aside=7, boot_ms=8, files=9, waiting=10, current_as_of_ms=11,
    )  # fmt: skip
    run(store.write_heartbeat(replace(beat, beat_at_ms=4, behind_since_ms=None)))
    run(store.write_heartbeat(beat))

    values = asdict(beat)
    values |= asdict(values.pop("holder"))
    rows = run(store.query(f"SELECT {', '.join(values)} FROM _heartbeat"))
    assert rows == [tuple(values.values())]


def test_close_is_safe_to_call_twice(store: Queried, run: Run) -> None:
    """Promise: close the database. Safe to call twice."""
    run(store.close())
    run(store.close())
