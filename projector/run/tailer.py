"""One rollout → batches, by one method, whoever reads it.

A new rollout may be read by the prefetch worker; every other one is opened here, and looked at
together with others in one thread (`poll_blocking`) or by itself. `next_batch` returns what came
of it, in all three cases.
"""

from __future__ import annotations

import asyncio
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from projector.model.changes import Anomaly
from projector.model.ids import Offset, RolloutFile
from projector.read.resume import Restart, Undecided
from projector.run.batches import Limits
from projector.run.open_rollout import OpenRollout, Reprojection
from projector.run.prefetch import Prefetcher, Read
from projector.store.protocol import Batch, Store

#: Memory that a tailer takes while it rests, and for each row that its reducer remembers; measured.
_RESTING_BYTES: Final = 16 * 1024
_ROW_BYTES: Final = 1024


class Progress(Enum):
    """Why there is no batch now."""

    READING = auto()
    """In the midst of a long line, or of comparing the bytes before the checkpoint: go on."""
    LONG = auto()
    """Lines are read that take long to reduce: `next_batch` does it, if it may."""
    UP_TO_DATE = auto()
    """All whole lines are in batches."""


#: What one step of reading came to.
Outcome = Batch | Reprojection | Progress


class _PrefetchedRollout:
    """A new rollout, as the prefetch worker reads it from its first byte."""

    def __init__(self, source: Prefetcher | Read, file: RolloutFile) -> None:
        self._prefetcher = source if isinstance(source, Prefetcher) else None
        self._read = source if isinstance(source, Read) else None
        """It was read already."""
        self.file = file
        """As it was when the worker was asked for it."""
        self.offset = Offset(0)
        """Up to here it is committed."""
        self.bytes_read = 0
        self.at_end = False
        """All that was there when it was listed is in batches."""

    @property
    def is_open(self) -> bool:
        """Another call may return more."""
        return self._prefetcher is not None

    async def next(self) -> Batch | None:
        """Return the next batch; None: no more come, open the rollout."""
        if self._read is not None:
            (batch, self.bytes_read), self._read = self._read, None
        elif self._prefetcher is not None:
            batch = await self._prefetcher.next()
            self.bytes_read = self._prefetcher.bytes_read
            if self._prefetcher.is_open:
                return batch
            self._prefetcher = None
        else:
            return None
        # Behind all that was there when it was listed there is nothing to look for.
        whole = batch is not None and batch.end.offset == self.file.size
        self.at_end = whole and not self.file.name.compressed
        return batch

    def close(self) -> None:
        """Have the worker leave it."""
        if self._prefetcher is not None:
            self._prefetcher.leave()
            self._prefetcher = None


class _Polled(Struct, frozen=True):
    """What `poll_blocking` found, for the next call of `next_batch`."""

    found: Batch | Restart | Undecided | Exception | None


class Tailer:
    """A rollout between its checkpoint and its last complete line."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        file: RolloutFile,
        prefetched: Prefetcher | Read | None = None,
        *,
        is_new: bool = False,
    ) -> None:
        """Create the tailer of a file; `next_batch` opens it.

        `prefetched`: has the rollout open, and reads it from its first byte, or has read it.
        `is_new`: the store does not know it.
        """
        self._store = store
        self._limits = limits
        self._listed = file
        self._changed: RolloutFile | None = file
        """The file, if it has changed since it was looked at."""
        self._source: _PrefetchedRollout | OpenRollout | None = None
        if prefetched is not None:
            self._source = _PrefetchedRollout(prefetched, file)
        elif is_new:
            self._source = OpenRollout.of_new(store, limits, file)
        self._bytes_of_closed = 0
        self._polled: _Polled | None = None

    def limit(self, limits: Limits) -> None:
        """Read by these limits from the next batch on; an open file keeps its chunks and lines."""
        self._limits = limits
        if isinstance(self._source, OpenRollout):
            self._source.limit(limits)

    def changed(self, file: RolloutFile) -> None:
        """Look at the file before it is read on: it was listed, and is not as it was."""
        self._listed = self._changed = file

    @property
    def file(self) -> RolloutFile:
        """The file as it was when it was looked at last; before: as it was listed."""
        return self._listed if self._source is None else self._source.file

    @property
    def offset(self) -> Offset:
        """Return the offset up to which the rollout is committed."""
        return Offset(0) if self._source is None else self._source.offset

    @property
    def bytes_read(self) -> int:
        """Return the uncompressed bytes read by this tailer, including for fingerprints."""
        return self._bytes_of_closed + (0 if self._source is None else self._source.bytes_read)

    @property
    def held_bytes(self) -> int:
        """Return the approximate memory while parked, bytes."""
        rows = self._source.rows_held if isinstance(self._source, OpenRollout) else 0
        return _RESTING_BYTES + _ROW_BYTES * rows

    @property
    def is_prefetched(self) -> bool:
        """True if another process reads it."""
        return isinstance(self._source, _PrefetchedRollout) and self._source.is_open

    @property
    def partial_bytes(self) -> int:
        """Return the bytes of a partial last line."""
        return self._source.partial_bytes if isinstance(self._source, OpenRollout) else 0

    @property
    def at_end(self) -> bool:
        """True if all complete lines found when the file was examined are in batches."""
        return self._source is not None and self._source.at_end

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """Return the anomalies of the file as a whole, as far as it was read."""
        return self._source.anomalies if isinstance(self._source, OpenRollout) else ()

    async def next_batch(
        self, restart: Restart | None = None, *, may_take_long: bool = False
    ) -> Outcome:
        """Return the next batch, or why there is none.

        A call reads at most the bytes of one batch, complete lines or not.

        `restart`: why the rollout must be projected again, if already known.
        `may_take_long`: a very long line is reduced too, not only read.

        Raises:
            RolloutUnreadable: it cannot be read now.
            StoreUnavailable: the checkpoint, or earlier rows that are needed, cannot be had.
        """
        if isinstance(self._source, _PrefetchedRollout):
            batch = await self._source.next()
            if batch is not None:
                return batch
        rollout = await self._opened()
        found = await self._look(rollout)
        if isinstance(found, Undecided):
            return Progress.READING
        why = restart or (found if isinstance(found, Restart) else None)
        if why is not None or rollout.is_outdated:
            return Reprojection(rollout, why)
        batch = found if isinstance(found, Batch) else None
        if batch is None:
            batch = await rollout.read_on()
        if batch is None:
            if rollout.has_long_lines and not may_take_long:
                return Progress.LONG
            batch = await rollout.next()
        if batch is None and rollout.at_end:
            return await rollout.partial_batch() or Progress.UP_TO_DATE
        return batch or Progress.READING

    @property
    def can_poll(self) -> bool:
        """True if `poll_blocking` has something to look at: an open file that has changed."""
        return (
            self._changed is not None
            and isinstance(self._source, OpenRollout)
            and self._source.is_at(self._changed)
        )

    def poll_blocking(self) -> None:
        """Begin the next call of `next_batch` as far as that needs no store. Blocks.

        For many rollouts in one thread: to change threads costs more than to look. What goes wrong
        is raised by `next_batch`.
        """
        if self._changed is None or not isinstance(self._source, OpenRollout):
            return
        found: Batch | Restart | Undecided | Exception | None
        try:
            found = self._source.poll_blocking(self._changed)
        except Exception as fault:  # noqa: BLE001 - of this rollout alone
            found = fault
        self._polled = _Polled(found)
        self._saw(found)

    async def _opened(self) -> OpenRollout:
        """Return the open rollout, opened at its checkpoint if it was not."""
        if isinstance(self._source, OpenRollout):
            return self._source
        self._changed = file = self._changed or self._listed
        rollout = await OpenRollout.at_checkpoint(self._store, self._limits, file)
        self._bytes_of_closed = self.bytes_read
        if isinstance(self._source, _PrefetchedRollout) and self._source.offset:
            rollout.saw(self._source.file)
        self._source = rollout
        return rollout

    async def _look(self, rollout: OpenRollout) -> Batch | Restart | Undecided | None:
        """Look at a file that has changed, unless `poll_blocking` has; return what it found."""
        polled, self._polled = self._polled, None
        if polled is not None:
            if isinstance(polled.found, Exception):
                raise polled.found
            return polled.found
        if self._changed is None:
            return None
        found = await asyncio.to_thread(rollout.look, self._changed)
        self._saw(found)
        return found

    def _saw(self, found: Batch | Restart | Undecided | Exception | None) -> None:
        if not isinstance(found, Undecided | Exception):
            self._changed = None

    def take_trusted_bytes(self) -> int | None:
        """Return what all looks since the last call say: `FileState.trusted_bytes`."""
        return self._source.take_trusted_bytes() if isinstance(self._source, OpenRollout) else None

    def acknowledge(self, batch: Batch) -> None:
        """Advance the checkpoint to `batch.end`. Call after the store has committed it."""
        if isinstance(self._source, OpenRollout):
            self._source.acknowledge(batch)
        elif self._source is not None:
            self._source.offset = batch.end.offset

    def park(self, *, is_open: bool) -> None:
        """Release what was read, and the file too unless `is_open`; the position stays."""
        if isinstance(self._source, OpenRollout):
            self._source.park(is_open=is_open)

    def close(self) -> None:
        """Close the file. `next_batch` opens it again, at the store's checkpoint."""
        if self._source is not None:
            self._bytes_of_closed = self.bytes_read
            self._source.close()
            self._source = self._polled = None
