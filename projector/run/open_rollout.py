"""An open rollout: its reader and its reducer, both at the checkpoint that the store has.

It never writes. It makes batches; whoever commits them calls `acknowledge`. After any doubt about
a write it is closed, and another one is opened at the store's checkpoint.

What reads and reduces is imported when a rollout is opened: a backfill that has another process
for it begins 50 ms sooner.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final, ParamSpec, Self, TypeVar

import orjson
from msgspec import Struct

from projector.model import revisions
from projector.model.changes import Anomaly, Change, LookupResult
from projector.model.errors import IncompatibleState, NewerRules
from projector.model.ids import (
    Checkpoint,
    FileState,
    Fingerprint,
    Line,
    Offset,
    Ordinal,
    RolloutFile,
    RolloutId,
    ThreadId,
)
from projector.model.revisions import ProjectedBy
from projector.read.resume import Restart, Undecided
from projector.run.batches import (
    Limits,
    Reduced,
    batch_of,
    gather,
    reader_at,
    records_of,
    reduced,
)
from projector.store.protocol import Batch, Store

if TYPE_CHECKING:
    from projector.read.rollout import RolloutReader
    from projector.reduce.protocol import Reducer

P = ParamSpec("P")
T = TypeVar("T")

#: Lines of so many bytes in all are reduced in a thread, beside whatever else is done.
_LONG_BYTES: Final = 16 * 1024 * 1024


class OpenRollout:
    """A rollout with its reader and reducer positioned at a checkpoint."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        file: RolloutFile,
        *,
        checkpoint: Checkpoint | None,
        reader: RolloutReader,
        reducer: Reducer,
        is_outdated: bool = False,
    ) -> None:
        self._store = store
        self._limits = limits
        self.file = file
        """As it was when `look` saw it last."""
        self._seen: FileState | None = None
        """As it was when it was read from; None: it was not yet."""
        self._trusted_bytes: int | None = None
        self._checkpoint = checkpoint
        self._reader = reader
        self._reducer = reducer
        self._bytes_of_closed = 0
        self._lines: list[Line] = []
        """Lines that were read and are in no batch: the store must be asked for rows first, or they
        are long."""
        self._partial_line: Line | None = None
        self.is_outdated = is_outdated
        """Its rows were made by older rules: it is to be projected again before it is read on."""

    @classmethod
    async def at_checkpoint(cls, store: Store, limits: Limits, file: RolloutFile) -> Self:
        """Open a rollout at the checkpoint that the store has. Reads nothing: `look` comes next.

        Raises:
            NewerRules: it was projected by rules that this program does not know.
            StoreUnavailable: the checkpoint cannot be had.
        """
        checkpoint = await store.checkpoint(file.name.rollout_id)
        is_outdated = checkpoint is not None and revisions.is_outdated(projected_by(checkpoint))
        if checkpoint is not None and revisions.is_newer(checkpoint.revision):
            raise newer_rules(file, checkpoint)
        try:
            reducer = _reducer_at(file, None if is_outdated else checkpoint)
        except IncompatibleState:
            reducer, is_outdated = _reducer_at(file, None), True
        return cls(
            store,
            limits,
            file,
            checkpoint=checkpoint,
            reader=reader_at(file, checkpoint, limits),
            reducer=reducer,
            is_outdated=is_outdated,
        )

    @classmethod
    def of_new(cls, store: Store, limits: Limits, file: RolloutFile) -> Self:
        """Open a rollout that the store does not know. Reads nothing: `look` comes next."""
        reader, reducer = reader_at(file, None, limits), _reducer_at(file, None)
        return cls(store, limits, file, checkpoint=None, reader=reader, reducer=reducer)

    @classmethod
    async def at_start(
        cls, store: Store, limits: Limits, file: RolloutFile, checkpoint: Checkpoint
    ) -> Self:
        """Open a rollout that is to be projected again, whatever its saved state says.

        `checkpoint`: where the store stands.

        Raises:
            RolloutUnreadable: it cannot be read now.
        """
        reader = reader_at(file, None, limits)
        reducer = _reducer_at(file, None)
        made = cls(store, limits, file, checkpoint=checkpoint, reader=reader, reducer=reducer)
        try:
            await asyncio.to_thread(reader.resume)
        except BaseException:
            made.close()
            raise
        return made

    def limit(self, limits: Limits) -> None:
        """Read by these limits from the next batch on; an open file keeps its chunks and lines."""
        self._limits = limits

    @property
    def offset(self) -> Offset:
        """Return the checkpoint: the rollout is committed up to here."""
        return Offset(0) if self._checkpoint is None else self._checkpoint.offset

    @property
    def bytes_read(self) -> int:
        """Return the uncompressed bytes read since it was opened, including for fingerprints."""
        return self._bytes_of_closed + self._reader.bytes_read

    @property
    def rows_held(self) -> int:
        """Return the number of rows that the reducer holds in memory."""
        return self._reducer.remembered

    @property
    def partial_bytes(self) -> int:
        """Return the number of bytes after the last newline."""
        return self._reader.partial_bytes

    @property
    def at_end(self) -> bool:
        """True if all complete lines found by `look` are in batches."""
        return self._reader.at_end and not self._lines

    @property
    def has_long_lines(self) -> bool:
        """Lines are read and in no batch that take long to reduce: one of them is very long."""
        return self._is_long(self._lines)

    @property
    def partial_line(self) -> Line | None:
        """Return the last line, without a newline yet; None: none that can be a record."""
        return self._reader.partial_line

    @property
    def anomalies(self) -> tuple[Anomaly, ...]:
        """Return the anomalies of the file as a whole, as far as it was read."""
        odd = self._reader.anomaly
        return () if odd is None else (odd,)

    def is_at(self, file: RolloutFile) -> bool:
        """True if `file` is at the path that is open."""
        return (self._reader.path, self._reader.compressed) == (file.path, file.name.compressed)

    def look(self, file: RolloutFile) -> Restart | Undecided | None:
        """Examine the file, and prepare to continue reading. Blocks.

        Returns `Restart` when the bytes before the checkpoint are not those that were read,
        `Undecided` when not all of them were compared yet: call it again.

        Raises:
            RolloutUnreadable: it cannot be read now.
        """
        if not self.is_at(file):
            self._bytes_of_closed += self._reader.bytes_read
            self._reader.close()
            self._reader, self._lines = reader_at(file, self._checkpoint, self._limits), []
        self.file = file
        decision = self._reader.resume(self._limits.batch_bytes)
        self.file = self._reader.identity.of(file)
        self.saw(self.file)
        return decision if isinstance(decision, Restart | Undecided) else None

    def saw(self, file: RolloutFile) -> None:
        """Note how the file was when it was read from: compared with how it is found next."""
        now, before = FileState.of(file), self._seen
        if before is not None:
            self._trusted_bytes = now.trusted_bytes(before, self._trusted_bytes)
        self._seen = now

    def take_trusted_bytes(self) -> int | None:
        """Return what all looks since the last call say: `FileState.trusted_bytes`."""
        trusted, self._trusted_bytes = self._trusted_bytes, None
        return trusted

    def poll_blocking(self, file: RolloutFile) -> Batch | Restart | Undecided | None:
        """Examine the file; return the next batch if it needs no lookup in the store. Blocks.

        For many rollouts in one thread: switching threads costs more than examining a file.
        None: nothing is new, or the store is needed: `next` continues from here.

        Raises:
            RolloutUnreadable: it cannot be read now.
        """
        found = self.look(file)
        if found is not None or self.is_outdated or self._lines:
            return found
        return self._gathered(self._checkpoint, self._generation)

    def read(self, max_lines: int | None = None) -> list[Line]:
        """Read the next complete lines, at most a batch or `max_lines`. Blocks.

        Raises:
            RolloutUnreadable: the disk or the network failed.
        """
        most = self._limits.batch_records if max_lines is None else max_lines
        return self._reader.read(self._limits.batch_bytes, most)

    async def read_on(self) -> Batch | None:
        """Return the next batch, as far as it needs no lookup in the store, and has no long lines.

        None: there is nothing, or nothing yet (`at_end` tells); or `next` goes on with what was
        read. A call reads at most the bytes of one batch, complete lines or not.

        Raises:
            RolloutUnreadable: the disk or the network failed.
        """
        if self._lines or self._reader.at_end:
            return None
        return await asyncio.to_thread(self._gathered, self._checkpoint, self._generation)

    async def next(self) -> Batch | None:
        """Return the batch of lines that `read_on` has left; None: there are none.

        Raises:
            StoreUnavailable: earlier rows that are needed cannot be had.
        """
        lines, self._lines = self._lines, []
        return await self.batch_of(lines) if lines else None

    async def batch_of(self, lines: list[Line]) -> Batch:
        """Return the batch of lines that were read last, or of their beginning."""
        return await self._batch(self._checkpoint, lines, self._generation)

    async def partial_batch(self) -> Batch | None:
        """Return the batch of a last line without newline, if it is a whole record; None: none.

        A crash between a record and its newline must not hide the record until somebody resumes
        the thread. The checkpoint stays before the line: when the newline comes the line is taken
        again, and makes the same rows. Paginated rollouts only: a legacy record may count
        (rollbacks), and taking it twice would not be the same.
        """
        line = self._reader.partial_line
        if line is None or line == self._partial_line or not _whole(line):
            return None
        self._partial_line = line
        return await self.preview(line)

    async def preview(self, line: Line) -> Batch | None:
        """Return what the line at the checkpoint says, without moving the checkpoint."""
        start = self._checkpoint
        reducer = _reducer_at(self.file, start)
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
            revision=revisions.current(),
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

    async def batches_from_start(self, why: Restart | None) -> AsyncIterator[Batch | None]:
        """Yield the batches of the rollout from its first byte, in a new generation.

        Yields None when the bytes of a batch were read without a complete line.
        `why`: noted, as an anomaly; None: the file is what it was, so equal rows change nothing.
        """
        self._reader.start_over()
        self._lines, self._trusted_bytes = [], None
        self._reducer = _reducer_at(self.file, None)
        generation = self._generation + 1
        notes: tuple[Change, ...] = ()
        if why is not None:
            notes = (Anomaly("replaced", Offset(0), 0, why.reason),)
        before: Checkpoint | None = None
        while True:
            batch = None
            if not self._lines:
                batch = await asyncio.to_thread(self._gathered, before, generation, notes)
            if batch is None:
                lines, self._lines = self._lines, []
                if lines or (self._reader.at_end and (notes or before is None)):
                    batch = await self._batch(before, lines, generation, notes)
            if batch is not None:
                before, notes = batch.end, ()
            yield batch
            if self.at_end:
                return

    def acknowledge(self, batch: Batch) -> None:
        """Advance the checkpoint to `batch.end`. Call after the store has committed it."""
        self._checkpoint = batch.end
        self.is_outdated = False

    def park(self, *, is_open: bool) -> None:
        """Release what was read, and the file too unless `is_open`; the position stays."""
        self._reader.release_lines()
        if not is_open:
            self._reader.close()

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        self._reader.close()

    @property
    def _generation(self) -> int:
        return 0 if self._checkpoint is None else self._checkpoint.generation

    async def _batch(
        self,
        start: Checkpoint | None,
        lines: list[Line],
        generation: int,
        notes: tuple[Change, ...] = (),
    ) -> Batch:
        """Reduce the lines read last, or a prefix of them, to their changes."""
        while wants := await self._unhurried(lines, self._reducer.lookup, lines):
            # Before the first batch there is nothing; while a rollout is projected again the store
            # has its old rows until that batch has come.
            found = LookupResult()
            if start is not None:
                found = await self._store.find(self.file.name.rollout_id, wants)
            self._reducer.provide(wants, found)
        return await self._unhurried(lines, self._made, start, lines, generation, notes)

    async def _unhurried(
        self, lines: list[Line], work: Callable[P, T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work` on lines, in a thread if they are long."""
        if self._is_long(lines):
            return await asyncio.to_thread(work, *args, **kwargs)
        return work(*args, **kwargs)

    def _is_long(self, lines: list[Line]) -> bool:
        """True if lines, those of one batch, take long: there is a very long one among them."""
        return bool(lines) and lines[-1].end - lines[0].offset > self._most

    @property
    def _most(self) -> int:
        """Return how many bytes lines may have that do not take long."""
        return max(_LONG_BYTES, 2 * self._limits.batch_bytes) - 1

    def _gathered(
        self, start: Checkpoint | None, generation: int, notes: tuple[Change, ...] = ()
    ) -> Batch | None:
        """Read and reduce the next batch, up to lines that need the store, or are long. Blocks."""
        assert not self._lines, "they come first"
        made, self._lines = gather(
            self._reader, self._reducer, self._limits, self._limits.batch_bytes, most=self._most
        )
        return None if made is None else self._batch_of(start, made, generation, notes)

    def _made(
        self,
        start: Checkpoint | None,
        lines: list[Line],
        generation: int,
        notes: tuple[Change, ...] = (),
    ) -> Batch:
        """Return the batch of lines whose reducer has the rows that it looks up."""
        changes = reduced(self._reducer, lines, self._limits.indexing)
        end = lines[-1].end if lines else self._reader.offset
        made = Reduced(changes, records_of(lines), end)
        return self._batch_of(start, made, generation, notes)

    def _batch_of(
        self,
        start: Checkpoint | None,
        made: Reduced,
        generation: int,
        notes: tuple[Change, ...],
    ) -> Batch:
        if notes:
            made = made._replace(changes=[*notes, *made.changes])
        return batch_of(
            self.file, start, self._reader, self._reducer, made,
            limits=self._limits, generation=generation,
        )  # fmt: skip


class Reprojection(Struct, frozen=True):
    """A rollout that is to be projected again from its first byte, and why."""

    rollout: OpenRollout
    why: Restart | None
    """None: its rows were made by older rules."""

    def batches(self) -> AsyncIterator[Batch | None]:
        """Yield its batches, as `OpenRollout.batches_from_start`."""
        return self.rollout.batches_from_start(self.why)


def projected_by(checkpoint: Checkpoint) -> ProjectedBy:
    """Return how a rollout was projected."""
    return ProjectedBy(checkpoint.revision, checkpoint.mode, checkpoint.kinds)


def newer_rules(file: RolloutFile, checkpoint: Checkpoint) -> NewerRules:
    """Return the anomaly of a rollout that is left to newer programs."""
    return NewerRules(
        f"{file.path}: was projected by revision {checkpoint.revision} of the rules, this program"
        f" knows {revisions.current()}",
        hint="It is left as it is: upgrade this program, or rebuild the thread with it",
    )


def _reducer_at(file: RolloutFile, checkpoint: Checkpoint | None) -> Reducer:
    from projector.reduce import detect as reducers  # noqa: PLC0415 - see above

    ids: tuple[RolloutId, ThreadId] = (file.name.rollout_id, file.name.thread_id)
    if checkpoint is None or not checkpoint.offset:
        return reducers.start(*ids)
    return reducers.resume(*ids, checkpoint.state, checkpoint.kinds)


def _whole(line: Line) -> bool:
    """True if a line without newline is a complete record, not the beginning of one."""
    if not line.data.rstrip().endswith(b"}"):
        return False
    try:
        return isinstance(orjson.loads(line.data), dict)
    except ValueError:
        return False
