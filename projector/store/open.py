"""Opens the store of a database's URL, for writing or reading.

An engine is imported only when it is needed: `projector health` only reads, and must start fast.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from projector.model.database_url import SQLITE, fault, is_postgres, shown
from projector.model.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from projector.store.check.compare import Rows
    from projector.store.copy import Receiver
    from projector.store.protocol import Store
    from projector.store.reading import Connection


async def open_store(
    url: str,
    *,
    source: str = "",
    busy_timeout_s: float = 30.0,
    on_progress: Callable[[], None] | None = None,
) -> Store:
    """Open the database of a URL; created, private and migrated if needed.

    Arguments are those of `closed_store`.

    Raises:
        UsageError: the URL is not supported.
        StoreRefused: the database cannot be used as it is.
        StoreUnavailable: it cannot be used now.
    """
    store = closed_store(url, source=source, busy_timeout_s=busy_timeout_s, on_progress=on_progress)
    try:
        await store.reopen()
    except BaseException:
        await store.close()
        raise
    return store


def closed_store(
    url: str,
    *,
    source: str = "",
    busy_timeout_s: float = 30.0,
    on_progress: Callable[[], None] | None = None,
) -> Store:
    """Create the store of a URL without opening it; `Store.reopen` does, as often as needed.

    `sqlite:///relative/path`, `sqlite:////absolute/path`; a `~` is the home folder.
    `postgresql://...`: as libpq parses it. `source`: name of this installation, if several hosts
    write one database; empty: the host's name. `busy_timeout_s`: how long a write waits for another
    program's before it fails. `on_progress`: called now and then while the database works, also on
    its thread.

    Raises:
        UsageError: the URL is not supported.
    """
    if is_postgres(url):
        try:
            from projector.store.postgres.store import PostgresStore  # noqa: PLC0415 - see above
        except ImportError as error:
            raise _lacking(url) from error
        return PostgresStore.closed(url, source=source or _host(), busy_timeout_s=busy_timeout_s)
    from projector.store.sqlite.store import SqliteStore  # noqa: PLC0415 - see the docstring

    return SqliteStore.closed(
        sqlite_path(url), busy_timeout_s=busy_timeout_s, on_progress=on_progress
    )


def open_to_read(url: str, *, source: str = "") -> Connection:
    """Open the database of a URL for reading; nothing is created or changed.

    `source`: name of the installation that questions about one source refer to.

    Raises:
        UsageError: the URL is not supported.
        StoreMissing: there is no such database.
        StoreRefused: it is not ours.
        StoreUnavailable: it cannot be read now.
    """
    if is_postgres(url):
        try:
            from projector.store.postgres.reading import connect  # noqa: PLC0415 - see above
        except ImportError as error:
            raise _lacking(url) from error
        return connect(url, source or _host())
    from projector.store.sqlite.reading import SqliteConnection  # noqa: PLC0415 - see above

    return SqliteConnection(_sqlite_file(url))


def open_rows(url: str, *, source: str = "") -> Rows:
    """Open the database of a URL for comparing its rows. Raises as `open_to_read` does."""
    from projector.store.check.stored_rows import StoredRows  # noqa: PLC0415 - see the docstring

    return StoredRows(open_to_read(url, source=source))


def union_views(db: Connection, patterns: Sequence[str], into: str) -> Iterator[str]:
    """Yield statements that make views over several schemas of a server; see there."""
    from projector.store.postgres.union_views import statements  # noqa: PLC0415 - see above

    return statements(db, patterns, into)


async def open_receiver(url: str, *, source: str = "") -> Receiver:
    """Prepare a database to receive the rows of another one; see `store.copy`.

    Raises:
        StoreRefused: it has rows already.
        StoreUnavailable: it cannot be written now.
    """
    if is_postgres(url):
        await (await open_store(url, source=source)).close()  # creates its schema, and the source
        from projector.store.postgres.copy_target import PostgresReceiver  # noqa: PLC0415 - see above

        return PostgresReceiver(url, source or _host())
    from projector.store.sqlite.copy_target import SqliteReceiver  # noqa: PLC0415 - see above

    return SqliteReceiver(sqlite_path(url))


def _host() -> str:
    """Return the default name of a source: the host's."""
    return os.uname().nodename


def _lacking(url: str) -> UsageError:
    """Return the error that PostgreSQL's library is not installed."""
    return UsageError(
        f"--database {shown(url)}: PostgreSQL's library is not installed",
        hint="pip install 'codex-projector[postgres]'",
    )


def sqlite_path(url: str) -> Path:
    """Return the file that a `sqlite:` URL names. Raises as `_sqlite_file` does."""
    from pathlib import Path  # noqa: PLC0415 - `health` does without

    return Path(_sqlite_file(url))


def _sqlite_file(url: str) -> str:
    """Return the file that a `sqlite:` URL names.

    Raises:
        UsageError: it does not name one; says what to write instead.
    """
    if wrong := fault(url):
        raise UsageError(f"--database: {wrong}")
    name = url.removeprefix(SQLITE)
    if "\0" in name:
        raise UsageError("--database: a path has no NUL in it")
    found = os.path.expanduser(name)
    if found.startswith("~"):
        raise UsageError(
            f"--database {SQLITE}{name}: there is no such home folder", hint="Name the whole path"
        )
    return found
