"""Prices of models: of a list, and own ones from the settings. Pure."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Final, NamedTuple

#: Names of own prices' amounts, as in the settings, and in `Price`.
_AMOUNTS: Final = {
    "input": "input",
    "cached_input": "cached_input",
    "cache_write_input": "cache_write",
    "output": "output",
}
_OTHERS: Final = ("from", "above_input", "service_tier", "currency")
#: Service tiers that have the standard price; the view `token_costs` says the same.
_STANDARD: Final = frozenset({"standard", "default"})
_CURRENCY: Final = re.compile(r"[A-Z]{3}")
#: More are no number of tokens.
_DIGITS: Final = 15
#: What `price_source` says of own prices.
OWN: Final = "settings"


class Price(NamedTuple):
    """What a model costs from a time on, in responses with more input than `above` tokens."""

    model_provider: str
    """As in Codex's configuration."""
    model: str
    input: float | None
    """Per million tokens, as all amounts; None: the list has no price for the model."""
    cached_input: float | None
    """None: as input."""
    cache_write: float | None
    """None: as input."""
    output: float | None
    service_tier: str = ""
    """Empty: standard."""
    from_ms: int = 0
    above: int = -1
    currency: str = "USD"
    price_source: str = OWN


def own_price(text: str) -> Price:
    """Parse an own price: `PROVIDER/MODEL input=1.25 output=10`, and more; see `cost.prices`.

    Raises:
        ValueError: it is none; says why.
    """
    name, *parts = text.split()
    provider, slash, model = name.partition("/")
    if not (provider and slash and model):
        raise ValueError(f"{name}: begins with PROVIDER/MODEL, as ollama/llama3.3")
    given: dict[str, str] = {}
    for part in parts:
        key, equals, value = part.partition("=")
        if not equals or key not in (*_AMOUNTS, *_OTHERS):
            known = ", ".join((*_AMOUNTS, *_OTHERS))
            raise ValueError(f"{part}: unknown; there are {known}, each with =")
        given[key] = value
    if "input" not in given or "output" not in given:
        raise ValueError(f"{name}: needs input= and output=, per million tokens")
    amounts = {ours: _amount(key, given[key]) for key, ours in _AMOUNTS.items() if key in given}
    tier = given.get("service_tier", "")
    currency = given.get("currency", "USD")
    if not _CURRENCY.fullmatch(currency):
        raise ValueError(f"currency={currency}: three capital letters, as USD")
    return Price(
        model_provider=provider,
        model=model,
        input=amounts["input"],
        cached_input=amounts.get("cached_input"),
        cache_write=amounts.get("cache_write"),
        output=amounts["output"],
        service_tier="" if tier in _STANDARD else tier,
        from_ms=_day(given["from"]) if "from" in given else 0,
        above=_tokens(given["above_input"]) if "above_input" in given else -1,
        currency=currency,
    )


def price_fault(texts: tuple[str, ...]) -> str:
    """Return what is wrong with own prices; "" if they are valid."""
    seen: set[tuple[str, str, str, int, int]] = set()
    for text in texts:
        if not text.strip():
            return "an empty price"
        try:
            price = own_price(text)
        except ValueError as error:
            return str(error)
        key = (price.model_provider, price.model, price.service_tier, price.from_ms, price.above)
        if key in seen:
            return f"{text}: a second price for the same model, service tier, time and input"
        seen.add(key)
    return ""


def _amount(key: str, value: str) -> float:
    try:
        amount = float(value)
    except ValueError:
        amount = -1.0
    if not 0 <= amount < float("inf"):
        raise ValueError(f"{key}={value}: an amount per million tokens, 0 or more")
    return amount


def _tokens(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= _DIGITS):
        raise ValueError(f"above_input={value}: a number of tokens")
    return int(value)


def _day(value: str) -> int:
    try:
        day = date.fromisoformat(value)
    except ValueError:
        raise ValueError(f"from={value}: a day, as 2026-08-21") from None
    return round(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() * 1000)
