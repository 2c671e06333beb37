"""One rollout from its start up to an offset, and no further: for comparing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Self

from projector.model.ids import Line, Offset, RolloutFile
from projector.read.resume import Restart
from projector.run.batches import Limits
from projector.run.open_rollout import OpenRollout
from projector.store.protocol import Batch, Store


class BoundedTailer:
    """An open rollout that is read up to an offset; lines read beyond it are kept for the next."""

    def __init__(self, rollout: OpenRollout) -> None:
        self._rollout = rollout
        self._held: list[Line] = []

    @classmethod
    async def open(cls, store: Store, limits: Limits, file: RolloutFile) -> Self:
        """Open a rollout at the checkpoint that the store has, and look at its file.

        Raises:
            RolloutUnreadable: it cannot be read now.
            StoreUnavailable: the checkpoint cannot be had.
        """
        tail = cls(await OpenRollout.at_checkpoint(store, limits, file))
        try:
            await tail.look()
        except BaseException:
            tail.close()
            raise
        return tail

    @property
    def file(self) -> RolloutFile:
        """Return the state of the file at the last `look`."""
        return self._rollout.file

    @property
    def offset(self) -> Offset:
        """Return the checkpoint: the rollout is committed up to here."""
        return self._rollout.offset

    @property
    def at_end(self) -> bool:
        """True if all complete lines found by `look` were read."""
        return self._rollout.at_end

    async def look(self) -> Restart | None:
        """Look at the file as it is now; `Restart`: the bytes before the checkpoint are others.

        Raises:
            RolloutUnreadable: it cannot be read now.
        """
        found = await asyncio.to_thread(self._rollout.look, self.file)
        return found if isinstance(found, Restart) else None

    async def upto(self, place: Offset) -> AsyncIterator[Batch]:
        """Yield batches up to an offset; commit each before requesting the next.

        Ends before the offset only where the file does.
        """
        while self.offset < place:
            lines = self._held or await asyncio.to_thread(self._rollout.read)
            if not lines:
                if self.at_end:
                    return
                continue
            cut = sum(1 for line in lines if line.end <= place)
            if not cut:
                self._held = lines
                return
            taken, self._held = lines[:cut], lines[cut:]
            yield await self._rollout.batch_of(taken)

    def acknowledge(self, batch: Batch) -> None:
        """Advance the checkpoint to `batch.end`. Call after the store has committed it."""
        self._rollout.acknowledge(batch)

    async def nothing(self) -> Batch:
        """Return the batch of a rollout of which nothing was read."""
        return await self._rollout.batch_of([])

    async def more(self) -> bool:
        """True if there is a complete line after the offset reached."""
        while not self._held and not self.at_end:
            self._held = await asyncio.to_thread(self._rollout.read, 1)
        return bool(self._held)

    async def ahead(self) -> Batch | None:
        """Return what the next line says, with or without its newline; None: nothing.

        That is what may have been taken ahead of the checkpoint.
        """
        line = self._held[0] if await self.more() else self._rollout.partial_line
        return None if line is None else await self._rollout.preview(line)

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._rollout.close()
