"""Statements to the server, many in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import psycopg
from psycopg import sql

Row = tuple[Any, ...]
Query = tuple[str, Sequence[Any]]
"""A statement, made from our own names of tables and columns, and the values bound in it."""


class Wire:
    """A connection, on which whole lists of statements go out at once."""

    def __init__(self, connection: psycopg.AsyncConnection[Row]) -> None:
        self._connection = connection
        self.trips = 0
        """Round trips so far."""

    async def ask(self, *queries: Query) -> list[list[Row]]:
        """Run statements in their order, in one round trip; give the rows of each."""
        async with self._connection.pipeline():
            cursors = [
                await self._connection.execute(composed(text), values) for text, values in queries
            ]
        self.trips += 1
        return [
            await cursor.fetchall() if cursor.description is not None else [] for cursor in cursors
        ]


@lru_cache(maxsize=512)
def composed(statement: str) -> sql.SQL:
    """Let a statement pass that is no literal: it is made of our own names."""
    return sql.SQL(statement)
