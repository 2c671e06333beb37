"""What a daemon counts while it runs, and who is told of it. Pure.

Counts begin at zero with the process; what is in the database is asked of the database.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from projector.model.settings import Settings

#: Upper ends of the buckets of `Durations`, seconds; the last one has none.
BUCKETS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


def _no_counts() -> list[int]:
    return [0] * (len(BUCKETS_S) + 1)


@dataclass(slots=True)
class Durations:
    """How long something took, as a histogram."""

    counts: list[int] = field(default_factory=_no_counts)
    """How many fell into each bucket, those of smaller ones left out."""
    total_s: float = 0.0

    def add(self, seconds: float) -> None:
        """Count one."""
        self.counts[bisect_left(BUCKETS_S, seconds)] += 1
        self.total_s += seconds


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonMetrics:
    """The daemon's numbers at one moment."""

    started_at_ms: int
    turned_at_ms: int
    """When the loop that does the work came round last, or was seen to get on with it."""
    beat_at_ms: int
    """When the last sign of life was written; 0: none yet."""
    ready: bool
    """Watching has begun."""
    following: bool
    """All that was there at the start is projected."""
    by_events: bool
    """News come by file events; else by scans alone."""
    records: int
    batches: int
    read_bytes: int
    replaced: int
    """Rollouts that were projected anew."""
    scans: int
    file_events: int
    store_faults: int
    """How often the database could not be written."""
    set_aside: int
    """Rollouts that cannot be read now."""
    behind_bytes: int
    behind_since_ms: int | None
    commit_counts: Sequence[int]
    """Of commits, in the buckets of `BUCKETS_S`."""
    commit_total_s: float
    store_fault_s: float = 0.0
    """How long the database has not been writable; 0: it is."""
    refused: int = 0
    """Connections and requests that the endpoint refused."""
    quiet_s: float | None = None
    """How long ago `turned_at_ms` is, whatever was done to the clock; None: as that says."""


class Telemetry(Protocol):
    """Who is told how the daemon does. Whatever fails there, no method raises."""

    async def begin(self, settings: Settings, meters: Callable[[], DaemonMetrics]) -> None:
        """Hear where the numbers can be had. `settings` are those that hold."""

    async def beat(self, settings: Settings) -> None:
        """Hear that a sign of life was written."""

    async def end(self) -> None:
        """Hear that the daemon leaves."""


class NullTelemetry:
    """No audience."""

    async def begin(self, settings: Settings, meters: Callable[[], DaemonMetrics]) -> None:
        """Do nothing."""

    async def beat(self, settings: Settings) -> None:
        """Do nothing."""

    async def end(self) -> None:
        """Do nothing."""
