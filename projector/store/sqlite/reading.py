"""A SQLite database that is open for reading: `store.reading.Connection`.

Plain sqlite3: it starts faster than what writes the database, and asks for no lock.
"""

from __future__ import annotations

import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any, Final, Self

from projector.model.errors import (
    StoreDamaged,
    StoreMissing,
    StoreRefused,
    StoreUnavailable,
    UsageError,
)
from projector.store import state_file
from projector.store.free_space import free_bytes, is_full
from projector.store.heartbeat import Published
from projector.store.reading import (
    NONE,
    PARAMETER_HINT,
    SCHEMA_HINT,
    Answer,
    Schema,
    Server,
    Size,
    Sql,
    Values,
    words_of,
)

#: Seconds to wait for a lock; readers wait only if the database is not in WAL mode.
LOCK_TIMEOUT_S: Final = 1.0
_WHOLE: Final = re.compile(r"0|-?[1-9][0-9]{0,17}", re.ASCII).fullmatch
#: `:source` in a query: the id of the database's only source, as the read views have it.
SOURCE: Final = ""
#: SQLite virtual machine steps between two looks at the clock.
_STEPS: Final = 100_000
#: PRAGMAs that only tell something, with a value after them.
_TELLING: Final = frozenset({
    "foreign_key_list", "index_info", "index_list", "index_xinfo", "integrity_check",
    "quick_check", "table_info", "table_list", "table_xinfo",
})  # fmt: skip
#: PRAGMAs that do something without a value.
_ACTING: Final = frozenset({
    "incremental_vacuum", "optimize", "shrink_memory", "wal_checkpoint",
})  # fmt: skip


class SqliteConnection:
    """See `Connection`."""

    def __init__(self, path: str) -> None:
        """Open the database.

        Raises:
            StoreMissing: there is no such file.
            StoreRefused: it is not ours.
            StoreUnavailable: it cannot be read now.
        """
        self._path = path
        self._real = os.path.realpath(path)
        """Path of the file itself: its log and lock are beside it, not beside a link to it."""
        which = _file(path)[:2]
        with explaining(path):
            self._db = opened(path)
        # Device and inode are read before opening: a file that takes its place meanwhile is
        # noticed. The log's existence is read after: opening may create it.
        self._file = (*which, _file(path)[2])

    @property
    def shown(self) -> str:
        """See `Connection`."""
        return self._path

    def rows(self, sql: Sql | str, values: Values = NONE) -> list[tuple[Any, ...]]:
        """See `Connection`."""
        with explaining(self._path):
            return self._execute(sql, values).fetchall()

    def dicts(self, sql: Sql | str, values: Values = NONE) -> list[dict[str, Any]]:
        """See `Connection`."""
        with explaining(self._path):
            cursor = self._execute(sql, values)
            names = [name for name, *_ in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def stream(self, sql: Sql | str, values: Values = NONE) -> Iterator[tuple[Any, ...]]:
        """See `Connection`."""
        with explaining(self._path):
            # Not `yield from`: that would close the cursor, perhaps in another thread.
            for row in self._execute(sql, values):  # noqa: UP028 - see above
                yield row

    def answer(self, statement: str, values: Values = NONE) -> Answer:
        """See `Connection`. No other file is opened or made, by ATTACH or VACUUM INTO."""
        try:
            self._db.execute("PRAGMA query_only = ON")
            self._db.set_authorizer(_only_reads)
            cursor = self._db.execute(statement, _typed(values))
        except (sqlite3.Error, sqlite3.Warning) as error:
            raise refused(error) from None
        return Answer([name for name, *_ in cursor.description or ()], _rows(cursor))

    def _execute(self, sql: Sql | str, values: Values) -> sqlite3.Cursor:
        return self._db.execute(words_of(sql).sqlite, {"source": SOURCE, **values})

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `Connection`."""
        with explaining(self._path):
            self._db.execute("BEGIN")
        try:
            yield
        finally:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def version(self) -> object:
        """See `Connection`."""
        if _file(self._path) != self._file:
            return None
        ((number,),) = self.rows("PRAGMA data_version")
        return number

    def size(self) -> Size:
        """See `Connection`."""
        return Size(_size(self._path), _size(self._real + "-wal"), free_bytes(self._path))

    def daemon(self) -> Published:
        """See `Connection`."""
        return state_file.read(self._real + ".lock")._replace(alone=True)

    def schema(self) -> Schema:
        """See `Connection`."""
        from projector.store.migrations import migrations  # noqa: PLC0415 - `health` does without

        ((found,),) = self.rows("PRAGMA user_version")
        return Schema(found, len(migrations("sqlite")))

    def server(self) -> Server | None:
        """See `Connection`."""
        return None

    def soundness(self, seconds: float | None) -> str | None:
        """See `Connection`."""
        until = None if seconds is None else time.monotonic() + seconds
        with explaining(self._path):
            if until is not None:
                self._db.set_progress_handler(lambda: time.monotonic() > until, _STEPS)
            try:
                (found,) = self._db.execute("PRAGMA quick_check(1)").fetchone()
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode == sqlite3.SQLITE_INTERRUPT:
                    return None
                raise
            finally:
                self._db.set_progress_handler(None, 0)
        return " ".join(str(found).split())

    def close(self) -> None:
        """See `Connection`."""
        self._db.close()

    def __enter__(self) -> Self:
        """See `Connection`."""
        return self

    def __exit__(self, *_: object) -> None:
        """See `Connection`."""
        self.close()


def opened(path: str) -> sqlite3.Connection:
    """Open read-only; as an immutable file if the folder is not writable and there is no log.

    SQLite needs the log's index beside a database in WAL mode, and cannot create it in a folder
    without permission. Without a log nobody writes, and the file alone is complete.

    Raises:
        StoreMissing: there is no database.
        StoreRefused: it is not a regular file, or has several names.
        sqlite3.Error: it cannot be opened; `explained` translates it.
    """
    if not os.path.exists(path):
        raise _missing(path)
    if not os.path.isfile(path):  # opening a pipe would wait
        raise StoreRefused(f"{path}: is no regular file", hint="Give another path")
    if os.stat(path).st_nlink > 1:
        from projector.store.sqlite.guard import check_to_read  # noqa: PLC0415 - rare

        check_to_read(path)
    name = path.replace("%", "%25").replace("?", "%3f").replace("#", "%23")
    connection = sqlite3.connect(
        f"file:{name}?mode=ro", uri=True, timeout=LOCK_TIMEOUT_S, isolation_level=None
    )
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema")
    except sqlite3.OperationalError as error:
        connection.close()
        denied = error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
        if not denied or os.path.exists(os.path.realpath(path) + "-wal"):
            raise
        connection = sqlite3.connect(f"file:{name}?immutable=1", uri=True, isolation_level=None)
    return connection


def _only_reads(action: int, name: str | None, value: str | None, *_more: str | None) -> int:
    """Refuse what `query_only` leaves: other files, and settings of the connection."""
    if action == sqlite3.SQLITE_ATTACH:  # VACUUM attaches, too
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA:
        called = (name or "").lower()
        told = called in _TELLING if value is not None else called not in _ACTING
        return sqlite3.SQLITE_OK if told else sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _rows(cursor: sqlite3.Cursor) -> Iterator[tuple[Any, ...]]:
    try:
        # Not `yield from`: that would close the cursor, perhaps after its connection.
        for row in cursor:  # noqa: UP028 - see above
            yield row
    except sqlite3.Error as error:
        raise refused(error) from None


def _typed(values: Values) -> dict[str, object]:
    """Return texts with whole numbers as numbers: an expression without a type never equals a text.

    Beside a column of text SQLite takes such a number for the text that it was.
    """
    return {
        name: int(text) if isinstance(text, str) and _WHOLE(text) else text
        for name, text in values.items()
    }


def refused(error: Exception) -> UsageError:
    """Return our error for a user's statement that SQLite refuses."""
    said = str(error).rstrip(".")
    hint = PARAMETER_HINT if "binding parameter" in said else SCHEMA_HINT
    return UsageError(f"SQLite: {said}", hint=hint)


@contextmanager
def explaining(path: str) -> Iterator[None]:
    """Translate SQLite's errors into ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise explained(path, error) from error


def explained(  # noqa: PLR0911 - a fault a line
    path: str, error: sqlite3.Error
) -> StoreRefused | StoreUnavailable:
    """Return our error for an error of SQLite."""
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
    is_empty = "no such table" in text and _is_empty(path)
    if is_full(path) and (is_empty or "no such" not in text):
        return StoreRefused(f"{path}: the disk is full", hint="Free some space")
    if is_empty:
        return StoreUnavailable(
            f"{path}: empty so far; it may be being made",
            hint="Wait a moment, or make it: projector backfill",
        )
    if "no such table" in text or "no such column" in text:
        return StoreRefused(
            f"{path}: not a database of this version of projector",
            hint="Bring it up to date: projector backfill; or name another: --database",
        )
    return StoreRefused(f"{path}: cannot be read: {text}", hint="Mend: run as its owner")


def _is_empty(path: str) -> bool:
    """True if a database has no tables: whoever makes it has not committed them yet."""
    with suppress(sqlite3.Error, OSError), closing(opened(path)) as db:
        return not db.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema)").fetchone()[0]
    return False


def _missing(path: str) -> StoreMissing:
    return StoreMissing(f"{path}: no database there", hint="Make it: projector backfill")


def _file(path: str) -> tuple[int, int, bool]:
    """Return device and inode of a file, and whether it has a write-ahead log.

    A connection opened without a log, in a folder without write permission, does not see a later
    log.
    """
    try:
        facts = os.stat(path)
    except FileNotFoundError:
        raise _missing(path) from None
    return facts.st_dev, facts.st_ino, os.path.exists(f"{os.path.realpath(path)}-wal")


def _size(path: str) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0
