"""What `doctor` finds out before it judges: values of `examine`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from projector.serve.doctor.codex_gaps import Shortfall
from projector.serve.health.snapshot import Facts
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
    """Copies under other names whose records the rollouts do not all have."""


class Mode(NamedTuple):
    """Who may read a file of ours."""

    path: str
    mode: int
    writable: bool
    """By whoever runs this."""
    links: int = 1
    """How many names it has."""


class Source(NamedTuple):
    """An installation that writes the same database."""

    name: str
    host: str
    own: bool
    """It is this one."""
    beat_at_ms: int | None
    """When its daemon gave its last sign of life; None: it never did."""
    stopping: bool
    """It said that it leaves."""
    held: bool
    """A daemon holds it: its lease has not ended."""
    claims: int
    """Rollouts that lie here, too, and that it projects."""


class Kind(NamedTuple):
    """Anomalies of one kind."""

    kind: str
    anomalies: int
    rollouts: int


class Incomplete(NamedTuple):
    """A thread of whose history a part is missing."""

    thread_id: str
    base: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """What the database says of itself."""

    facts: Facts
    schema: int
    newest_schema: int
    integrity: str | None
    """"ok", or what is wrong; None: not all was looked at in time."""
    kinds: tuple[Kind, ...]
    incomplete: tuple[Incomplete, ...]
    latest_ms: int
    """The latest moment that a row was written, by the clock of then."""
    attempts: tuple[tuple[str, int], ...] = ()
    """Rollouts whose reading has ended a process, and how often."""
    server: Server | None = None
    """None: it is a file."""
    sources: tuple[Source, ...] = ()
    """All that write it; none, where it is a file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Codex:
    """What Codex's own databases say, of one home."""

    home: str
    found: tuple[str, ...]
    """Paths of those that are there."""
    shortfalls: tuple[Shortfall, ...] = ()
    unopened: int = 0
    """Rollouts that Codex has not projected, for all that is known because nobody opened them."""
    lost_files: int = 0
    """Threads that Codex lists, whose file is not there."""
    fault: str = ""
    """Why they cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """All that was found out."""

    now_ms: int
    homes: tuple[Home, ...]
    database: str
    database_fault: str
    """Why the database cannot be read; empty: it can."""
    database_network: str | None
    """The network file system that it lies on; None: it does not."""
    modes: tuple[Mode, ...]
    secret_files: tuple[Mode, ...]
    """Files that the database's password was read from."""
    free: int | None
    """Bytes left on its disk."""
    sqlite: tuple[int, ...]
    watches: int | None
    """The system's limit of folders that are watched; None: it does not say."""
    held: bool | None
    """A daemon has the database's lock; None: it cannot be told."""
    local: bool
    """The daemon of the heartbeat is of this host."""
    stored: Stored | None
    codex: tuple[Codex, ...]
    readers: tuple[str, ...] = ()
    """Processes that have the database open, the daemon among them: pid and name."""
