"""Databases that stores can be opened on, for the tests of every backend."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
)
from pathlib import Path
from typing import Any, Final, Protocol

from projector.store.postgres.pipeline import Pipeline, composed
from projector.store.postgres.reading import LOADERS
from projector.store.postgres.store import PostgresStore
from projector.store.protocol import Store
from projector.store.sqlite.store import SqliteStore

#: Runs a coroutine to its end, in the loop of the test.
Run = Callable[[Awaitable[Any]], Any]


class Queried(Store, Protocol):
    """A store that also answers SQL, as every backend does for those who read its views."""

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]: ...


class Backend(Protocol):
    """A database that stores can be opened on, again and again, at once too."""

    name: str
    clock: int
    """Milliseconds; what its stores take for now."""

    def open(self, *, busy_timeout_s: float = 5.0) -> AbstractAsyncContextManager[Queried]:
        """Open a store on it; closed at the end."""


ENGINES: Final = ("sqlite", "postgres")
#: Gives an empty database of an engine, for a while.
Fresh = Callable[[str], AbstractContextManager[Backend]]


class SqliteBackend:
    """A database in a file."""

    name = "sqlite"

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


class PostgresBackend:
    """A database on a server; `source` writes it."""

    name = "postgres"

    def __init__(self, url: str, source: str = "one") -> None:
        self.url: Final = url
        self.source: Final = source
        self.clock = 1_000

    @asynccontextmanager
    async def open(self, *, busy_timeout_s: float = 5.0) -> AsyncIterator[Queried]:
        """Open a store on it; closed at the end."""
        store = await AskedStore.open(
            self.url,
            source=self.source,
            busy_timeout_s=busy_timeout_s,
            now_ms=lambda: self.clock,
        )
        try:
            yield store
        finally:
            await store.close()


class AskedStore(PostgresStore):
    """Answers SQL too; values come as SQLite has them."""

    async def query(self, sql: str, parameters: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read: all rows of one query; values are bound at question marks, as in SQLite."""

        async def ask(wire: Pipeline) -> list[tuple[Any, ...]]:
            assert self._db is not None, wire
            cursor = self._db.cursor()
            for name, loader in LOADERS.items():
                cursor.adapters.register_loader(name, loader)
            text = sql.replace("%", "%%").replace("?", "%s") if parameters else sql
            return await (await cursor.execute(composed(text), parameters or None)).fetchall()

        return await self._run(ask)
