"""A rollback of what a daemon wrote that was killed since."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Timer

from tests.support.legacy_records import (
    answer,
    completed,
    event,
    header,
    lines_from,
    rolled_back,
    said,
    started,
)
from tests.support.memory_legacy import ROLLOUT
from tests.support.projecting import backfilled
from tests.support.rows import rows_of

PATIENCE_S = 30


class Following:
    """`projector run`, and what its log says."""

    def __init__(self, home: Path, database: Path) -> None:
        words = ["--codex-home", str(home), "--database", f"sqlite:///{database}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "projector", "run", *words],
            env=os.environ | {"PROJECTOR_LOG__LEVEL": "debug", "PROJECTOR_LOG__FORMAT": "json"},
            stderr=subprocess.PIPE,
        )
        self._patience = Timer(PATIENCE_S, self._process.kill)
        self._patience.start()

    def until_committed(self, offset: int) -> None:
        """Wait until it says that the rollout is committed up to here."""
        assert self._process.stderr is not None
        for line in self._process.stderr:
            said = json.loads(line)
            if said["event"] == "batch.committed" and said["to_byte"] == offset:
                return
        raise AssertionError(f"byte {offset} was never committed")

    def end(self) -> None:
        """Kill it."""
        self._patience.cancel()
        self._process.kill()
        self._process.wait()
        assert self._process.stderr is not None
        self._process.stderr.close()


@contextmanager
def following(home: Path, database: Path) -> Iterator[Following]:
    daemon = Following(home, database)
    try:
        yield daemon
    finally:
        daemon.end()


TURNS = [
    *[started("t1"), *said("Boil the water."), answer("It boils."), completed("t1")],
    *[started("t2"), *said("Boil it again."), answer("Again."), completed("t2")],
]
QUIET = [event("token_count", info=None)]
BACK = [rolled_back(1), started("t3"), *said("Pour it."), answer("Poured."), completed("t3")]


def test_a_turn_of_before_the_kill_is_rolled_back(tmp_path: Path) -> None:
    """By a thread that had news since the start: its file is open, its reducer at hand."""
    home, database = tmp_path / "home", tmp_path / "p.db"
    path = home / f"sessions/2026/03/01/rollout-2026-03-01T09-00-00-{ROLLOUT}.jsonl"
    path.parent.mkdir(parents=True)
    whole = lines_from([header(), *TURNS, *QUIET, *BACK])
    first = len(lines_from([header(), *TURNS]))
    second = len(lines_from([header(), *TURNS, *QUIET]))

    path.write_bytes(whole[:first])
    with following(home, database) as daemon:
        daemon.until_committed(first)
    with following(home, database) as daemon:
        for end in (second, len(whole)):
            with path.open("ab") as out:
                out.write(whole[out.tell() : end])
            daemon.until_committed(end)

    backfilled(home, tmp_path / "whole.db")
    rows = rows_of(database)
    assert rows == rows_of(tmp_path / "whole.db")
    assert not [row for row in rows["thread_history"] if "t2" in row]
