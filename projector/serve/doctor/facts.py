"""Facts that `doctor` collects before it judges: results of `probe`. Pure."""

from __future__ import annotations

from typing import NamedTuple

from msgspec import Struct

from projector.serve.doctor.codex_gaps import Shortfall
from projector.serve.health.snapshot import Facts
from projector.store.questions.doctor import Incomplete, Kind, Source
from projector.store.reading import Server


class Home(NamedTuple):
    """A CODEX_HOME."""

    path: str
    rollouts: int
    folders: int
    faults: tuple[str, ...]
    polled_why: str | None
    """Why there are no file events; None: there are."""
    conflicts: tuple[str, ...] = ()
    """Renamed copies with records that are missing from their rollouts."""


class Mode(NamedTuple):
    """Permissions of one of our files."""

    path: str
    mode: int
    writable: bool
    """True if the current user can write it."""
    links: int = 1
    """Number of hard links."""


class Stored(Struct, frozen=True, kw_only=True):
    """Facts read from the database."""

    facts: Facts
    schema: int
    newest_schema: int
    integrity: str | None
    """"ok", or what is wrong; None: the check did not finish in time."""
    kinds: tuple[Kind, ...]
    incomplete: tuple[Incomplete, ...]
    latest_ms: int
    """Latest time of a written row, by the clock of that moment."""
    server: Server | None = None
    """None: the database is a file."""
    sources: tuple[Source, ...] = ()
    """All installations that write it; empty for a file."""


class Codex(Struct, frozen=True, kw_only=True):
    """Facts from Codex's own databases of one home."""

    home: str
    found: tuple[str, ...]
    """Paths of the existing databases."""
    shortfalls: tuple[Shortfall, ...] = ()
    unopened: int = 0
    """Number of rollouts that Codex has not projected, presumably because nobody opened them."""
    lost_files: int = 0
    """Number of threads that Codex lists and whose file is missing."""
    fault: str = ""
    """Why they cannot be read."""


class Examined(Struct, frozen=True, kw_only=True):
    """All facts."""

    now_ms: int
    homes: tuple[Home, ...]
    database: str
    database_fault: str
    """Why the database cannot be read; empty: it can."""
    database_network: str | None
    """The network file system that contains it; None: a local one."""
    modes: tuple[Mode, ...]
    secret_files: tuple[Mode, ...]
    """Files from which the database password was read."""
    free: int | None
    """Free bytes on its disk."""
    sqlite: tuple[int, ...]
    watches: int | None
    """The system's limit of watched folders; None: unknown."""
    held: bool | None
    """True if a daemon holds the database's lock; None: unknown."""
    local: bool
    """True if the daemon of the heartbeat runs on this host."""
    stored: Stored | None
    codex: tuple[Codex, ...]
    readers: tuple[str, ...] = ()
    """Processes that have the database open, including the daemon: pid and name."""
