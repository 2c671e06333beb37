"""Changes go out of the feed when they are older than the settings want them."""

from __future__ import annotations

import asyncio
import time

import msgspec

from projector.model.settings import Feed, Settings
from projector.run import retention

DAY_MS = 86_400_000


class Pruned:
    """A store that has so many steps to do, and notes what it was asked."""

    def __init__(self, steps: int) -> None:
        self.left = steps
        self.asked: list[int] = []

    async def prune(self, before_ms: int) -> bool:
        self.asked.append(before_ms)
        self.left -= 1
        return self.left > 0


def asked_of(steps: int, keep_days: float) -> list[int]:
    store = Pruned(steps)
    settings = Settings(feed=msgspec.convert({"keep_days": keep_days}, Feed))
    asyncio.run(retention.prune(store, settings))  # type: ignore[arg-type]  # all that it needs
    return store.asked


def test_for_ever_is_the_default() -> None:
    assert Feed().keep_days == 0
    assert asked_of(3, keep_days=0) == []


def test_what_is_older_goes_in_steps() -> None:
    before = time.time_ns() // 1_000_000

    asked = asked_of(3, keep_days=1.5)

    after = time.time_ns() // 1_000_000
    assert len(asked) == 3
    assert len(set(asked)) == 1
    assert before <= asked[0] + 1.5 * DAY_MS <= after


def test_there_is_an_end_to_it() -> None:
    """What is left goes at the next scan: news do not wait."""
    assert len(asked_of(10_000, keep_days=1)) == retention.STEPS
