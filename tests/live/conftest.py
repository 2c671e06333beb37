"""What the live tests need of the machine; where it is missing they are skipped and say why."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.live import install, offline


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--seed 7 [--kills]`, which plays one session again, and `--server`."""
    group = parser.getgroup("live", "sessions with the real Codex")
    group.addoption("--seed", type=int, help="play this session only")
    group.addoption("--operations", type=int, default=60, help="how long it is (with --seed)")
    group.addoption(
        "--server", action="store_true", help="into PostgreSQL; with $TEST_CITUS always: into that"
    )
    group.addoption("--kills", action="store_true", help="with kills (with --seed)")


@pytest.fixture(scope="session")
def codex() -> Path:
    """Give the real Codex's binary, in a machine where it can be run offline."""
    try:
        offline.prefix()
        return install.codex()
    except install.Unavailable as reason:
        if os.environ.get("CI"):
            pytest.fail(f"under CI the live tests must run, but {reason}")
        pytest.skip(f"the real Codex cannot be run here: {reason}")
