"""What is known of database and files at one moment: all that `status` and `health` go by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from projector.model.ids import RolloutFile, RolloutId, ThreadId
from projector.store.heartbeat import UNPUBLISHED, Heartbeat, Published


class Projected(NamedTuple):
    """A rollout as the database has it."""

    rollout_id: RolloutId
    thread_id: ThreadId
    path: str
    compressed: bool
    size: int
    """Bytes on disk when it was looked at last."""
    offset: int
    """Checkpoint, in uncompressed bytes."""
    records: int
    items: int
    turns: int
    gone: bool
    anomalies: int = 0
    read_at_ms: int = 0
    """When its last batch was committed."""


class Totals(NamedTuple):
    """What is projected, counted."""

    rollouts: int
    turns: int
    items: int
    records: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What the database says."""

    path: str
    size: int
    """Bytes of the file."""
    wal_size: int
    """Bytes of the write-ahead log beside it."""
    rollouts: Mapping[RolloutId, Projected]
    threads: int
    anomalies: int
    heartbeat: Heartbeat | None
    """None: no daemon ever served it."""
    totals: Totals | None = None
    """None: those of `rollouts`."""
    free: int | None = None
    """Bytes that may still be written on its disk; None: it is not known."""
    published: Published = UNPUBLISHED
    """What the daemon says beside it."""

    @property
    def counted(self) -> Totals:
        """How much is projected."""
        if self.totals is not None:
            return self.totals
        every = self.rollouts.values()
        return Totals(
            rollouts=len(every),
            turns=sum(one.turns for one in every),
            items=sum(one.items for one in every),
            records=sum(one.records for one in every),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A rollout with whole lines that are not projected."""

    file: RolloutFile
    behind: int
    """Bytes; of a compressed file, compressed ones."""
    since_ms: int
    """Since when the oldest of them has waited: `waiting_since_ms`."""


class Backlog(NamedTuple):
    """All that waits, in sum."""

    bytes: int
    rollouts: int
    since_ms: int | None
    """Since when the oldest of it has waited; None: nothing waits."""


def waiting_since_ms(*, record_ms: int | None, current_ms: int | None, changed_ms: int) -> int:
    """Return since when the oldest byte of a rollout that is not projected has waited.

    Args:
        record_ms: when the first record that is not projected was made, as it says itself; None:
            it does not say.
        current_ms: the latest moment as of which all of the rollout is known to have been
            projected; None: there is none.
        changed_ms: when the file changed last (ctime): no byte came later.

    A record may be older than its place in the file: of a copy, of a file that was moved in. The
    moment as of which nothing waited may be long past. So the later of the two counts; a clock
    that is ahead makes neither later than the file.

    """
    known = [one for one in (record_ms, current_ms) if one is not None]
    return min(max(known, default=changed_ms), changed_ms)


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the database and the files say at one moment."""

    now_ms: int
    database: Database
    files: int
    """Rollouts on disk."""
    waiting: Sequence[Waiting]
    faults: Sequence[str]
    """Folders and files that cannot be looked at."""
    told: Backlog | None = None
    """What the daemon says that waits; None: all files were looked at, see `waiting`."""
    boot_ms: int = 0
    """Now, by the clock of this host that nobody sets; 0: it is not known."""

    @property
    def backlog(self) -> Backlog:
        """All that waits, in sum."""
        if self.told is not None:
            return self.told
        return Backlog(
            bytes=sum(one.behind for one in self.waiting),
            rollouts=len(self.waiting),
            since_ms=min((one.since_ms for one in self.waiting), default=None),
        )

    @property
    def behind_bytes(self) -> int:
        """Bytes on disk that are not projected, a torn last line left out."""
        return self.backlog.bytes

    @property
    def behind_s(self) -> float:
        """How long the oldest byte that is not projected has waited, seconds."""
        since = self.backlog.since_ms
        return 0.0 if since is None else max(self.now_ms - since, 0) / 1000

    @property
    def alive(self) -> bool | None:
        """Whether the process of the last sign of life is alive; None: it cannot be told."""
        beat, published = self.database.heartbeat, self.database.published
        if beat is None:
            return None
        if published.state is not None and published.state.holder == beat.holder:
            return published.held
        # Another one holds the database, which is no daemon or has only begun; or none does.
        return False if published.alone and published.held is False else None

    @property
    def fault(self) -> tuple[str, float] | None:
        """Why the living daemon cannot write the database, and for how many seconds."""
        state = self.database.published.state
        if state is None or not state.fault or not self.database.published.held:
            return None
        since = state.fault_since_ms or self.now_ms
        return state.fault, max(self.now_ms - since, 0) / 1000

    @property
    def heartbeat_age_s(self) -> float | None:
        """How long ago the daemon gave its last sign of life, seconds; None: it never did.

        Of one that is known to live or to be dead it does not depend on the clock having been set.
        """
        beat = self.database.heartbeat
        if beat is None:
            return None
        by_clock = max(self.now_ms - beat.beat_at_ms, 0)
        if self.alive is None or not beat.boot_ms or not self.boot_ms:
            return by_clock / 1000
        # The host was started since, if that clock is behind where it was.
        by_boot = self.boot_ms - (beat.boot_ms if beat.boot_ms <= self.boot_ms else 0)
        return (by_boot if self.alive else max(by_clock, by_boot)) / 1000
