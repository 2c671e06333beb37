"""Prices of models: what the view `token_costs` multiplies tokens with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from projector.model.prices import Price
from projector.store.postgres import text as escapes
from projector.store.postgres.pipeline import Pipeline, Query, Row

#: Whose the list prices are: nobody's.
_NOBODY: Final = "00000000-0000-0000-0000-000000000000"
#: Bytes `CxPjPric`: the lock of those who write prices.
_LOCK: Final = 0x4378506A50726963
#: Each model that a response names, found by skipping along the index.
MODELS: Final = """
SELECT u.model_provider, u.model FROM _read_models AS u
WHERE NOT EXISTS (SELECT 1 FROM _prices AS p WHERE p.model_provider = u.model_provider
  AND p.model = u.model AND NOT p.own AND p.list_version >= %s)
"""
_FIELDS: Final = (
    "model_provider, model, input, cached_input, cache_write, output, service_tier, from_ms,"
    " above, currency, price_source"
)
_INSERT: Final = (
    f"INSERT INTO _prices ({_FIELDS}, own, list_version, source_id)"
    f" VALUES ({', '.join(['%s'] * 14)})"
)
OWN: Final = f"SELECT {_FIELDS} FROM _prices WHERE own AND source_id = %s"


def plain(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Return the rows of `MODELS` with texts as they were before they were escaped."""
    return [(escapes.plain(provider), escapes.plain(model)) for provider, model in rows]


async def put(
    wire: Pipeline, source: str, version: str, listed: Sequence[Price], own: Sequence[Price]
) -> None:
    """Store list prices of a version, where there are none of a later one, and own prices."""
    (stored,) = await wire.execute((OWN, (source,)))
    if not listed and sorted(stored, key=repr) == sorted(map(_row, own), key=repr):
        return
    *_, later = await wire.begin(
        ("SELECT pg_advisory_xact_lock(%s)", (_LOCK,)),
        (
            "SELECT DISTINCT model_provider, model FROM _prices"
            " WHERE NOT own AND list_version > %s",
            (version,),
        ),
    )
    rows = [_row(one) for one in listed]
    rows = [row for row in rows if row[:2] not in {tuple(one) for one in later}]
    writes: list[Query] = [
        ("DELETE FROM _prices WHERE NOT own AND model_provider = %s AND model = %s", names)
        for names in dict.fromkeys(row[:2] for row in rows)
    ]
    writes.append(("DELETE FROM _prices WHERE own AND source_id = %s", (source,)))
    writes += [(_INSERT, (*row, False, version, _NOBODY)) for row in rows]
    writes += [(_INSERT, (*_row(one), True, "", source)) for one in own]
    await wire.execute(*writes, ("COMMIT", ()))


def _row(price: Price) -> Row:
    return tuple(escapes.text(one) if isinstance(one, str) else one for one in price)
