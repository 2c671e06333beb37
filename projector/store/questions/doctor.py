"""What `doctor` asks: anomalies, incomplete threads, other hosts."""

from __future__ import annotations

from typing import Final, NamedTuple

from projector.store.reading import Connection, Sql

_KINDS: Final = (
    "SELECT kind, count(*), count(DISTINCT rollout_key) FROM _read_anomalies"
    " WHERE source_id = :source GROUP BY kind ORDER BY 2 DESC, 1"
)
_INCOMPLETE: Final = (
    "SELECT s.thread_id, (SELECT r.base_rollout_id FROM _read_parts AS p"
    " JOIN _read_rollouts AS r ON r.source_id = p.part_source AND r.rollout_id = p.rollout_id"
    " WHERE p.source_id = s.source_id AND p.thread_id = s.thread_id ORDER BY p.part LIMIT 1)"
    " FROM _read_threads AS s"
    " WHERE s.source_id = :source AND s.incomplete AND NOT s.deleted ORDER BY 1"
)
_LATEST: Final = "SELECT coalesce(max(read_at_ms), 0) FROM _read_rollouts WHERE source_id = :source"
# A file has one source, and nobody to share it with.
_SOURCES: Final = Sql(
    "SELECT NULL WHERE false",
    "SELECT s.name, s.host, s.source_id = :source, h.beat_at_ms,"
    " coalesce(h.phase = 'stopping', false), coalesce(s.lease_until_ms >"
    " CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint), false),"
    " (SELECT count(*) FROM _rollouts AS r JOIN _claims AS c ON c.rollout_id = r.rollout_id"
    " WHERE r.source_id = :source AND r.elsewhere AND c.source_id = s.source_id)"
    " FROM _sources AS s LEFT JOIN _heartbeat AS h ON h.source_id = s.source_id ORDER BY 1",
)


class Kind(NamedTuple):
    """Anomalies of one kind."""

    kind: str
    anomalies: int
    rollouts: int


class Incomplete(NamedTuple):
    """A thread with a missing part of its history."""

    thread_id: str
    base: str | None


class Source(NamedTuple):
    """An installation that writes the same database."""

    name: str
    host: str
    own: bool
    """True if it is this one."""
    beat_at_ms: int | None
    """Time of its daemon's last heartbeat; None: never."""
    stopping: bool
    """True if it announced that it stops."""
    held: bool
    """True if a daemon holds its lease, which has not expired."""
    claims: int
    """Number of rollouts of this host that it projects too."""


def anomaly_kinds(db: Connection) -> tuple[Kind, ...]:
    """Return the kinds of anomalies, the most frequent first."""
    return tuple(Kind._make(row) for row in db.rows(_KINDS))


def incomplete_threads(db: Connection) -> tuple[Incomplete, ...]:
    """Return threads with files on disk whose history lacks a part, by id."""
    return tuple(Incomplete._make(row) for row in db.rows(_INCOMPLETE))


def latest_ms(db: Connection) -> int:
    """Return when the last batch was written, by the clock of that moment; 0: never."""
    return int(db.rows(_LATEST)[0][0])


def sources(db: Connection) -> tuple[Source, ...]:
    """Return all installations that write the database, by name; none for a file."""
    return tuple(Source._make(row) for row in db.rows(_SOURCES))
