"""Commands are run for the source that the tests' backfills write."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.databases import SOURCE


@pytest.fixture(autouse=True, scope="module")
def source() -> Iterator[None]:
    """Name it to all commands of a module's tests."""
    os.environ["PROJECTOR_SOURCE__NAME"] = SOURCE
    yield
    del os.environ["PROJECTOR_SOURCE__NAME"]
