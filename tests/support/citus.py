"""A Citus cluster that is there already: each database of a test is a schema of it, with its role.

`$TEST_CITUS` is the address of its coordinator, of a user who may make schemas and roles. Citus
puts all tables of a schema on one node (schema-based sharding). A coordinator of this machine is
reached by its Unix socket: so are those of tests, and some have no network.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

import psycopg
import pytest
from psycopg import conninfo, sql

from tests.support.server import Server, migrated

#: The address of a coordinator; empty: the tests start a server of their own.
ADDRESS: Final = os.environ.get("TEST_CITUS", "")
#: Commands for a shell, one a line: each kills a node, coordinator or worker, and starts it again.
NODES: Final = os.environ.get("TEST_CITUS_NODES", "").splitlines()
#: Of tests that look into a server, or need rights over it that a role of a cluster has not.
own_server: Final = pytest.mark.skipif(bool(ADDRESS), reason="needs a server of the tests' own")


class Cluster(Server):
    """Schemas of a cluster; nothing of it is started or killed."""

    lock_waits = "SELECT 1 FROM citus_stat_activity WHERE wait_event_type = 'Lock'"
    schemas = "SELECT nspacl::text FROM pg_namespace WHERE nspname = current_schema()"

    def __init__(self, address: str = ADDRESS) -> None:
        """Use it."""
        self._address = address
        self._run = f"t{secrets.token_hex(4)}"
        self._names = itertools.count(1)
        self._free = []
        self._made: list[str] = []
        with psycopg.connect(address) as db:
            sockets = db.execute("SHOW unix_socket_directories").fetchone()
            self.port = db.info.port
            self._owner = db.info.user
            self._database = db.info.dbname
            host = db.info.host
        near = [Path(one.strip()) for one in (sockets[0] if sockets else "").split(",")]
        here = [one for one in near if (one / f".s.PGSQL.{self.port}").is_socket()]
        self.folder = here[0] if here else Path(host)

    def url(self, database: str = "") -> str:
        """Give the address of a schema of it."""
        who = database or self._owner
        where = f"host={self.folder}&port={self.port}"
        return f"postgresql:///{self._database}?{where}&user={who}"

    def users(self) -> list[str]:
        """Give the names of roles, also of those that are made yet."""
        return [self._owner, *(f"{self._run}_{number}" for number in range(1, 100))]

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
            with ThreadPoolExecutor(1) as pool:  # there may be a loop in this thread
                pool.submit(lambda: asyncio.run(migrated(url))).result()
        return url

    def drop_database(self, url: str) -> None:
        """Drop a schema and its role."""
        name = schema_of(url)
        self._made.remove(name)
        for statement in (
            f"DROP SCHEMA IF EXISTS {name} CASCADE",
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


def schema_of(url: str) -> str:
    """Give the name of the schema, and of the role, that an address of ours leads to."""
    return str(conninfo.conninfo_to_dict(url)["user"])
