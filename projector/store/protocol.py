"""The store's interface, and what every backend promises. `run/` and `serve/` rely on nothing else.

1. A batch is written completely or not at all, also under kill -9 and power loss.
2. A rollout's checkpoint is the end of the last batch written; it never points past its rows.
3. Two writers never both advance one rollout from the same checkpoint (compare and set).
4. Readers see the rows of a rollout before or after a batch or a replacement, never between.
5. Each transaction appends one feed entry for every turn, item, thread and lifecycle event that it
   changed, in one sequence whose numbers grow in commit order (the view `changes`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

# Part of the interface, but in a module of its own: `health` must start fast.
from projector.model.prices import Price
from projector.store.heartbeat import DaemonState as DaemonState  # noqa: PLC0414 - same
from projector.store.heartbeat import Heartbeat as Heartbeat  # noqa: PLC0414 - for others too
from projector.store.heartbeat import Holder as Holder  # noqa: PLC0414 - same

if TYPE_CHECKING:
    from projector.model.changes import (
        Anomaly,
        Change,
        Lookup,
        LookupResult,
        SessionHeader,
        ThreadMetadata,
    )
    from projector.model.ids import Checkpoint, Offset, RolloutFile, RolloutId, ThreadId
    from projector.model.revisions import ProjectedBy
    from projector.search.text import Extent, Indexing
    from projector.store.rollout_status import RolloutStatuses


class Batch(Struct, frozen=True, kw_only=True):
    """The changes that some lines of one rollout make to its rows, from `start` to `end`."""

    file: RolloutFile
    start: Checkpoint | None
    """Checkpoint that the rollout must have in the store; None: it must be unknown to the store."""
    end: Checkpoint
    header: SessionHeader
    meta: ThreadMetadata
    changes: Sequence[Change]
    """In file order."""
    records: int
    """Number of lines read, without blank ones."""
    indexing: Indexing | None = None
    """How the `words` of its items were extracted; None: they were not."""

    @property
    def thread_id(self) -> ThreadId:
        """Return the thread of the rollout."""
        return self.header.thread_id or self.file.name.thread_id


class RolloutStatus(Struct, frozen=True, kw_only=True):
    """The stored state of a rollout, without its rows and its reducer's state."""

    rollout_id: RolloutId
    thread_id: ThreadId
    generation: int
    offset: Offset
    file: RolloutFile | None
    """Last known file; None: it was deleted."""
    trusted_bytes: int | None = None
    """Of its file, how many are trusted to be those that were read; None: all of them.

    0: it was replaced, or written to without growing. Else: it has grown since it had so many.
    """


class Totals(Struct, frozen=True, kw_only=True):
    """Counts of the store's contents."""

    rollouts: int
    threads: int
    turns: int
    """Living turns of all rollouts."""
    items: int
    """Living items of all rollouts."""
    anomalies: int


class Outdated(Struct, frozen=True, kw_only=True):
    """Rollouts whose rows were made by an older revision of the rules that a later one touches."""

    rollouts: Sequence[RolloutId]
    """Those whose files are there, oldest first."""
    gone: Sequence[RolloutId]
    """Those without a file, whose rows stay as they are."""
    newer: int
    """Number of rollouts that were projected by a later revision than this program knows."""


class Store(Protocol):
    """Stores rows and checkpoints, and serves them to readers."""

    async def acquire_lock(self, holder: Holder) -> None:
        """Acquire the daemon's lock on this database, until `close` or the end of the process.

        Raises:
            AlreadyRunning: another daemon holds it; says which, where, since when.
        """

    def abandon(self) -> None:
        """Stop waiting for a server: the current and all further calls fail at once.

        For when the process must exit. Unconfirmed writes raise StoreUnavailable.
        """

    async def reopen(self) -> None:
        """Open the database that is now at the URL, creating it if needed, and acquire its lock.

        For use after `StoreReplaced`. All knowledge about the old database's rows is void.

        Raises:
            AlreadyRunning: another daemon holds it.
            StoreRefused: it cannot be used.
            StoreUnavailable: it cannot be used now; call again.
        """

    async def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Store the daemon's heartbeat, which has one row."""

    async def publish(self, state: DaemonState) -> None:
        """Publish the daemon's state outside of the database.

        It can be read even if the database cannot be written. Only after `acquire_lock`; never
        raises: failures are ignored.
        """

    async def set_names(self, names: Mapping[ThreadId, str]) -> None:
        """Set names of threads, also of threads that appear later. Unchanged names cost nothing."""

    async def statuses(self) -> RolloutStatuses:
        """Return the status of every rollout: one query, for the start of a run."""

    async def checkpoint(self, rollout_id: RolloutId) -> Checkpoint | None:
        """Return the rollout's checkpoint with its reducer's state; None: unknown rollout."""

    async def find(self, rollout_id: RolloutId, wants: Lookup) -> LookupResult:
        """Return the earlier rows of the rollout that a reducer needs."""

    async def commit(self, batches: Sequence[Batch]) -> None:
        """Write the batches in one transaction, at most one per rollout.

        Raises:
            CheckpointMoved: a rollout is not at its `start`. Nothing was written.
            StoreUnavailable: it is unknown what was written.
        """

    async def replace(self, start: Checkpoint, batches: AsyncIterator[Batch]) -> None:
        """Replace a rollout's rows in one transaction, from batches that are made meanwhile.

        The batches have generation `start.generation + 1`, the first one begins at offset 0.
        A row whose uid occurs again keeps its uid and is replaced completely; living rows that do
        not occur again become tombstones; its anomalies from batches are deleted. `find` of this
        rollout returns the new rows only, from the first batch on. Others may write meanwhile.
        Without
        any batch nothing is written.

        Raises:
            CheckpointMoved: the rollout is not at `start`. Nothing was written.
            StoreUnavailable: it is unknown what was written.
        """

    async def update_locations(self, files: Sequence[RolloutFile]) -> None:
        """Store where rollouts are now, and their lengths when read to the end.

        For moves, archiving, compression, and for a waiting partial last line: none of their rows
        change. If the bytes of the file may differ from the last one, the rollout's `trusted_bytes`
        say so from now on (`FileState.trusted_bytes`); likewise with a batch. A thread whose
        `archived` changes gets its lifecycle event; one whose files come back, here or with a
        commit, gets thread.restored. The current rollout of a thread is chosen anew where a file
        has a name of its thread now, or has none any more.
        """

    async def verified(self, file: RolloutFile) -> None:
        """Record that `file` has the bytes that were read before the checkpoint.

        Does nothing if the rollout was found in another file, or changed, since `file` was scanned.
        """

    async def raise_revisions(
        self, to: int, is_outdated: Callable[[ProjectedBy], bool]
    ) -> Outdated:
        """Set the revision of older rollouts to `to` if no later revision touches them.

        Their rows are not read, and nothing else of them changes. Returns the others.
        `is_outdated`: True if a rollout is to be projected again.
        """

    async def attempt(self, rollout_id: RolloutId) -> None:
        """Record that a long line of a rollout is being read, which may end this process."""

    async def attempted(self, rollout_ids: Sequence[RolloutId]) -> None:
        """Record that such lines are read and committed."""

    async def attempts(self, *, count: bool) -> Mapping[RolloutId, int]:
        """Return rollouts whose long lines no process has finished reading, with their failures.

        `count`: add one failure to each: the process that read it has ended. Only for the daemon.
        """

    async def mark_missing(self, rollout_ids: Sequence[RolloutId], *, purge: bool) -> None:
        """Record that files were deleted.

        With `purge` their rows are deleted too; else they stay, marked.
        """

    async def purge(self, thread_id: ThreadId, rollout_ids: Sequence[RolloutId]) -> None:
        """Delete a thread: all rows of its rollouts, its name, the content of its events.

        Its lifecycle events stay without any text.
        """

    async def add_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """Insert anomalies of a rollout outside of a batch. The same one twice is one row."""

    async def noted_anomalies(self, kind: str) -> Mapping[RolloutId, Sequence[Anomaly]]:
        """Return the anomalies of a kind that were inserted outside of batches."""

    async def remove_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """Delete anomalies that were inserted outside of a batch and no longer apply."""

    async def configure_search(self, extent: Extent, max_text_bytes: int) -> None:
        """Set what full-text search indexes, for items written from now on.

        `max_text_bytes`: maximum text of an item besides messages. An index with other settings is
        deleted at once, and filled again by `backfill_search`.
        """

    async def backfill_search(self) -> bool:
        """Index some of the items that are not indexed yet; True if there are more."""

    async def rebuild_derived(self) -> None:
        """Compute chains, positions and counters of all threads again.

        Delete rows of unknown rollouts.
        """

    async def prune(self, before_ms: int) -> bool:
        """Delete some changes from the feed that were committed before a time.

        True if there are more. `before_ms`: milliseconds since 1970. Lifecycle events stay.
        """

    async def models_to_price(self, version: str) -> Sequence[tuple[str, str]]:
        """Return provider and model of responses that have no price of this version of the list.

        Nor of a later one. `version`: a text that sorts as versions do.
        """

    async def set_prices(self, version: str, listed: Sequence[Price], own: Sequence[Price]) -> None:
        """Replace the list prices of the models of `listed`, and this source's own prices.

        A model whose list price is of a later version keeps it. Unchanged prices cost nothing.
        """

    async def totals(self) -> Totals:
        """Return counts of the contents; cheap, whatever the size."""

    async def close(self) -> None:
        """Close the database. Safe to call twice."""
