"""Prices the models that responses name: list prices by genai-prices, and own ones.

The library ships its data, and is read without a network. It is imported when a model is looked
up, by whoever writes: `projector health` and readers never do.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from importlib import metadata
from typing import TYPE_CHECKING, Any, Final

from projector.model.prices import Price, own_price
from projector.model.settings import Settings
from projector.store.protocol import Store

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, Provider

LIBRARY: Final = "genai-prices"
#: Codex's names of providers that the library names otherwise. All others have to be equal: a
#: name that only resembles a provider's may be a local model's.
_PROVIDERS: Final = {"amazon-bedrock": "aws"}
#: The library's names of a price's four amounts.
_MTOK: Final = ("input_mtok", "cache_read_mtok", "cache_write_mtok", "output_mtok")
_Amounts = tuple[float | None, float | None, float | None, float | None]
_NONE: Final[_Amounts] = (None, None, None, None)


async def price(store: Store, settings: Settings) -> None:
    """Store the prices of models that have none of this version of the list, and own prices.

    Without the library only own prices. Costs two short queries where nothing is new.

    Raises:
        StoreUnavailable: the database cannot be written.
    """
    version = list_version()
    models = await store.models_to_price(sortable(version)) if version else ()
    listed: Sequence[Price] = ()
    if models:
        listed = await asyncio.to_thread(lambda: [*look_up(models)])
    own = [own_price(text) for text in settings.cost.prices]
    await store.set_prices(sortable(version), listed, own)


@functools.cache
def list_version() -> str:
    """Return the version of the library, and so of its list; "": it is not installed."""
    try:
        return metadata.version(LIBRARY)
    except metadata.PackageNotFoundError:
        return ""


def sortable(version: str) -> str:
    """Return a text that sorts as versions do."""
    return ".".join(f"{int(number):06}" for number in re.findall(r"\d+", version)[:4])


def look_up(models: Iterable[tuple[str, str]]) -> Iterator[Price]:
    """Yield the list prices of models, each named by provider and model.

    Of a model without any, one price without amounts: it was looked up. Prices that depend on the
    hour are left out.
    """
    from genai_prices.data import providers  # noqa: PLC0415 - it takes half a second

    known = {provider.id: provider for provider in providers}
    source = f"{LIBRARY} {list_version()}"
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
