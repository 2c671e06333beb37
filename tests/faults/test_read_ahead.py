"""Reading ahead in another process: the rows are the same, whatever happens to it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.generator.rollouts import SMALL, Rollout, write_home
from tests.support.projecting import backfilled
from tests.support.reading_ahead import BATCH_BYTES, WHEN
from tests.support.rows import rows_of


def _read_ahead(
    home: Path, database: Path, disturbance: str = "nothing", size: int = BATCH_BYTES
) -> int:
    """Backfill; gives how many batches were read ahead."""
    words = [str(home), str(database), disturbance, str(size)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.reading_ahead", *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def _home(folder: Path) -> Path:
    """Three rollouts that are worth it, one of them legacy, and one that is not."""
    home = folder / "home"
    Rollout(seed=1).write(home, size=20 * BATCH_BYTES)
    Rollout(seed=2).write(home, size=20 * BATCH_BYTES)
    Rollout(seed=3, history="legacy").write(home, size=20 * BATCH_BYTES)
    Rollout(seed=4).write(home, size=BATCH_BYTES)
    return home


def test_all_of_a_large_rollout_is_read_ahead(tmp_path: Path) -> None:
    home = tmp_path / "home"
    Rollout(seed=1).write(home, size=20 * BATCH_BYTES)

    assert _read_ahead(home, tmp_path / "ahead.db") > 10
    backfilled(home, tmp_path / "alone.db", batch_bytes=BATCH_BYTES)
    assert rows_of(tmp_path / "ahead.db") == rows_of(tmp_path / "alone.db")


@pytest.mark.parametrize("what", ["nothing", "killed", "left", "lost answer", "replaced", "cut"])
def test_the_rows_are_those_of_one_process(tmp_path: Path, what: str) -> None:
    """The rollout goes on, or starts over, where the other process left it."""
    home = _home(tmp_path)

    assert _read_ahead(home, tmp_path / "ahead.db", what) >= WHEN - 1

    backfilled(home, tmp_path / "ahead.db")  # what was cut has become tombstones
    backfilled(home, tmp_path / "alone.db")
    ahead, alone = rows_of(tmp_path / "ahead.db"), rows_of(tmp_path / "alone.db")
    if what in ("replaced", "cut"):  # only the one that saw it notes it, and tells of what it saw
        for rows in (ahead, alone):
            del rows["anomalies"], rows["lifecycle_events"]
    assert ahead == alone


@pytest.mark.parametrize("what", ["nothing", "killed", "lost answer", "replaced", "cut"])
def test_small_rollouts_are_read_ahead_together(tmp_path: Path, what: str) -> None:
    """Where the other process is gone, or the file another one, they are read as any other."""
    home = tmp_path / "home"
    write_home(home, rollouts=100, size=100 * 6_000, mix=SMALL)

    given = _read_ahead(home, tmp_path / "ahead.db", what, size=128 * 1024)

    assert given > (20 if what == "nothing" else 8)
    backfilled(home, tmp_path / "ahead.db")
    backfilled(home, tmp_path / "alone.db")
    ahead, alone = rows_of(tmp_path / "ahead.db"), rows_of(tmp_path / "alone.db")
    if what in ("replaced", "cut"):
        for rows in (ahead, alone):
            del rows["anomalies"], rows["lifecycle_events"]
    assert ahead == alone


def test_a_line_that_is_too_long_is_read_by_the_one_that_writes(tmp_path: Path) -> None:
    """It would be in memory twice."""
    home = tmp_path / "home"
    rollout = Rollout(seed=1)
    path = rollout.write(home, size=10 * BATCH_BYTES)
    lines = path.read_bytes().splitlines(keepends=True)
    at = len(lines) // 2
    long = lines[at].rstrip().removesuffix(b"}") + b',"odd":"' + b"x" * 40 * BATCH_BYTES + b'"}\n'
    path.write_bytes(b"".join([*lines[:at], long, *lines[at + 1 :]]))

    given = _read_ahead(home, tmp_path / "ahead.db")

    assert 0 < given < 10
    backfilled(home, tmp_path / "alone.db")
    assert rows_of(tmp_path / "ahead.db") == rows_of(tmp_path / "alone.db")


def test_a_rollout_that_is_known_is_not_read_ahead(tmp_path: Path) -> None:
    home = _home(tmp_path)
    backfilled(home, tmp_path / "p.db")
    for path in home.rglob("*.jsonl"):
        with path.open("ab") as out:
            out.write(b"\n")

    assert _read_ahead(home, tmp_path / "p.db") == 0
