"""A very long line is reduced beside the rounds: the others are committed before it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from projector.discover.scan import scan
from projector.model.changes import Change
from projector.model.ids import RolloutId
from projector.run import open_rollout, scheduler
from projector.run.batches import limits_of, reduced
from projector.run.file_catalog import FileCatalog
from projector.run.scheduler import RolloutState, Scheduler
from projector.store.sqlite.store import SqliteStore
from tests.support.following import World, following
from tests.support.generator.rollouts import MB, Rollout
from tests.support.projecting import backfilled, settings_for
from tests.support.zst import frame

#: How long what is held back waits; a test that gets there has failed.
PATIENCE_S = 20
#: In these tests so much is long, in bytes, and a turn is this short.
LONG, TURN = MB, 64 * 1024


class Gate:
    """Long lines wait here for being reduced, each until it is let through."""

    def __init__(self) -> None:
        self.came = 0
        self._open = threading.Semaphore(0)
        self.wake: Callable[[], object] = lambda: None

    def passes(self, lines: Any) -> None:
        if lines and lines[-1].end - lines[0].offset >= LONG:
            self.came += 1
            self.wake()
            assert self._open.acquire(timeout=PATIENCE_S), "nobody came to open"

    def let(self, many: int = 1) -> None:
        self._open.release(many)


@contextmanager
def gated() -> Iterator[Gate]:
    """Hold long lines back before they are reduced."""
    gate = Gate()

    def held_back(reducer: Any, lines: Any, indexing: Any) -> list[Change]:
        gate.passes(lines)
        return reduced(reducer, lines, indexing)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("projector.run.open_rollout.reduced", held_back)
        patch.setattr(open_rollout, "_LONG_BYTES", LONG)
        patch.setattr(scheduler, "RISKY_BYTES", LONG)
        try:
            yield gate
        finally:
            gate.let(100)


def lengthen(home: Path, rollout: Rollout, size: int = 2 * LONG) -> None:
    """Put a very long line behind a rollout."""
    with (home / rollout.path).open("ab") as file:
        file.write(rollout.giant(size))


def lengthen_packed(home: Path, rollout: Rollout) -> None:
    """The same, compressed."""
    lengthen(home, rollout)
    path = home / rollout.path
    path.with_name(path.name + ".zst").write_bytes(frame(path.read_bytes(), size=False))
    path.unlink()


KINDS: dict[str, tuple[Rollout, Callable[[Path, Rollout], None]]] = {
    "paginated": (Rollout(seed=1), lengthen),
    "legacy": (Rollout(seed=1, history="legacy"), lengthen),
    "compressed": (Rollout(seed=1), lengthen_packed),
}


@pytest.mark.parametrize(("long", "lengthen"), KINDS.values(), ids=KINDS)
def test_what_is_appended_elsewhere_is_committed_before_it(
    tmp_path: Path, long: Rollout, lengthen: Callable[[Path, Rollout], None]
) -> None:
    short = Rollout(seed=2)
    world = World(tmp_path, [long, short])
    world.grow()

    async def follow() -> None:
        with gated() as gate:
            async with following(world, batch_bytes=TURN) as daemon:
                loop = asyncio.get_running_loop()
                gate.wake = lambda: loop.call_soon_threadsafe(daemon.writes.wake)
                await daemon.until_read()
                before = world.offsets()[long.rollout_id]
                lengthen(world.home, long)
                await daemon.until(lambda: gate.came)
                for _ in range(3):
                    short.write(world.home, size=short.offset + 1_000)
                    await daemon.until(lambda: world.offsets()[short.rollout_id] == short.offset)
                assert world.offsets()[long.rollout_id] == before
                gate.let()
                await daemon.until(lambda: world.offsets()[long.rollout_id] > before + LONG)
        assert gate.came == 1, "it was reduced more than once"

    asyncio.run(follow())
    assert world.rows() == world.whole()


class Scene:
    """Rounds over rollouts that are read, each of which then gets a very long line."""

    def __init__(self, folder: Path, *longs: Rollout) -> None:
        self.world = World(folder, list(longs))
        self.world.grow()
        self.before: dict[str, int] = {}

    def play(self, gate: Gate, play: Callable[[Scheduler], Awaitable[None]]) -> None:
        async def run() -> None:
            self.world.database.parent.mkdir(exist_ok=True)
            store = await SqliteStore.open(self.world.database)
            settings = settings_for(self.world.home, self.world.database, batch_bytes=TURN)
            where = FileCatalog(settings.codex_homes).rollout
            rounds = Scheduler(store, limits_of(settings), where)
            self.list(rounds)
            while rounds.waiting:
                await rounds.round()
            self.before = self.world.offsets()
            for rollout in self.world.rollouts:
                lengthen(self.world.home, rollout)
            self.list(rounds)
            while not gate.came:
                await rounds.round()
            assert self.world.offsets() == self.before
            await play(rounds)
            await rounds.leave()
            rounds.close()
            await store.close()

        asyncio.run(run())

    def list(self, rounds: Scheduler) -> None:
        rounds.news(scan(str(self.world.home)).files)

    def backfilled(self) -> None:
        """Backfill what is left to do, and compare."""
        backfilled(self.world.home, self.world.database)
        assert self.world.rows() == self.world.whole()


def test_what_is_left_in_the_midst_of_it_is_not_written(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Rollout(seed=1))

    async def play(rounds: Scheduler) -> None:
        leaving = asyncio.create_task(rounds.leave())
        gate.let()
        await leaving
        assert scene.world.offsets() == scene.before

    with gated() as gate:
        scene.play(gate, play)
    scene.backfilled()


def test_what_is_forgotten_meanwhile_is_not_written(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Rollout(seed=1))

    async def play(rounds: Scheduler) -> None:
        rounds.forget(RolloutId(scene.world.rollouts[0].rollout_id))
        gate.let()
        await rounds.leave()
        await rounds.round()
        assert not rounds.waiting
        assert scene.world.offsets() == scene.before

    with gated() as gate:
        scene.play(gate, play)
    scene.backfilled()


def test_news_of_its_rollout_wait_until_it_is_committed(tmp_path: Path) -> None:
    scene = Scene(tmp_path, Rollout(seed=1))
    rollout = scene.world.rollouts[0]

    async def play(rounds: Scheduler) -> None:
        with (scene.world.home / rollout.path).open("ab") as file:
            file.writelines(rollout.turn())
        scene.list(rounds)
        for _ in range(3):
            await rounds.round()
            assert scene.world.offsets() == scene.before
        gate.let()
        while rounds.waiting:
            await rounds.round()
        assert rounds.state_of(RolloutId(rollout.rollout_id)) is RolloutState.UP_TO_DATE

    with gated() as gate:
        scene.play(gate, play)
        assert gate.came == 1
    assert scene.world.rows() == scene.world.whole()


def test_one_at_a_time_is_in_memory(tmp_path: Path) -> None:
    """The other is read on once the first is committed."""
    scene = Scene(tmp_path, Rollout(seed=1), Rollout(seed=2))

    async def play(rounds: Scheduler) -> None:
        for _ in range(5):
            await rounds.round()
        assert gate.came == 1
        gate.let(2)
        while rounds.waiting:
            await rounds.round()

    with gated() as gate:
        scene.play(gate, play)
        assert gate.came == 2
    assert scene.world.rows() == scene.world.whole()
