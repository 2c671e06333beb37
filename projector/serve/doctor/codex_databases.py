"""Locate and open Codex's own databases.

Never writes, and locks as little as possible. A database that no process has open is read as
immutable: then no files are created beside it. One that Codex has open is read as by any reader, in
short snapshots, with a short timeout.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from projector.model.ids import ThreadId

HISTORY: Final = "thread_history_1.sqlite"
STATE: Final = "state_5.sqlite"
#: Maximum wait for Codex's locks, seconds.
PATIENCE_S: Final = 0.5
#: Bytes of a database's header up to its write and read versions: 2 for WAL.
_HEADER: Final = 20


class Databases(NamedTuple):
    """Codex's databases of one home; None: missing."""

    home: str
    history: str | None
    state: str | None


def locate(home: str, env: Mapping[str, str] = os.environ) -> Databases:
    """Find Codex's databases: in $CODEX_SQLITE_HOME, in the home, or in its `sqlite` folder.

    Of several, the one written last. Source: docs on files, section 1.
    """
    folders = [
        folder for folder in (env.get("CODEX_SQLITE_HOME"), home, f"{home}/sqlite") if folder
    ]

    def newest(name: str) -> str | None:
        found = [path for folder in folders if Path(path := f"{folder}/{name}").is_file()]
        return max(found, key=_written, default=None)

    return Databases(home, newest(HISTORY), newest(STATE))


def _written(path: str) -> int:
    times = [os.stat(name).st_mtime_ns for name in (path, path + "-wal") if Path(name).exists()]
    return max(times, default=0)


@contextmanager
def reading(path: str) -> Iterator[sqlite3.Connection]:
    """Open one of Codex's databases for reading.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    uri = f"file:{name}?mode=ro" + ("&immutable=1" if _resting(path) else "")
    with closing(sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, isolation_level=None)) as db:
        yield db


def _resting(path: str) -> bool:
    """True if a database uses a write-ahead log and no process has it open.

    Without such a log a reader creates no files, and must respect the writer's lock.
    """
    try:
        with open(path, "rb") as file:
            kept_by_log = file.read(_HEADER)[_HEADER - 2 :] == b"\x02\x02"
        log = Path(path + "-wal")
        open_now = Path(path + "-shm").exists() or (log.exists() and log.stat().st_size > 0)
    except OSError:
        return False
    return kept_by_log and not open_now


class Listed(NamedTuple):
    """A thread as listed by Codex."""

    path: str
    """Path of its current rollout."""


def threads(path: str) -> dict[ThreadId, Listed]:
    """Return the threads that Codex lists."""
    with reading(path) as db:
        return {
            row[0]: Listed(row[1]) for row in db.execute("SELECT id, rollout_path FROM threads")
        }
