"""Runs of the projector inside a test: backfills over a home, and homes to feed them."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec

from projector.model.settings import Run, Settings, Source
from projector.run.backfill import backfill
from projector.run.progress import Silent, Summary
from projector.store.open import open_store
from tests.support.databases import SOURCE, Where, url_of


def settings_for(home: Path, database: Where, **run: float | str) -> Settings:
    """Give settings for one home and a database; `run` sets what differs in [run]."""
    return Settings(
        codex_homes=(str(home),),
        database=url_of(database),
        source=Source(name=SOURCE),
        run=msgspec.convert(run, Run),
    )


async def backfill_once(
    home: Path, database: Where, *selection: str, **run: float | str
) -> Summary:
    """Open the store, backfill, close."""
    settings = settings_for(home, database, **run)
    store = await open_store(settings.database, source=settings.source.name)
    try:
        return await backfill(store, settings, selection=selection, progress=Silent())
    finally:
        await store.close()


def backfilled(home: Path, database: Where, *selection: str, **run: float | str) -> Summary:
    """Backfill a home in this process."""
    return asyncio.run(backfill_once(home, database, *selection, **run))
