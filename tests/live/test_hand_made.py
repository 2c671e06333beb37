"""What no scripted session writes, and what is coming: as the real Codex has it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live import offline


def play(module: str, folder: Path, *words: str) -> None:
    """Play in a namespace of its own; it must say that nothing is wrong."""
    every = [*offline.prefix(), sys.executable, "-m", module, "--folder", str(folder), *words]
    played = subprocess.run(every, capture_output=True, text=True, check=False)

    assert played.returncode == 0, f"{played.stdout}{played.stderr}"


@pytest.mark.usefixtures("codex")
def test_records_made_by_hand_are_what_codex_makes_of_them(tmp_path: Path) -> None:
    play("tests.live.hand_made", tmp_path)


@pytest.mark.usefixtures("codex")
@pytest.mark.parametrize("rollouts", [4, pytest.param(200, marks=pytest.mark.scheduled)])
def test_a_storm_of_migrations_and_compressions_changes_nothing(
    rollouts: int, tmp_path: Path
) -> None:
    """By Codex's own background jobs, which are off by default, while the daemon follows."""
    play("tests.live.storm", tmp_path, "--rollouts", str(rollouts))
