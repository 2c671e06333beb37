"""Sends many statements to the server in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

import psycopg
from psycopg import sql

from projector.store.postgres import citus, prepared

Row = tuple[Any, ...]
Query = tuple[str, Sequence[Any]]
"""A statement, made of our own names of tables and columns, and the values bound in it."""


#: A transaction that sends nothing for this time, milliseconds, is ended by the server: its host
#: may be cut off, and others wait for its locks.
_UNHEARD_MS: Final = 120_000
#: Joins are written in the order in which they are best done: a fifth of what the plans of a small
#: commit cost is the search for another one.
_LIMITS: Final = (
    "SELECT set_config('lock_timeout', %s, true),"
    " set_config('idle_in_transaction_session_timeout', %s, true),"
    " set_config('join_collapse_limit', '1', true)"
)
#: Among them how long JSON is packed: by lz4 in a fifth of the time.
_LIMITS_LZ4: Final = f"{_LIMITS}, set_config('default_toast_compression', 'lz4', true)"
#: Transactions that ask whether the server knows its tables, by their number; later ones are
#: multiples of the last.
_LOOKS: Final = (0, 4, 20, 50)


class Pipeline:
    """A connection that sends whole lists of statements at once."""

    def __init__(
        self,
        connection: psycopg.AsyncConnection[Row],
        lock_timeout_s: float = 30.0,
        *,
        may_prepare: bool = False,
        has_citus: bool = False,
        has_lz4: bool = False,
    ) -> None:
        """Use a connection.

        `lock_timeout_s`: how long a transaction waits for another's lock. `may_prepare`: see
        `prepared.possible`. `has_citus`: the server has that extension. `has_lz4`: it packs by
        lz4 if it is told to.
        """
        self._connection = connection
        self._may_prepare = may_prepare
        self._has_citus = has_citus
        self._warnings = citus.Warnings(connection) if has_citus else None
        self._limits = _LIMITS_LZ4 if has_lz4 else _LIMITS
        # Through Citus a statement is planned anew on its node, so no plan of here lasts.
        self._prepares = may_prepare and has_citus
        if self._prepares:
            prepared.allow(connection)
        self._unknown = False
        """The server has many rows and no statistics of them."""
        self._begun = 0
        self._lock_timeout_ms = max(1, round(lock_timeout_s * 1000))
        self.trips = 0
        """Round trips so far."""

    async def begin(self, *queries: Query) -> list[list[Row]]:
        """Begin a transaction, and run its first statements, as `execute` does."""
        first: list[Query] = [("BEGIN ISOLATION LEVEL READ COMMITTED", ())]
        if self._has_citus:
            first += [(text, ()) for text in citus.limits(self._lock_timeout_ms, _UNHEARD_MS)]
        else:
            first.append((self._limits, (str(self._lock_timeout_ms), str(_UNHEARD_MS))))
        looks = self._may_prepare and not self._prepares and self._is_time_to_look()
        if self._unknown:
            await self.execute((prepared.ANALYZE, ()))
        self._begun += 1
        if self._prepares and not self._has_citus:
            first.append((prepared.PLANS, ()))
        elif looks:
            first.append((prepared.KNOWN, ()))
        answers = await self.execute(*first, *queries)
        if looks:
            ((known, many),) = answers[len(first) - 1]
            self._unknown = many and not known and not self._unknown
            if known:
                self._prepares = True
                prepared.allow(self._connection)
        return answers[len(first) :]

    def _is_time_to_look(self) -> bool:
        return self._unknown or self._begun in _LOOKS or self._begun % _LOOKS[-1] == 0

    async def execute(self, *queries: Query) -> list[list[Row]]:
        """Run statements in order, in one round trip; return the rows of each."""
        async with self._connection.pipeline():
            cursors = [
                await self._connection.execute(composed(text), values) for text, values in queries
            ]
        self.trips += 1
        if self._warnings is not None:
            self._warnings.check()
        return [
            await cursor.fetchall() if cursor.description is not None else [] for cursor in cursors
        ]


@lru_cache(maxsize=512)
def composed(statement: str) -> sql.SQL:
    """Accept a statement that is not a literal: it is made of our own names."""
    return sql.SQL(statement)
