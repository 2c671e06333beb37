"""Replaces a damaged database file by a new one, built beside it, that keeps what can be read."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from projector.model.ids import RolloutId
from projector.store.protocol import Holder, Store
from projector.store.sqlite.damaged_database import Salvaged, keep_numbers, salvage, swap
from projector.store.sqlite.guard import check, resolved
from projector.store.sqlite.lock import hold
from projector.store.sqlite.store import SqliteStore


class Renewal(Struct, kw_only=True):
    """A new database beside a damaged one."""

    store: Store
    """The new database, open until the rollouts are projected into it."""
    salvaged: Salvaged
    damaged_path: Path
    """Where the damaged file is kept."""


@asynccontextmanager
async def renewed(
    path: Path, holder: Holder, on_disk: Callable[[], Collection[RolloutId]]
) -> AsyncIterator[Renewal]:
    """Create a new database with the rows that can be saved; swap the files when the body is done.

    The body projects the rollouts that are on disk into `Renewal.store`. If it raises, the damaged
    file stays where it is and the new one is removed.

    Args:
        path: the damaged file.
        holder: who holds the database's lock meanwhile.
        on_disk: returns the rollouts whose files exist; called in a thread. Their rows follow
            from the files: they are not saved.

    Raises:
        AlreadyRunning: a daemon has the database.
        StoreUnavailable: the new database cannot be written.
    """
    path = resolved(path)
    check(path)
    now = datetime.now(UTC)
    lock = hold(path, holder)
    new = path.with_name(f"{path.name}.new")
    try:
        _remove(new)
        await (await SqliteStore.open(new)).close()  # creates its schema, without rows
        present = await asyncio.to_thread(on_disk)
        saved = salvage(path, new, present, time.time_ns() // 1_000_000)
        renewal = Renewal(
            store=await SqliteStore.open(new),
            salvaged=saved,
            damaged_path=path.with_name(f"{path.name}.damaged-{now:%Y%m%dT%H%M%SZ}"),
        )
        try:
            yield renewal
        finally:
            await renewal.store.close()
        damaged = keep_numbers(path, new, saved.numbers)
        renewal.salvaged = saved._replace(damaged=tuple(dict.fromkeys((*saved.damaged, *damaged))))
        swap(path, new, renewal.damaged_path)
    finally:
        _remove(new)
        os.close(lock)


def _remove(path: Path) -> None:
    for suffix in ("", "-wal", "-shm", "-journal", ".feed"):
        Path(f"{path}{suffix}").unlink(missing_ok=True)
