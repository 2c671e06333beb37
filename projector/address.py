"""Addresses of databases: which engine they name, how they may be shown. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from uuid import UUID

#: How a database in a SQLite file is written: this, then its path.
SQLITE: Final = "sqlite:///"
#: How one on a server is: this, then all that libpq takes behind it.
POSTGRES: Final = "postgresql://"

_HIDDEN: Final = "***"
_USER: Final = re.compile(r"(?<=://)([^/?#@:]*):([^/?#@]*(?:@[^/?#@]*)*)(?=@)")
_OPTION: Final = re.compile(r"(?<=[?&])((?:ssl)?password)=([^&#]*)", re.IGNORECASE)


def is_postgres(url: str) -> bool:
    """Tell whether an address is that of a PostgreSQL server."""
    return url.startswith(POSTGRES)


def shown(url: str) -> str:
    """Give an address fit to be shown: a password in it is left out."""
    if url.startswith(SQLITE):
        return url
    return _OPTION.sub(rf"\1={_HIDDEN}", _USER.sub(rf"\1:{_HIDDEN}", url))


def secrets(url: str) -> list[str]:
    """Give what `shown` leaves out, so that it can be left out elsewhere too."""
    found = [*_USER.findall(url), *_OPTION.findall(url)]
    return [] if url.startswith(SQLITE) else [secret for _, secret in found if secret]


def source_id(name: str) -> UUID:
    """Give the id of a source, of all rows that an installation of this name writes.

    How it is made never changes.
    """
    from uuid import NAMESPACE_URL, uuid5  # noqa: PLC0415 - `health` on SQLite does without

    return uuid5(uuid5(NAMESPACE_URL, "codex-projector:source"), name)
