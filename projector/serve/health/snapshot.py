"""Facts about database and files at one moment: the input of `status` and `health`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import Struct

from projector.model.codex_release import Newer
from projector.model.ids import RolloutFile, RolloutId
from projector.store.heartbeat import UNPUBLISHED, Heartbeat, Published
from projector.store.questions.contents import UP_TO_DATE, Projected, Rollouts, RulesBehind, Totals


class Written(Struct, frozen=True, kw_only=True):
    """What Codex wrote, as far as this program may not know it."""

    newer: Newer
    unknown: Mapping[str, int]
    """Unknown things met, by their name."""


class Database(Struct, frozen=True, kw_only=True):
    """Facts from the database."""

    path: str
    size: int
    """Size of the file, bytes."""
    wal_size: int
    """Size of the write-ahead log, bytes."""
    rollouts: Mapping[RolloutId, Projected]
    threads: int
    anomalies: int
    heartbeat: Heartbeat | None
    """None: no daemon ever used it."""
    totals: Totals | None = None
    """None: the sums over `rollouts`."""
    free: int | None = None
    """Free bytes on its disk; None: unknown."""
    rules: RulesBehind = UP_TO_DATE
    """Rollouts that were not projected by the rules of this program."""
    published: Published = UNPUBLISHED
    """What the daemon has published beside the database."""
    codex: Written | None = None
    """None: not asked for."""
    attempts: Sequence[tuple[str, int]] = ()
    """Rollouts with a long line whose reading has ended a process, and how often."""

    @property
    def counted(self) -> Totals:
        """Return counts of what is projected."""
        if self.totals is not None:
            return self.totals
        every = self.rollouts.values()
        return Totals(
            rollouts=len(every),
            turns=sum(one.turns for one in every),
            items=sum(one.items for one in every),
            records=sum(one.records for one in every),
        )

    @property
    def whole(self) -> Mapping[str, int]:
        """Return the size in bytes of completely projected files, by path."""
        return self.rollouts.whole() if isinstance(self.rollouts, Rollouts) else {}


class Waiting(Struct, frozen=True, kw_only=True):
    """A rollout with complete lines that are not projected."""

    file: RolloutFile
    behind: int
    """Bytes; compressed bytes for a compressed file."""
    since_ms: int
    """Since when the oldest of them has waited: `waiting_since_ms`."""


class Torn(Struct, frozen=True, kw_only=True):
    """A rollout whose last line has lacked its newline for long."""

    file: RolloutFile
    bytes: int
    """Length of that line."""
    since_ms: int
    """When the file was last written to."""


class Backlog(NamedTuple):
    """Sum of everything that waits."""

    bytes: int
    rollouts: int
    since_ms: int | None
    """Since when the oldest byte has waited; None: nothing waits."""


def waiting_since_ms(*, record_ms: int | None, current_ms: int | None, changed_ms: int) -> int:
    """Return since when the oldest byte of a rollout that is not projected has waited.

    Args:
        record_ms: timestamp in the first record that is not projected; None: it has none.
        current_ms: the latest time up to which the rollout is known to be completely projected;
            None: there is none.
        changed_ms: when the file changed last (ctime): no byte came later.

    A record may be older than its place in the file: in a copy, or a file that was moved in. The
    time up to which nothing waited may be long past. So the later of the two counts; a clock
    that is ahead never makes the result later than the file.
    """
    known = [one for one in (record_ms, current_ms) if one is not None]
    return min(max(known, default=changed_ms), changed_ms)


class Facts(Struct, frozen=True, kw_only=True):
    """Facts from database and files at one moment."""

    now_ms: int
    database: Database
    files: int
    """Number of rollouts on disk."""
    waiting: Sequence[Waiting]
    faults: Sequence[str]
    """Folders and files that cannot be read."""
    told: Backlog | None = None
    """Backlog published by the daemon; None: all files were read, see `waiting`."""
    torn: Sequence[Torn] = ()
    """Not told if the daemon's backlog is used."""
    boot_ms: int = 0
    """Current time of the host's boot clock, which nobody sets; 0: unknown."""

    @property
    def backlog(self) -> Backlog:
        """Return the sum of everything that waits."""
        if self.told is not None:
            return self.told
        return Backlog(
            bytes=sum(one.behind for one in self.waiting),
            rollouts=len(self.waiting),
            since_ms=min((one.since_ms for one in self.waiting), default=None),
        )

    @property
    def behind_bytes(self) -> int:
        """Return the bytes on disk that are not projected, without a partial last line."""
        return self.backlog.bytes

    @property
    def behind_s(self) -> float:
        """Return how long the oldest byte that is not projected has waited, seconds."""
        since = self.backlog.since_ms
        return 0.0 if since is None else max(self.now_ms - since, 0) / 1000

    @property
    def alive(self) -> bool | None:
        """True if the process of the last heartbeat is alive; None if unknown."""
        beat, published = self.database.heartbeat, self.database.published
        if beat is None:
            return None
        if published.state is not None and published.state.holder == beat.holder:
            return published.held
        # Another process holds the database, which is not a daemon or has only started; or none
        # does.
        return False if published.alone and published.held is False else None

    @property
    def fault(self) -> tuple[str, float] | None:
        """Return why the living daemon cannot write the database, and for how many seconds."""
        state = self.database.published.state
        if state is None or not state.fault or not self.database.published.held:
            return None
        since = state.fault_since_ms or self.now_ms
        return state.fault, max(self.now_ms - since, 0) / 1000

    @property
    def heartbeat_age_s(self) -> float | None:
        """Return the age of the last heartbeat, seconds; None: there was none.

        If the process is known to be alive or dead, the result does not depend on clock changes.
        """
        beat = self.database.heartbeat
        if beat is None:
            return None
        by_clock = max(self.now_ms - beat.beat_at_ms, 0)
        if self.alive is None or not beat.boot_ms or not self.boot_ms:
            return by_clock / 1000
        # The host was restarted since, if that clock is behind its old value.
        by_boot = self.boot_ms - (beat.boot_ms if beat.boot_ms <= self.boot_ms else 0)
        return (by_boot if self.alive else max(by_clock, by_boot)) / 1000
