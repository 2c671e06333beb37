"""The backends that every test of the store's promises runs against."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from tests.contract.backends import (
    ENGINES,
    Backend,
    Fresh,
    PostgresBackend,
    Queried,
    Run,
    SqliteBackend,
)
from tests.support.server import Server


@pytest.fixture(scope="session")
def fresh(request: pytest.FixtureRequest) -> Fresh:
    """Give a way to have an empty database of an engine for a while."""

    @contextmanager
    def made(engine: str) -> Iterator[Backend]:
        if engine == "sqlite":
            with TemporaryDirectory() as folder:
                yield SqliteBackend(Path(folder))
        else:
            server: Server = request.getfixturevalue("server")
            with server.database() as url:
                yield PostgresBackend(url)

    return made


@pytest.fixture(params=ENGINES)
def backend(request: pytest.FixtureRequest, fresh: Fresh) -> Iterator[Backend]:
    with fresh(request.param) as made:
        yield made


@pytest.fixture
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run  # type: ignore[misc] # any awaitable that a test gives is a coroutine


@pytest.fixture
def store(backend: Backend, run: Run) -> Iterator[Queried]:
    stack = AsyncExitStack()
    yield run(stack.enter_async_context(backend.open()))
    run(stack.aclose())
