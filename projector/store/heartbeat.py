"""The daemon's sign of life, as the store keeps it: of the contract, all that `health` needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """Who follows a database: what a second daemon is told."""

    pid: int
    host: str
    version: str
    started_at_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Heartbeat:
    """What the daemon says of itself, at least every `interval_s` seconds."""

    holder: Holder
    beat_at_ms: int
    interval_s: float
    phase: Literal["catching up", "following", "stopping"]
    watching: Literal["events", "polling"]
    watching_why: str
    """Why it polls; empty while events come."""
    behind_bytes: int
    """Bytes on disk that were seen and are not committed; a torn last line is none of them."""
    behind_since_ms: int | None
    """Since when the oldest of them has waited; None: nothing waits."""
    bytes_read: int
    """Uncompressed bytes of rollouts read since the start, fingerprints included."""
    records: int
    batches: int
    set_aside: int
    """Rollouts that cannot be read now."""
