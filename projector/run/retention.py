"""Delete old changes from the feed."""

from __future__ import annotations

import time
from typing import Final

from projector.logs import events as log
from projector.model.settings import Settings
from projector.store.protocol import Store

#: Steps at a time, each a short transaction: the rest is deleted at the next scan.
STEPS: Final = 50
_DAY_MS: Final = 86_400_000


async def prune(store: Store, settings: Settings) -> None:
    """Delete changes from the feed that are older than `feed.keep_days`.

    Raises:
        StoreUnavailable: the database cannot be written. Deleted changes stay deleted.
    """
    if not settings.feed.keep_days:
        return
    before_ms = time.time_ns() // 1_000_000 - round(settings.feed.keep_days * _DAY_MS)
    for step in range(STEPS):
        if not await store.prune(before_ms):
            if step:
                log.event("feed.pruned", steps=step)
            return
