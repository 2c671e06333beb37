"""A daemon in this process, over a home of a few rollouts, while the world goes wrong."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from projector.discover.watch import Events, Watch, file_events
from projector.logs import events as log
from projector.run import daemon as daemons
from projector.run.daemon import Daemon
from projector.store.sqlite.store import SqliteStore
from tests.support.generator.rollouts import Rollout
from tests.support.projecting import backfilled, settings_for
from tests.support.rows import Rows, rows_of
from tests.support.writes import Writes

#: Long enough for a busy machine; a test that gets there has failed.
PATIENCE_S = 30


@dataclass
class World:
    """A home whose rollouts grow, and a database."""

    folder: Path
    rollouts: list[Rollout] = field(default_factory=list)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def database(self) -> Path:
        return self.folder / "state" / "p.db"

    def grow(self, *, size: int = 3_000) -> None:
        """Write more of every rollout."""
        for rollout in self.rollouts:
            rollout.write(self.home, size=rollout.offset + size)

    def whole(self) -> Rows:
        """Give the rows of a backfill that nothing disturbed."""
        fresh = self.folder / "fresh.db"
        for old in self.folder.glob("fresh.db*"):
            old.unlink()
        backfilled(self.home, fresh)
        return rows_of(fresh)

    def rows(self) -> Rows:
        return rows_of(self.database)

    def offsets(self) -> dict[str, int]:
        """Tell how far each rollout is projected; nothing while that cannot be told."""
        with (
            suppress(sqlite3.Error),
            sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as db,
        ):
            return dict(db.execute("SELECT rollout_id, next_offset FROM _rollouts"))
        return {}

    def heartbeat(self) -> dict[str, Any]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as db:
            db.row_factory = sqlite3.Row
            return dict(db.execute("SELECT * FROM _heartbeat").fetchone() or {})

    def is_read(self) -> bool:
        """Tell whether every rollout is projected to its end."""
        ends = {rollout.rollout_id: rollout.offset for rollout in self.rollouts}
        return self.offsets() == ends


def world(folder: Path, *, rollouts: int = 2) -> World:
    """Make a home: paginated rollouts and a legacy one."""
    made = World(folder, [Rollout(seed=number) for number in range(rollouts)])
    made.rollouts.append(Rollout(seed=9, history="legacy"))
    made.grow()
    return made


@dataclass
class Following:
    """The daemon that follows it."""

    world: World
    store: SqliteStore
    watch: Watch
    task: asyncio.Task[None]
    said: list[tuple[str, dict[str, Any]]]
    writes: Writes

    async def until(self, done: Callable[[], object]) -> None:
        """Wait until something is so."""

        def done_or_left() -> bool:
            if found := bool(done()):
                return found
            if self.task.done():
                self.task.result()
                raise AssertionError("the daemon has left")
            return False

        await self.writes.until(done_or_left)

    async def until_said(self, name: str) -> dict[str, Any]:
        """Wait until an event is logged; give its fields. Forgets what was said before."""
        await self.until(lambda: any(said == name for said, _ in self.said))
        fields = next(fields for said, fields in self.said if said == name)
        self.said.clear()
        return fields

    async def until_read(self) -> None:
        """Wait until every rollout is projected to its end."""
        await self.until(self.world.is_read)


@contextmanager
def _told(tell: Callable[[str, dict[str, Any]], object]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(log, "event", lambda name, /, **fields: tell(name, fields))
        patch.setattr(daemons, "STORE_WAIT_S", (0.01, 0.05))
        yield


@asynccontextmanager
async def following(
    world: World, *, rescan_s: float = 0.05, events: Events = file_events, **run: float | str
) -> AsyncIterator[Following]:
    """Follow it until the block ends; what the daemon raises is raised here.

    `run`: what differs in the settings of [run].
    """
    said: list[tuple[str, dict[str, Any]]] = []
    settings = settings_for(world.home, world.database, rescan_s=1.0, **run)
    woken: list[Writes] = []

    def tell(name: str, fields: dict[str, Any]) -> None:
        said.append((name, fields))
        for writes in woken:
            writes.wake()

    with _told(tell):
        store = await SqliteStore.open(world.database, busy_timeout_s=0.02)
        writes = Writes(store)
        woken.append(writes)
        stop = asyncio.Event()
        try:
            async with Watch(settings.codex_homes, rescan_s=rescan_s, events=events) as watch:
                task = asyncio.create_task(Daemon(store, settings, watch, stop).run())
                task.add_done_callback(writes.wake)
                try:
                    yield Following(world, store, watch, task, said, writes)
                finally:
                    stop.set()
                    await task
        finally:
            await store.close()
