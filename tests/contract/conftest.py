"""The backends that every test of the store's promises runs against."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar

import pytest

from projector.store.contract import Store
from projector.store.sqlite import SqliteStore

T = TypeVar("T")


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


@pytest.fixture(params=["sqlite"])
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


@pytest.fixture
def run() -> Iterator[Callable[[Coroutine[Any, Any, T]], T]]:
    """Run a coroutine to its end, in the loop of this test."""
    with asyncio.Runner() as runner:
        yield runner.run


@pytest.fixture
def store(backend: Backend, run: Callable[[Awaitable[Any]], Any]) -> Iterator[Queried]:
    stack = AsyncExitStack()
    yield run(stack.enter_async_context(backend.open()))
    run(stack.aclose())
