"""The real Codex calls the tools of `projector mcp`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import offline


@pytest.mark.usefixtures("codex")
def test_codex_gets_what_search_prints(tmp_path: Path) -> None:
    """Its scripted model searches and reads; answers are those of the database, and marked."""
    words = [
        *offline.prefix(), sys.executable, "-m", "tests.live.agent_tools",
        "--folder", str(tmp_path / "session"),
    ]  # fmt: skip
    played = subprocess.run(words, capture_output=True, text=True, check=False)

    assert played.returncode == 0, f"{played.stdout}{played.stderr}"
