"""Faults of PostgreSQL, in words that help: what happens next, and how to mend it. Pure."""

from __future__ import annotations

import psycopg

from projector.address import secrets
from projector.address import shown as shown_address
from projector.errors import ProjectorError, StoreMissing, StoreRefused, StoreUnavailable

_NO_TABLE = ("42P01", "42703", "3F000")
_NO_PERMISSION = "42501"
#: What libpq says of a connection that no second try mends; it gives no code with it.
_FOR_GOOD = (
    ("password authentication failed", "See the user's password: ~/.pgpass, or database_file"),
    ("no password supplied", "Give it by ~/.pgpass, $PGPASSWORD, or database_file"),
    ("no pg_hba.conf entry", "Let it in: pg_hba.conf on the server"),
    ('role "', "Make it on the server: createuser"),
    ('database "', "Make it on the server: createdb"),
    ("invalid", "See libpq's manual, 34.1.1: Connection Strings"),
    ("certificate verify failed", "See sslrootcert and sslmode"),
    ("does not support SSL", "Switch TLS on there, or sslmode=prefer"),
)


def explained(url: str, error: psycopg.Error) -> ProjectorError:
    """Say what a fault of the server, or on the way there, means for the one who runs us."""
    where = shown_address(url)
    code = error.sqlstate
    text = said(url, error)
    if code in _NO_TABLE:
        return StoreMissing(
            f"{where}: no database of projector there", hint="Make it: projector backfill"
        )
    if code == _NO_PERMISSION:
        return StoreRefused(f"{where}: {text}", hint="GRANT it: see the README, PostgreSQL")
    if code is None and not isinstance(error, psycopg.OperationalError):
        return StoreRefused(f"{where}: {text}")
    if code is None:
        for words, hint in _FOR_GOOD:
            if words in text:
                return StoreRefused(f"{where}: {text}", hint=hint)
    return StoreUnavailable(f"{where}: {text}")


def said(url: str, error: psycopg.Error) -> str:
    """Give what the server said, in one line, without what is secret in the address."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    text = " ".join(line.strip() for line in lines[:2])
    for secret in secrets(url):
        text = text.replace(secret, "***")
    return text
