"""The store: what every backend promises. `run/` and `serve/` know no more of it than this.

1. A batch is written whole or not at all, also under kill -9 and power loss.
2. A rollout's checkpoint is the end of the last batch written; it never points past its rows.
3. Two writers never both advance one rollout from the same place (compare and set).
4. Readers see the rows of a rollout before or after a batch or a replacement, never between.
5. Each transaction tells of every turn, item, thread and lifecycle event that it changed, once, in
   one sequence whose numbers grow in the order of commits (the view `changes`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

# Part of the contract, but in a module of their own: `health` has time for no more.
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
    from projector.search.text import Extent, Indexing
    from projector.store.rollout_status import RolloutStatuses


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What some lines of one rollout make of its rows, from `start` to `end`."""

    file: RolloutFile
    start: Checkpoint | None
    """Where the rollout must stand in the store; None: it must not be there yet."""
    end: Checkpoint
    header: SessionHeader
    meta: ThreadMetadata
    changes: Sequence[Change]
    """In the order of the file."""
    records: int
    """Lines read, blank ones left out."""
    indexing: Indexing | None = None
    """How the `words` of its items were made; None: they were not."""

    @property
    def thread_id(self) -> ThreadId:
        """Whose rollout it is."""
        return self.header.thread_id or self.file.name.thread_id


@dataclass(frozen=True, slots=True, kw_only=True)
class RolloutStatus:
    """What the store knows of a rollout, without its rows and its reducer's state."""

    rollout_id: RolloutId
    thread_id: ThreadId
    generation: int
    offset: Offset
    file: RolloutFile | None
    """Where it was seen last; None: it is gone."""
    unverified: bool = False
    """Its file was replaced, or written to without growing, since it was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Totals:
    """What is in the store."""

    rollouts: int
    threads: int
    turns: int
    """Living ones, of all rollouts."""
    items: int
    """Living ones, of all rollouts."""
    anomalies: int


class Store(Protocol):
    """Rows, checkpoints and what readers see of them."""

    async def acquire_lock(self, holder: Holder) -> None:
        """Become the one daemon of this database, until `close` or the end of the process.

        Raises:
            AlreadyRunning: another daemon has it; says which, where, since when.
        """

    def abandon(self) -> None:
        """Stop waiting for a server: what is under way, and all that follows, fails at once.

        For when the process has to leave. What was not confirmed is raised as StoreUnavailable.
        """

    async def reopen(self) -> None:
        """Go over to the database that is there now, made anew if there is none, and hold it.

        For after `StoreReplaced`. All that was known of the old one's rows is void.

        Raises:
            AlreadyRunning: another daemon has it.
            StoreRefused: it cannot be used.
            StoreUnavailable: it cannot be used now; call again.
        """

    async def write_heartbeat(self, heartbeat: Heartbeat) -> None:
        """Store the sign of life; there is one row of it."""

    async def publish(self, state: DaemonState) -> None:
        """Put the daemon's state where it can be read though the database cannot be written.

        Only after `hold`; never raises: what cannot be put there is not.
        """

    async def set_names(self, names: Mapping[ThreadId, str]) -> None:
        """Set names of threads, also of those that come later. Unchanged ones cost nothing."""

    async def statuses(self) -> RolloutStatuses:
        """Give what is known of every rollout: one query, for the start of a run."""

    async def checkpoint(self, rollout_id: RolloutId) -> Checkpoint | None:
        """Give the rollout's checkpoint with its reducer's state; None: never seen."""

    async def find(self, rollout_id: RolloutId, wants: Lookup) -> LookupResult:
        """Look up earlier rows of the rollout that a reducer asks for."""

    async def commit(self, batches: Sequence[Batch]) -> None:
        """Write the batches in one transaction; of one rollout at most one.

        Raises:
            CheckpointMoved: a rollout is not at its `start`. Nothing was written.
            StoreUnavailable: it is not known what was written.
        """

    async def replace(self, start: Checkpoint, batches: AsyncIterator[Batch]) -> None:
        """Project a rollout anew, in one transaction, from batches that are made on the way.

        The batches have generation `start.generation + 1`, the first one begins at offset 0.
        A row whose uid comes again keeps its uid and is replaced whole; living rows that do not
        come again become tombstones, its anomalies that batches told of go. `find` of this rollout
        answers from the new rows only, from the first batch on. Others may write meanwhile. Without
        any batch nothing is written.

        Raises:
            CheckpointMoved: the rollout is not at `start`. Nothing was written.
            StoreUnavailable: it is not known what was written.
        """

    async def update_locations(self, files: Sequence[RolloutFile]) -> None:
        """Note where rollouts lie now, and how long they were when read to their end.

        For moves, archiving, compression, and for a torn last line that waits: no row of theirs
        changes. Where the file may have other bytes than the last one
        (`FileState.may_have_other_bytes_than`) the rollout is unverified from now on; so with a
        batch. A thread whose `archived` changes gets its lifecycle event; one whose files come
        back, here or with a commit, gets thread.restored.
        """

    async def verified(self, file: RolloutFile) -> None:
        """Note that `file` has the bytes that were read before the checkpoint.

        Nothing is noted if the rollout was seen in another file, or changed, since `file` was
        looked at.
        """

    async def attempt(self, rollout_id: RolloutId) -> None:
        """Note that a long line of a rollout is being read, which may end this process."""

    async def attempted(self, rollout_ids: Sequence[RolloutId]) -> None:
        """Note that such lines are read and committed."""

    async def attempts(self, *, count: bool) -> Mapping[RolloutId, int]:
        """Return rollouts of whose long lines no process has noted the end, with its failures.

        `count`: each has one failure more: whoever read it is no more. Only for the one daemon.
        """

    async def mark_missing(self, rollout_ids: Sequence[RolloutId], *, purge: bool) -> None:
        """Note that files are gone. With `purge` their rows go too; else they stay, marked."""

    async def purge(self, thread_id: ThreadId, rollout_ids: Sequence[RolloutId]) -> None:
        """Take a thread away: all rows of its rollouts, its name, what its events say.

        Of the events of its life the bare facts stay, without any text.
        """

    async def add_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """Note anomalies of a rollout outside of a batch. The same one twice is one row."""

    async def noted_anomalies(self, kind: str) -> Mapping[RolloutId, Sequence[Anomaly]]:
        """Return the anomalies of a kind that were noted outside of batches."""

    async def remove_anomalies(self, rollout_id: RolloutId, anomalies: Sequence[Anomaly]) -> None:
        """Delete anomalies that were noted outside of a batch and hold no longer."""

    async def configure_search(self, extent: Extent, max_text_bytes: int) -> None:
        """Say what full-text search finds: the words of items written from now on are indexed.

        `max_text_bytes`: of what an item holds beside words that were said. What was indexed
        otherwise before is forgotten, all at once, and comes back with `backfill_search`.
        """

    async def backfill_search(self) -> bool:
        """Index some of the items that were there before `index`; True: there are more."""

    async def rebuild_derived(self) -> None:
        """Compute chains, positions and counters of all threads anew; drop rows of no rollout."""

    async def prune(self, before_ms: int) -> bool:
        """Take some changes out of the feed that were committed before a time; True: more are left.

        `before_ms`: milliseconds since 1970. Lifecycle events stay.
        """

    async def totals(self) -> Totals:
        """Count what is there; cheap, whatever its size."""

    async def close(self) -> None:
        """Let go of the database. Safe to call twice."""
