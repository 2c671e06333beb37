"""A Citus cluster that is there already: each database of a test is a schema of it, with its role.

`$TEST_CITUS` is the address of its coordinator, of a user who may make schemas and roles. Citus
puts all tables of a schema on one node (schema-based sharding).
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from typing import Final
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg import sql

from tests.support.server import Server, migrated

#: The address of a coordinator; empty: the tests start a server of their own.
ADDRESS: Final = os.environ.get("TEST_CITUS", "")
#: Of tests that look into a server, or need rights over it that a role of a cluster has not.
own_server: Final = pytest.mark.skipif(bool(ADDRESS), reason="needs a server of the tests' own")


class Cluster(Server):
    """Schemas of a cluster; nothing of it is started or killed."""

    schemas = "SELECT nspacl::text FROM pg_namespace WHERE nspname = current_schema()"

    def __init__(self, address: str = ADDRESS) -> None:
        """Use it."""
        self._address = address
        self._run = f"t{secrets.token_hex(4)}"
        self._names = itertools.count(1)
        self._free = []
        self._made: list[str] = []

    def url(self, database: str = "") -> str:
        """Give the address of a schema of it."""
        parts = urlsplit(self._address)
        where = parts.netloc.rpartition("@")[2]
        return f"postgresql://{database or parts.username}@{where}{parts.path}"

    def template(self) -> str:
        """Give the name of what databases with the present schema are made from."""
        return "migrated"

    def make_database(self, template: str = "") -> str:
        """Make a schema and its role; give the address of that."""
        name = f"{self._run}_{next(self._names)}"
        self._sql(f"CREATE ROLE {name} LOGIN")
        with psycopg.connect(self._address, autocommit=True) as db:
            db.execute("SET citus.enable_schema_based_sharding TO on")
            db.execute(sql.SQL(f"CREATE SCHEMA {name} AUTHORIZATION {name}"))
        self._sql(f"ALTER ROLE {name} SET search_path = {name}")
        self._made.append(name)
        url = self.url(name)
        if template:
            asyncio.run(migrated(url))
        return url

    def drop_database(self, url: str) -> None:
        """Drop a schema and its role."""
        name = str(urlsplit(url).username)
        self._made.remove(name)
        for statement in (
            f"DROP SCHEMA {name} CASCADE",
            f"DROP OWNED BY {name}",
            f"DROP ROLE {name}",
        ):
            self._sql(statement)

    def close(self) -> None:
        """Drop what was made."""
        for name in [*self._made]:
            self.drop_database(self.url(name))

    def _sql(self, statement: str) -> None:
        with psycopg.connect(self._address, autocommit=True) as db:
            db.execute(statement.encode())
