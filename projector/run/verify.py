"""Project again into a scratch database, and compare with the database row by row.

The database is only read. Each rollout is projected from its first byte, by the code that the
daemon runs, into a scratch database, as far as the database under test has it; what follows is
*behind*, and no difference. Then both are read in one snapshot each, sorted, and merged.

1. A daemon may write meanwhile. Where it has moved the checkpoint, the scratch follows before the
   rows are compared; where it has projected again, all is compared again.
2. No snapshot is held while files are read: it would keep the database's log from being reset.
3. A record without a newline may or may not have been taken ahead of the checkpoint: both are
   right (`OpenRollout.partial_batch`).
4. Rows of a rollout that later rules touch are *outdated*, and no difference; a rollout of newer
   rules is passed over.
5. Rollouts whose files are gone are counted and passed over: their rows follow from nothing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple

from msgspec import Struct, field

from projector.model import revisions
from projector.model.errors import RolloutMissing, RolloutUnreadable
from projector.model.ids import Offset, RolloutFile, RolloutId, ThreadId
from projector.model.settings import Settings
from projector.read.resume import Restart
from projector.read.rollout import RolloutReader
from projector.run.batches import Limits, limits_of
from projector.run.bounded_tailer import BoundedTailer
from projector.run.file_catalog import FileCatalog
from projector.run.names import NameReader
from projector.run.progress import Progress
from projector.store.check.compare import Difference, Differences, Field, Rollout, Rows
from projector.store.protocol import Store

#: A new scratch database is begun when this much was projected into the one at hand.
SCRATCH_BYTES: Final = 64 << 20
#: How often a rollout that the daemon moves on is followed before it is left for what it is.
_TRIES: Final = 50
#: Differences that are listed in all; the others are counted.
_LISTED: Final = 10_000


class Scratch(NamedTuple):
    """A database to project into, and to read from."""

    store: Store
    rows: Rows


OpenScratch = Callable[[], AbstractAsyncContextManager[Scratch]]


class Behind(Struct, frozen=True, kw_only=True):
    """A rollout whose complete lines are not all in the database yet."""

    rollout_id: RolloutId
    path: str
    bytes: int
    """On disk; of a compressed file 0, for it does not say."""


class OutdatedRows(Struct, frozen=True, kw_only=True):
    """A rollout whose rows were made by older rules, and are others by the rules of today."""

    rollout_id: RolloutId
    revision: int
    """By which it was projected."""
    rows: int
    """Number of its rows that differ."""


class Report(Struct, kw_only=True):
    """The result of a comparison."""

    compared: int = 0
    """Rollouts."""
    rows: int = 0
    """Number of equal rows, of all kinds."""
    gone: int = 0
    """Rollouts without a file: not compared."""
    outdated: list[OutdatedRows] = field(default_factory=list)
    newer: int = 0
    """Rollouts that were projected by newer rules: not compared."""
    seconds: float = 0.0
    behind: list[Behind] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)
    """Rollouts and folders that cannot be read: not compared."""
    differences: list[Difference] = field(default_factory=list)
    """At most `_LISTED`."""
    count: int = 0
    """Number of all differences."""

    @property
    def equal(self) -> bool:
        """True if everything was compared and nothing differs.

        Not if no rollout of the database has a file: then the homes are the wrong ones.
        """
        return not self.count and not self.unreadable and not self.found_none

    @property
    def found_none(self) -> bool:
        """True if there are rollouts, and a file of none of them."""
        return self.gone > 0 and not self.compared and not self.behind and not self.newer

    def add(self, differences: Iterable[Difference], count: int | None = None) -> None:
        """Take differences; `count`: of which these are some."""
        listed = list(differences)
        self.count += len(listed) if count is None else count
        self.differences += listed[: _LISTED - len(self.differences)]


async def verify(
    rows: Rows,
    open_scratch: OpenScratch,
    settings: Settings,
    *,
    threads: tuple[str, ...],
    progress: Progress,
) -> Report:
    """Compare every rollout, or those that make up `threads` (ids of threads or rollouts).

    Raises:
        StoreUnavailable: the scratch database cannot be written.
    """
    began = time.monotonic()
    report = Report()
    surveyor = FileCatalog(settings.codex_homes)
    look = await asyncio.to_thread(surveyor.everything)
    others = rows.elsewhere()
    files = {one: file for one, file in look.files.items() if one not in others}
    wanted: Iterable[RolloutId] = rows.rollouts()
    if threads:
        chosen = rows.chains(threads)
        wanted = sorted(chosen)
        files = {
            rollout_id: file
            for rollout_id, file in files.items()
            if rollout_id in chosen or {rollout_id, file.name.thread_id} & set(threads)
        }
    else:
        report.unreadable += [str(fault) for fault in look.faults if fault.kind != "missing"]
    for one_id in threads:
        if not rows.chains([one_id]) and all(
            one_id not in (rollout_id, file.name.thread_id) for rollout_id, file in files.items()
        ):
            raise RolloutUnreadable(f"no thread {one_id}", hint="See: projector threads --all")
    known = set(wanted)
    progress.start(len(files), sum(file.size for file in files.values()))
    one = _Comparison(rows, limits_of(settings), report, surveyor.rollout)
    rest = sorted(known)
    while rest:
        async with open_scratch() as scratch:
            used = 0
            while rest and used < SCRATCH_BYTES:
                file = files.get(rest[-1])
                rollout_id = rest.pop()
                if file is None:
                    report.gone += 1
                    continue
                used += await one.compare(scratch, rollout_id, file)
                progress.advance(1, file.size)
    for rollout_id in sorted(files.keys() - known):
        await one.unknown(files[rollout_id])
        progress.advance(1, files[rollout_id].size)
    await _whole(rows, settings, threads, report)
    report.seconds = time.monotonic() - began
    return report


async def _whole(rows: Rows, settings: Settings, threads: tuple[str, ...], report: Report) -> None:
    """Compare what belongs to threads and not to one rollout: lineage, names."""
    chosen = frozenset(ThreadId(one) for one in threads) if threads else None
    with rows.snapshot():
        report.add(rows.lineage(chosen))
    names = await NameReader().read(*settings.codex_homes)
    with rows.snapshot():
        stored = rows.names()
    for thread_id, name in names.items():
        mended = name.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        if stored.get(thread_id) != mended and (chosen is None or thread_id in chosen):
            fields = (Field("name", None, None),)
            report.add([Difference(thread_id, None, "thread", (), "changed", fields)])


class _Comparison:
    """Compares rollouts of the database with their files."""

    def __init__(
        self,
        rows: Rows,
        limits: Limits,
        report: Report,
        look: Callable[[RolloutFile], RolloutFile | None],
    ) -> None:
        self._rows = rows
        self._look = look
        self._limits = limits
        self._report = report

    async def compare(self, scratch: Scratch, rollout_id: RolloutId, file: RolloutFile) -> int:
        """Compare one rollout; gives how many bytes were projected."""
        found: RolloutFile | None = file
        while found is not None:
            try:
                return await self._compare(scratch, rollout_id, found)
            except RolloutMissing:
                await scratch.store.mark_missing([rollout_id], purge=True)
                before, found = found, await asyncio.to_thread(self._look, found)
                if found == before:
                    break
            except RolloutUnreadable as reason:
                self._report.unreadable.append(f"rollout {rollout_id}: {reason}")
                return 0
        self._report.gone += 1
        return 0

    async def _compare(self, scratch: Scratch, rollout_id: RolloutId, file: RolloutFile) -> int:
        stands = self._rows.rollout(rollout_id)
        if stands is None:
            self._report.gone += 1
            return 0
        if revisions.is_newer(stands.projected.revision):
            self._report.newer += 1
            return 0
        tail = await BoundedTailer.open(scratch.store, self._limits, file)
        try:
            generation = stands.generation
            for _ in range(_TRIES):
                if stands.generation != generation or stands.offset < tail.offset:
                    # Projected again meanwhile: the scratch rows are of other bytes.
                    await scratch.store.mark_missing([rollout_id], purge=True)
                    tail.close()
                    tail = await BoundedTailer.open(scratch.store, self._limits, tail.file)
                generation = stands.generation
                await self._project(scratch, tail, Offset(stands.offset))
                if tail.offset < stands.offset and (short := await self._grown(tail)) is not None:
                    self._short(stands, tail, short)
                    return tail.offset
                if tail.offset == stands.offset and await self._held(scratch, tail, stands):
                    return tail.offset
                stands = self._rows.rollout(rollout_id)
                if stands is None:
                    self._report.gone += 1
                    return 0
        finally:
            tail.close()
        self._report.unreadable.append(f"rollout {rollout_id}: it does not stand still")
        return tail.offset

    async def _project(self, scratch: Scratch, tail: BoundedTailer, upto: Offset) -> None:
        async for batch in tail.upto(upto):
            await scratch.store.commit([batch])
            tail.acknowledge(batch)

    async def _grown(self, tail: BoundedTailer) -> str | None:
        """Examine a file again that was shorter than the checkpoint; None: it has grown."""
        if await tail.more():
            return "other bytes than were projected: no line ends there"
        decision = await tail.look()
        if isinstance(decision, Restart):
            return decision.reason
        return None if not tail.at_end else "shorter than what was projected of it"

    def _short(self, stands: Rollout, tail: BoundedTailer, why: str) -> None:
        fields = (Field("bytes", tail.offset, stands.offset), Field(f"file: {why}", None, None))
        self._report.compared += 1
        self._report.add(
            [Difference(stands.thread_id, stands.rollout_id, "rollout", (), "changed", fields)]
        )

    async def _held(self, scratch: Scratch, tail: BoundedTailer, stands: Rollout) -> bool:
        """Compare the rows with the scratch's; False: the daemon has committed more, repeat it."""
        if not stands.offset:
            await scratch.store.commit([await tail.nothing()])
        found = self._differences(scratch, stands)
        if found is None:
            return False
        if found.count and (ahead := await tail.ahead()) is not None:
            await scratch.store.commit([ahead])
            with_it = self._differences(scratch, stands)
            if with_it is None:
                # The scratch is ahead of its checkpoint now, which does no harm: the line is
                # taken again when the checkpoint passes it.
                return False
            found = min(found, with_it, key=lambda one: one.count)
        self._report.compared += 1
        if found.count and revisions.is_outdated(stands.projected):
            revision = stands.projected.revision
            self._report.outdated.append(
                OutdatedRows(rollout_id=stands.rollout_id, revision=revision, rows=found.count)
            )
        else:
            self._report.add(found.listed(), found.count)
        if await tail.more():
            size = 0 if tail.file.name.compressed else tail.file.size - stands.offset
            behind = Behind(rollout_id=stands.rollout_id, path=tail.file.path, bytes=max(0, size))
            self._report.behind.append(behind)
        return True

    def _differences(self, scratch: Scratch, stands: Rollout) -> Differences | None:
        """Compare all rows; None: the database is not where it stood."""
        mine = scratch.rows.rollout(stands.rollout_id)
        assert mine is not None, "projected before"
        with self._rows.snapshot(), scratch.rows.snapshot():
            now = self._rows.rollout(stands.rollout_id)
            if now is None or now[3:5] != stands[3:5]:
                return None
            found = Differences(stands, self._rows.kept(now))
            for kind in self._rows.kinds():
                if (kind.sequence and now.generation) or (
                    kind.name == "rollout" and not now.offset
                ):
                    continue
                found.take(
                    kind, scratch.rows.rows(mine, kind), self._counted(self._rows.rows(now, kind))
                )
        return found

    def _counted(self, rows: Iterable[tuple[object, ...]]) -> Iterable[tuple[object, ...]]:
        for row in rows:
            self._report.rows += 1
            yield row

    async def unknown(self, file: RolloutFile) -> None:
        """Report a rollout that is not in the database, if it has a complete line."""
        found: RolloutFile | None = file
        while found is not None:
            try:
                if await asyncio.to_thread(_has_line, found, self._limits):
                    size = 0 if found.name.compressed else found.size
                    behind = Behind(rollout_id=found.name.rollout_id, path=found.path, bytes=size)
                    self._report.behind.append(behind)
            except RolloutMissing:
                before, found = found, await asyncio.to_thread(self._look, found)
                if found == before:
                    return
            except RolloutUnreadable as reason:
                self._report.unreadable.append(f"rollout {found.name.rollout_id}: {reason}")
                return
            else:
                return


def _has_line(file: RolloutFile, limits: Limits) -> bool:
    reader = RolloutReader(
        file.path,
        compressed=file.name.compressed,
        chunk_bytes=limits.chunk_bytes,
        max_line=limits.max_line_bytes,
    )
    with reader:
        reader.resume()
        while not reader.at_end:
            if reader.read(limits.batch_bytes, 1):
                return True
    return False
