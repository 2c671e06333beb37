"""Rollouts whose bytes before the checkpoint may be others by now: compared piece by piece."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass

from projector.model.errors import RolloutUnreadable
from projector.model.ids import FileState, RolloutFile, RolloutId
from projector.read.resume import Restart
from projector.read.whole import PrefixCheck
from projector.store.protocol import Store


@dataclass(frozen=True, slots=True)
class _Current:
    """The comparison that was begun."""

    rollout_id: RolloutId
    check: PrefixCheck
    state: FileState | None
    """Of the file, when the comparison began."""


class PrefixChecks:
    """Rollouts to compare, one at a time, and those that were found to hold other bytes."""

    def __init__(
        self,
        store: Store,
        where: Callable[[RolloutId], RolloutFile | None],
        on_step: Callable[[], None],
    ) -> None:
        """Create checks with nothing to compare.

        `where`: returns where a rollout was seen last. `on_step`: called after each piece.
        """
        self._store = store
        self._where = where
        self._on_step = on_step
        self._unverified: dict[RolloutId, FileState | None] = {}
        self._replaced: dict[RolloutId, Restart] = {}
        self._current: _Current | None = None
        self.bytes_read = 0
        """Uncompressed bytes, of all comparisons."""

    def __bool__(self) -> bool:
        """True if there is something to compare."""
        return bool(self._unverified)

    def remember(self, rollout_ids: Iterable[RolloutId]) -> None:
        """Compare these rollouts, and no others."""
        self._unverified = dict.fromkeys(rollout_ids)

    def only(self, chosen: Container[RolloutId]) -> None:
        """Compare no rollouts but these."""
        self._unverified = {one: state for one, state in self._unverified.items() if one in chosen}

    def add(self, rollout_id: RolloutId, state: FileState) -> None:
        """Compare a rollout whose file is now as `state` tells."""
        self._unverified[rollout_id] = state

    def restart_of(self, rollout_id: RolloutId) -> Restart | None:
        """Return why a rollout must be projected again; None: nothing is known against it."""
        return self._replaced.get(rollout_id)

    def forget(self, rollout_id: RolloutId) -> None:
        """Compare a rollout no more, and forget what was found."""
        self._unverified.pop(rollout_id, None)
        self._replaced.pop(rollout_id, None)

    def clear(self) -> None:
        """Compare nothing, and forget what was found."""
        self._unverified.clear()
        self._replaced.clear()

    async def step(self, max_bytes: int) -> Iterable[RolloutFile] | None:
        """Compare some bytes; return rollouts that hold others than were read, at most one.

        None: there is nothing to compare.

        Raises:
            StoreUnavailable: call again later.
        """
        current = self._current or await self._begin()
        if current is None:
            return None
        self._current, check, before = current, current.check, current.check.bytes_read
        try:
            same = await asyncio.to_thread(check.step, max_bytes)
        except RolloutUnreadable:
            self.end()  # it is known to the store, and comes again
            return ()
        finally:
            self.bytes_read += check.bytes_read - before
            self._on_step()
        found: tuple[RolloutFile, ...] = ()
        if same is None and current.rollout_id in self._unverified:
            return found
        if same:
            await self._store.verified(check.file)
        elif current.rollout_id in self._unverified:
            why = f"other bytes before byte {check.checkpoint.offset}"
            self._replaced[current.rollout_id] = Restart(why)
            found = (check.file,)
        self.end()
        return found

    async def _begin(self) -> _Current | None:
        """Open the next rollout that is to be compared; None: there is none."""
        for rollout_id in list(self._unverified):
            file, checkpoint = self._where(rollout_id), await self._store.checkpoint(rollout_id)
            if file is None or checkpoint is None or rollout_id in self._replaced:
                self._unverified.pop(rollout_id, None)
                continue
            state = self._unverified.get(rollout_id)
            try:
                check = await asyncio.to_thread(PrefixCheck, file, checkpoint)
            except RolloutUnreadable:
                self._unverified.pop(rollout_id, None)
                continue
            return _Current(rollout_id, check, state)
        return None

    def end(self) -> None:
        """End the comparison that was begun, if any was, and close its file."""
        if self._current is not None:
            current, self._current = self._current, None
            if self._unverified.get(current.rollout_id) is current.state:  # else it changed
                self._unverified.pop(current.rollout_id, None)
            current.check.close()
