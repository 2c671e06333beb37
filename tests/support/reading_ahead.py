"""A backfill that reads ahead: `python -m tests.support.reading_ahead HOME DATABASE DISTURBANCE`.

A fourth argument is the size of a batch, in bytes.

Prints how many batches were read ahead. In a process of its own, because what reads ahead is
made by `fork`, which wants one without threads.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from projector.model.errors import StoreUnavailable
from projector.model.ids import RolloutFile, RolloutId
from projector.model.settings import Settings
from projector.run import prefetch as of_ahead
from projector.run.backfill import backfill
from projector.run.prefetch import Prefetcher, Read
from projector.run.progress import Silent
from projector.store.open import open_store
from projector.store.protocol import Batch
from projector.store.sqlite.store import SqliteStore
from tests.support.projecting import settings_for

BATCH_BYTES: Final = 4096
#: The batch before which something happens.
WHEN: Final = 3


class Disturbed(Prefetcher):
    """Counts what it gives, and lets something happen before the `WHEN`th batch."""

    happens = "nothing"
    opened: RolloutFile
    given = 0
    asked = 0

    def open(self, file: RolloutFile, soon: Iterable[RolloutFile] = ()) -> bool:
        """Keep in mind which one."""
        opened = super().open(file, soon)
        if opened:
            self.opened = file
        return opened

    async def next(self) -> Batch | None:
        """Disturb, then ask."""
        self.asked += 1
        if self.asked == WHEN:
            self._happen()
        batch = await super().next()
        self.given += batch is not None
        return batch

    async def take_group(self) -> dict[RolloutId, Read]:
        """Disturb, then ask."""
        self.opened = list(self.group.values())[-1]
        self.asked += 1
        if self.asked == WHEN:
            self._happen()
        found = await super().take_group()
        self.given += sum(read.batch is not None for read in found.values())
        return found

    def _happen(self) -> None:
        match self.happens:
            case "killed":
                os.kill(self._process, signal.SIGKILL)
            case "left":  # as when a rollout is set aside
                self.leave()
            case "replaced":
                path = Path(self.opened.path)
                lines = path.read_bytes().splitlines(keepends=True)
                path.unlink()
                path.write_bytes(b"".join([lines[0], *lines[5:]]))
            case "cut":
                os.truncate(self.opened.path, 2 * BATCH_BYTES)


def _lose_one_answer() -> None:
    """Let the database fail once behind a commit: nobody knows what was written."""
    commit, times = SqliteStore.commit, iter(range(100))

    async def lost(store: SqliteStore, batches: list[Batch]) -> None:
        await commit(store, batches)
        if next(times, None) == WHEN:
            raise StoreUnavailable("the answer was lost")

    SqliteStore.commit = lost  # type: ignore[assignment, method-assign]


async def _backfill(settings: Settings, ahead: Prefetcher) -> None:
    store = await open_store(settings.database)
    try:
        for _ in range(2):
            try:
                await backfill(store, settings, selection=(), progress=Silent(), ahead=ahead)
            except StoreUnavailable:
                continue
            break
    finally:
        await store.close()


def main() -> None:
    """Run it."""
    home, database, Disturbed.happens = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    size = int(sys.argv[4]) if sys.argv[4:] else BATCH_BYTES
    settings = settings_for(home, database, batch_bytes=size)
    of_ahead._cores = lambda: 2
    ahead = Disturbed.start(settings)
    assert isinstance(ahead, Disturbed)
    if Disturbed.happens == "lost answer":
        _lose_one_answer()
    try:
        asyncio.run(_backfill(settings, ahead))
    finally:
        ahead.close()
    sys.stdout.write(f"{ahead.given}\n")


if __name__ == "__main__":
    main()
