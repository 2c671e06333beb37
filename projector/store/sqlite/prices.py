"""Prices of models: what the view `token_costs` multiplies tokens with."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from projector.model.prices import Price
from projector.store.sqlite.file import writing

#: Each model that a response names, found by skipping along the index.
_MODELS: Final = """
WITH RECURSIVE used (model_provider, model) AS (
  SELECT model_provider, model FROM (
    SELECT model_provider, model FROM _usage_rows INDEXED BY usage_by_model
    WHERE length(model_provider) <= 200 AND length(model) <= 200
    ORDER BY model_provider, model LIMIT 1)
  UNION ALL
  SELECT n.model_provider, n.model FROM used AS u JOIN _usage_rows AS n ON n.usage = (
    SELECT v.usage FROM _usage_rows AS v INDEXED BY usage_by_model
    WHERE (v.model_provider, v.model) > (u.model_provider, u.model)
      AND length(v.model_provider) <= 200 AND length(v.model) <= 200
    ORDER BY v.model_provider, v.model LIMIT 1))
SELECT u.model_provider, u.model FROM used AS u
WHERE NOT EXISTS (SELECT 1 FROM _prices AS p WHERE p.model_provider = u.model_provider
  AND p.model = u.model AND p.own = 0 AND p.list_version >= ?)
"""
_FIELDS: Final = (
    "model_provider, model, input, cached_input, cache_write, output, service_tier,"
    " from_ms, above, currency, price_source"
)
_INSERT: Final = (
    f"INSERT INTO _prices ({_FIELDS}, own, list_version) VALUES ({', '.join('?' * 13)})"
)


def models(db: sqlite3.Connection, version: str) -> list[tuple[str, str]]:
    """Return provider and model of what has no price of at least this version of the list."""
    return db.execute(_MODELS, (version,)).fetchall()


def put(
    db: sqlite3.Connection, version: str, listed: Sequence[Price], own: Sequence[Price]
) -> None:
    """Store list prices of a version, where there are none of a later one, and own prices."""
    stored = db.execute(f"SELECT {_FIELDS} FROM _prices WHERE own").fetchall()
    if not listed and sorted(stored, key=repr) == sorted(map(tuple, own), key=repr):
        return
    with writing(db):
        later = {
            (provider, model)
            for provider, model in db.execute(
                "SELECT DISTINCT model_provider, model FROM _prices"
                " WHERE own = 0 AND list_version > ?",
                (version,),
            )
        }
        listed = [one for one in listed if (one.model_provider, one.model) not in later]
        db.executemany(
            "DELETE FROM _prices WHERE own = 0 AND model_provider = ? AND model = ?",
            {(one.model_provider, one.model) for one in listed},
        )
        db.execute("DELETE FROM _prices WHERE own")
        db.executemany(_INSERT, [(*one, 0, version) for one in listed])
        db.executemany(_INSERT, [(*one, 1, "") for one in own])
