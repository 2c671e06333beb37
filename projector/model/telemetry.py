"""Counters of a running daemon and the interface that reports them. Pure.

Counts start at zero with the process; counts of stored rows come from the database.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from typing import Final, Protocol

from msgspec import Struct, field

from projector.model.settings import Settings

#: Upper bounds of the buckets of `Durations`, seconds; the last bucket has none.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def _no_counts() -> list[int]:
    return [0] * (len(BUCKETS_S) + 1)


class Durations(Struct):
    """Histogram of durations."""

    counts: list[int] = field(default_factory=_no_counts)
    """Number of durations per bucket, without those of smaller buckets."""
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one duration."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


class DaemonMetrics(Struct, frozen=True, kw_only=True):
    """The daemon's numbers at one moment."""

    started_at_ms: int
    turned_at_ms: int
    """When the main loop last completed a round, or was seen to make progress."""
    beat_at_ms: int
    """When the last heartbeat was written; 0: never."""
    ready: bool
    """Watching has begun."""
    following: bool
    """All data present at the start is projected."""
    by_events: bool
    """Changes are detected by file events; otherwise by scans only."""
    records: int
    batches: int
    read_bytes: int
    replaced: int
    """Number of rollouts projected again from their start."""
    scans: int
    file_events: int
    store_faults: int
    """Number of failed database writes."""
    set_aside: int
    """Number of rollouts that cannot be read now."""
    behind_bytes: int
    behind_since_ms: int | None
    commit_counts: Sequence[int]
    """Commit durations per bucket of `BUCKETS_S`."""
    commit_total_s: float
    renewed: int = 0
    """Number of rollouts projected again because rules changed."""
    store_fault_s: float = 0.0
    """Seconds since the database became unwritable; 0: it is writable."""
    refused: int = 0
    """Number of connections and requests that the endpoint refused."""
    quiet_s: float | None = None
    """Seconds since `turned_at_ms` on the monotonic clock; None: use `turned_at_ms`."""


class Telemetry(Protocol):
    """Receiver of the daemon's state. No method raises, whatever fails inside."""

    async def begin(self, settings: Settings, meters: Callable[[], DaemonMetrics]) -> None:
        """Start reporting `meters`; `settings` are those in effect."""

    async def beat(self, settings: Settings) -> None:
        """Report that a heartbeat was written."""

    async def end(self) -> None:
        """Report that the daemon stops."""


class NullTelemetry:
    """Telemetry that reports nothing."""

    async def begin(self, settings: Settings, meters: Callable[[], DaemonMetrics]) -> None:
        """Do nothing."""

    async def beat(self, settings: Settings) -> None:
        """Do nothing."""

    async def end(self) -> None:
        """Do nothing."""
