"""Prices of models: what the view `token_costs` multiplies tokens with."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from projector.model.prices import Price
from projector.store.sqlite.file import writing

#: Each model that a response has named. Longer names are nobody's.
_MODELS: Final = """
SELECT DISTINCT m.model_provider, m.model FROM _models AS m
WHERE length(m.model_provider) <= 200 AND length(m.model) <= 200
  AND NOT EXISTS (SELECT 1 FROM _prices AS p WHERE p.model_provider = m.model_provider
    AND p.model = m.model AND p.own = 0 AND p.list_version >= ?)
ORDER BY 1, 2
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
