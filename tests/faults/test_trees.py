"""Random trees of forks and reverts as files, in any order and any pieces, against the model."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.discover.watch import Watch
from projector.model.ids import RolloutId
from projector.run.daemon import Daemon
from projector.store.open import open_store
from projector.store.protocol import RolloutStatus
from tests.contract.lineage_model import Rollout, Told, shown
from tests.support.databases import ENGINES, Empty, Where, reading
from tests.support.examples import examples
from tests.support.projecting import backfilled, settings_for
from tests.support.writes import Writes


def id_of(number: int) -> str:
    """Give the id of a rollout, or of a thread: they grow with the number."""
    return f"0199f1b2-0000-7000-8000-{number:012x}"


def record(ordinal: int, kind: str, payload: dict[str, Any]) -> bytes:
    """Give one line."""
    said = {
        "timestamp": "2026-11-01T10:00:00.000Z",
        "ordinal": ordinal,
        "type": kind,
        "payload": payload,
    }
    return json.dumps(said).encode() + b"\n"


class Tree:
    """Rollouts that were made one after the other, as Codex makes them."""

    def __init__(self, count: int, chance: Random) -> None:
        """Make `count` rollouts; `deep` ones continue each other, depth 30 and more."""
        self.model: dict[int, Rollout] = {}
        self.files: dict[int, bytes] = {}
        self._lines: dict[int, list[tuple[int, int]]] = {}
        deep = chance.random() < 0.4
        for number in range(1, count + 1):
            self._grow(number, chance, deep=deep)

    def name(self, number: int) -> str:
        """Give the file name of a rollout."""
        one = self.model[number]
        own = "" if one.thread == number else f"_{id_of(number)}"
        return f"rollout-2026-11-01T10-00-00-{id_of(one.thread)}{own}.jsonl"

    def _grow(self, number: int, chance: Random, *, deep: bool) -> None:
        one = self.model[number] = Rollout(number, number)
        start = 0
        meta: dict[str, Any] = {}
        if number > 1 and chance.random() < 0.9:
            base = self.model[number - 1 if deep else chance.randrange(1, number)]
            start, one.end_offset = chance.choice(self._lines[base.number])
            one.base, one.end_ordinal = base.number, start
            one.attached = chance.random() < 0.1
            if chance.random() < 0.5:
                one.thread, one.attached = base.thread, base.attached
            meta["history_base"] = {
                "thread_id": id_of(base.number),
                "end_ordinal_exclusive": start,
                "end_byte_offset": one.end_offset,
            }
            if one.attached:
                meta["attached_thread"] = True
        self._write(one, start, meta, chance)

    def _write(self, one: Rollout, start: int, meta: dict[str, Any], chance: Random) -> None:
        head = {
            "id": id_of(one.thread),
            "timestamp": "2026-11-01T10:00:00.000Z",
            "cwd": "/w",
            "originator": "test",
            "cli_version": "0.169.0",
            "history_mode": "paginated",
            **meta,
        }
        text, ordinal = record(start, "session_meta", head), start + 1
        ends = [(ordinal, len(text))]
        begun: set[str] = set()
        for n in range(chance.randrange(7)):
            turn = f"t{one.number}-{n % 3}" if chance.random() < 0.7 else f"t{n % 3}"
            at = len(text)
            if turn not in begun:
                begun.add(turn)
                one.rows.append(Told(at, turn, None))
                said = {"type": "task_started", "turn_id": turn}
            else:
                one.rows.append(Told(at, turn, f"i{n}"))
                spoken = {"type": "AgentMessage", "id": f"i{n}", "content": []}
                said = {
                    "type": "item_completed",
                    "thread_id": id_of(one.thread),
                    "turn_id": turn,
                    "item": spoken,  # type: ignore[dict-item]
                }
            text += record(ordinal, "event_msg", said)
            ordinal += 1
            ends.append((ordinal, len(text)))
        self.files[one.number], self._lines[one.number] = text, ends


def check(tree: Tree, there: set[int], database: Where) -> None:
    """Hold what every thread shows against the model."""
    rollouts = {number: tree.model[number] for number in there}
    with reading(database) as db:
        for thread in {one.thread for one in rollouts.values()}:
            want = shown(rollouts, thread)
            items = db.rows(
                "SELECT rollout_id, turn_id, item_id FROM thread_history"
                " WHERE thread_id = :thread ORDER BY position",
                {"thread": id_of(thread)},
            )
            turns = db.rows(
                "SELECT rollout_id, turn_id FROM thread_turn_history"
                " WHERE thread_id = :thread ORDER BY position",
                {"thread": id_of(thread)},
            )
            assert items == [(id_of(number), turn, item) for number, turn, item in want.items]
            assert turns == [(id_of(number), turn) for number, turn in want.turns]
            counted = db.rows(
                "SELECT item_count, turn_count, incomplete FROM threads WHERE thread_id = :thread",
                {"thread": id_of(thread)},
            )
            assert counted == [(len(want.items), len(want.turns), want.incomplete)]


def arrivals(tree: Tree, chance: Random) -> Iterator[tuple[int, bytes]]:
    """Give the files in any order, each in any pieces, several at a time."""
    left = dict(tree.files)
    while left:
        number = chance.choice(list(left)[:5] if chance.random() < 0.5 else list(left))
        size = chance.choice((10, 200, 5_000))
        yield number, left[number][:size]
        left[number] = left[number][size:]
        if not left[number]:
            del left[number]


def day(folder: Path) -> Path:
    """Give the folder that the rollouts go to."""
    path = folder / "home" / "sessions" / "2026" / "11" / "01"
    path.mkdir(parents=True)
    return path


def read_whole(statuses: Mapping[RolloutId, RolloutStatus], sizes: list[int]) -> bool:
    """Tell whether all rollouts stand at their ends."""
    return sorted(one.offset for one in statuses.values()) == sizes


@pytest.mark.parametrize("engine", ENGINES)
@given(seed=st.integers(0, 1 << 30))
@examples(8)
def test_any_tree_in_any_order_and_pieces(engine: str, empty: Empty, seed: int) -> None:
    """Bases before or after what continues them; looked at in between, and at the end."""
    chance = Random(seed)
    tree = Tree(chance.choice((3, 12, 40)), chance)
    with TemporaryDirectory() as scratch, empty(engine) as database:
        folder = day(Path(scratch))
        home = Path(scratch) / "home"
        for number, piece in arrivals(tree, chance):
            with (folder / tree.name(number)).open("ab") as out:
                out.write(piece)
            if chance.random() < 0.03:
                backfilled(home, database, batch_records=chance.choice((1, 2000)))
        backfilled(home, database)
        check(tree, set(tree.files), database)


@pytest.mark.parametrize("engine", ENGINES)
@given(seed=st.integers(0, 1 << 30))
@examples(6)
def test_any_tree_of_which_a_part_is_there(engine: str, empty: Empty, seed: int) -> None:
    """Missing bases end a history, and nothing else."""
    chance = Random(seed)
    tree = Tree(25, chance)
    there = {number for number in tree.files if chance.random() < 0.7}
    with TemporaryDirectory() as scratch, empty(engine) as database:
        folder = day(Path(scratch))
        for number in there:
            (folder / tree.name(number)).write_bytes(tree.files[number])
        backfilled(Path(scratch) / "home", database)
        check(tree, there, database)


@pytest.mark.parametrize("seed", [1, 2])
def test_hundreds_of_rollouts_live(tmp_path: Path, database: Where, seed: int) -> None:
    """Live equals backfill equals the model, with 200 rollouts, the deepest chain beyond 30."""
    chance = Random(seed)
    tree = Tree(200, chance)
    folder, home = day(tmp_path), tmp_path / "home"

    async def live() -> None:
        stop = asyncio.Event()
        wanted = settings_for(home, database)
        store = await open_store(wanted.database, source=wanted.source.name)
        async with Watch(wanted.codex_homes, rescan_s=1.0) as watch:
            writes = Writes(store)
            running = asyncio.create_task(Daemon(store, wanted, watch, stop).run())
            for number, piece in arrivals(tree, chance):
                with (folder / tree.name(number)).open("ab") as out:
                    out.write(piece)
                await asyncio.sleep(0)
            sizes = sorted(map(len, tree.files.values()))

            async def is_read() -> bool:
                return read_whole(await store.statuses(), sizes)

            await writes.until(is_read)
            stop.set()
            await running
        await store.close()

    asyncio.run(live())
    check(tree, set(tree.files), database)
    backfilled(home, tmp_path / "whole.db")
    check(tree, set(tree.files), tmp_path / "whole.db")
