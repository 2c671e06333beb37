"""One rollout: read, decode, reduce, until there is no more.

A tail never writes. It makes batches; `rounds` commits them and says so. After any doubt about a
write the tail is thrown away, and a new one begins at the checkpoint that the store has.

What reads and reduces is imported when a tail does so by itself: a backfill that has another
process for it begins 50 ms sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import orjson

from projector.model.changes import Anomaly, Change, LookupResult
from projector.model.ids import (
    Checkpoint,
    Fingerprint,
    Line,
    Offset,
    Ordinal,
    RolloutFile,
    RolloutId,
    ThreadId,
)
from projector.read.resume import Restart, Undecided
from projector.run.batches import Limits, batch_of, reader_at
from projector.run.prefetch import Prefetcher
from projector.store.protocol import Batch, Store

if TYPE_CHECKING:
    from projector.read.rollout import RolloutReader
    from projector.reduce.protocol import Reducer


#: Memory that a tail takes while it rests, and for each row that its reducer remembers; measured.
_RESTING_BYTES: Final = 16 * 1024
_ROW_BYTES: Final = 1024


class Tailer:
    """A rollout between its checkpoint and its last whole line."""

    def __init__(
        self, store: Store, limits: Limits, file: RolloutFile, ahead: Prefetcher | None = None
    ) -> None:
        """Know the file; touch nothing until `look`.

        `ahead`: reads it ahead: there it is open.
        """
        self._store = store
        self._limits = limits
        self.file = file
        self._checkpoint: Checkpoint | None = None
        self._reader: RolloutReader | None = None
        self._reducer: Reducer | None = None
        self._bytes_of_closed = 0
        self._unfinished: Line | None = None
        self._lines: list[Line] = []
        """Read, and not in a batch: the store is to be asked for earlier rows first."""
        self._other = ahead
        self._looked = ahead is None
        self.undecided = False
        """The last look has not seen all that it must; `look` goes on with it."""

    def limit(self, limits: Limits) -> None:
        """Read by these limits from the next batch on; an open file keeps its chunks and lines."""
        self._limits = limits

    @property
    def offset(self) -> Offset:
        """Up to here the rollout is committed."""
        return Offset(0) if self._checkpoint is None else self._checkpoint.offset

    @property
    def bytes_read(self) -> int:
        """Uncompressed bytes read by this tail, those for fingerprints included."""
        open_here = 0 if self._reader is None else self._reader.bytes_read
        return self._bytes_of_closed + open_here

    @property
    def held_bytes(self) -> int:
        """About how much memory it takes while it rests."""
        rows = 0 if self._reducer is None else self._reducer.remembered
        return _RESTING_BYTES + _ROW_BYTES * rows

    @property
    def is_read_ahead(self) -> bool:
        """Another process reads it."""
        return self._other is not None

    @property
    def torn(self) -> int:
        """Bytes of a last line that waits for its newline."""
        return 0 if self._reader is None else self._reader.partial_bytes

    @property
    def at_end(self) -> bool:
        """All whole lines that `look` found, or the scan, are in batches."""
        return self._looked and (self._reader is None or self._reader.at_end)

    async def next_prefetched(self) -> Batch | None:
        """Give the next batch that another process has made; None: none (any more), `look`."""
        if self._other is None:
            return None
        batch = await self._other.next()
        self._bytes_of_closed = self._other.bytes_read
        if not self._other.is_open:
            self._other = None
            # Behind all that was there when it was listed there is nothing to look for.
            whole = batch is not None and batch.end.offset == self.file.size
            self._looked = whole and not self.file.name.compressed
        return batch

    async def look(self, file: RolloutFile) -> Restart | None:
        """Look at the file as it lies now, and get ready to read on.

        Gives `Restart` when the bytes before the checkpoint are not those that were read: then
        only `anew` may follow. While it is `undecided`, only another `look` may.

        Raises:
            RolloutUnreadable: it cannot be read now.
            StoreUnavailable: the checkpoint cannot be had.
        """
        if self._reader is None:
            self._checkpoint = await self._store.checkpoint(file.name.rollout_id)
            self._reducer = self._reducer_at(self._checkpoint)
        elif not self.is_open_at(file):
            self.close()
        if self._reader is None:
            self._reader = reader_at(file, self._checkpoint, self._limits)
        return await asyncio.to_thread(self._look, self._reader, file)

    def is_open_at(self, file: RolloutFile) -> bool:
        """Tell whether `at_once` may be called."""
        reader = self._reader
        return reader is not None and (reader.path, reader.compressed) == (
            file.path,
            file.name.compressed,
        )

    def poll_blocking(self, file: RolloutFile) -> Batch | Restart | None:
        """Do what `look` and `next` do, as far as that goes without the store. Blocks.

        For many rollouts in one thread: to change threads costs more than to look.
        None: there is nothing new, or the store is to be asked: `next` goes on from here.

        Raises:
            RolloutUnreadable: it cannot be read now.
        """
        reader, reducer = self._reader, self._reducer
        assert reader is not None, "it is open"
        assert reducer is not None, "it is open"
        why = self._look(reader, file)
        if why is not None or self.undecided:
            return why
        lines = reader.read(self._limits.batch_bytes, self._limits.batch_records)
        if lines and reducer.lookup(lines):
            self._lines = lines
            return None
        return self._made(self._checkpoint, lines, self._generation) if lines else None

    def _look(self, reader: RolloutReader, file: RolloutFile) -> Restart | None:
        """Look at the file; from now on it is known as it lay then, not as it was listed."""
        self.file, self._looked = file, True
        decision = reader.resume(self._limits.batch_bytes)
        self.undecided = isinstance(decision, Undecided)
        device, inode, size, mtime_ns = reader.identity
        self.file = replace(file, device=device, inode=inode, size=size, mtime_ns=mtime_ns)
        return decision if isinstance(decision, Restart) else None

    async def next(self) -> Batch | None:
        """Give the next lines as a batch that begins where the last one ended.

        None: there are none, or none yet: `at_end` tells. A call reads so many bytes at most as
        make a batch, whole lines or not.

        Raises:
            RolloutUnreadable: the disk or the network failed.
            StoreUnavailable: earlier rows that are needed cannot be had.
        """
        assert self._reader is not None, "look() comes first"
        assert self._reducer is not None, "look() comes first"
        lines, self._lines = self._lines, []
        if not lines and not self._reader.at_end:
            lines = await asyncio.to_thread(
                self._reader.read, self._limits.batch_bytes, self._limits.batch_records
            )
        return await self._batch(self._checkpoint, lines, self._generation) if lines else None

    async def unfinished(self) -> Batch | None:
        """Give what a last line without newline says, if it is a whole record; None: nothing new.

        A crash between a record and its newline must not hide the record until somebody resumes
        the thread. The checkpoint stays before the line: when the newline comes the line is taken
        again, and makes the same rows. Paginated rollouts only: a legacy record may count
        (rollbacks), and taking it twice would not be the same.
        """
        line = None if self._reader is None else self._reader.partial_line
        if line is None or line == self._unfinished or not _whole(line):
            return None
        self._unfinished = line
        return await self._ahead(line)

    async def _ahead(self, line: Line) -> Batch | None:
        """Give what the line at the checkpoint says, without moving the checkpoint."""
        start = self._checkpoint
        reducer = self._reducer_at(start)
        while wants := reducer.lookup([line]):
            reducer.provide(wants, await self._store.find(self.file.name.rollout_id, wants))
        changes = [one for one in reducer.apply([line]) if not isinstance(one, Anomaly)]
        if reducer.header.mode != "paginated" or not changes:
            return None
        here = Checkpoint(
            generation=self._generation,
            offset=self.offset,
            next_ordinal=Ordinal(0),
            fingerprint=Fingerprint(head=b"", tail=b""),
            state=b"",
        )
        return Batch(
            file=self.file,
            start=start,
            end=start or here,
            header=reducer.header,
            meta=reducer.meta,
            changes=changes,
            records=0,
        )

    async def restart(self, file: RolloutFile, start: Checkpoint) -> None:
        """Get ready for `anew` without a reason in the file, and whatever a saved state says.

        Raises:
            RolloutUnreadable: it cannot be read now.
        """
        self.close()
        self.file, self._checkpoint = file, start
        self._reader = reader_at(file, None, self._limits)
        await asyncio.to_thread(self._reader.resume)

    async def reproject(self, why: Restart | None) -> AsyncIterator[Batch | None]:
        """Give the whole rollout again, a generation later. `look` or `again` comes first.

        None now and then: so many bytes were read as make a batch, and no line of them is whole.
        `why`: noted, as an anomaly; None: the file is what it was.
        """
        assert self._reader is not None, "look() comes first"
        assert self._checkpoint is not None, "a rollout never seen is not started over"
        self._reader.start_over()
        self._reducer = self._reducer_at(None)
        generation = self._checkpoint.generation + 1
        notes: tuple[Change, ...] = ()
        if why is not None:
            notes = (Anomaly("replaced", Offset(0), 0, why.reason),)
        before: Checkpoint | None = None
        while True:
            lines = await asyncio.to_thread(
                self._reader.read, self._limits.batch_bytes, self._limits.batch_records
            )
            if lines or (self._reader.at_end and (notes or before is None)):
                batch = await self._batch(before, lines, generation, notes)
                before, notes = batch.end, ()
                yield batch
            else:
                yield None
            if self._reader.at_end:
                return

    def acknowledge(self, batch: Batch) -> None:
        """Hear that the store has the batch."""
        self._checkpoint = batch.end

    def anomalies(self) -> tuple[Anomaly, ...]:
        """What is odd about the file as a whole, as far as it was read."""
        odd = None if self._reader is None else self._reader.anomaly
        return () if odd is None else (odd,)

    def park(self, *, is_open: bool) -> None:
        """Keep where it stands, and nothing of what was read; the file `is_open` or closed."""
        if self._reader is not None:
            self._reader.release_lines()
            if not is_open:
                self._reader.close()

    def close(self) -> None:
        """Let go of the file. `look` opens it again."""
        if self._other is not None:
            self._other.leave()
            self._other = None
        if self._reader is not None:
            self._bytes_of_closed += self._reader.bytes_read
            self._reader.close()
            self._reader, self._lines = None, []

    @property
    def _generation(self) -> int:
        return 0 if self._checkpoint is None else self._checkpoint.generation

    @property
    def _ids(self) -> tuple[RolloutId, ThreadId]:
        return self.file.name.rollout_id, self.file.name.thread_id

    def _reducer_at(self, checkpoint: Checkpoint | None) -> Reducer:
        from projector.reduce import detect as reducers  # noqa: PLC0415 - see above

        if checkpoint is None or not checkpoint.offset:
            return reducers.start(*self._ids)
        return reducers.resume(*self._ids, checkpoint.state)

    async def _batch(
        self,
        start: Checkpoint | None,
        lines: list[Line],
        generation: int,
        notes: tuple[Change, ...] = (),
    ) -> Batch:
        """Reduce lines, those read last or their beginning, to what they change."""
        reducer = self._reducer
        assert reducer is not None, "look() comes first"
        while wants := reducer.lookup(lines):
            # Before the first batch there is nothing; while a rollout is made anew the store
            # has its old rows until that batch has come.
            found = LookupResult()
            if start is not None:
                found = await self._store.find(self.file.name.rollout_id, wants)
            reducer.provide(wants, found)
        return self._made(start, lines, generation, notes)

    def _made(
        self,
        start: Checkpoint | None,
        lines: list[Line],
        generation: int,
        notes: tuple[Change, ...] = (),
    ) -> Batch:
        """Give the batch of lines whose reducer has what it wants."""
        assert self._reader is not None, "look() comes first"
        assert self._reducer is not None, "look() comes first"
        return batch_of(
            self.file,
            start,
            self._reader,
            self._reducer,
            lines,
            limits=self._limits,
            generation=generation,
            notes=notes,
        )


def _whole(line: Line) -> bool:
    """Whether a line without newline is a whole record, and no beginning of one."""
    if not line.data.rstrip().endswith(b"}"):
        return False
    try:
        return isinstance(orjson.loads(line.data), dict)
    except ValueError:
        return False
