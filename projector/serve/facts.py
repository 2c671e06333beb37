"""What is known of database and files at one moment: all that `status` and `health` go by. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from projector.place import RolloutFile, RolloutId, ThreadId
from projector.store.heartbeat import Heartbeat


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """A rollout with whole lines that are not projected."""

    file: RolloutFile
    behind: int
    """Bytes; of a compressed file, compressed ones."""
    since_ms: int
    """When its last byte came, or the file to its place: it has waited no longer than that."""


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

    @property
    def behind_bytes(self) -> int:
        """Bytes on disk that are not projected, a torn last line left out."""
        return sum(one.behind for one in self.waiting)

    @property
    def heartbeat_age_s(self) -> float | None:
        """How long ago the daemon gave its last sign of life, seconds; None: it never did."""
        beat = self.database.heartbeat
        return None if beat is None else max(self.now_ms - beat.beat_at_ms, 0) / 1000

    @property
    def behind_s(self) -> float:
        """How long the oldest of them has waited for a daemon that could have read it, seconds.

        What came before the daemon's start counts from the start: an archive that is put in
        place, or a first catching up, is not late because its files are old. The daemon's own
        count goes further back than a file's times, which an appended line makes new.
        """
        if not self.waiting:
            return 0.0
        since = min(one.since_ms for one in self.waiting)
        beat = self.database.heartbeat
        if beat is not None:
            since = max(since, beat.holder.started_at_ms)
            if beat.behind_since_ms is not None:
                since = min(since, beat.behind_since_ms)
        return max(self.now_ms - since, 0) / 1000
