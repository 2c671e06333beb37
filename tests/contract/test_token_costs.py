"""The view `token_costs`, on both engines: prices by time, input, provider and tier."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import closing
from typing import Any

import pytest

from projector.model.changes import UsageRow
from projector.model.prices import Price, own_price
from projector.store.open import open_store
from projector.store.questions.spending import looked_up, spenders, spent
from tests.support.databases import Where, reading, url_of
from tests.support.makers import batch, file_of, usage

#: Per million tokens: input, cached, cache write, output.
_LIST = [
    Price("p", "m", 2.0, 0.5, 3.0, 10.0, price_source="list 1"),
    Price("p", "m", 4.0, 1.0, 6.0, 20.0, above=1000, price_source="list 1"),
    Price("p", "m", 1.0, None, None, 5.0, from_ms=5000, price_source="list 1"),
    Price("p", "none", None, None, None, None, price_source="list 1"),
]
_OWN = [own_price("p/own input=7 output=8 currency=EUR"),
        own_price("p/m input=9 output=9 service_tier=flex"),
        own_price("local/m input=3 output=4")]  # fmt: skip
_MILLION = 1_000_000
_Set = tuple[str, Sequence[Price], Sequence[Price]]
"""Arguments of `Store.set_prices`."""

# fmt: off
CASES: list[tuple[str, dict[str, Any], float | None]] = [
    ("its price", {}, 100 * 2.0 + 10 * 10.0),
    ("cached input is part of the input", {"cached_input_tokens": 60},
     40 * 2.0 + 60 * 0.5 + 10 * 10.0),
    ("what was written to the cache, too", {"cached_input_tokens": 60,
                                           "cache_write_input_tokens": 30},
     10 * 2.0 + 60 * 0.5 + 30 * 3.0 + 10 * 10.0),
    ("reasoning is part of the output", {"reasoning_output_tokens": 9}, 100 * 2.0 + 10 * 10.0),
    ("at a tier's bound", {"input_tokens": 1000}, 1000 * 2.0 + 10 * 10.0),
    ("beyond it all tokens cost more", {"input_tokens": 1001}, 1001 * 4.0 + 10 * 20.0),
    ("before the price changed", {"recorded_at_ms": 4999}, 100 * 2.0 + 10 * 10.0),
    ("after it", {"recorded_at_ms": 5000}, 100 * 1.0 + 10 * 5.0),
    ("of what has no cached price, the input's",
     {"recorded_at_ms": 5000, "cached_input_tokens": 60}, 100 * 1.0 + 10 * 5.0),
    ("after it there are no tiers", {"recorded_at_ms": 5000, "input_tokens": 2000},
     2000 * 1.0 + 10 * 5.0),
    ("an unknown model", {"model": "x"}, None),
    ("one that the list has no price for", {"model": "none"}, None),
    ("no model", {"model": None}, None),
    ("a local provider", {"model_provider": "ollama"}, None),
    ("no provider", {"model_provider": None}, None),
    ("a local provider with an own price", {"model_provider": "local"}, 100 * 3.0 + 10 * 4.0),
    ("an own price", {"model": "own"}, 100 * 7.0 + 10 * 8.0),
    ("the standard tier by name", {"service_tier": "default"}, 100 * 2.0 + 10 * 10.0),
    ("another service tier", {"service_tier": "priority"}, None),
    ("another one with an own price", {"service_tier": "flex"}, 100 * 9.0 + 10 * 9.0),
    ("no time", {"recorded_at_ms": None}, None),
    ("more is cached than came in", {"cached_input_tokens": 200}, 200 * 0.5 + 10 * 10.0),
]
# fmt: on


def response(number: int, **fields: Any) -> UsageRow:
    row = usage(1, 100 * number, 100, turn=None, response=f"r{number}")._replace(
        output_tokens=10, recorded_at_ms=1000, model_provider="p"
    )
    return row._replace(**fields)


async def story(
    where: Where,
    prices: Sequence[_Set],
    source: str = "one",
) -> list[tuple[str, str]]:
    store = await open_store(url_of(where), source=source)
    try:
        if await store.checkpoint(file_of(1).name.rollout_id) is None:
            rows = [response(number, **fields) for number, (_, fields, _) in enumerate(CASES)]
            await store.commit([batch(file_of(1), rows, end=100 * len(CASES))])
        for version, listed, own in prices:
            await store.set_prices(version, listed, own)
        return [*await store.models_to_price("1")]
    finally:
        await store.close()


def amounts(where: Where) -> dict[int, tuple[Any, ...]]:
    with closing(reading(where)) as db:
        rows = db.rows("SELECT ordinal, amount, currency, price_source FROM token_costs")
    return {ordinal: (amount, *rest) for ordinal, amount, *rest in rows}


def test_what_responses_cost(database: Where) -> None:
    left = asyncio.run(story(database, [("1", _LIST, _OWN)]))
    found = amounts(database)

    for number, (about, _, amount) in enumerate(CASES):
        wanted = None if amount is None else pytest.approx(amount / _MILLION)
        assert found[number][0] == wanted, about
    told = {about: found[number][1:] for number, (about, *_) in enumerate(CASES)}
    assert told["its price"] == ("USD", "list 1")
    assert told["an own price"] == ("EUR", "settings")
    assert told["an unknown model"] == told["one that the list has no price for"] == (None, None)
    assert sorted(left) == [("local", "m"), ("ollama", "m"), ("p", "own"), ("p", "x")]


def test_the_newest_list_wins(database: Where) -> None:
    """Whichever host comes last: an older one changes nothing, a newer one everything."""
    dear = [Price("p", "m", 50.0, None, None, 50.0, price_source="list 2")]
    asyncio.run(story(database, [("2", dear, ()), ("1", _LIST, ())]))
    found = amounts(database)

    assert found[0] == (pytest.approx(110 * 50.0 / _MILLION), "USD", "list 2")
    assert found[7][2] == "list 2"


def test_own_prices_come_and_go_with_the_settings(database: Where) -> None:
    asyncio.run(story(database, [("1", _LIST, _OWN), ("1", (), ())]))
    found = {about: amounts(database)[number][0] for number, (about, *_) in enumerate(CASES)}

    assert found["an own price"] is None
    assert found["its price"] is not None


def test_own_prices_of_another_host_are_its_own(postgres: str) -> None:
    asyncio.run(story(postgres, [("1", _LIST, ())]))
    asyncio.run(story(postgres, [("1", (), [own_price("p/m input=500 output=500")])], "two"))

    assert amounts(postgres)[0][2] == "list 1"


def test_what_is_asked_of_costs(database: Where) -> None:
    asyncio.run(story(database, [("1", _LIST, _OWN)]))
    with closing(reading(database)) as db:
        rows = spent(db, since_ms=None, turns=True)
        later = spent(db, since_ms=5000, turns=False)
        known = looked_up(db)
        threads = spenders(db, rows)

    assert sum(row.responses for row in rows) == len(CASES)
    assert {row.day for row in rows} == {"1970-01-01", None}
    assert sum(row.responses for row in later) == 3
    assert {("p", "m"), ("p", "none"), ("p", "own"), ("local", "m")} == known
    assert [thread.thread_id for thread in threads] == [file_of(1).name.thread_id]
