"""The daemon's heartbeat, and the state that it publishes beside the database. Pure.

`health` needs no more of the store's interface than this.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct
from msgspec.structs import asdict

#: Size of a state file, which is overwritten in place: that works on a full disk, too.
STATE_BYTES: Final = 4096
#: Reasons are cut to this number of characters, so that they fit into a state file however escaped.
_FAULT_CHARS: Final = 250
_WHY_CHARS: Final = 100


class Holder(Struct, frozen=True, kw_only=True):
    """The daemon that follows a database, as a second daemon reports it."""

    pid: int
    host: str
    version: str
    started_at_ms: int


class Heartbeat(Struct, frozen=True, kw_only=True):
    """The daemon's heartbeat, written at least every `interval_s` seconds."""

    holder: Holder
    beat_at_ms: int
    interval_s: float
    phase: Literal["catching up", "following", "stopping"]
    watching: Literal["events", "polling"]
    watching_why: str
    """Why it polls; empty if it gets file events."""
    behind_bytes: int
    """Bytes on disk that were seen and are not committed, without partial last lines."""
    behind_since_ms: int | None
    """Since when the oldest of them has waited, ms since 1970; None: nothing waits."""
    bytes_read: int
    """Uncompressed bytes of rollouts read since the start, including fingerprints."""
    records: int
    batches: int
    set_aside: int
    """Rollouts that are quarantined."""
    boot_ms: int = 0
    """Time of the heartbeat by the host's boot clock (CLOCK_BOOTTIME), milliseconds."""
    files: int = 0
    """Rollouts on disk."""
    waiting: int = 0
    """Rollouts on disk with bytes that are not committed."""
    current_as_of_ms: int | None = None
    """Latest time as of which everything on disk is known to be committed; None: never yet."""


class DaemonState(NamedTuple):
    """Content of a state file: who follows the database, and whether it can write it."""

    holder: Holder
    heartbeat: Heartbeat | None = None
    """None: the process that locks the database is not a daemon, or has only started."""
    fault: str = ""
    """Why the database cannot be written; empty: it can."""
    fault_since_ms: int | None = None
    """Since when, milliseconds since 1970."""


class Published(NamedTuple):
    """What is known of a daemon without the database."""

    held: bool | None = None
    """True if the process that wrote the state is alive; None: unknown on this host."""
    state: DaemonState | None = None
    alone: bool = False
    """True if no daemon can follow this database without locking this file."""


#: Nothing is known.
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
    """Return the state that `encode` wrote; None: it is none, or was overwritten meanwhile."""
    try:
        found = json.loads(text)
        beat = found.get("heartbeat")
        holder = Holder(**{name: found[name] for name in Holder.__struct_fields__})
        return DaemonState(
            holder=holder,
            heartbeat=Heartbeat(holder=holder, **beat) if isinstance(beat, Mapping) else None,
            fault=str(found.get("fault", "")),
            fault_since_ms=found.get("fault_since_ms"),
        )
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
