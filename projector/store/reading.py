"""How a database is read, whatever its engine: all that `serve` knows of a backend. Pure.

A reader never writes, asks for no lock, and keeps no snapshot longer than one answer takes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol, Self

from projector.store.heartbeat import Published

Values = Mapping[str, object]
#: No values.
NONE: Final[Values] = {}


class Sql(NamedTuple):
    """A question in the words of each engine; where a plain text will do for both, it does."""

    sqlite: str
    postgres: str


def words_of(sql: Sql | str) -> Sql:
    """Return a question for each engine."""
    return Sql(sql, sql) if isinstance(sql, str) else sql


def of_rollout(columns: str, table: str, rest: str = "") -> Sql:
    """Return the query for a rollout's rows in a table, which each engine keys in its own way.

    Values: `rollout`, its `rollout_key` of the read views, and `rollout_id`.
    """
    return Sql(
        f"SELECT {columns} FROM {table} WHERE rollout = :rollout {rest}",
        f"SELECT {columns} FROM {table} WHERE source_id = :source"
        f" AND rollout_id = :rollout_id {rest}",
    )


#: A disk with fewer bytes left than this is full: a commit takes more.
FULL_BYTES: Final = 1 << 20


class Size(NamedTuple):
    """Bytes on the database's disk."""

    database: int
    log: int
    """Of the write-ahead log beside it."""
    free: int | None = None
    """That may still be written on that disk; None: it is not known."""


class Schema(NamedTuple):
    """Versions of the schema."""

    found: int
    newest: int
    """The one that this program makes."""


class Server(NamedTuple):
    """What a database that is on a server says of it."""

    version: str
    encrypted: bool
    local: bool
    """Reached by a socket of this machine."""
    standby: bool
    """It only follows another one, and cannot be written."""
    lag_s: float | None
    """How far it is behind that one; None: it is none, or does not say."""
    may_write: bool
    """We may write there, as far as permissions go."""


class Connection(Protocol):
    """A database that is open for reading. Blocks.

    In a database that several hosts write, a question is about all of them, or about one *source*:
    the one that the connection was opened for; `:source` is its id, where an engine has any.
    Values are bound by name, `:name` in the query. Every method raises StoreUnavailable where the
    database cannot be read now, and StoreRefused (StoreDamaged) where it never will be as it is.
    """

    @property
    def shown(self) -> str:
        """What people know it by: a path or an address, never with a password."""

    def rows(self, sql: Sql | str, values: Values = NONE) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""

    def dicts(self, sql: Sql | str, values: Values = NONE) -> list[dict[str, Any]]:
        """Return all rows of a query, by the names of its columns."""

    def stream(self, sql: Sql | str, values: Values = NONE) -> Iterator[tuple[Any, ...]]:
        """Return the rows of a query one by one, however many; nothing else is asked meanwhile."""

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything within it as of one moment."""

    def version(self) -> object:
        """Return a value that changes with each commit; None: it is another database now."""

    def size(self) -> Size:
        """Say how large it is."""

    def daemon(self) -> Published:
        """Return what the daemon says beside the database. Never raises."""

    def schema(self) -> Schema:
        """Return the version of its schema."""

    def server(self) -> Server | None:
        """Say what server it is on; None: it is a file."""

    def soundness(self, seconds: float | None) -> str | None:
        """Check all that is stored, for so long: "ok", or what is wrong; None: not all was seen.

        `seconds`: None: however long it takes.
        """

    def close(self) -> None:
        """Let go of it."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """Close it."""
