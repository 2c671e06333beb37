"""The database file: creates it private, opens it, and explains SQLite's errors."""

from __future__ import annotations

import errno
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from projector.model.errors import ProjectorError, StoreDamaged, StoreRefused, StoreUnavailable
from projector.store.free_space import is_full

#: Bytes `CxPj`: distinguishes our databases from others (`PRAGMA application_id`).
APPLICATION_ID: Final = 0x4378506A

#: Page size of a new database, in bytes. Items are about 1 KB, and an item that does not fit into a
#: page any more leaves the end of the page empty: a tenth of pages of 8192 bytes, a twentieth of
#: these. Larger pages lose that again in small tables, and a single new row writes one page of each
#: of its tables and indexes.
PAGE_SIZE: Final = 16384

#: Seconds between two attempts of `execute_with_retry`.
_AGAIN_S: Final = 0.005

_PRIVATE_FILE: Final = 0o600
_PRIVATE_FOLDER: Final = 0o700


def prepare(path: Path) -> None:
    """Create the database file and its folders if they are missing, readable by the owner only.

    Conversations contain secrets. SQLite gives -wal and -shm the mode of the database file, so
    creating the database file first, whatever the umask, makes all three private. An existing file
    or folder keeps its mode: its owner may have opened it to others.

    Raises:
        StoreRefused: it cannot be created, or is not a file.
    """
    try:
        for folder in reversed([*_missing(path.parent)]):
            folder.mkdir(_PRIVATE_FOLDER)
            folder.chmod(_PRIVATE_FOLDER)
        if path.is_dir():
            raise StoreRefused(f"{path}: is a folder", hint="Give a path that ends in a file name")
        try:
            made = os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, _PRIVATE_FILE)
        except FileExistsError:
            pass
        else:
            os.fchmod(made, _PRIVATE_FILE)
            os.close(made)
    except (FileExistsError, NotADirectoryError) as error:
        raise StoreRefused(
            f"{path}: {error.filename} is not a folder", hint="Give another path"
        ) from error
    except OSError as error:
        raise refused(path, error) from error


#: Errors that may go away by themselves: a disk that is full, missing for a while, or fails to
#: read.
_PASSING: Final = frozenset(
    {
        errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.ESTALE, errno.ENOTCONN, errno.ETIMEDOUT,
        errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    }
)  # fmt: skip


def refused(path: Path, error: OSError) -> ProjectorError:
    """Return our error for an error of the operating system."""
    reason = (error.strerror or "unknown fault").lower()
    hint = {
        "permission denied": "Run as its owner, or give another path",
        "read-only file system": "Give a path on a disk that can be written",
        "no space left on device": "Free some space",
    }.get(reason, "Give another path")
    kind = StoreUnavailable if error.errno in _PASSING else StoreRefused
    return kind(f"{path}: {reason}", hint=hint)


def _missing(folder: Path) -> Iterator[Path]:
    """Yield the folders that do not exist yet, innermost first."""
    while not folder.exists():
        yield folder
        folder = folder.parent


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of the file that a path leads to; None: no file, or unknown."""
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino


def log_of(path: Path) -> Path:
    """Return the path of a database's write-ahead log."""
    return path.with_name(path.name + "-wal")


def remove_log(path: Path) -> None:
    """Remove the write-ahead log of a removed database, and its index.

    Raises:
        StoreRefused: they cannot be removed.
    """
    try:
        path.with_name(path.name + "-shm").unlink(missing_ok=True)
        log_of(path).unlink(missing_ok=True)
    except OSError as error:
        raise refused(path, error) from error


@contextmanager
def faults(path: Path, *, used: bool = False) -> Iterator[None]:
    """Translate SQLite's errors into ours; other errors pass.

    `used`: the database was writable before. Then a permission, or a disk mounted read-only, may
    come back; at the start it is reported at once.

    Raises:
        StoreUnavailable: it may go away by itself (locked, disk full, read error).
        StoreRefused: it will not (not a database, damaged, not writable).
    """
    try:
        yield
    except sqlite3.DatabaseError as error:
        # Violated constraints and wrong SQL are our own bugs: nobody else can act on them.
        if isinstance(error, (sqlite3.IntegrityError, sqlite3.ProgrammingError)):
            raise
        fault = explained(path, error)
        if used and _code(error) in _MAY_COME_BACK:
            fault = StoreUnavailable(fault.message, hint=fault.hint)
        raise fault from error


_PERHAPS_FULL: Final = frozenset((sqlite3.SQLITE_IOERR, sqlite3.SQLITE_CANTOPEN))
_MAY_COME_BACK: Final = frozenset(
    (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_CANTOPEN)
)

#: For each SQLite error: what happens next, what it means, and how to fix it.
_FAULTS: Final[dict[int, tuple[type[ProjectorError], str, str]]] = {
    sqlite3.SQLITE_BUSY: (
        StoreUnavailable,
        "locked by another program",
        "End the program that holds it; `projector run` tries again by itself",
    ),
    sqlite3.SQLITE_LOCKED: (
        StoreUnavailable,
        "locked by another program",
        "End the program that holds it; `projector run` tries again by itself",
    ),
    sqlite3.SQLITE_FULL: (StoreUnavailable, "the disk is full", "Free some space"),
    sqlite3.SQLITE_NOTADB: (StoreRefused, "is not a SQLite database", "Give another path"),
    sqlite3.SQLITE_CORRUPT: (
        StoreDamaged,
        "is damaged",
        "Stop the daemon and run `projector rebuild`: it is made again from the rollouts",
    ),
    sqlite3.SQLITE_READONLY: (
        StoreRefused,
        "cannot be written",
        "Run as its owner, or give another path",
    ),
    sqlite3.SQLITE_PERM: (
        StoreRefused,
        "cannot be written",
        "Run as its owner, or give another path",
    ),
    sqlite3.SQLITE_CANTOPEN: (
        StoreRefused,
        "cannot be opened",
        "Check that it and its folder can be read and written",
    ),
}


def explained(path: Path, error: sqlite3.DatabaseError) -> ProjectorError:
    """Return our error for an error of SQLite."""
    code = _code(error)
    if code == sqlite3.SQLITE_ERROR:  # no such table, no such column: trying again does not help
        return StoreRefused(
            f"{path}: is not as this version of codex-projector makes it ({error})",
            hint="Move it away and run backfill: it is made again from the rollouts",
        )
    if code in _PERHAPS_FULL and is_full(str(path)):
        code = sqlite3.SQLITE_FULL  # SQLite does not always say so: not of the log's index
    kind, what, hint = _FAULTS.get(code, (StoreUnavailable, f"cannot be used ({error})", ""))
    if code in _MAY_COME_BACK:
        hint = _missing_right(path) or hint
    return kind(f"{path}: {what}", hint=hint)


def _missing_right(path: Path) -> str:
    """Return the command that grants the missing file permission; "": none is missing."""
    for place, why in (
        (path, ""),
        (path.parent, "SQLite makes -wal and -shm beside the database: "),
    ):
        if os.path.exists(place) and not os.access(place, os.W_OK, effective_ids=True):
            facts = os.stat(place)
            return (
                f"{why}this user (uid {os.geteuid()}) may not write {place}, which is uid"
                f" {facts.st_uid}'s with mode {facts.st_mode & 0o777:04o}: run as its owner, or let"
                " that one chmod u+w or chown it"
            )
    return ""


def _code(error: sqlite3.DatabaseError) -> int:
    # Extended codes (which of the I/O errors it is) have the primary code in their last byte.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF


def execute_with_retry(db: sqlite3.Connection, statement: str) -> None:
    """Execute a statement; wait for a lock even where SQLite's busy timeout does not apply.

    If two connections switch a new database to WAL mode at once, one gets SQLITE_BUSY immediately.
    """
    (timeout_ms,) = db.execute("PRAGMA busy_timeout").fetchone()
    until = time.monotonic() + timeout_ms / 1000
    while True:
        try:
            db.execute(statement)
        except sqlite3.OperationalError as error:
            if _code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_AGAIN_S)
        else:
            return


@contextmanager
def writing(db: sqlite3.Connection) -> Iterator[None]:
    """Run one write transaction, atomically.

    BEGIN IMMEDIATE: a transaction that reads first and then finds another writer fails at once,
    whatever the timeout.
    """
    db.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        # A full disk or an I/O error may have ended the transaction already.
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
    try:
        db.execute("COMMIT")
    except BaseException:
        if db.in_transaction:
            db.execute("ROLLBACK")
        raise
