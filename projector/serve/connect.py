"""Opens the SQLite database for reading only, and says in words why it cannot be read.

Plain sqlite3: it starts faster than what writes the database, and asks for no lock.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from projector.errors import StoreDamaged, StoreRefused, StoreUnavailable

#: Seconds to wait for a lock; only a database that is not in WAL mode has any for readers.
LOCK_TIMEOUT_S: Final = 1.0


def connect(path: str) -> sqlite3.Connection:
    """Open read-only; where the folder is not ours to write, as a database that rests.

    SQLite needs the log's index beside a database in WAL mode, and cannot make it in a folder
    without permission. Without a log nobody writes, and the file alone is the truth.

    Raises:
        StoreRefused: there is no database.
        sqlite3.Error: it cannot be opened; `explained` puts it in words.
    """
    if not Path(path).exists():
        raise StoreRefused(f"{path}: no database there", hint="Make it: projector backfill")
    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(
        f"file:{name}?mode=ro", uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        connection.close()
        denied = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not denied or Path(path + "-wal").exists():
            raise
        connection = sqlite3.connect(f"file:{name}?immutable=1", uri=True, isolation_level=None)
    return connection


def explained(path: str, error: sqlite3.Error) -> StoreRefused | StoreUnavailable:
    """Say why the database cannot be read, and how to mend it."""
    text = str(error)
    if "locked" in text or "busy" in text:
        return StoreUnavailable(f"{path}: locked by another program")
    if "not a database" in text:
        return StoreRefused(f"{path}: not a SQLite database", hint="Name another: --database")
    if "malformed" in text:
        return StoreDamaged(
            f"{path}: is damaged",
            hint="Stop the daemon and run `projector rebuild`: it is made again from the rollouts",
        )
    if "no such table" in text or "no such column" in text:
        return StoreRefused(
            f"{path}: not a database of this version of projector",
            hint="Bring it up to date, or make it: projector backfill",
        )
    return StoreRefused(f"{path}: cannot be read: {text}", hint="Mend: run as its owner")
