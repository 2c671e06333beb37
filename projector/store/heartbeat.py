"""The daemon's sign of life, as the store and its state file keep it. Pure.

Of the store's contract this is all that `health` needs.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, NamedTuple

#: Size of a state file, which is overwritten in place: a full disk takes that, too.
STATE_BYTES: Final = 4096
#: Reasons are cut to so many characters, so that they fit into a state file however escaped.
_FAULT_CHARS: Final = 250
_WHY_CHARS: Final = 100


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
    boot_ms: int = 0
    """When it was given by the clock that nobody sets (CLOCK_BOOTTIME), milliseconds."""
    files: int = 0
    """Rollouts on disk."""
    waiting: int = 0
    """Rollouts on disk with bytes that are not committed."""
    current_as_of_ms: int | None = None
    """The latest moment as of which all that was on disk is known to have been committed; None:
    there was none yet."""


class DaemonState(NamedTuple):
    """What a state file says: who follows and how it goes, the database being writable or not."""

    holder: Holder
    heartbeat: Heartbeat | None = None
    """None: whoever holds the database is no daemon, or has only begun."""
    fault: str = ""
    """Why the database cannot be written; empty: it can."""
    fault_since_ms: int | None = None
    """Since when, milliseconds since 1970."""


class Published(NamedTuple):
    """What can be told of a daemon without the database."""

    held: bool | None = None
    """The process that wrote the state is alive; None: it cannot be told from here."""
    state: DaemonState | None = None
    alone: bool = False
    """No daemon can follow this database without holding this file."""


#: Nothing can be told.
UNPUBLISHED: Final = Published()


def encode(state: DaemonState) -> bytes:
    """Return a state as `STATE_BYTES` bytes of JSON and blanks; reasons are cut to fit."""
    found: dict[str, Any] = asdict(state.holder)
    if state.heartbeat is not None:
        beat = asdict(state.heartbeat)
        del beat["holder"]
        beat["watching_why"] = beat["watching_why"][:_WHY_CHARS]
        found |= {"heartbeat": beat}
    found |= {"fault": state.fault[:_FAULT_CHARS], "fault_since_ms": state.fault_since_ms}
    text = json.dumps(found).encode()
    return text.ljust(STATE_BYTES - 1) + b"\n"


def decode(text: bytes) -> DaemonState | None:
    """Return the state that `encode` wrote; None: it is none, or was torn by a write meanwhile."""
    try:
        found = json.loads(text)
        beat = found.get("heartbeat")
        holder = Holder(**{name: found[name] for name in Holder.__slots__})
        return DaemonState(
            holder=holder,
            heartbeat=Heartbeat(holder=holder, **beat) if isinstance(beat, Mapping) else None,
            fault=str(found.get("fault", "")),
            fault_since_ms=found.get("fault_since_ms"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
