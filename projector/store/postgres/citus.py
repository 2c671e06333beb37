"""What is asked of a server that has the extension Citus, which spreads tables over nodes.

All tables of a source lie in one schema, which Citus keeps on one node (schema-based sharding):
questions and transactions stay there. Rows spread by a column would need questions over several
nodes that Citus does not answer: recursive ones, and FOR UPDATE.
"""

from __future__ import annotations

from typing import Any, Final

import psycopg
from psycopg import errors
from psycopg.errors import Diagnostic

from projector.model.errors import StoreRefused

#: The version of the extension; no row: it is not there.
VERSION: Final = "SELECT extversion FROM pg_extension WHERE extname = 'citus'"
#: Before a schema is made that stays on one node.
SCHEMAS_STAY_WHOLE: Final = "SET citus.enable_schema_based_sharding TO on"
#: Number of tables of ours whose rows are spread.
SPREAD: Final = (
    "SELECT count(*) FROM pg_dist_partition AS p JOIN pg_class AS c ON c.oid = p.logicalrelid"
    " WHERE c.relnamespace = current_schema()::regnamespace AND p.partmethod <> 'n'"
)
#: Bytes of the tables of this schema, on whatever nodes.
SIZE: Final = (
    "SELECT coalesce(sum(CASE WHEN p.logicalrelid IS NULL THEN pg_total_relation_size(c.oid)"
    " ELSE citus_total_relation_size(c.oid, fail_on_error => false) END), 0)::bigint"
    " FROM pg_class AS c LEFT JOIN pg_dist_partition AS p ON p.logicalrelid = c.oid"
    " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
)


def limits(lock_timeout_ms: int, unheard_ms: int) -> tuple[str, ...]:
    """Return statements that set limits of a transaction on its nodes, too.

    What `set_config` sets stays on the node that is asked.
    """
    return (
        "SET LOCAL citus.propagate_set_commands = 'local'",
        "SET LOCAL join_collapse_limit = 1",  # see `pipeline`
        f"SET LOCAL lock_timeout = {lock_timeout_ms}",
        f"SET LOCAL idle_in_transaction_session_timeout = {unheard_ms}",
    )


#: Begins the warning that a COMMIT may be lost: whoever asked for it is told that it is done.
_UNCONFIRMED: Final = "failed to commit transaction on "


class Warnings:
    """Hears of commits that Citus calls done, and whose node did not say so.

    A transaction of one node is committed there first; if that node, or the way to it, is gone in
    this moment, Citus only warns.
    """

    def __init__(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Listen to a connection."""
        self._node = ""
        connection.add_notice_handler(self._hear)

    def _hear(self, notice: Diagnostic) -> None:
        text = notice.message_primary or ""
        if text.startswith(_UNCONFIRMED):
            self._node = text.removeprefix(_UNCONFIRMED)

    def check(self) -> None:
        """Raise if a commit was not confirmed.

        Raises:
            psycopg.Error: of a connection that was lost: it is unknown what was written.
        """
        if self._node:
            raise errors.ConnectionFailure(f"node {self._node} did not confirm COMMIT")


def refuse(where: str) -> StoreRefused:
    """Return the error of tables whose rows are spread."""
    return StoreRefused(
        f"{where}: its tables are distributed by rows; Citus does not answer questions over"
        " several nodes that need recursion or locks",
        hint="undistribute_table() each of them, then let Citus keep the schema on one node:"
        " SELECT citus_schema_distribute('SCHEMA')",
    )
