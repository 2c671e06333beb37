"""The soak in its short form; the long one: `python -m tests.faults.soak --kills 200`."""

from __future__ import annotations

from pathlib import Path

from tests.faults.soak import soak


def test_killed_again_and_again_while_rollouts_live(tmp_path: Path) -> None:
    """Written, moved, packed, cut and replaced under a daemon that is killed: the same rows."""
    told = soak(tmp_path, kills=50, seed="short", size=150_000)

    assert told.kills == 50
    assert min(told.done[deed] for deed in ("append", "move", "pack", "unpack", "cut")) > 5
    assert told.rows > 500
