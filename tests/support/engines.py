"""Databases of each engine, changed behind the projector's back."""

from __future__ import annotations

import sqlite3

import psycopg

from projector.model.database_url import SQLITE, is_postgres
from projector.store.postgres.pipeline import composed


def told(url: str, sqlite: str, postgres: str = "", *values: object) -> None:
    """Change rows, at least one; `postgres`: the statement there, if it is another one."""
    if is_postgres(url):
        statement = (postgres or sqlite).replace("?", "%s")
        with psycopg.connect(url) as server:
            assert server.execute(composed(statement), values).rowcount > 0
        return
    with sqlite3.connect(url.removeprefix(SQLITE)) as file:
        assert file.execute(sqlite, values).rowcount > 0
    file.close()
