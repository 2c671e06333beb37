"""A database that stores can be opened on, for the tests of every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol

from projector.store.contract import Store
from projector.store.sqlite.store import SqliteStore

#: Runs a coroutine to its end, in the loop of the test.
Run = Callable[[Awaitable[Any]], Any]


class Queried(Store, Protocol):
    """A store that also answers SQL, as every backend does for those who read its views."""

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


class Backend:
    """A database that stores can be opened on, again and again, at once too."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "projector.db"
        self.clock = 1_000

    @asynccontextmanager
    async def open(self, *, busy_timeout_s: float = 5.0) -> AsyncIterator[Queried]:
        """Open a store on it; closed at the end."""
        store = await SqliteStore.open(
            self.path, busy_timeout_s=busy_timeout_s, now_ms=lambda: self.clock
        )
        try:
            yield store
        finally:
            await store.close()
