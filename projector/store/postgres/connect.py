"""Connects to a PostgreSQL server, and explains its errors."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from typing import Any, Final

import psycopg
from psycopg import conninfo, errors
from psycopg.abc import DumperKey
from psycopg.adapt import Dumper, PyFormat
from psycopg.pq import Format

from projector.model.database_url import HARMLESS, SECRET, fault, options, secrets, shown
from projector.model.errors import ProjectorError, StoreRefused, StoreUnavailable, UsageError
from projector.model.redaction import learn, redact_driver
from projector.store.postgres.arrays import Array
from projector.store.postgres.passwords import passwords

# The driver raises what it reports; its own log would go to standard error.
logging.getLogger("psycopg").addHandler(logging.NullHandler())


class _Redacting(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        """Return the line and its traceback without passwords."""
        return redact_driver(super().format(record))


# asyncio's reports of unhandled exceptions, too. Here passwords become known.
if logging.lastResort is not None:
    logging.lastResort.setFormatter(_Redacting())

#: Defaults, unless the URL has others: a server that vanishes silently is noticed.
_DEFAULTS: Final = {
    "application_name": "codex-projector",
    "connect_timeout": "10",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "60000",
}
#: Errors after which the whole transaction may succeed at once: others were in the way.
AGAIN: Final = (errors.SerializationFailure, errors.DeadlockDetected)
#: A value that PostgreSQL does not accept as text, JSON or number: it is sanitized and written
#: again.
ODD: Final = (
    psycopg.DataError,  # also psycopg's own: NUL in a text
    UnicodeEncodeError,
    OverflowError,
)


async def connect(url: str) -> psycopg.AsyncConnection[tuple[Any, ...]]:
    """Connect without prepared statements: see `prepared`, which may allow them.

    Raises:
        StoreUnavailable: the server is not available now.
        StoreRefused: it refuses the connection.
        UsageError: the URL is invalid.
    """
    more = parameters(url)
    with faults(url):
        db = await psycopg.AsyncConnection.connect(url, autocommit=True, **more)
    db.adapters.register_dumper(Array, _Encoded)
    return db


class _Encoded(Dumper):
    """Sends an array as it is."""

    format = Format.BINARY

    def get_key(self, obj: Array, format: PyFormat) -> DumperKey:  # noqa: A002, ARG002 - psycopg's
        return (Array, obj.oid)  # type: ignore[return-value] # anything that can be a key

    def upgrade(self, obj: Array, format: PyFormat) -> Dumper:  # noqa: A002, ARG002 - psycopg's
        dumper = type(self)(Array)
        dumper.oid = obj.oid
        return dumper

    def dump(self, obj: Array) -> bytes:
        return obj.data


def parameters(url: str) -> dict[str, Any]:
    """Return the connection parameters besides those of the URL.

    Raises:
        UsageError: it is invalid.
    """
    learn(secrets(url))
    try:
        known = conninfo.conninfo_to_dict(url)
    except (psycopg.ProgrammingError, UnicodeEncodeError) as error:
        # Not chained: libpq's message about an invalid URL quotes parts of it.
        raise UsageError(f"--database {shown(url)}: {_unread(url, str(error))}") from None
    given = {name: str(value) for name, value in known.items()}
    learn([*(given[name] for name in SECRET & given.keys()), *passwords(given)])
    more = {name: value for name, value in _DEFAULTS.items() if name not in known}
    return {**more, "client_encoding": "UTF8", "prepare_threshold": None}


#: libpq's message about an unknown option.
_UNKNOWN_OPTION: Final = re.compile(
    r'invalid (?:URI query parameter|connection option)[^"]*"(\w+)"'
)


def _unread(url: str, text: str) -> str:
    """Return why libpq cannot parse a URL, without its quotes, which may be parts of a password.

    The name of an unknown option is quoted only if it is similar to a known one.
    """
    if wrong := fault(url):
        return wrong
    if found := _UNKNOWN_OPTION.search(text):
        near = get_close_matches(found[1], sorted(HARMLESS | SECRET), n=1)
        if near:
            return f'unknown option "{found[1]}"; did you mean "{near[0]}"?'
        return "an option that libpq does not know"
    return "not as libpq takes it; in a name or password all but letters and digits is written %XX"


@contextmanager
def faults(url: str) -> Iterator[None]:
    """Translate the driver's errors into ours; ours pass, and so do our own bugs.

    Raises:
        StoreUnavailable: it may go away by itself.
        StoreRefused: it will not.
    """
    try:
        yield
    except psycopg.Error as error:
        fault = explained(url, error)
        if fault is None:
            raise
        raise fault from error


#: What happens next after an error, by the prefix of its code (SQLSTATE); the longest one counts.
_FAULTS: Final[dict[str, tuple[type[ProjectorError], str, str]]] = {
    "0A000": (
        StoreRefused,
        "the server lacks something that is needed",
        "`projector doctor` names the engine; see: projector help postgresql",
    ),
    "42601": (
        StoreRefused,
        "the server does not understand a statement",
        "`projector doctor` names the engine; see: projector help postgresql",
    ),
    "25006": (StoreUnavailable, "cannot be written: a standby, or read-only", "Name the primary"),
    "28": (StoreRefused, "does not let us in", "Check user, password and pg_hba.conf"),
    "3D000": (StoreRefused, "there is no such database", "Make it: createdb"),
    "3F000": (
        StoreRefused,
        "there is no schema that this user may use",
        "As its owner: GRANT USAGE, CREATE ON SCHEMA public TO THE_USER; or make one: CREATE"
        " SCHEMA",
    ),
    "42501": (StoreRefused, "permission denied", "Grant the user CREATE on the schema"),
    "53100": (StoreUnavailable, "the server's disk is full", "Free some space"),
    "53": (StoreUnavailable, "the server is out of resources", ""),
    "54": (StoreUnavailable, "a limit of the server was reached", ""),
    "55P03": (
        StoreUnavailable,
        "locked by another program",
        "End the program that holds it; `projector run` tries again by itself",
    ),
    "57014": (StoreUnavailable, "a statement was cancelled", ""),
    "57P": (StoreUnavailable, "the server is shutting down or starting", ""),
    "40": (StoreUnavailable, "other writers were in the way", ""),
    "08": (StoreUnavailable, "the connection was lost", ""),
    "58": (StoreUnavailable, "the server has trouble with its files", "Read the server's log"),
    "XX": (StoreUnavailable, "the server has trouble", "Read the server's log"),
}
#: Errors of tables that are not those of this version.
_OTHER_SCHEMA: Final = (errors.UndefinedTable, errors.UndefinedColumn, errors.UndefinedFunction)


#: The server's message about a missing right.
_DENIED: Final = re.compile(r"(?:permission denied for|must be owner of) (\w+) (\S+)")


def missing_right(url: str, text: str, *, reading: bool) -> str:
    """Return the statement that grants the missing right; "": the text does not name it.

    `reading`: only rights to read are needed.
    """
    found = _DENIED.search(text)
    if found is None:
        return ""
    kind, name = found[1], found[2].strip('",.')
    user = options(url).get("user") or "THE_USER"
    if "must be owner" in text:
        return f"Run once as the owner of {name}, or: ALTER {kind.upper()} {name} OWNER TO {user}"
    rights = {
        "schema": ("USAGE" if reading else "USAGE, CREATE", f"SCHEMA {name}"),
        "database": ("CONNECT" if "CONNECT" in text else "CREATE", f"DATABASE {name}"),
        "sequence": ("USAGE", f"SEQUENCE {name}"),
        "function": ("EXECUTE", f"FUNCTION {name}"),
    }
    table = ("SELECT" if reading else "SELECT, INSERT, UPDATE, DELETE", f"TABLE {name}")
    right, what = rights.get(kind, table)
    return f"As its owner: GRANT {right} ON {what} TO {user}"


def explained(url: str, error: psycopg.Error, *, reading: bool = False) -> ProjectorError | None:
    """Return our error for an error of the driver; None: it is our own bug."""
    where = shown(url)
    if isinstance(error, _OTHER_SCHEMA):
        return StoreRefused(
            f"{where}: is not as this version of codex-projector makes it ({said(error)})",
            hint="Give another database and run backfill: it is made again from the rollouts",
        )
    code = error.sqlstate or ""
    for length in range(len(code), 1, -1):
        if known := _FAULTS.get(code[:length]):
            kind, what, hint = known
            if code in ("42501", "3F000"):
                hint = missing_right(url, said(error), reading=reading) or hint
            return kind(f"{where}: {what} ({said(error)})", hint=hint)
    if isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)):
        return _unreached(url, error)
    return None


#: Errors while connecting, which have no code.
_NOT_LET_IN: Final = re.compile(
    r"password authentication failed|no password supplied|pg_hba\.conf|"
    r"(?:role|database) \"[^\"]*\" does not exist|certificate|could not translate host name"
)


def _unreached(url: str, error: psycopg.Error) -> ProjectorError:
    where = shown(url)
    text = said(error)
    if right := missing_right(url, text, reading=True):
        return StoreRefused(f"{where}: {text}", hint=right)
    if found := _NOT_LET_IN.search(text):
        if found[0].startswith("could not translate"):
            return StoreUnavailable(f"{where}: {text}", hint="Check the host's name")
        return StoreRefused(f"{where}: {text}", hint="Check address, user and password")
    return StoreUnavailable(f"{where}: {text}")


def said(error: psycopg.Error) -> str:
    """Return the message of the server or libpq, in one line, without passwords.

    They are redacted first: cut, or with other blanks, they would not be found.
    """
    text = redact_driver(error.diag.message_primary or str(error))
    return " ".join(text.split())[:300] or type(error).__name__
