"""Builds a statement that inserts many rows of a source, or replaces those of the same key."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    # Texts are sent in binary form: quoting them takes longer than everything else here.
    given = ", ".join(
        f"%{'b' if _given(kind) == 'text' else 's'}::{_given(kind)}[]" for kind in columns.values()
    )
    taken = ", ".join(
        name if _given(kind) == kind else f"{name}::{kind}" for name, kind in columns.items()
    )
    text = (
        f"INSERT INTO {table} (source_id, {', '.join(columns)}) SELECT %s::uuid, {taken}"
        f" FROM unnest({given}) AS k ({', '.join(columns)})"
        f" ON CONFLICT (source_id, {', '.join(key)}) {changing}"
    )
    return [(text, (source, *map(list, zip(*rows, strict=True))))]


def _given(kind: str) -> str:
    """Return the type that values are sent as."""
    return kind if kind in ("text", "bigint", "integer", "smallint", "boolean") else "text"
