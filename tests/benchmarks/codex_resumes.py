"""Lets the real Codex project every thread of a home, and writes what it cost.

    python -m tests.benchmarks.codex_resumes BINARY HOME SCRATCH REPORT

Runs inside a network namespace of its own. Writes `config.toml` and Codex's databases into HOME.
"""

from __future__ import annotations

import json
import sqlite3
import sys
import time
from pathlib import Path

from tests.benchmarks.processes import cpu_of, peak_of
from tests.live import offline
from tests.live.codex import Codex, Home

_SECONDS = 600


def _projected(database: Path, rollout_id: str, offset: int) -> bool:
    """Whether Codex has all rows of a rollout up to this offset."""
    with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
        row = db.execute(
            "SELECT next_rollout_byte_offset FROM thread_history_projection_state"
            " WHERE thread_id = ?",
            (rollout_id,),
        ).fetchone()
    return row is not None and row[0] >= offset


def main() -> None:
    """Resume each thread, wait for its rows, say how long all of them took."""
    offline.enter()
    binary, home, scratch, report = map(Path, sys.argv[1:])
    sizes = {path.stem[-36:]: path.stat().st_size for path in home.glob("sessions/*/*/*/*.jsonl")}
    of_codex = Home(
        binary=binary,
        home=home,
        workspace=scratch / "workspace",
        port=9,  # nobody listens: a resume asks no model
        python=sys.executable,
        mcp=scratch / "none.py",
    )
    of_codex.write()
    started = time.perf_counter()
    codex = Codex(of_codex)
    began = time.perf_counter()
    for rollout_id, size in sizes.items():
        codex.call("thread/resume", threadId=rollout_id, excludeTurns=True)
        deadline = time.monotonic() + _SECONDS
        while not _projected(home / "thread_history_1.sqlite", rollout_id, size):
            if time.monotonic() > deadline:
                raise SystemExit(f"Codex has not projected {rollout_id} in {_SECONDS} s")
            time.sleep(0.002)
    wall = time.perf_counter() - began
    pid = codex._process.pid
    cost = {"wall": wall, "cpu": cpu_of(pid), "peak": peak_of(pid), "start": began - started}
    codex.kill()
    report.write_text(json.dumps(cost))


if __name__ == "__main__":
    main()
