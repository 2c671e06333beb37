"""Project rollouts again into their database, one transaction each.

Readers see a rollout's old or new rows, never a mixture; a daemon may write meanwhile. uids follow
from the data, so they stay. Rows of deleted files stay too.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import closing
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from projector.logs import events as log
from projector.model import revisions
from projector.model.changes import Anomaly
from projector.model.errors import CheckpointMoved, RolloutMissing, RolloutUnreadable
from projector.model.ids import Checkpoint, RolloutFile, RolloutId
from projector.model.settings import Settings
from projector.run.batches import Limits, limits_of
from projector.run.file_catalog import FileCatalog, note_second_files
from projector.run.names import NameReader
from projector.run.open_rollout import OpenRollout
from projector.run.progress import Progress
from projector.run.scheduler import Scheduler
from projector.store.protocol import Batch, Store

#: Maximum number of retries for a rollout that a daemon advances meanwhile.
_TRIES: Final = 20


class Rebuilt(Struct, frozen=True, kw_only=True):
    """The result of a rebuild."""

    rollouts: int
    """Rollouts projected from their first byte to their last complete line."""
    records: int
    kept: int
    """Rollouts without a file, whose rows are kept."""
    anomalies: int
    seconds: float
    faults: tuple[str, ...]
    """One line for each rollout or folder that cannot be read; their rows are kept."""


async def rebuild(
    store: Store,
    settings: Settings,
    *,
    chosen: Collection[str] | None,
    progress: Progress,
    outdated: bool = False,
) -> Rebuilt:
    """Project every rollout again, or those that are `chosen` (ids of rollouts or threads).

    `outdated`: of these, only rollouts whose rows were made by older rules that later ones touch.

    Raises:
        StoreDamaged: the database cannot be read, so it cannot be rebuilt in place.
        StoreUnavailable: it cannot be written now. Completed rollouts stay.
    """
    began = time.monotonic()
    surveyor = FileCatalog(settings.codex_homes)
    await store.configure_search(settings.search.index, settings.search.max_text_bytes)
    statuses = await store.statuses()
    rules = await store.raise_revisions(revisions.current(), revisions.is_outdated)
    look = await asyncio.to_thread(surveyor.everything)
    files: Mapping[RolloutId, RolloutFile] = look.files.oldest_first()
    if chosen is not None:
        files = {
            rollout_id: file
            for rollout_id, file in files.items()
            if rollout_id in chosen or file.name.thread_id in chosen
        }
    gone = {
        rollout_id
        for rollout_id, status in statuses.items()
        if rollout_id not in look.files
        and (chosen is None or rollout_id in chosen or status.thread_id in chosen)
    }
    if outdated:
        old = {*rules.rollouts, *rules.gone}
        files = {rollout_id: file for rollout_id, file in files.items() if rollout_id in old}
        gone &= old
    progress.start(len(files), sum(file.size for file in files.values()))
    one = _Anew(store, limits_of(settings), surveyor.rollout)
    rounds = Scheduler(
        store,
        limits_of(settings),
        surveyor.rollout,
        on_done=lambda file: progress.advance(1, file.size),
    )
    for rollout_id, file in files.items():
        if rollout_id in statuses:
            await one.make(file)
            progress.advance(1, file.size)
        else:
            rounds.news([file])
    with closing(rounds):
        while rounds.waiting:
            await rounds.round()
    is_all = chosen is None and not outdated
    await note_second_files(
        store, [over for over in look.passed_over if over.file.name.rollout_id in files], look.files
    )
    if is_all:
        await store.rebuild_derived()
        await store.set_names(await NameReader().read(*settings.codex_homes))
    while await store.backfill_search():
        pass
    faults = [str(fault) for fault in look.faults] if is_all else []
    faults += [*one.faults, *(str(reason) for reason in rounds.quarantined.values())]
    return Rebuilt(
        rollouts=one.made + len(rounds.seen),
        records=one.records + rounds.counters.records,
        kept=len(gone),
        anomalies=one.anomalies + rounds.counters.anomalies,
        seconds=time.monotonic() - began,
        faults=tuple(faults),
    )


class _Anew:
    """Rebuilds rollouts, and counts."""

    def __init__(
        self,
        store: Store,
        limits: Limits,
        look: Callable[[RolloutFile], RolloutFile | None],
    ) -> None:
        self._store = store
        self._limits = limits
        self._look = look
        self.made = self.records = self.anomalies = 0
        self.faults: list[str] = []

    async def make(self, file: RolloutFile) -> None:
        """Rebuild one rollout; a failure becomes a fault, and its rows are kept."""
        found: RolloutFile | None = file
        moved: Exception | None = None
        for _ in range(_TRIES):
            if found is None:
                return  # it has gone meanwhile: its rows stay
            try:
                await self._make(found)
            except CheckpointMoved as error:
                moved = error
            except RolloutMissing:
                found = await asyncio.to_thread(self._look, found)
            except RolloutUnreadable as reason:
                self.faults.append(str(reason))
                return
            else:
                self.made += 1
                return
        self.faults.append(f"{file.path}: does not stand still: {moved}")

    async def _make(self, file: RolloutFile) -> None:
        rollout_id: RolloutId = file.name.rollout_id
        start = await self._store.checkpoint(rollout_id)
        if start is None:
            raise CheckpointMoved(f"rollout {rollout_id}: its rows have gone meanwhile")
        with closing(await OpenRollout.at_start(self._store, self._limits, file, start)) as rollout:
            await self._replace(rollout, start)
        log.event("rollout.rebuilt", rollout=rollout_id, path=file.path)

    async def _replace(self, rollout: OpenRollout, start: Checkpoint) -> None:
        made: list[Batch] = []

        async def batches() -> AsyncIterator[Batch]:
            async for batch in rollout.batches_from_start(None):
                if batch is None:
                    continue
                noted = sum(1 for change in batch.changes if isinstance(change, Anomaly))
                self.anomalies += noted
                made.append(replace(batch, changes=()))
                yield batch

        await self._store.replace(start, batches())
        rollout.acknowledge(made[-1])
        ahead = await rollout.partial_batch()
        if ahead is not None:
            await self._store.commit([ahead])
        self.records += sum(batch.records for batch in made)
        if rollout.anomalies:
            await self._store.add_anomalies(rollout.file.name.rollout_id, rollout.anomalies)
