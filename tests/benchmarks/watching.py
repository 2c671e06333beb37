"""A reader of the projector's database that notices commits as they happen.

Reads only what the contract names: the view `codex_projection_state`.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.bench import Failed

#: Between two looks; what is measured is not finer than this.
_LOOK_S: Final = 0.0002
#: Between two looks whether there still is someone who writes.
_CHECK_S: Final = 0.5


def read_only(database: Path) -> sqlite3.Connection:
    """Open a database for reading."""
    return sqlite3.connect(f"file:{database}?mode=ro", uri=True, isolation_level=None)


class Watch:
    """Looks at `PRAGMA data_version`, which moves with each commit of another connection."""

    def __init__(self, database: Path) -> None:
        """Open it; the daemon must have made it."""
        self._db = read_only(database)

    def close(self) -> None:
        """Let go of it."""
        self._db.close()

    def version(self) -> int:
        """Give a number that changes with every commit."""
        return int(self._db.execute("PRAGMA data_version").fetchone()[0])

    def offset(self, rollout_id: str) -> int:
        """Give the checkpoint of a rollout; 0: there is none."""
        row = self._db.execute(
            "SELECT next_rollout_byte_offset FROM codex_projection_state WHERE thread_id = ?",
            (rollout_id,),
        ).fetchone()
        return int(row[0]) if row else 0

    def offsets(self) -> dict[str, int]:
        """Give the checkpoints of all rollouts."""
        return dict(
            self._db.execute(
                "SELECT thread_id, next_rollout_byte_offset FROM codex_projection_state"
            )
        )

    def one(self, query: str, *values: Any) -> Any:
        """Give the first column of the first row."""
        row = self._db.execute(query, values).fetchone()
        return row[0] if row else None

    def moved(self, before: int, *, check: Callable[[], None], seconds: float = 60) -> float:
        """Wait until something was committed since `version` was `before`; the time then.

        Raises:
            Failed: nothing was, or `check` says that nobody writes any more.
        """
        deadline = time.perf_counter() + seconds
        next_check = 0.0
        while self.version() == before:
            now = time.perf_counter()
            if now > next_check:
                check()
                next_check = now + _CHECK_S
            if now > deadline:
                raise Failed(f"nothing was committed in {seconds:.0f} s")
            time.sleep(_LOOK_S)
        return time.perf_counter()

    def wait(
        self, rollout_id: str, offset: int, *, check: Callable[[], None], seconds: float = 60
    ) -> float:
        """Wait until a rollout's checkpoint is at `offset`; the time when it was seen there.

        Raises:
            Failed: it did not come, or `check` says that nobody writes any more.
        """
        deadline = time.perf_counter() + seconds
        while True:
            version, now = self.version(), time.perf_counter()
            if self.offset(rollout_id) >= offset:
                return now
            left = deadline - time.perf_counter()
            try:
                self.moved(version, check=check, seconds=left)
            except Failed:
                check()
                raise Failed(
                    f"rollout {rollout_id}: at {self.offset(rollout_id)} of {offset} bytes"
                    f" after {seconds:.0f} s"
                ) from None
