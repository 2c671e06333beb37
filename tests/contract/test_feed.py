"""The change feed: every change of a row, once, in the order of commits."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from typing import Any

import pytest

from projector.model.changes import (
    Change,
    EventType,
    RollbackFrame,
    ThreadMetadata,
    Tombstone,
    TombstoneFrames,
    uid,
)
from projector.model.ids import Offset
from projector.store.postgres import feed as postgres_feed
from projector.store.protocol import Batch
from projector.store.questions.feed import changed_rows
from projector.store.sqlite import feed
from tests.contract.backends import Backend, Queried, Run
from tests.contract.test_replace import OLD, anew
from tests.support.databases import Where, reading
from tests.support.makers import (
    LEGACY,
    at,
    batch,
    continuing,
    event,
    file_of,
    item,
    realtime,
    rollout_id,
    thread_id,
    turn,
)

Told = list[tuple[Any, ...]]


class Watcher:
    """Tells what is new in the feed since it looked last."""

    def __init__(self, store: Queried, run: Run) -> None:
        self._store, self._run = store, run
        self.seq = 0

    def news(self, columns: str = "kind, op, coalesce(item_id, turn_id, type, '')") -> Told:
        rows = self._run(
            self._store.query(
                f"SELECT seq, {columns} FROM changes WHERE seq > ? ORDER BY seq", (self.seq,)
            )
        )
        if rows:
            self.seq = rows[-1][0]
        return [row[1:] for row in rows]

    def rows(self) -> Told:
        """Only turns and items."""
        return [row for row in self.news() if row[0] in ("turn", "item")]


@pytest.fixture
def watcher(store: Queried, run: Run) -> Watcher:
    return Watcher(store, run)


def legacy(number: int, changes: Sequence[Change], start: int, end: int) -> Any:
    return batch(
        file_of(number), changes, start=at(start) if start else None, end=end, header=LEGACY
    )


def test_what_comes_is_told_with_its_event_and_its_thread(
    store: Queried, run: Run, watcher: Watcher
) -> None:
    run(store.commit([batch(file_of(1), [
        event(1, "turn.started", 50), turn(1, "t", 50), item(1, "a", 60), item(1, "b", 70),
    ])]))  # fmt: skip

    assert watcher.news() == [
        ("event", "insert", "t"),
        ("turn", "insert", "t"),
        ("item", "insert", "a"),
        ("item", "insert", "b"),
        ("thread", "insert", ""),
    ]


def test_a_change_names_its_row(store: Queried, run: Run, backend: Backend) -> None:
    """thread_id, rollout_id, turn_id, item_id, uid and type, and when it was committed."""
    backend.clock = 77
    run(store.commit([batch(file_of(2, thread=1), [item(2, "a", 60, kind="plan")])]))

    columns = "seq, kind, op, thread_id, rollout_id, turn_id, item_id, uid, type, committed_at_ms"
    query = f"SELECT {columns} FROM changes WHERE kind = 'item'"
    item_uid = run(store.query("SELECT uid FROM all_items"))[0][0]
    assert run(store.query(query)) == [
        (1, "item", "insert", thread_id(1), rollout_id(2), "t", "a", item_uid, "plan", 77)
    ]


def test_a_row_has_one_change_a_transaction(store: Queried, run: Run, watcher: Watcher) -> None:
    """However often it is put: what counts is what it was before, and is behind it."""
    run(store.commit([batch(file_of(1), [
        item(1, "a", 60), item(1, "a", 70, json='{"n":2}'), turn(1, "t", 50),
        turn(1, "t", 50, status="completed"),
    ])]))  # fmt: skip
    assert watcher.rows() == [("turn", "insert", "t"), ("item", "insert", "a")]

    again = [item(1, "a", 80, json='{"n":3}'), item(1, "a", 90, json='{"n":4}')]
    run(store.commit([batch(file_of(1), again, start=at(1000), end=2000)]))

    assert watcher.rows() == [("item", "update", "a")]


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param([item(1, "a", 60, ordinal=0, started=3, completed=4)], id="the same line"),
        pytest.param([item(1, "a", 900, ordinal=0, created=9, started=3)], id="its place stays"),
        pytest.param([item(1, "a", 60, ordinal=0, started=8, completed=9)], id="its times stay"),
        pytest.param([turn(1, "t", 50, error="{}")], id="a turn"),
        pytest.param([event(1, "turn.started", 50)], id="an event"),
        pytest.param([], id="nothing"),
    ],
)
def test_what_changes_nothing_is_no_change(
    store: Queried, run: Run, watcher: Watcher, changes: list[Change]
) -> None:
    first: list[Change] = [
        event(1, "turn.started", 50),
        turn(1, "t", 50, error="{}"),
        item(1, "a", 60, ordinal=0, started=3, completed=4),
    ]
    run(store.commit([batch(file_of(1), first)]))
    watcher.news()
    run(store.commit([batch(file_of(1), changes, start=at(1000), end=2000)]))

    assert watcher.news() == []


def test_times_that_are_filled_in_are_a_change(store: Queried, run: Run, watcher: Watcher) -> None:
    run(store.commit([batch(file_of(1), [item(1, "a", 60)])]))
    watcher.news()

    run(
        store.commit([batch(file_of(1), [item(1, "a", 60, completed=4)], start=at(1000), end=2000)])
    )

    assert watcher.rows() == [("item", "update", "a")]


def test_a_rollback_and_a_dropped_call(store: Queried, run: Run, watcher: Watcher) -> None:
    """Rows that go are tombstones; a turn that is open again is an update; one put again lives."""
    call = item(1, "a", 60, owner=60)
    rows: list[Change] = [
        RollbackFrame(key=100, turn_id=None, before=None),
        turn(1, "t", 50, owner=50, end_owner=150, status="completed"),
        turn(1, "u", 100, owner=100),
        call,
        item(1, "b", 110, turn="u", owner=110),
    ]
    run(store.commit([legacy(1, rows, 0, 1000)]))
    watcher.news()

    run(store.commit([legacy(1, [Tombstone(call.uid, Offset(1100)),
                                 TombstoneFrames(Offset(1200), 100)], 1000, 2000)]))  # fmt: skip
    assert watcher.rows() == [
        ("turn", "update", "t"), ("turn", "tombstone", "u"),
        ("item", "tombstone", "a"), ("item", "tombstone", "b"),
    ]  # fmt: skip

    run(store.commit([legacy(1, [item(1, "b", 2100, turn="u", owner=2100)], 2000, 3000)]))
    assert watcher.rows() == [("item", "insert", "b")]


def test_what_comes_and_goes_in_one_transaction_was_never_there(
    store: Queried, run: Run, watcher: Watcher
) -> None:
    run(
        store.commit(
            [legacy(1, [item(1, "a", 60), Tombstone(item(1, "a", 60).uid, Offset(70))], 0, 99)]
        )
    )

    assert watcher.rows() == []


def test_what_is_dropped_and_put_again_in_one_transaction_was_updated(
    store: Queried, run: Run, watcher: Watcher
) -> None:
    """An item that goes to another place is the same item."""
    run(store.commit([legacy(1, [turn(1, "t", 50), item(1, "a", 60)], 0, 99)]))
    watcher.news()

    moved: list[Change] = [Tombstone(item(1, "a", 60).uid, Offset(120)), item(1, "a", 120)]
    run(store.commit([legacy(1, moved, 99, 200)]))

    assert watcher.rows() == [("item", "update", "a")]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param((2, "thread.forked", "insert"), id="a fork"),
        pytest.param((1, "thread.reverted", "update"), id="a revert"),
    ],
)
def test_inherited_rows_are_not_told_again(
    store: Queried, run: Run, watcher: Watcher, case: tuple[int, EventType, str]
) -> None:
    """A fork or a revert is one change of a thread, and its lifecycle event."""
    thread, kind, op = case
    rows: list[Change] = [turn(1, "t", 50), *(item(1, f"i{n}", 60 + n) for n in range(20))]
    run(store.commit([batch(file_of(1), rows)]))
    watcher.news()

    run(store.commit([batch(
        file_of(2, thread=thread), [event(2, kind, 0, turn=None)],
        header=continuing(1, 500),
    )]))  # fmt: skip

    assert watcher.news("kind, op, type, thread_id, rollout_id") == [
        ("event", "insert", kind, thread_id(thread), rollout_id(2)),
        ("thread", op, None, thread_id(thread), rollout_id(2)),
    ]


@pytest.mark.parametrize(
    "case",
    [
        pytest.param(({"model": "m2"}, {}, True), id="the fork has no model of its own"),
        pytest.param(({"model": "m2"}, {"model": "mine"}, False), id="the fork has a model"),
        pytest.param(({"preview": "p", "preview_offset": Offset(5)}, {}, True), id="a preview"),
        pytest.param(({"goal": "g"}, {"model": "mine"}, True), id="a goal"),
        pytest.param(({"name": "n"}, {}, False), id="a name, which no thread inherits"),
    ],
)
def test_a_thread_changes_with_what_it_inherits(
    store: Queried, run: Run, watcher: Watcher, case: tuple[dict[str, Any], dict[str, Any], bool]
) -> None:
    """A rollout speaks for the threads that continue it, in what they do not say themselves."""
    says, own, changed = case
    first = batch(file_of(1), meta=ThreadMetadata(model="m1"))
    run(store.commit([first]))
    fork = batch(file_of(2, thread=2), header=continuing(1, 500), meta=ThreadMetadata(**own))
    run(store.commit([fork]))
    watcher.news()

    more = ThreadMetadata(**{"model": "m1", **says})
    run(store.commit([batch(file_of(1), start=first.end, end=2000, meta=more)]))

    told = {thread_id(1), thread_id(2)} if changed else {thread_id(1)}
    assert {row[0] for row in watcher.news("thread_id")} == told


def test_a_rollout_made_anew(store: Queried, run: Run, watcher: Watcher) -> None:
    """The same rows: no change; gone: a tombstone; new: an insert; others: an update."""
    rows: list[Change] = [
        turn(1, "t", 50),
        item(1, "same", 60),
        item(1, "other", 70),
        item(1, "gone", 80),
    ]
    told: list[Change] = [event(1, "turn.started", 50), event(1, "turn.failed", 90)]
    run(store.commit([batch(file_of(1), [*rows, *told])]))
    watcher.news()

    new: list[Change] = [*rows[:2], item(1, "other", 70, json='{"n":2}'), item(1, "new", 85)]
    run(store.replace(OLD, anew([*new, told[0], event(1, "turn.completed", 95)])))

    assert [row for row in watcher.news("kind, op, coalesce(item_id, type)") if row[2]] == [
        ("event", "insert", "turn.completed"),
        ("event", "tombstone", "turn.failed"),
        ("item", "insert", "new"),
        ("item", "update", "other"),
        ("item", "tombstone", "gone"),
    ]


def test_events_that_come_again_use_no_numbers_up(store: Queried, run: Run) -> None:
    """Whatever a replacement finds unchanged, numbers go on without a hole."""
    events = [event(1, "turn.started", 50), event(1, "turn.failed", 90)]
    run(store.commit([batch(file_of(1), [turn(1, "t", 50), *events])]))

    run(store.replace(OLD, anew([turn(1, "t", 50), *events, event(1, "turn.completed", 95)])))
    run(
        store.commit(
            [batch(file_of(1), [item(1, "a", 600)], start=at(500, generation=1), end=2000)]
        )
    )

    seqs = [seq for (seq,) in run(store.query("SELECT seq FROM changes ORDER BY seq"))]
    assert seqs == [*range(1, len(seqs) + 1)]


def test_realtime_items_come_and_go_as_others_do(
    store: Queried, run: Run, watcher: Watcher
) -> None:
    """The first record makes the row, later ones change nothing; what comes again lives again."""
    rows: list[Change] = [realtime(1, "same", 50), realtime(1, "gone", 60)]
    run(store.commit([batch(file_of(1), [*rows, realtime(1, "same", 70, "[]")])]))
    columns = "kind, op, item_id, type, turn_id, thread_id, rollout_id"
    name = ("transcript_segment", None, thread_id(1), rollout_id(1))
    assert watcher.news(columns)[:2] == [
        ("realtime", "insert", "same", *name),
        ("realtime", "insert", "gone", *name),
    ]

    run(store.replace(OLD, anew([rows[0], realtime(1, "new", 80)])))
    assert [row for row in watcher.news() if row[0] == "realtime"] == [
        ("realtime", "insert", "new"), ("realtime", "tombstone", "gone"),
    ]  # fmt: skip

    again = at(500, generation=1)
    run(store.commit([batch(file_of(1), [*rows, realtime(1, "new", 80)], start=again, end=2000)]))
    assert [row for row in watcher.news() if row[0] == "realtime"] == [
        ("realtime", "insert", "gone")
    ]

    run(store.mark_missing([rollout_id(1)], purge=True))
    told = [row for row in watcher.news("kind, op, item_id, uid") if row[0] == "realtime"]
    assert {row[1:3] for row in told} == {("tombstone", one) for one in ("same", "gone", "new")}
    assert all(uuid.UUID(row[3]).version == 5 for row in told)


def test_what_the_new_content_rolls_back_is_told(
    store: Queried, run: Run, watcher: Watcher
) -> None:
    """The same rows, and behind them a rollback: found by the consumer of tests/faults."""
    rows: list[Change] = [
        turn(1, "t", 50, owner=50),
        item(1, "kept", 40),
        item(1, "back", 60, owner=50),
        item(1, "dropped", 70),
    ]
    run(store.commit([batch(file_of(1), rows, header=LEGACY)]))
    watcher.news()

    dropped = Tombstone(uid("item", rollout_id(1), "t", "dropped"), Offset(80))
    undone = TombstoneFrames(at=Offset(90), owner_from=50)
    run(store.replace(OLD, anew([*rows, dropped, undone], header=LEGACY)))

    assert watcher.rows() == [
        ("turn", "tombstone", "t"),
        ("item", "tombstone", "back"),
        ("item", "tombstone", "dropped"),
    ]


def test_a_rollout_made_anew_that_was_moved_too(store: Queried, run: Run, watcher: Watcher) -> None:
    """Events of both come in one transaction."""
    run(store.commit([batch(file_of(1), [event(1, "turn.started", 50)])]))
    watcher.news()

    async def batches() -> AsyncIterator[Batch]:
        yield batch(
            file_of(1, archived=True), [event(1, "turn.started", 60), event(1, "turn.failed", 70)],
            start=at(0, generation=1), end=at(500, generation=1),
        )  # fmt: skip

    run(store.replace(OLD, batches()))

    told = watcher.news("kind, op, type")
    assert sorted(row for row in told if row[0] == "event") == [
        ("event", "insert", "thread.archived"),
        ("event", "insert", "turn.failed"),
        ("event", "insert", "turn.started"),
        ("event", "tombstone", "turn.started"),
    ]


def test_what_is_seen_on_disk_changes_threads(store: Queried, run: Run, watcher: Watcher) -> None:
    """Names, archiving, and files that are gone: once each."""
    run(store.commit([batch(file_of(1))]))
    watcher.news()

    for _ in range(2):
        run(store.set_names({thread_id(1): "Tea", thread_id(9): "of none that is here"}))
    assert watcher.news("kind, op, type, thread_id")[-1] == ("thread", "update", None, thread_id(1))
    for _ in range(2):
        run(store.update_locations([file_of(1, archived=True)]))
    archived = [("event", "insert", "thread.archived"), ("thread", "update", None)]
    assert watcher.news("kind, op, type") == archived
    for _ in range(2):
        run(store.mark_missing([rollout_id(1)], purge=False))
    deleted = [("event", "insert", "thread.deleted"), ("thread", "update", None)]
    assert watcher.news("kind, op, type") == deleted


def test_purged_rows_are_tombstones_with_their_names(
    store: Queried, run: Run, backend: Backend, watcher: Watcher
) -> None:
    """They are told of once more; no change goes, or names a row that has come in their place."""
    rows: list[Change] = [event(1, "turn.started", 50), turn(1, "t", 50), item(1, "a", 60)]
    run(store.commit([batch(file_of(1), rows)]))
    columns = "kind, op, thread_id, rollout_id, turn_id, item_id, uid, type"
    before = watcher.news(columns)

    run(store.mark_missing([rollout_id(1)], purge=True))
    told = watcher.news(columns)
    run(store.commit([batch(file_of(2), [turn(2, "t", 50), item(2, "b", 60)])]))
    run(store.mark_missing([rollout_id(2)], purge=True))
    run(store.commit([batch(file_of(3), [turn(3, "t", 50), item(3, "c", 60)])]))

    gone = [(kind, "tombstone", *rest) for kind, _, *rest in before if kind in ("turn", "item")]
    assert [row for row in told if row[0] in ("turn", "item")] == gone
    assert [row[:3] for row in told if row[0] == "thread"] == [
        ("thread", "tombstone", thread_id(1))
    ]
    watcher.seq = 0
    all_told = watcher.news("kind, op, item_id, uid")
    assert [row for row in all_told if row[0] == "item"] == [
        ("item", "insert", "a", _text(item(1, "a", 60).uid)),
        ("item", "tombstone", "a", _text(item(1, "a", 60).uid)),
        ("item", "insert", "b", _text(item(2, "b", 60).uid)),
        ("item", "tombstone", "b", _text(item(2, "b", 60).uid)),
        ("item", "insert", "c", _text(item(3, "c", 60).uid)),
    ]
    seqs = run(store.query("SELECT seq FROM changes WHERE kind = 'item' ORDER BY seq"))
    where: Where = getattr(backend, "path" if backend.name == "sqlite" else "url")
    with closing(reading(where)) as db:
        living = changed_rows(db, "item", 0, seqs[-1][0])
    assert list(living) == [seqs[-1][0]]


def _text(value: bytes) -> str:
    return str(uuid.UUID(bytes=value))


def test_events_have_their_numbers_in_the_one_sequence(store: Queried, run: Run) -> None:
    for n in range(3):
        rows: list[Change] = [
            event(1, "turn.started", 1000 * n, turn=f"t{n}"),
            turn(1, f"t{n}", 1000 * n),
        ]
        start = at(1000 * n) if n else None
        run(store.commit([batch(file_of(1), rows, start=start, end=1000 * (n + 1))]))

    of_events = run(store.query("SELECT seq FROM lifecycle_events ORDER BY seq"))
    of_changes = run(store.query("SELECT seq FROM changes WHERE kind = 'event' ORDER BY seq"))
    others = run(store.query("SELECT seq FROM changes WHERE kind <> 'event'"))
    assert of_events == of_changes
    assert not set(of_events) & set(others)


def test_pruning(store: Queried, run: Run, backend: Backend, watcher: Watcher) -> None:
    """Old changes go, events and the newest stay, and numbers go on."""
    for n in range(5):
        backend.clock = 1_000 * (n + 1)
        rows: list[Change] = [
            event(1, "turn.started", 1000 * n, turn=f"t{n}"),
            turn(1, f"t{n}", 1000 * n),
        ]
        start = at(1000 * n) if n else None
        run(store.commit([batch(file_of(1), rows, start=start, end=1000 * (n + 1))]))
    last = run(store.query("SELECT max(seq) FROM changes"))

    assert run(store.prune(3_000)) is False

    left = run(store.query("SELECT DISTINCT kind, committed_at_ms FROM changes ORDER BY 2, 1 DESC"))
    assert left == [
        ("event", 1000), ("event", 2000),
        ("turn", 3000), ("thread", 3000), ("event", 3000),
        ("turn", 4000), ("thread", 4000), ("event", 4000),
        ("turn", 5000), ("thread", 5000), ("event", 5000),
    ]  # fmt: skip
    run(store.prune(1 << 60))
    assert run(store.query("SELECT max(seq) FROM changes")) == last
    assert run(store.query("SELECT count(*) FROM lifecycle_events")) == [(5,)]
    watcher.seq = last[0][0]
    run(store.commit([batch(file_of(1), [turn(1, "new", 5000)], start=at(5000), end=6000)]))
    assert watcher.rows() == [("turn", "insert", "new")]


def test_pruning_in_steps(
    store: Queried, run: Run, backend: Backend, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (feed, postgres_feed):
        monkeypatch.setattr(module, "PRUNED_AT_ONCE", 4)
    run(store.commit([batch(file_of(1), [item(1, f"i{n}", n) for n in range(10)])]))
    backend.clock += 10
    run(store.commit([batch(file_of(1), [item(1, "last", 1100)], start=at(1000), end=2000)]))

    steps = 1
    while run(store.prune(1 << 60)):
        steps += 1

    assert steps == 3
    assert run(store.query("SELECT item_id FROM changes WHERE kind = 'item'")) == [("last",)]


def test_a_uid_is_that_of_the_row(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [item(1, "a", 60)])]))

    (told,) = run(store.query("SELECT uid FROM changes WHERE kind = 'item'"))
    assert told == (_text(uid("item", rollout_id(1), "t", "a")),)
