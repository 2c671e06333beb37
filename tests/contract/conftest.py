"""The backends that every test of the store's promises runs against."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from tests.contract.backends import Backend, Queried, Run


@pytest.fixture(params=["sqlite"])
def backend(tmp_path: Path) -> Backend:
    return Backend(tmp_path)


@pytest.fixture
def run() -> Iterator[Run]:
    with asyncio.Runner() as runner:
        yield runner.run  # type: ignore[misc] # any awaitable that a test gives is a coroutine


@pytest.fixture
def store(backend: Backend, run: Run) -> Iterator[Queried]:
    stack = AsyncExitStack()
    yield run(stack.enter_async_context(backend.open()))
    run(stack.aclose())
