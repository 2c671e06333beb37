"""Generated rollouts are what Codex could have written, and follow from their seed."""

from __future__ import annotations

import itertools
import uuid
from pathlib import Path
from typing import Any

import orjson
import pytest

from projector.model.ids import RolloutName
from tests.support.generator.rollouts import (
    GIANTS,
    MB,
    SMALL,
    TYPICAL,
    History,
    Mix,
    Rollout,
    parse_size,
    write_chain,
    write_home,
)

KINDS = [
    pytest.param("paginated", TYPICAL, id="a paginated rollout"),
    pytest.param("paginated", SMALL, id="a small paginated rollout"),
    pytest.param("paginated", Mix(compacted_every=2), id="a rollout with compacted records"),
    pytest.param("legacy", TYPICAL, id="a legacy rollout"),
    pytest.param("legacy", Mix(extended=True), id="an extended legacy rollout"),
]


def read(path: Path) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in path.read_bytes().splitlines(keepends=True)]


@pytest.mark.parametrize(("history", "mix"), KINDS)
def test_same_seed_same_bytes(tmp_path: Path, history: History, mix: Mix) -> None:
    """The seed decides every byte, and another one gives other ids."""
    first = Rollout(3, history=history, mix=mix).write(tmp_path / "a", turns=4)
    again = Rollout(3, history=history, mix=mix).write(tmp_path / "b", turns=4)
    other = Rollout(4, history=history, mix=mix).write(tmp_path / "c", turns=4)

    assert first.name == again.name
    assert first.read_bytes() == again.read_bytes()
    assert first.name != other.name


@pytest.mark.parametrize(("history", "mix"), KINDS)
def test_every_line_is_a_record(tmp_path: Path, history: History, mix: Mix) -> None:
    """Header first, each line one object, ordinals without a gap, counters as in the file."""
    rollout = Rollout(1, history=history, mix=mix)
    path = rollout.write(tmp_path, turns=6)
    records = read(path)

    name = RolloutName.parse(path.name)
    assert name is not None
    assert name.thread_id == rollout.thread_id == records[0]["payload"]["id"]
    assert uuid.UUID(name.thread_id).version == 7
    assert records[0]["type"] == "session_meta"
    assert records[0]["payload"]["history_mode"] == history
    assert len(records) == rollout.records
    assert path.stat().st_size == rollout.offset
    assert all({"timestamp", "type", "payload"} <= record.keys() for record in records)
    ordinals = [record.get("ordinal") for record in records]
    assert ordinals == (
        list(range(len(records))) if history == "paginated" else [None] * len(records)
    )
    times = [record["timestamp"] for record in records]
    assert times == sorted(times)


def test_items_are_told_apart(tmp_path: Path) -> None:
    """No item id comes twice, and each item lies in a turn that has begun and ends."""
    path = (rollout := Rollout(5)).write(tmp_path, turns=8)
    events = [one["payload"] for one in read(path) if one["type"] == "event_msg"]
    items = [one for one in events if one["type"] == "item_completed"]
    started = [one["turn_id"] for one in events if one["type"] == "task_started"]

    assert len({(one["turn_id"], one["item"]["id"]) for one in items}) == len(items)
    assert len(items) == rollout.items
    assert len(started) == rollout.turns == 8
    assert {one["turn_id"] for one in items} == set(started)
    assert started == [one["turn_id"] for one in events if one["type"] == "task_complete"]


def test_the_mix_is_that_of_real_work(tmp_path: Path) -> None:
    """About 940 records a megabyte, about 24 in 100 of them items."""
    rollout = Rollout("mix")
    rollout.write(tmp_path, size=4 * MB)

    assert 850 < rollout.records / (rollout.offset / MB) < 1030
    assert 0.22 < rollout.items / rollout.records < 0.26


def test_it_goes_on(tmp_path: Path) -> None:
    """Lines given out one by one go on where the file ends, a giant among them."""
    rollout = Rollout(9)
    path = rollout.write(tmp_path, turns=1)
    with path.open("ab") as file:
        file.write(rollout.item("Ahoy"))
        file.write(rollout.filler())
        file.write(rollout.giant(300_000))
        file.writelines(rollout.turn())
    records = read(path)

    assert [record["ordinal"] for record in records] == list(range(rollout.ordinal))
    assert path.stat().st_size == rollout.offset
    assert max(map(len, path.read_bytes().splitlines(keepends=True))) == 300_000
    assert rollout.records == len(records)


def test_a_chain_is_cut_at_its_bases(tmp_path: Path) -> None:
    """Each rollout of a chain names the end of a whole line of the one before it."""
    made = write_chain(tmp_path, length=4, size=MB // 2)
    for before, after in itertools.pairwise(made):
        base = read(tmp_path / after.path)[0]["payload"]["history_base"]
        inherited = (tmp_path / before.path).read_bytes()[: base["end_byte_offset"]]
        lines = inherited.splitlines()

        assert base["thread_id"] == before.rollout_id
        assert inherited.endswith(b"\n")
        assert orjson.loads(lines[-1])["ordinal"] + 1 == base["end_ordinal_exclusive"]
        assert orjson.loads(lines[-1])["payload"]["type"] == "task_complete"
        assert after.thread_id == made[0].thread_id


def test_a_home_of_many(tmp_path: Path) -> None:
    """Many rollouts: all told apart, in folders of days, all that Codex would call rollouts."""
    made = write_home(tmp_path, rollouts=30, mix=SMALL)
    files = sorted(tmp_path.glob("sessions/*/*/*/rollout-*.jsonl"))

    assert len(files) == len({one.thread_id for one in made}) == 30
    assert len({file.parent for file in files}) > 3
    assert sum(file.stat().st_size for file in files) == sum(one.offset for one in made)


def test_giants_are_asked_for() -> None:
    """The mix with compacted giants has them, the typical one has none."""
    assert GIANTS.compacted_every > TYPICAL.compacted_every == 0


@pytest.mark.parametrize(
    ("written", "size"),
    [("100MB", 100_000_000), ("2gb", 2_000_000_000), ("64KB", 64_000), ("17", 17), ("9B", 9)],
)
def test_sizes_are_read(written: str, size: int) -> None:
    assert parse_size(written) == size


@pytest.mark.parametrize("written", ["", "big", "-1MB", "1.5GB", "10 MB"])
def test_other_sizes_are_refused(written: str) -> None:
    with pytest.raises(ValueError, match="write a size"):
        parse_size(written)
