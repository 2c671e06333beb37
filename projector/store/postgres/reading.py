"""A PostgreSQL database that is open for reading: `store.reading.Connection`.

Values come as SQLite has them: JSON as text, uids as bytes, yes and no as 1 and 0, and texts as
they were before they were escaped. No state is kept on the server between two transactions, so
that a pooler may stand between.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC
from typing import Any, Final, Self

import psycopg
from psycopg import errors
from psycopg.abc import AdaptContext, Buffer
from psycopg.adapt import Loader
from psycopg.types.datetime import TimestamptzLoader
from psycopg.types.uuid import UUIDLoader

from projector.model.database_url import shown, source_id
from projector.model.errors import (
    ProjectorError,
    StoreRefused,
    StoreUnavailable,
    UsageError,
)
from projector.store import state_file
from projector.store.heartbeat import Published
from projector.store.postgres import citus, search_path
from projector.store.postgres import text as escapes
from projector.store.postgres.connect import explained, parameters, said
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

_NAME: Final = re.compile(r"(?<![:\w]):(\w+)")
#: What a user's statement holds that is a parameter, a percent sign, or may have what looks so.
_PARTS: Final = re.compile(
    r"\bE'(?:[^'\\]|\\.|'')*'|'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|--[^\n]*|/\*.*?\*/"
    r"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|::|:(?P<name>[A-Za-z_]\w*)|%",
    re.DOTALL | re.IGNORECASE,
)
_FEED: Final = "SELECT feed_id, last_seq, last_mark FROM _sources WHERE source_id = :source"
_SIZE: Final = "SELECT pg_database_size(current_database())"
_MAY_WRITE: Final = "SELECT has_table_privilege('_items', 'INSERT, UPDATE, DELETE')"
_STANDBY: Final = (
    "SELECT pg_is_in_recovery(), CAST(CASE WHEN pg_is_in_recovery()"
    " THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp()) END AS double precision)"
)


class _Text(Loader):
    def load(self, data: Buffer) -> str:
        return escapes.plain(str(data, "utf-8"))


class _Json(Loader):
    def load(self, data: Buffer) -> str:
        return escapes.plain_json(str(data, "utf-8"))


class _Uuid(Loader):
    def load(self, data: Buffer) -> bytes:
        return bytes.fromhex(str(data, "ascii").replace("-", ""))


class _YesOrNo(Loader):
    def load(self, data: Buffer) -> int:
        return int(bytes(data) == b"t")


class _Time(Loader):
    """Loads a time in the format of SQLite's views."""

    def __init__(self, oid: int, context: AdaptContext | None = None) -> None:
        super().__init__(oid, context)
        self._loader = TimestamptzLoader(oid, context)

    def load(self, data: Buffer) -> str:
        at = self._loader.load(data).astimezone(UTC)
        return f"{at.replace(tzinfo=None).isoformat(timespec='milliseconds')}Z"


class _Whole(Loader):
    def load(self, data: Buffer) -> int | float:
        text = str(data, "ascii")
        return float(text) if "." in text else int(text)


#: Loaders that return values as SQLite has them.
LOADERS: Final[Mapping[str, type[Loader]]] = {
    "text": _Text, "varchar": _Text, "json": _Json, "jsonb": _Json, "uuid": _Uuid,
    "bool": _YesOrNo, "numeric": _Whole, "timestamptz": _Time,
}  # fmt: skip


def connect(url: str, source: str) -> PostgresConnection:
    """Open a database for reading; `source`: name of the source that questions refer to.

    Raises:
        UsageError: the URL is invalid.
        StoreMissing: there is no such database.
        StoreRefused: the server refuses the connection.
        StoreUnavailable: the server cannot be reached now.
    """
    more = parameters(url)
    with explaining(url):
        db = psycopg.connect(url, autocommit=True, **more)
    db.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
    db.read_only = True
    for name, loader in LOADERS.items():
        db.adapters.register_loader(name, loader)
    return PostgresConnection(db, url, source)


class PostgresConnection:
    """See `Connection`. `:source` in a query is the id of the source that is asked about."""

    def __init__(self, db: psycopg.Connection, url: str, source: str) -> None:
        """Read from it; `close` closes it."""
        self._db = db
        self._url = url
        self._source = str(source_id(source))
        self._feed: bytes | None = None

    @property
    def shown(self) -> str:
        """See `Connection`."""
        return shown(self._url)

    def rows(self, sql: Sql | str, values: Values = NONE) -> list[tuple[Any, ...]]:
        """See `Connection`."""
        with explaining(self._url):
            return self._execute(sql, values).fetchall()

    def dicts(self, sql: Sql | str, values: Values = NONE) -> list[dict[str, Any]]:
        """See `Connection`."""
        with explaining(self._url):
            cursor = self._execute(sql, values)
            names = [column.name for column in cursor.description or ()]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def stream(self, sql: Sql | str, values: Values = NONE) -> Iterator[tuple[Any, ...]]:
        """See `Connection`."""
        with explaining(self._url), self._db.cursor() as cursor:
            yield from cursor.stream(_bound(words_of(sql).postgres), self._named(values))

    def answer(self, statement: str, values: Values = NONE) -> Answer:
        """See `Connection`. A transaction of its own, read-only; uids as UUIDs."""
        told = self._answered(_with_values(statement, values), values or None)
        return Answer(next(told), told)

    def _answered(self, statement: bytes, values: Values | None) -> Iterator[Any]:
        """Yield the names of the columns, then the rows."""
        try:
            # Without a transaction `read_only` says nothing: a statement alone may write.
            with self._db.transaction(), self._db.cursor() as cursor:
                cursor.adapters.register_loader("uuid", UUIDLoader)
                # The extended protocol takes one statement: none can end the transaction first.
                rows = cursor.stream(statement, values)
                first = next(rows, None)
                if first is None:  # a stream without rows does not tell their columns
                    cursor.execute(statement, values)
                yield [column.name for column in cursor.description or ()]
                if first is not None:
                    yield first
                    yield from rows
        except psycopg.OperationalError as error:
            raise explained(self._url, error, reading=True) or _refused(error) from error
        except psycopg.Error as error:
            raise _refused(error) from None

    def _execute(self, sql: Sql | str, values: Values) -> psycopg.Cursor:
        return self._db.execute(_bound(words_of(sql).postgres), self._named(values))

    def _named(self, values: Values) -> dict[str, Any]:
        return {"source": self._source, **values}

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `Connection`."""
        with explaining(self._url), self._db.transaction():
            # Pages are small: compiling a plan takes longer than running it.
            self._db.execute("SET LOCAL jit = off")
            yield

    def version(self) -> object:
        """See `Connection`."""
        found = self.rows(_FEED)
        if not found:
            return ()
        ((feed_id, *newest),) = found
        self._feed = self._feed or feed_id
        return tuple(newest) if feed_id == self._feed else None

    def size(self) -> Size:
        """See `Connection`. Engines that only speak PostgreSQL's protocol may not say: 0."""
        try:
            on_nodes = self._citus()
            ((size,),) = self.rows(citus.SIZE if on_nodes else _SIZE)
        except ProjectorError:
            return Size(0, 0)
        return Size(size, 0)

    def _citus(self) -> str:
        """Return the version of the extension Citus; "": it is not there."""
        return next((version for (version,) in self.rows(citus.VERSION)), "")

    def daemon(self) -> Published:
        """See `Connection`: of a daemon on this host."""
        return state_file.read(state_file.remote_path(shown(self._url), self._source))

    def schema(self) -> Schema:
        """See `Connection`."""
        from projector.store.migrations import migrations  # noqa: PLC0415 - as on SQLite

        ((found,),) = self.rows("SELECT max(version) FROM _migrations")
        return Schema(found, len(migrations("postgres")))

    def server(self) -> Server | None:
        """See `Connection`.

        Raises:
            StoreRefused: no daemon can write there.
        """
        ((version,),) = self.rows("SHOW server_version")
        if extension := self._citus():
            if self.rows(citus.SPREAD) != [(0,)]:
                raise citus.refuse(self.shown)
            version = f"{version}, with Citus {extension}"
        pgconn = self._db.pgconn
        standby, lag_s = False, None
        may_write = True
        # Engines that only speak PostgreSQL's protocol know less about themselves.
        with suppress(ProjectorError):
            ((may_write,),) = self.rows(_MAY_WRITE)
        with suppress(ProjectorError):
            ((standby, lag_s),) = self.rows(_STANDBY)
        return Server(
            version=str(version),
            encrypted=bool(pgconn.ssl_in_use),
            local=pgconn.host.startswith(b"/"),
            standby=bool(standby),
            lag_s=lag_s,
            may_write=bool(may_write),
        )

    def soundness(self, seconds: float | None) -> str | None:  # noqa: ARG002 - as others have it
        """See `Connection`. That is the server's: nothing is seen from here."""
        return None

    def close(self) -> None:
        """See `Connection`."""
        self._db.close()

    def __enter__(self) -> Self:
        """See `Connection`."""
        return self

    def __exit__(self, *_: object) -> None:
        """See `Connection`."""
        self.close()


@contextmanager
def explaining(url: str) -> Iterator[None]:
    """Translate the driver's errors into ours."""
    try:
        yield
    except errors.UndefinedTable as error:
        raise _unread(url) from error
    except errors.FeatureNotSupported as error:
        raise _lacking(url) or explained(url, error, reading=True) or error from error
    except errors.SerializationFailure as error:
        # A reader blocks nobody: on a standby, replaying the primary's changes could not wait.
        raise StoreUnavailable(
            f"{shown(url)}: the standby had to go on with what the primary wrote ({said(error)})",
            hint="Try again; max_standby_streaming_delay or hot_standby_feedback, set on the"
            " standby, leave readers more time",
        ) from error
    except psycopg.Error as error:
        raise (
            explained(url, error, reading=True) or StoreRefused(f"{shown(url)}: {said(error)}")
        ) from error


def _refused(error: psycopg.Error) -> UsageError:
    """Return our error for a user's statement that the server refuses."""
    text = said(error)
    return UsageError(
        f"PostgreSQL: {text}", hint=PARAMETER_HINT if 'or near ":"' in text else SCHEMA_HINT
    )


def _lacking(url: str) -> ProjectorError | None:
    """Return why a server does not answer a question of ours; None: it is not known."""
    # Not the connection that failed: its transaction may have failed, too.
    with suppress(psycopg.Error), psycopg.connect(url, autocommit=True, **parameters(url)) as db:
        if db.execute(citus.VERSION).fetchone() and db.execute(citus.SPREAD).fetchone() != (0,):
            return citus.refuse(shown(url))
    return None


def _unread(url: str) -> ProjectorError:
    """Return why a database has no tables of ours, as far as the server tells."""
    # Not the connection that failed: its transaction may have failed, too.
    with suppress(psycopg.Error), psycopg.connect(url, autocommit=True, **parameters(url)) as db:
        if found := db.execute(search_path.QUESTION).fetchone():
            return search_path.SearchPath(*found).unread(shown(url))
    return search_path.missing(shown(url))


def _with_values(statement: str, values: Values) -> bytes:
    """Return a statement of a user with the parameters that have values as psycopg names them."""
    if not values:
        return statement.encode()

    def named(found: re.Match[str]) -> str:
        name = found["name"]
        return f"%({name})s" if name in values else found[0].replace("%", "%%")

    return _PARTS.sub(named, statement).encode()


@functools.cache
def _bound(sql: str) -> bytes:
    """Return a query with its parameters as psycopg names them."""
    return _NAME.sub(r"%(\1)s", sql.replace("%", "%%")).encode()
