"""Interface of a database that is open for reading, whatever its engine. Pure.

A reader never writes, takes no lock, and keeps no snapshot longer than one answer takes.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Final, NamedTuple, Protocol, Self

from projector.store.heartbeat import Published

Values = Mapping[str, object]
#: No parameters.
NONE: Final[Values] = {}


class Sql(NamedTuple):
    """A query as each engine needs it; where one text works for both, a plain string is used."""

    sqlite: str
    postgres: str


def words_of(sql: Sql | str) -> Sql:
    """Return the query of each engine."""
    return Sql(sql, sql) if isinstance(sql, str) else sql


def among(name: str) -> Sql:
    """Return what stands behind IN for the texts of the parameter `name`, a JSON list."""
    return Sql(
        f"(SELECT value FROM json_each(:{name}))",
        f"(SELECT json_array_elements_text(CAST(:{name} AS json)))",
    )


def of_rollout(columns: str, table: str, rest: str = "") -> Sql:
    """Return the query for a rollout's rows in a table, which each engine keys in its own way.

    Values: `rollout`, its `rollout_key` of the read views, and `rollout_id`.
    """
    return Sql(
        f"SELECT {columns} FROM {table} WHERE rollout = :rollout {rest}",
        f"SELECT {columns} FROM {table} WHERE source_id = :source"
        f" AND rollout_id = :rollout_id {rest}",
    )


#: Free space below which a disk counts as full, bytes: a commit needs more.
FULL_BYTES: Final = 1 << 20


#: Where a user finds what can be asked.
SCHEMA_HINT: Final = (
    'The views and their columns: projector sql "SELECT * FROM columns", or projector help'
    " dictionary"
)

#: What a user's statement lacks that has a parameter without a value.
PARAMETER_HINT: Final = "Give the value of each :name by --param NAME VALUE"


class Size(NamedTuple):
    """Sizes on the database's disk, in bytes."""

    database: int
    log: int
    """Size of its write-ahead log."""
    free: int | None = None
    """Free space; None: unknown."""


class Schema(NamedTuple):
    """Versions of the schema."""

    found: int
    newest: int
    """The version that this program creates."""


class Server(NamedTuple):
    """Facts about the server of a database."""

    version: str
    encrypted: bool
    local: bool
    """True if it is reached by a Unix socket."""
    standby: bool
    """True if it is a read-only standby."""
    lag_s: float | None
    """Replication lag of a standby, seconds; None: not a standby, or unknown."""
    may_write: bool
    """True if the user has write permission."""


class Answer(NamedTuple):
    """What a database answers to a statement."""

    names: list[str]
    """Names of the columns; empty: no rows are answered."""
    rows: Iterable[tuple[Any, ...]]


class Connection(Protocol):
    """A database that is open for reading. Blocks.

    In a database that several hosts write, a question is about all of them, or about one *source*:
    the one that the connection was opened for; `:source` is its id ('' in SQLite, which has one
    source). Values are bound by name, `:name` in the query. Every method raises StoreUnavailable if
    the database cannot be read now, and StoreRefused (StoreDamaged) if it never can be as it is.
    """

    @property
    def shown(self) -> str:
        """Path or URL as shown to people, never with a password."""

    def rows(self, sql: Sql | str, values: Values = NONE) -> list[tuple[Any, ...]]:
        """Return all rows of a query."""

    def dicts(self, sql: Sql | str, values: Values = NONE) -> list[dict[str, Any]]:
        """Return all rows of a query, as mappings by column name."""

    def stream(self, sql: Sql | str, values: Values = NONE) -> Iterator[tuple[Any, ...]]:
        """Yield the rows of a query one by one; no other query may run meanwhile."""

    def answer(self, statement: str, values: Values = NONE) -> Answer:
        """Run one statement that a user wrote, read-only; no other query may run meanwhile.

        `values`: texts for its parameters, which are spelled `:name`; of the type that they are
        compared with.

        Raises:
            UsageError: the engine refuses it; with its message.
        """

    def snapshot(self) -> AbstractContextManager[None]:
        """Read everything inside from one snapshot."""

    def version(self) -> object:
        """Return a value that changes with each commit; None: another database is there now."""

    def size(self) -> Size:
        """Return its sizes."""

    def daemon(self) -> Published:
        """Return what the daemon publishes beside the database. Never raises."""

    def schema(self) -> Schema:
        """Return the versions of its schema."""

    def server(self) -> Server | None:
        """Return facts about its server; None: it is a file."""

    def soundness(self, seconds: float | None) -> str | None:
        """Check the whole file: "ok", or what is wrong; None: not finished in time.

        `seconds`: time limit; None: none.
        """

    def close(self) -> None:
        """Close the connection."""

    def __enter__(self) -> Self:
        """Return itself."""

    def __exit__(self, *_: object) -> None:
        """Close it."""
