"""One-shot run: project all existing rollouts to their ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from projector.logs import events as log
from projector.model import revisions
from projector.model.ids import RolloutFile, RolloutId
from projector.model.settings import Settings
from projector.run.batches import limits_of
from projector.run.file_catalog import FileCatalog, Survey, note_second_files, notes_of
from projector.run.names import NameReader
from projector.run.prefetch import Prefetcher
from projector.run.prices import ListPrices, price
from projector.run.progress import Progress, Summary
from projector.run.retention import prune
from projector.run.scheduler import Scheduler
from projector.store.protocol import Store
from projector.store.rollout_status import RolloutStatuses


async def backfill(
    store: Store,
    settings: Settings,
    *,
    selection: Sequence[str],
    progress: Progress,
    ahead: Prefetcher | None = None,
) -> Summary:
    """Project every rollout of the homes, or those of `selection`, to its last complete line.

    Args:
        store: may be written by a daemon at the same time.
        settings: homes and batch sizes.
        selection: files, folders or thread ids; empty: everything.
        progress: receives the progress.
        ahead: reads new rollouts while others are written; None: everything is sequential.

    Raises:
        StoreUnavailable: the database cannot be written. Committed rows stay.
    """
    began = time.monotonic()
    surveyor = FileCatalog(settings.codex_homes)
    await store.configure_search(settings.search.index, settings.search.max_text_bytes)
    statuses = await store.statuses()
    look = await asyncio.to_thread(
        (lambda: surveyor.named(selection)) if selection else surveyor.everything
    )
    on_disk = look.files.bytes_on_disk()
    progress.start(len(look.files), on_disk)

    def done(file: RolloutFile) -> None:
        progress.advance(1, file.size)

    rounds = Scheduler(store, limits_of(settings), surveyor.rollout, on_done=done, ahead=ahead)
    rounds.remember(statuses)
    rounds.read_last(dict.fromkeys(await store.attempts(count=False), 0))
    if selection:
        rounds.checks.only(look.files)
    # Oldest first: a base is projected before what continues it, as Codex wrote them.
    fresh = rounds.news_of(look.files.oldest_first())
    rules = await store.raise_revisions(revisions.current(), revisions.is_outdated)
    old = {
        one: look.files[one].size
        for one in rules.rollouts
        if one in look.files and not rounds.is_waiting(one)
    }
    rounds.renew(old)
    if rules.newer:
        rounds.note_newer()
    left = on_disk - rounds.bytes_in_line - sum(old.values())
    progress.skip(len(look.files) - fresh - len(old), left)
    missed: dict[RolloutId, RolloutFile | None] = {}
    if not selection:
        missed = await asyncio.to_thread(_missed, surveyor, look, statuses)
        rounds.news(file for file in missed.values() if file is not None)
    prices = ListPrices()
    try:
        # Files whose earlier bytes may have changed are compared after all others are done.
        while (
            rounds.waiting
            or rounds.begin_renewal()
            or await rounds.check(settings.run.batch_bytes, rest_s=0)
        ):
            if rounds.waiting:
                await rounds.round()
                await prices.begin(store)
    finally:
        await rounds.leave()
        rounds.close()
    if selection:
        for rollout_id, notes in notes_of(look.passed_over).items():
            await store.add_anomalies(rollout_id, notes)
    else:
        await note_second_files(store, look.passed_over, look.files)
    await store.set_names(await NameReader().read(*settings.codex_homes))
    gone = [rollout_id for rollout_id, file in missed.items() if file is None]
    await store.mark_missing(gone, purge=settings.run.on_delete == "purge")
    await _complete(store, settings, prices)
    totals = await store.totals()
    faults = [str(fault) for fault in look.faults]
    faults += [str(reason) for reason in rounds.quarantined.values()]
    summary = Summary(
        rollouts=len(look.files),
        records=rounds.counters.records,
        items=totals.items,
        turns=totals.turns,
        anomalies=rounds.counters.anomalies,
        bytes_read=rounds.counters.bytes_read,
        seconds=time.monotonic() - began,
        faults=tuple(faults),
        unreadable=len(rounds.quarantined) + sum(fault.kind != "missing" for fault in look.faults),
    )
    log.event(
        "backfill.finished",
        rollouts=summary.rollouts,
        records=summary.records,
        bytes_read=summary.bytes_read,
        anomalies=summary.anomalies,
        unreadable=summary.unreadable,
        seconds=round(summary.seconds, 3),
    )
    return summary


async def _complete(store: Store, settings: Settings, prices: ListPrices) -> None:
    """Do what follows the last batch: the search index, old changes, prices."""
    while await store.backfill_search():
        pass
    await prune(store, settings)
    await price(store, settings, prices)


def _missed(
    surveyor: FileCatalog, look: Survey, statuses: RolloutStatuses
) -> dict[RolloutId, RolloutFile | None]:
    """Search again for the rollouts that a scan of all homes missed; None: deleted.

    One moved from a folder not yet listed to one already listed only seems to be deleted.
    """
    gone = look.gone([statuses.files])
    return {
        rollout_id: surveyor.rollout(file)
        for rollout_id, file in gone.items()
        if file.home in surveyor.homes
    }
