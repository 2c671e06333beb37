"""Compare rollouts whose bytes before the checkpoint may have changed, piece by piece.

What changed without growing, or lies in another file, is compared as soon as may be. What grew is
hardly ever more than that, and comparing each append would read the whole file each time: it is
compared once it rests, if that reads no more than `SHARE` times what grew, or so little that it
does not matter; else once it has rested a day. So the bytes read for it follow those appended, or
the size of the file once a day.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Iterable, Mapping
from typing import Final

from msgspec import Struct

from projector.model.errors import RolloutUnreadable
from projector.model.ids import FileState, RolloutFile, RolloutId
from projector.read.resume import Restart
from projector.read.whole import PrefixCheck
from projector.store.protocol import Store

#: A rollout that grew rests if nothing more came for so long, in seconds.
REST_S: Final = 30.0
#: It is compared then if it has so many bytes at most, or so many times those that it grew by.
LITTLE_BYTES: Final = 4 * 1024 * 1024
SHARE: Final = 16
#: Else it is compared when nothing more came for so long, in seconds.
LONG_REST_S: Final = 86_400.0


class _Grown(Struct, frozen=True):
    """A rollout that grew."""

    trusted_bytes: int
    """How many bytes it had when all of them were read or compared."""
    since: float
    """When it grew last, by the monotonic clock."""


class _Current(Struct, frozen=True):
    """The comparison that was begun."""

    rollout_id: RolloutId
    check: PrefixCheck
    state: FileState | None
    """Of the file, when the comparison began."""


class PrefixChecks:
    """Rollouts to compare, one at a time, and those whose bytes were found changed."""

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
        """Compared as soon as may be."""
        self._grown: OrderedDict[RolloutId, _Grown] = OrderedDict()
        """The one that grew longest ago first."""
        self._large: OrderedDict[RolloutId, _Grown] = OrderedDict()
        """Those of them that were found resting, and are too large to be compared for what came."""
        self._replaced: dict[RolloutId, Restart] = {}
        self._current: _Current | None = None
        self.bytes_read = 0
        """Uncompressed bytes, of all comparisons."""

    def is_due(self, rest_s: float | None = None) -> bool:
        """True if there is something to compare now.

        `rest_s`: as in `step`.
        """
        self._take_resting(REST_S if rest_s is None else rest_s)
        return bool(self._unverified)

    def remember(self, trusted_bytes: Mapping[RolloutId, int]) -> None:
        """Compare these rollouts, and no others: as `RolloutStatus.trusted_bytes` tells of each."""
        self.clear()
        ages = {one: self._age_s(one) for one, trusted in trusted_bytes.items() if trusted}
        now = time.monotonic()
        for one in sorted(ages, key=ages.__getitem__, reverse=True):
            self._grown[one] = _Grown(trusted_bytes[one], now - ages[one])
        self._unverified = {one: None for one, trusted in trusted_bytes.items() if not trusted}

    def _age_s(self, rollout_id: RolloutId) -> float:
        """Return how long ago a rollout's file was written to, if its time can be believed."""
        file = self._where(rollout_id)
        return 0.0 if file is None else max(0.0, time.time() - file.mtime_ns / 1e9)

    def only(self, chosen: Container[RolloutId]) -> None:
        """Compare no rollouts but these."""
        for some in (self._unverified, self._grown, self._large):
            for one in [one for one in some if one not in chosen]:
                del some[one]

    def add(self, rollout_id: RolloutId, state: FileState, trusted_bytes: int | None) -> None:
        """Compare a rollout whose file is now as `state` tells, as `FileState.trusted_bytes` says.

        None: there is nothing to compare.
        """
        if trusted_bytes is None:
            return
        before = self._grown.pop(rollout_id, None) or self._large.pop(rollout_id, None)
        if trusted_bytes == 0:
            self._unverified[rollout_id] = state
            return
        if before is not None:
            trusted_bytes = min(trusted_bytes, before.trusted_bytes)
        self._grown[rollout_id] = _Grown(trusted_bytes, time.monotonic())

    def _take_resting(self, rest_s: float) -> None:
        """Enqueue rollouts that have grown and now rest."""
        now = time.monotonic()
        while self._grown:
            rollout_id, grown = next(iter(self._grown.items()))
            if now - grown.since < rest_s:
                break
            del self._grown[rollout_id]
            file = self._where(rollout_id)
            size = 0 if file is None else file.size
            if size <= max(LITTLE_BYTES, SHARE * (size - grown.trusted_bytes)):
                self._unverified.setdefault(rollout_id, None)
            else:
                self._large[rollout_id] = grown
        while self._large:
            rollout_id, grown = next(iter(self._large.items()))
            if now - grown.since < LONG_REST_S:
                break
            del self._large[rollout_id]
            self._unverified.setdefault(rollout_id, None)

    def restart_of(self, rollout_id: RolloutId) -> Restart | None:
        """Return why a rollout must be projected again; None: nothing is known against it."""
        return self._replaced.get(rollout_id)

    def forget(self, rollout_id: RolloutId) -> None:
        """Compare a rollout no more, and forget what was found."""
        for some in (self._unverified, self._grown, self._large, self._replaced):
            some.pop(rollout_id, None)

    def clear(self) -> None:
        """Compare nothing, and forget what was found."""
        for some in (self._unverified, self._grown, self._large, self._replaced):
            some.clear()

    async def step(
        self, max_bytes: int, rest_s: float | None = None
    ) -> Iterable[RolloutFile] | None:
        """Compare some bytes; return rollouts that hold others than were read, at most one.

        `rest_s`: what grew is compared once it rests so long, in seconds; None: `REST_S`.

        None: there is nothing to compare.

        Raises:
            StoreUnavailable: call again later.
        """
        self._take_resting(REST_S if rest_s is None else rest_s)
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
