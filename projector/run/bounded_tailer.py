"""One rollout from its start up to a place, and no further: for comparing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from projector.model.ids import Line, Offset, RolloutFile
from projector.run.batches import Limits
from projector.run.tailer import Tailer
from projector.store.protocol import Batch, Store


class BoundedTailer(Tailer):
    """A tail that stops where it is told; what was read beyond is kept for the next place."""

    def __init__(self, store: Store, limits: Limits, file: RolloutFile) -> None:
        """Know the file; touch nothing until `look`."""
        super().__init__(store, limits, file)
        self._held: list[Line] = []

    async def upto(self, place: Offset) -> AsyncIterator[Batch]:
        """Give batches up to a place; each must be committed before the next is asked for.

        Ends before the place only where the file does.
        """
        while self.offset < place:
            lines = self._held or await self._read(self._limits.batch_records)
            if not lines:
                if self.at_end:
                    return
                continue
            cut = sum(1 for line in lines if line.end <= place)
            if not cut:
                self._held = lines
                return
            taken, self._held = lines[:cut], lines[cut:]
            yield await self._batch(self._checkpoint, taken, self._generation)

    def forget(self) -> None:
        """Know nothing of what was read: `look` begins anew."""
        self.close()
        self._held, self._checkpoint = [], None

    async def nothing(self) -> Batch:
        """Give the batch of a rollout of which nothing was read."""
        return await self._batch(self._checkpoint, [], self._generation)

    async def more(self) -> bool:
        """Whether there is a whole line behind the place that was reached."""
        while not self._held and not self.at_end:
            self._held = await self._read(1)
        return bool(self._held)

    async def ahead(self) -> Batch | None:
        """Give what the next line says, with or without its newline; None: nothing.

        That is what may have been taken ahead of the checkpoint.
        """
        if await self.more():
            line: Line | None = self._held[0]
        else:
            line = None if self._reader is None else self._reader.partial_line
        return None if line is None else await self._ahead(line)

    async def _read(self, most: int) -> list[Line]:
        assert self._reader is not None, "look() comes first"
        return await asyncio.to_thread(self._reader.read, self._limits.batch_bytes, most)
