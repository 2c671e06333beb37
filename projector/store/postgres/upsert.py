"""Builds a statement that inserts many rows of a source, or replaces those of the same key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from projector.store.postgres.arrays import arrays
from projector.store.postgres.pipeline import Query

Columns = Mapping[str, str]
"""Names of columns and their types."""

#: One row, of a table that no commit changes. Citus runs a statement on the node that has its
#: tables, and one without tables on the coordinator, which sends the rows there by COPY. Not of
#: `_sources`: while somebody holds a snapshot, a row has as many versions as there were commits.
ANY_ROW: Final = "(SELECT 1 FROM _migrations LIMIT 1) AS any_row"


def put(
    table: str,
    columns: Columns,
    key: Sequence[str],
    rows: Sequence[Sequence[Any]],
    source: str,
    *,
    changing: str | None = None,
) -> list[Query]:
    """Insert rows of a source, or replace those of the same key.

    `changing`: what to do with those instead of replacing all their columns.
    """
    if not rows:
        return []
    if changing is None:
        changing = "DO UPDATE SET " + ", ".join(
            f"{name} = excluded.{name}" for name in columns if name not in key
        )
    # Not FROM unnest(...), which keeps all its rows before the first one is inserted.
    given = ", ".join(f"unnest(%b::{kind}[])" for kind in columns.values())
    text = (
        f"INSERT INTO {table} (source_id, {', '.join(columns)}) SELECT %s::text::uuid, {given}"
        f" FROM {ANY_ROW} ON CONFLICT (source_id, {', '.join(key)}) {changing}"
    )
    return [(text, (source, *arrays([*columns.values()], rows)))]
