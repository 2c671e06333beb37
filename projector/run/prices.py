"""Prices the models that responses name: list prices by genai-prices, and own ones.

The library ships its data, and is read without a network. Importing it takes half a second and
14 MB, so a process of its own does that (`list_prices.py`), beside what this one does.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.util import find_spec
from typing import Final

from projector.model.prices import Price, own_price
from projector.model.settings import Settings
from projector.store.protocol import Store

LIBRARY: Final = "genai-prices"
_MODULE: Final = "genai_prices"
_INSTALLED: Final = re.compile(rf"{_MODULE}-([^-]+)\.dist-info")
#: Provider and model.
Model = tuple[str, str]
#: Seconds that a look-up may take.
_PATIENCE_S: Final = 60
#: How often rows are asked for models before they are all there.
_ASKED: Final = 16


class ListPrices:
    """List prices of models, looked up once in the life of a one-shot command."""

    def __init__(self) -> None:
        self._models: frozenset[Model] = frozenset()
        self._asked = 0
        self._coming: asyncio.Future[list[Price]] | None = None

    async def begin(self, store: Store) -> None:
        """Begin to look up the models that rows name by now, unless that was begun before.

        For many calls; most do nothing.

        Raises:
            StoreUnavailable: the database cannot be read.
        """
        if self._coming is not None or self._asked == _ASKED:
            return
        self._asked += 1
        if models := await _unpriced(store):
            self._models = frozenset(models)
            self._coming = asyncio.ensure_future(asyncio.to_thread(_look_up, models))

    async def of(self, models: Sequence[Model]) -> list[Price]:
        """Return the prices of models."""
        found = [] if self._coming is None else await self._coming
        if missing := [one for one in models if one not in self._models]:
            found = found + await asyncio.to_thread(_look_up, missing)
        return found


async def price(store: Store, settings: Settings, begun: ListPrices | None = None) -> None:
    """Store the prices of models that have none of this version of the list, and own prices.

    Without the library only own prices. Costs two short queries where nothing is new. `begun`: what
    is being looked up already.

    Raises:
        StoreUnavailable: the database cannot be written.
    """
    models = await _unpriced(store)
    listed = await (begun or ListPrices()).of(models) if models else []
    own = [own_price(text) for text in settings.cost.prices]
    await store.set_prices(sortable(list_version()), listed, own)


async def _unpriced(store: Store) -> Sequence[Model]:
    version = list_version()
    return await store.models_to_price(sortable(version)) if version else ()


@functools.cache
def list_version() -> str:
    """Return the version of the library, and so of its list; "": it is not installed."""
    if find_spec(_MODULE) is None:
        return ""
    # What an installer names the folder of its notes: `importlib.metadata` takes 10 ms to read it.
    for folder in sys.path:
        with suppress(OSError):
            for name in os.listdir(folder or "."):
                if named := _INSTALLED.fullmatch(name):
                    return named[1]
    from importlib import metadata  # noqa: PLC0415 - see above

    try:
        return metadata.version(LIBRARY)
    except metadata.PackageNotFoundError:
        return ""


def sortable(version: str) -> str:
    """Return a text that sorts as versions do."""
    return ".".join(f"{int(number):06}" for number in re.findall(r"\d+", version)[:4])


def _look_up(models: Sequence[Model]) -> list[Price]:
    """Look up list prices in a process of its own; where that cannot be, in this one. Blocks."""
    asked = json.dumps([f"{LIBRARY} {list_version()}", models])
    try:
        told = subprocess.run(  # noqa: S603 - our own words
            [
                sys.executable,
                *(() if os.getcwd() in sys.path else ("-P",)),
                "-m",
                "projector.run.list_prices",
            ],
            input=asked,
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE_S,
        ).stdout
        return [Price(*row) for row in json.loads(told)]
    except (OSError, ValueError, TypeError, subprocess.SubprocessError):
        from projector.run.list_prices import look_up  # noqa: PLC0415 - see the module's docstring

        return [*look_up(models, f"{LIBRARY} {list_version()}")]
