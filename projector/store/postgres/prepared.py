"""Prepared statements: where the connection allows them, and as plans that last.

Half the server's work for a small commit is planning. A statement that is prepared by name is
planned once, but lives in one server process: behind a pooler that gives each transaction another
one, only a pooler that tracks such names (PgBouncer 1.21 and newer, `max_prepared_statements`) can
have them. Nothing has to be set: each connection is asked.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import sql
from psycopg.adapt import Dumper, PyFormat
from psycopg.types.numeric import Int8, Int8Dumper, IntDumper

#: A statement is prepared when it is run for the time after this many.
_THRESHOLD: Final = 5
#: More than the statements that a daemon has: none is given up for another one.
_MAX: Final = 400

_PID: Final = "SELECT pg_backend_pid()"
_PROBE: Final = "SELECT 'codex-projector: which name has this statement?'"
_NAMES: Final = (
    "SELECT name FROM pg_prepared_statements WHERE from_sql = false AND statement LIKE"
    " '%%which name has this statement?%%' AND statement NOT LIKE '%%pg_prepared_statements%%'"
)
#: Of names that psycopg gives.
_OURS: Final = "_pg3_"

#: Whether the tables that rows are looked up in have statistics, and whether they have many rows. A
#: plan made without statistics may read all rows of a rollout for each row, and would be kept.
KNOWN: Final = (
    "SELECT count(*) = 4, pg_relation_size('_items'::regclass) > 1000000 FROM pg_class"
    " WHERE reltuples > 0 AND oid IN ('_items'::regclass,"
    " '_turns'::regclass, '_rollouts'::regclass, '_thread_states'::regclass)"
)
#: Make them, of the columns that keys and indexes have. A server does so by itself within minutes:
#: a backfill of a new database would be over by then, and each of its batches would read all rows
#: of its rollout. Tables of another owner, or that others look through just now, are passed over.
ANALYZE: Final = (
    "ANALYZE (SKIP_LOCKED) _items (source_id, rollout_id, uid, turn_id, position),"
    " _turns (source_id, rollout_id, uid, turn_id, position),"
    " _usage (source_id, rollout_id, uid, turn_id, response_id, position),"
    " _rollouts (source_id, rollout_id, thread_id, base_rollout_id),"
    " _thread_states (source_id, thread_id, rollout_id),"
    " _thread_parts (source_id, thread_id, part, part_source, rollout_id)"
)
#: Every statement of a commit looks rows up by keys, however many rows there will be: the plans are
#: made for that, once.
PLANS: Final = (
    "SELECT set_config('plan_cache_mode', 'force_generic_plan', true),"
    " set_config('enable_seqscan', 'off', true), set_config('enable_hashjoin', 'off', true),"
    " set_config('enable_mergejoin', 'off', true), set_config('enable_material', 'off', true)"
)


class _Whole(IntDumper):
    """Sends every integer as a bigint: a statement is not prepared anew for larger ones."""

    _bigint = Int8Dumper(Int8)

    def upgrade(self, obj: int, format: PyFormat) -> Dumper:  # noqa: A002, ARG002 - psycopg's
        return self._bigint if -(1 << 63) <= obj < 1 << 63 else self._int_numeric_dumper


def allow(db: psycopg.AsyncConnection[Any]) -> None:
    """Let a connection prepare the statements that it repeats."""
    db.adapters.register_dumper(int, _Whole)
    db.prepared_max = _MAX
    db.prepare_threshold = _THRESHOLD


async def possible(db: psycopg.AsyncConnection[Any]) -> bool:
    """True if statements may be prepared by name on this connection, in autocommit.

    Where another process answers than the one that accepted the connection, a pooler stands
    between. One that tracks prepared statements gives them names of its own.
    """
    if await _answered(db, _PID) == [(db.info.backend_pid,)]:
        return True
    if not psycopg.capabilities.has_send_close_prepared():
        return False  # a name would be given back by a statement, which poolers pass on as it is
    db.prepare_threshold = 0
    try:
        async with db.transaction():  # one process, whoever stands between
            await db.execute(_PROBE)
            names = [name for (name,) in await _answered(db, _NAMES, prepare=False)]
            kept = [name for name in names if name.startswith(_OURS)]
            for name in kept:
                await db.execute(
                    sql.SQL("DEALLOCATE {}").format(sql.Identifier(name)), prepare=False
                )
    except psycopg.ProgrammingError:
        return False  # another client of the pooler has left the name there
    finally:
        db.prepare_threshold = None
    return bool(names) and not kept


async def _answered(
    db: psycopg.AsyncConnection[Any], query: str, *, prepare: bool | None = None
) -> list[Any]:
    cursor = await db.execute(sql.SQL(query), prepare=prepare)
    return await cursor.fetchall()
