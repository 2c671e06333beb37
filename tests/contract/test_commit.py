"""Batches: rows and checkpoint together, or nothing. Sentences in quotes are the contract's."""

from __future__ import annotations

from random import Random
from typing import Any, get_args, get_type_hints

import pytest
from msgspec.structs import asdict, replace

from projector.model.changes import (
    Anomaly,
    BaseRef,
    Change,
    Lookup,
    RealtimeRow,
    RollbackFrame,
    SessionHeader,
    ThreadMetadata,
    uid,
)
from projector.model.errors import CheckpointMoved
from projector.model.ids import ItemId, Offset, Ordinal, TurnId
from tests.contract.backends import Backend, Queried, Run
from tests.support.makers import (
    LEGACY,
    at,
    batch,
    event,
    file_of,
    item,
    rollout_id,
    thread_id,
    turn,
    usage,
)


def items(store: Queried, run: Run, columns: str = "item_id") -> list[tuple[Any, ...]]:
    found: list[tuple[Any, ...]] = run(
        store.query(f"SELECT {columns} FROM codex_thread_items ORDER BY rollout_ordinal")
    )
    return found


def test_a_batch_is_written_with_its_checkpoint(store: Queried, run: Run) -> None:
    """Promise: A rollout's checkpoint is the end of the last batch written."""
    end = at(500, state=b'{"v":1}')

    run(store.commit([batch(file_of(1), [item(1, "a", 100)], end=end)]))

    assert items(store, run) == [("a",)]
    assert run(store.checkpoint(rollout_id(1))) == end
    assert run(store.query("SELECT * FROM codex_projection_state")) == [(rollout_id(1), 500, 5)]


def test_a_rollout_never_seen_has_no_checkpoint(store: Queried, run: Run) -> None:
    assert run(store.checkpoint(rollout_id(1))) is None
    assert run(store.statuses()) == {}


@pytest.mark.parametrize(
    "start",
    [
        pytest.param(None, id="the first batch of a rollout that is there"),
        pytest.param(at(400), id="a place before its checkpoint"),
        pytest.param(at(600), id="a place behind its checkpoint"),
        pytest.param(at(500, generation=1), id="its place in another generation"),
    ],
)
def test_a_checkpoint_that_moved_stops_all_batches(store: Queried, run: Run, start: Any) -> None:
    """Promise: a rollout is not at its `start`. Nothing was written."""
    run(store.commit([batch(file_of(1), [item(1, "a", 100)], end=500)]))
    fine = batch(file_of(2), [item(2, "x", 0)])
    late = batch(file_of(1), [item(1, "b", 700)], start=start, end=900)

    with pytest.raises(CheckpointMoved, match=rollout_id(1)):
        run(store.commit([fine, late]))

    assert items(store, run) == [("a",)]
    assert run(store.checkpoint(rollout_id(1))) == at(500)
    assert run(store.checkpoint(rollout_id(2))) is None


def test_a_rollout_that_is_not_there_is_not_gone_on_with(store: Queried, run: Run) -> None:
    with pytest.raises(CheckpointMoved):
        run(store.commit([batch(file_of(1), start=at(0), end=900)]))


def test_two_writers_never_both_advance_one_rollout(backend: Backend, run: Run) -> None:
    """Promise: Two writers never both advance one rollout from the same checkpoint."""

    async def race() -> list[tuple[Any, ...]]:
        async with backend.open() as one, backend.open() as other:
            await one.commit([batch(file_of(1), [item(1, "a", 0)], end=100)])
            await one.commit([batch(file_of(1), [item(1, "b", 100)], start=at(100), end=200)])
            with pytest.raises(CheckpointMoved):
                await other.commit([batch(file_of(1), [item(1, "c", 100)], start=at(100), end=300)])
            await other.commit([batch(file_of(1), [item(1, "d", 200)], start=at(200), end=300)])
            return await one.query("SELECT item_id FROM thread_history ORDER BY position")

    assert run(race()) == [("a",), ("b",), ("d",)]


def test_a_later_record_of_an_item_updates_its_row(store: Queried, run: Run) -> None:
    """The first record makes the place and created_at; the last one the content."""
    run(
        store.commit(
            [
                batch(
                    file_of(1),
                    [
                        item(1, "a", 100, created=11, started=None, completed=5, json='{"n":1}'),
                        item(1, "b", 200),
                        item(1, "a", 300, created=33, started=3, completed=9, json='{"n":2}'),
                        item(1, "a", 400, started=4, kind="plan2", json='{"n":3}'),
                    ],
                )
            ]
        )
    )

    columns = (
        "item_id, rollout_ordinal, updated_at_ordinal, created_at_ms, started_at_ms,"
        " completed_at_ms, item_type, item_json"
    )
    assert items(store, run, columns)[0] == ("a", 1, 4, 11, 3, 5, "plan2", '{"n":3}')


def test_with_completed_wins_the_new_end_replaces_the_old(store: Queried, run: Run) -> None:
    rows = [
        item(1, "a", 100, completed=5, completed_wins=True),
        item(1, "a", 200, completed=9, completed_wins=True),
        item(1, "a", 300, completed=None, completed_wins=True),
    ]

    run(store.commit([batch(file_of(1), rows)]))

    assert items(store, run, "completed_at_ms") == [(9,)]


def test_a_turn_is_replaced_whole(store: Queried, run: Run) -> None:
    """Promise: A whole turn; it replaces the row that has the same uid."""
    run(
        store.commit(
            [
                batch(
                    file_of(1),
                    [
                        turn(1, "t", 100, error='{"e":1}'),
                        turn(1, "t", 100, status="completed", end_offset=500, completed_at=8),
                    ],
                )
            ]
        )
    )

    rows = run(
        store.query(
            "SELECT turn_id, status, error_json, completed_at, rollout_byte_offset,"
            " rollout_end_ordinal, rollout_end_byte_offset FROM codex_thread_turns"
        )
    )
    assert rows == [("t", "completed", None, 8, 100, 4, 500)]


def test_the_first_record_of_a_realtime_item_makes_the_row(store: Queried, run: Run) -> None:
    """Promise: later ones change nothing."""

    def row(offset: int, text: str) -> RealtimeRow:
        name = uid("realtime", rollout_id(1), "r")
        return RealtimeRow(name, ItemId("r"), Offset(offset), Ordinal(offset), 7, "k", text)

    run(store.commit([batch(file_of(1), [row(1, "{}"), row(2, "[]")])]))

    found = run(store.query("SELECT * FROM codex_thread_realtime_items"))
    assert found == [(rollout_id(1), "r", 1, 7, "k", "{}")]


def test_usage_and_events_with_the_same_uid_are_one_row(store: Queried, run: Run) -> None:
    started = event(1, "turn.started", 100)
    cost = usage(1, 200, 10)

    run(store.commit([batch(file_of(1), [started, cost, started, cost])]))
    run(store.commit([batch(file_of(1), [started, cost], start=at(1000), end=1100)]))

    events = run(store.query("SELECT seq, thread_id, turn_id, type FROM lifecycle_events"))
    assert events == [(1, thread_id(1), "t", "turn.started")]
    assert run(store.query("SELECT total_tokens FROM token_usage")) == [(11,)]


def test_the_same_anomaly_twice_is_one_row(backend: Backend, store: Queried, run: Run) -> None:
    """Promise: Insert anomalies of a rollout outside of a batch. The same one twice is one row."""
    odd = Anomaly("torn", Offset(5), 3, "no end")
    run(store.commit([batch(file_of(1), [odd, odd])]))
    backend.clock = 9_999
    run(store.add_anomalies(rollout_id(1), [odd, Anomaly("torn", Offset(6), 3, "no end")]))
    run(store.add_anomalies(rollout_id(2), [odd]))

    columns = "rollout_id, byte_offset, byte_length, kind, detail, noted_at_ms"
    found = run(store.query(f"SELECT {columns} FROM anomalies ORDER BY byte_offset"))
    assert found == [
        (rollout_id(1), 5, 3, "torn", "no end", 1_000),
        (rollout_id(1), 6, 3, "torn", "no end", 9_999),
    ]


def test_what_sqlite_cannot_hold_is_mended(store: Queried, run: Run) -> None:
    """Half a surrogate pair in a name, a time beyond 63 bits: the batch is written all the same."""
    odd = item(1, "a", 100)._replace(item_id=ItemId("x\ud83d"), started_at_ms=1 << 70)

    run(store.commit([batch(file_of(1), [item(1, "b", 50), odd])]))

    assert items(store, run, "item_id, started_at_ms") == [("b", None), ("x\ufffd", (1 << 63) - 1)]


def test_ids_and_kinds_may_be_of_any_length(store: Queried, run: Run) -> None:
    """No index has a limit that a rollout's text can break."""
    long = "".join(map(chr, Random(1).choices(range(33, 0x2FF), k=9_000)))
    changes: list[Change] = [
        turn(1, long, 10), item(1, long, 20, turn=long, kind=long, ordinal=None, owner=5),
        usage(1, 30, 5, turn=long, response=long)._replace(model=long),
        event(1, "turn.started", 40, turn=long), RollbackFrame(5, TurnId(long), long),
        Anomaly("torn", Offset(1), 1, long),
    ]  # fmt: skip
    meta = ThreadMetadata(cwd=long, model=long, name=long, preview=long, preview_offset=0)
    run(store.commit([batch(file_of(1), changes, header=LEGACY, meta=meta)]))
    run(store.set_names({thread_id(1): long}))

    wants = Lookup(
        turns=frozenset({TurnId(long)}), items=frozenset({ItemId(long)}),
        frames_of=frozenset({TurnId(long)}),
    )  # fmt: skip
    found = run(store.find(rollout_id(1), wants))
    assert (list(found.turns), list(found.items), list(found.frames_of)) == ([long],) * 3
    shown = run(store.query("SELECT turn_id, item_id, type FROM thread_history"))
    assert shown == [(long, long, long)]
    assert run(store.query("SELECT input_tokens FROM thread_turn_history")) == [(5,)]


def test_text_with_nul_comes_back(store: Queried, run: Run) -> None:
    run(store.commit([batch(file_of(1), [item(1, "a\0b", 100)])]))

    assert items(store, run) == [("a\0b",)]


def test_legacy_rows_are_not_among_codexs_own(store: Queried, run: Run) -> None:
    """Codex's tables hold paginated rollouts only; the history has both."""
    run(store.commit([batch(file_of(1), [item(1, "a", 0, ordinal=None)], header=LEGACY)]))

    assert items(store, run) == []
    assert run(store.query("SELECT * FROM codex_projection_state")) == []
    assert run(store.query("SELECT item_id FROM thread_history")) == [("a",)]


def test_a_uid_is_the_text_of_a_uuid(store: Queried, run: Run) -> None:
    row = item(1, "a", 0)

    run(store.commit([batch(file_of(1), [row])]))

    ((text,),) = run(store.query("SELECT uid FROM thread_history"))
    h = row.uid.hex()
    assert text == f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}"


def test_counts_follow_every_batch(store: Queried, run: Run) -> None:
    """Promise: Return counts of the contents; cheap, whatever the size."""
    run(store.commit([batch(file_of(1), [turn(1, "t", 0), item(1, "a", 10)], end=100)]))
    again: list[Change] = [item(1, "a", 100), item(1, "b", 110), turn(1, "t", 0), turn(1, "u", 120)]
    run(store.commit([batch(file_of(1), again, start=at(100), end=200)]))
    run(store.commit([batch(file_of(2), [item(2, "a", 10)])]))

    totals = run(store.totals())
    assert (totals.rollouts, totals.threads, totals.turns, totals.items) == (2, 2, 2, 3)
    counts = run(store.query("SELECT turn_count, item_count FROM threads ORDER BY thread_id"))
    assert counts == [(2, 2), (0, 1)]
    records = run(store.query("SELECT records FROM _rollouts ORDER BY rollout_id"))
    assert records == [(2,), (1,)]


def test_standings_tell_where_every_rollout_is(store: Queried, run: Run) -> None:
    files = [file_of(1, size=70), replace(file_of(3, thread=1), path="/elsewhere/" + "x")]
    run(store.commit([batch(file, end=100 * n) for n, file in enumerate(files, 1)]))
    run(store.mark_missing([rollout_id(3)], purge=False))

    found = run(store.statuses())

    assert set(found) == {rollout_id(1), rollout_id(3)}
    assert found[rollout_id(1)].file == files[0]
    assert (found[rollout_id(3)].offset, found[rollout_id(3)].file) == (200, None)
    assert found[rollout_id(3)].thread_id == thread_id(1)


def filled(kind: type[Any], **given: Any) -> dict[str, Any]:
    """Return a value for each field of a class, by its type, none like another."""
    values: dict[str, Any] = {}
    for number, (name, hint) in enumerate(get_type_hints(kind).items(), start=1001):
        plain = next(iter(get_args(hint)), hint)
        plain = getattr(plain, "__supertype__", plain)
        values[name] = given.get(name) or {str: f"{name} {number}", int: number, bool: True}[plain]
    return values


def test_every_field_of_header_and_meta_is_kept(store: Queried, run: Run) -> None:
    """Each comes back as it was, and `threads` has under its name what it is about."""
    base = BaseRef(rollout_id=rollout_id(7), end_ordinal=Ordinal(8), end_offset=Offset(900))
    header = filled(SessionHeader, mode="legacy", base=base, thread_id=thread_id(5))
    meta = filled(ThreadMetadata, preview_offset=5)

    made = SessionHeader(**header)
    run(store.commit([batch(file_of(1), [], header=made, meta=ThreadMetadata(**meta))]))

    del header["base"]
    kept = header | meta | {f"base_{name}": value for name, value in asdict(base).items()}
    (row,) = run(store.query(f"SELECT {', '.join(kept)} FROM _rollouts"))
    assert dict(zip(kept, row, strict=True)) == kept
    shown = header | meta | {"history_mode": header["mode"]}
    for inner in ("mode", "subagent_start_ordinal", "preview_offset", "goal"):
        del shown[inner]
    (row,) = run(store.query(f"SELECT {', '.join(shown)} FROM threads"))
    assert dict(zip(shown, row, strict=True)) == shown


def test_a_note_can_be_taken_back(store: Queried, run: Run) -> None:
    """Only that one, and none that a batch made."""
    kept, gone = (Anomaly("second_file", Offset(0), 0, f"/c/{one}: a copy of /d") for one in "ab")
    of_batch = Anomaly("second_file", Offset(0), 0, "of a batch")
    run(store.commit([batch(file_of(1), [of_batch])]))
    run(store.add_anomalies(rollout_id(1), [kept, gone]))
    assert set(run(store.noted_anomalies("second_file"))[rollout_id(1)]) == {kept, gone}

    run(store.remove_anomalies(rollout_id(1), [gone, of_batch]))

    assert dict(run(store.noted_anomalies("second_file"))) == {rollout_id(1): [kept]}
    assert not run(store.noted_anomalies("other"))
    rows = run(store.query("SELECT detail FROM anomalies ORDER BY detail"))
    assert len(rows) == 2
