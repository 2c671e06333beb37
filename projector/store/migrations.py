"""The steps of each engine's schema: numbered `.sql` files, and their statements. Pure.

Files are `sql/BACKEND/NNNN_name.sql`, numbered from 1 without gaps, applied in order and each once
(`sqlite/schema.py`, `postgres/schema.py`). A released file never changes (its checksum is stored),
so that every database has gone through the same steps. There is no downgrade: a database of a newer
version is refused.
"""

from __future__ import annotations

import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from typing import NamedTuple

_NAME = re.compile(r"(?P<version>\d{4})_(?P<name>\w+)\.sql")


class Migration(NamedTuple):
    """One step of the schema."""

    version: int
    name: str
    sql: str

    @property
    def sha256(self) -> str:
        """Return the checksum of its text."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations(backend: str) -> tuple[Migration, ...]:
    """Read the steps of a backend, in order."""
    found = []
    folder = f"{os.path.dirname(__file__)}/sql/{backend}"  # `importlib.resources` takes 5 ms
    for name in os.listdir(folder):
        if named := _NAME.fullmatch(name):
            with open(f"{folder}/{name}", encoding="utf-8") as file:
                found.append(Migration(int(named["version"]), named["name"], file.read()))
    found.sort()
    assert [step.version for step in found] == list(range(1, len(found) + 1)), found
    return tuple(found)


def statements(sql: str) -> Iterator[str]:
    """Split a script into statements; `executescript` would end the transaction."""
    at = 0
    for found in re.finditer(";", sql):
        statement = sql[at : found.end()]
        if sqlite3.complete_statement(statement):
            yield statement
            at = found.end()
    assert not re.sub(r"--[^\n]*", "", sql[at:]).strip(), sql[at:]
