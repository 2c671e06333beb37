"""Waits for what a daemon of this process does, without polling: its store's writes wake them."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any, Final

from projector.store.protocol import Store

#: Long enough for a busy machine; a test that gets there has failed.
PATIENCE_S: Final = 60
#: What writes to the database or to the daemon's state.
_WRITE: Final = (
    "commit replace update_locations verified attempted mark_missing purge set_names"
    " add_anomalies remove_anomalies write_heartbeat publish"
).split()


class Writes:
    """Wakes those who wait whenever a store has written."""

    def __init__(self, store: Store) -> None:
        """Hear of what `store` writes from now on."""
        self._event = asyncio.Event()
        for name in _WRITE:
            setattr(store, name, self._waking(getattr(store, name)))

    def wake(self, *_: object) -> None:
        """Let those who wait look."""
        self._event.set()

    async def until(self, done: Callable[[], Any]) -> None:
        """Wait until `done()`, or what it awaits, is true; looks after each write and each wake."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                self._event.clear()
                found = done()
                if await found if inspect.isawaitable(found) else found:
                    return
                await self._event.wait()

    def _waking(self, write: Callable[..., Any]) -> Callable[..., Any]:
        async def written(*args: Any, **named: Any) -> Any:
            try:
                return await write(*args, **named)
            finally:
                self.wake()

        return written
