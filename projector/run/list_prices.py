"""Looks up list prices of models in genai-prices: `python -m projector.run.list_prices`.

Reads from standard input, and writes to standard output, what `prices.py` gives and takes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from projector.model.prices import Price

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, Provider

#: Codex's names of providers that the library names otherwise. All others have to be equal: a
#: name that only resembles a provider's may be a local model's.
_PROVIDERS: Final = {"amazon-bedrock": "aws"}
#: The library's names of a price's four amounts.
_MTOK: Final = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")
#: It takes the time that those who read and write rollouts leave.
_NICE: Final = 10
_Amounts = tuple[float | None, float | None, float | None, float | None]
_NONE: Final[_Amounts] = (None, None, None, None)


def main() -> None:
    """Look up the models named on standard input."""
    os.nice(_NICE)
    source, models = json.load(sys.stdin)
    json.dump([*look_up(models, source)], sys.stdout)


def look_up(models: Iterable[Sequence[str]], source: str) -> Iterator[Price]:
    """Yield the list prices of models, each named by provider and model. `source`: the list.

    Of a model without any, one price without amounts: it was looked up. Prices that depend on the
    hour are left out.
    """
    from genai_prices.data import providers  # noqa: PLC0415 - it takes half a second

    known = {provider.id: provider for provider in providers}
    for provider_name, model_name in models:
        provider = known.get(_PROVIDERS.get(provider_name, provider_name))
        found = [] if provider is None else [*_prices(provider, model_name, providers)]
        for from_ms, above, (fresh, cached, written, output) in found or [(0, -1, _NONE)]:
            yield Price(
                provider_name, model_name, fresh, cached, written, output,
                from_ms=from_ms, above=above, price_source=source,
            )  # fmt: skip


def _prices(
    provider: Provider, model_name: str, providers: list[Provider]
) -> Iterator[tuple[int, int, _Amounts]]:
    """Yield a model's prices: from when on, above how much input, and the amounts."""
    from genai_prices.types import StartDateConstraint  # noqa: PLC0415 - as above

    model = provider.find_model(model_name.lower(), all_providers=providers)
    if model is None:
        return
    dated: list[tuple[int, ModelPrice]] = []
    for one in model.prices if isinstance(model.prices, list) else ():
        if one.constraint is None:
            dated.append((0, one.prices))
        elif isinstance(one.constraint, StartDateConstraint):
            day = one.constraint.start_date
            at = datetime(day.year, day.month, day.day, tzinfo=UTC)
            dated.append((round(at.timestamp() * 1000), one.prices))
        else:
            return
    if not isinstance(model.prices, list):
        dated.append((0, model.prices))
    # Of two from one day on the library takes the last.
    for from_ms, prices in dict(dated).items():
        values = [getattr(prices, name) for name in _MTOK]
        if values[0] is None or values[-1] is None:
            continue
        starts = {tier.start for value in values for tier in getattr(value, "tiers", ())}
        for above in (-1, *sorted(starts)):
            fresh, cached, written, output = (_at(value, above) for value in values)
            yield from_ms, above, (fresh, cached, written, output)


def _at(value: Any, above: int) -> float | None:
    """Return the price for responses with more input than `above` tokens."""
    if value is None:
        return None
    found = getattr(value, "base", value)
    for tier in getattr(value, "tiers", ()):
        if tier.start <= above:
            found = tier.price
    return float(found)


if __name__ == "__main__":
    main()
