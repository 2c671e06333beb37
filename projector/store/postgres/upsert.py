"""Builds a statement that inserts many rows of a source, or replaces those of the same key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from projector.store.postgres.arrays import arrays
from projector.store.postgres.pipeline import Query

Columns = Mapping[str, str]
"""Names of columns and their types."""


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
        f"INSERT INTO {table} (source_id, {', '.join(columns)}) SELECT s.source_id, {given}"
        " FROM _sources AS s WHERE s.source_id = %s"
        f" ON CONFLICT (source_id, {', '.join(key)}) {changing}"
    )
    return [(text, (*arrays([*columns.values()], rows), source))]
