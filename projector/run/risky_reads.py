"""Rollouts whose reading has ended a process, or may: the store knows of them while they are read.

A line of very many bytes may take more memory than there is. The next process finds in the store
what the last one was reading when it ended, and reads that alone, after all others.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from msgspec import Struct

from projector.model.errors import ProjectorError
from projector.model.ids import RolloutId
from projector.run.tailer import Tailer
from projector.store.protocol import Store

#: A torn line of so many bytes is noted in the database before it is whole: reading it may end us.
RISKY_BYTES: Final = 16 * 1024 * 1024
#: How long a rollout rests that has ended a process, or did not fit into memory, in seconds: at
#: first, and at most. It doubles.
REST_S: Final = (60.0, 86_400.0)


class Failures(Struct, frozen=True):
    """How often the reading of a rollout has failed."""

    times: int
    not_before: float = 0.0
    """It rests until then, by the monotonic clock."""

    @property
    def is_resting(self) -> bool:
        """True if it is not to be read yet."""
        return time.monotonic() < self.not_before


class RiskyReads:
    """Long lines that are being read, and rollouts that are read alone."""

    def __init__(self, store: Store) -> None:
        """Create it with no rollout known."""
        self._store = store
        self._attempted: set[RolloutId] = set()
        """Of which the store knows that a long line is being read."""
        self._failures: dict[RolloutId, Failures] = {}

    def read_last(self, failures: Mapping[RolloutId, int]) -> None:
        """Read these rollouts alone, after all others.

        `failures`: how often each has failed. The more often, the longer it rests first; at 0 it
        does not.
        """
        first, most = REST_S
        for rollout_id, times in failures.items():
            rest = time.monotonic() + min(first * 2 ** (times - 1), most) if times else 0.0
            if not times and (before := self._failures.get(rollout_id)) is not None:
                rest = before.not_before
            self._failures[rollout_id] = Failures(times, rest)

    def fail(self, rollout_id: RolloutId) -> None:
        """Count one more failure of a rollout: it rests, and is read alone."""
        before = self._failures.get(rollout_id)
        self.read_last({rollout_id: 1 + (0 if before is None else before.times)})

    def failures_of(self, rollout_id: RolloutId) -> Failures | None:
        """Return how often a rollout has failed; None: it is read among all others."""
        return self._failures.get(rollout_id)

    async def note(self, tailer: Tailer) -> None:
        """Write to the store that a long line is being read, if one is."""
        rollout_id = tailer.file.name.rollout_id
        if tailer.partial_bytes >= RISKY_BYTES and rollout_id not in self._attempted:
            self._attempted.add(rollout_id)
            await self._store.attempt(rollout_id)

    async def end(self, tailers: Iterable[Tailer]) -> None:
        """Write to the store that these are in no long line any more, where it knew of one."""
        if not self._attempted and not self._failures:
            return
        ended = [
            tailer.file.name.rollout_id
            for tailer in tailers
            if tailer.partial_bytes < RISKY_BYTES
            and tailer.file.name.rollout_id in self._attempted | self._failures.keys()
        ]
        if ended:
            await self._store.attempted(ended)
            self._attempted.difference_update(ended)
            for rollout_id in ended:
                self._failures.pop(rollout_id, None)

    async def leave(self) -> None:
        """Write to the store that no long line is being read any more."""
        if self._attempted:
            with suppress(ProjectorError):
                await self._store.attempted([*self._attempted])
        self._attempted.clear()
