"""What a source has in the database: its rollouts, counts of rows, and the heartbeat.

Cheap enough for every scrape; `health` asks this, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from projector.model import revisions
from projector.model.ids import RolloutId, ThreadId
from projector.store.heartbeat import Heartbeat, Holder
from projector.store.reading import Connection

#: Columns of the heartbeat that are named like its fields.
_BEAT: Final = (
    "beat_at_ms", "interval_s", "phase", "watching", "watching_why", "behind_bytes",
    "behind_since_ms", "bytes_read", "records", "batches", "set_aside", "boot_ms", "files",
    "waiting", "current_as_of_ms",
)  # fmt: skip
_TOTALS: Final = (
    "SELECT count(*), coalesce(sum(turns), 0), coalesce(sum(items), 0), coalesce(sum(records), 0)"
    " FROM _read_rollouts WHERE source_id = :source"
)
_THREADS: Final = "SELECT count(*) FROM _read_threads WHERE source_id = :source"
_ANOMALIES: Final = (
    "SELECT kind, count(*) FROM _read_anomalies WHERE source_id = :source GROUP BY kind"
)
# Few, and by an index: a subquery for each rollout costs as much as everything else together.
_ODD: Final = (
    "SELECT rollout_key, count(*) FROM _read_anomalies WHERE source_id = :source"
    " GROUP BY rollout_key"
)
_RELEASES: Final = (
    "SELECT cli_version, count(*) FROM _read_rollouts"
    " WHERE source_id = :source AND cli_version IS NOT NULL GROUP BY cli_version"
)
_ROLLOUTS: Final = (
    "SELECT rollout_key, rollout_id, thread_id, path, compressed, size, next_offset, records,"
    " items, turns, gone_at_ms IS NOT NULL, read_at_ms FROM _read_rollouts"
    " WHERE source_id = :source"
)
#: Indexes into a row of `_ROLLOUTS`.
_ID, _PATH, _COMPRESSED, _BYTES, _OFFSET = 1, 3, 4, 5, 6
_HEARTBEAT: Final = (
    f"SELECT pid, host, version, started_at_ms, {', '.join(_BEAT)} FROM _read_heartbeats"
    " WHERE source_id = :source"
)
_ATTEMPTS: Final = (
    "SELECT rollout_id, failures FROM _read_attempts"
    " WHERE source_id = :source AND failures > 0 ORDER BY 1"
)
_TOUCHED: Final = "SELECT count(*) FROM _read_rollouts"


_OLDER: Final = (
    "SELECT revision, mode, kinds, gone_at_ms IS NOT NULL, count(*) FROM _read_rollouts"
    " WHERE source_id = :source AND NOT elsewhere AND revision < :revision GROUP BY 1, 2, 3, 4"
)
_NEWER: Final = (
    "SELECT count(*) FROM _read_rollouts"
    " WHERE source_id = :source AND NOT elsewhere AND revision > :revision"
)


class RulesBehind(NamedTuple):
    """Numbers of rollouts that were not projected by the rules of this program."""

    outdated: int = 0
    """Older rules, a later one touches them, the file is there: to be projected again."""
    outdated_gone: int = 0
    """The same without a file: their rows stay."""
    newer: int = 0
    """Rules that this program does not know."""


#: All were projected by the rules of this program.
UP_TO_DATE: Final = RulesBehind()


class Totals(NamedTuple):
    """Counts of what is projected."""

    rollouts: int
    turns: int
    items: int
    records: int


class Projected(NamedTuple):
    """A rollout as stored in the database."""

    rollout_id: RolloutId
    thread_id: ThreadId
    path: str
    compressed: bool
    size: int
    """Bytes on disk when last read."""
    offset: int
    """Checkpoint, in uncompressed bytes."""
    records: int
    items: int
    turns: int
    gone: bool
    anomalies: int = 0
    read_at_ms: int = 0
    """Time of its last committed batch."""


class Rollouts(Mapping[RolloutId, Projected]):
    """Rollouts by id; objects are created on access, for there can be very many."""

    def __init__(
        self, rows: Mapping[RolloutId, tuple[Any, ...]], anomalies: Mapping[object, int]
    ) -> None:
        """Create from rows of `_ROLLOUTS` by id, and numbers of anomalies by `rollout_key`."""
        self._rows = rows
        self._anomalies = anomalies

    def __getitem__(self, rollout_id: RolloutId) -> Projected:
        """Return one rollout."""
        key, *row, read_at_ms = self._rows[rollout_id]
        return Projected._make((*row, self._anomalies.get(key, 0), read_at_ms))

    def __iter__(self) -> Iterator[RolloutId]:
        """Yield the ids."""
        return iter(self._rows)

    def __len__(self) -> int:
        """Return the number of rollouts."""
        return len(self._rows)

    def whole(self) -> dict[str, int]:
        """Return the size in bytes of completely projected files, by path."""
        return {
            row[_PATH]: row[_BYTES]
            for row in self._rows.values()
            if row[_COMPRESSED] or row[_BYTES] == row[_OFFSET]
        }


def totals(db: Connection) -> Totals:
    """Return the sums over all rollouts."""
    return Totals._make(db.rows(_TOTALS)[0])


def thread_count(db: Connection) -> int:
    """Return the number of threads."""
    return int(db.rows(_THREADS)[0][0])


def anomaly_counts(db: Connection) -> dict[str, int]:
    """Return the number of anomalies by kind."""
    return dict(db.rows(_ANOMALIES))


def releases(db: Connection) -> dict[str, int]:
    """Return the number of rollouts by the release of Codex that wrote them."""
    return dict(db.rows(_RELEASES))


def rollouts_with_anomalies(db: Connection) -> dict[object, int]:
    """Return the number of anomalies of each rollout that has any, by `rollout_key`."""
    return dict(db.rows(_ODD))


def rollouts(db: Connection, anomalies: Mapping[object, int]) -> Rollouts:
    """Return all rollouts; `anomalies`: as `rollouts_with_anomalies` returns them."""
    return Rollouts({row[_ID]: row for row in db.rows(_ROLLOUTS)}, anomalies)


def rules_behind(db: Connection) -> RulesBehind:
    """Count the rollouts that were not projected by the rules of this program, by an index."""
    present = {"revision": revisions.current()}
    there = gone = 0
    for *projected, is_gone, count in db.rows(_OLDER, present):
        if revisions.is_outdated(revisions.ProjectedBy._make(projected)):
            there, gone = (there, gone + count) if is_gone else (there + count, gone)
    return RulesBehind(there, gone, int(db.rows(_NEWER, present)[0][0]))


def heartbeat(db: Connection) -> Heartbeat | None:
    """Return the daemon's last heartbeat; None: no daemon ever used the database."""
    for pid, host, version, started_at_ms, *beat in db.rows(_HEARTBEAT):
        holder = Holder(pid=pid, host=host, version=version, started_at_ms=started_at_ms)
        return Heartbeat(holder=holder, **dict(zip(_BEAT, beat, strict=True)))
    return None


def failed_attempts(db: Connection) -> tuple[tuple[str, int], ...]:
    """Return rollouts whose reading has ended a process, and how often, by id."""
    return tuple((rollout_id, failures) for rollout_id, failures in db.rows(_ATTEMPTS))


def check_readable(db: Connection) -> None:
    """Read the table of rollouts. Raises as `Connection` does, if it cannot be read."""
    db.rows(_TOUCHED)
