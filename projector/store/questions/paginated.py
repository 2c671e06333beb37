"""Paginated rollouts and their living rows, to be compared with Codex's own database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from projector.model.ids import RolloutId, ThreadId
from projector.store.reading import Connection
from projector.store.rules.lineage import EVERYTHING as EVERYTHING  # noqa: PLC0414 - for who asks, too

_FIRST: Final = (
    "SELECT r.rollout_id, a.kind, a.detail FROM _read_anomalies AS a JOIN _read_rollouts AS r"
    " ON r.source_id = a.source_id AND r.rollout_key = a.rollout_key"
    " WHERE a.source_id = :source AND a.byte_offset = 0 AND r.mode = 'paginated'"
)
_ROLLOUTS: Final = (
    "SELECT r.home, r.rollout_id, r.thread_id, r.path, r.compressed, r.next_offset,"
    " r.start_position, coalesce(s.incomplete, false), coalesce(s.rollout_id = r.rollout_id, false)"
    " FROM _read_rollouts AS r LEFT JOIN _read_threads AS s ON s.thread_id = r.thread_id"
    " WHERE r.source_id = :source AND NOT r.elsewhere"
    "  AND r.mode = 'paginated' AND r.gone_at_ms IS NULL ORDER BY 2"
)
_INHERITED: Final = (
    "SELECT p.rollout_id, p.thread_id, s.rollout_id, p.upto FROM _read_parts AS p"
    " JOIN _read_threads AS s ON s.source_id = p.source_id AND s.thread_id = p.thread_id"
    " WHERE p.part_source = :source AND p.rollout_id <> s.rollout_id ORDER BY 1, 2"
)
_LIVING: Final = (
    "WHERE source_id = :source AND rollout_id = :rollout AND tombstone = 0 AND position < :upto"
)
_TURNS: Final = (
    "SELECT turn_id, position - :start, status, started_at, coalesce(end_offset, 0)"
    f" FROM _read_turns {_LIVING} ORDER BY position"
)
# In the order of Codex's unique key: so both can be merged, whatever they contain.
_ITEMS: Final = (
    "SELECT turn_id, item_id, position - :start"
    f" FROM _read_items {_LIVING} ORDER BY turn_id, item_id"
)


class FirstAnomaly(NamedTuple):
    """An anomaly at the beginning of a rollout: it is about the whole file."""

    rollout_id: RolloutId
    kind: str
    detail: str


class PaginatedRollout(NamedTuple):
    """A paginated rollout whose file exists."""

    home: str
    rollout_id: RolloutId
    thread_id: ThreadId
    path: str
    compressed: bool
    end: int
    """Checkpoint, in uncompressed bytes."""
    start: int
    """Position of its first byte."""
    incomplete: bool
    """True if its thread lacks a part."""
    current: bool
    """True if it is the thread's current rollout."""


class InheritedPart(NamedTuple):
    """A rollout that another rollout's thread continues."""

    rollout_id: RolloutId
    thread_id: ThreadId
    current: RolloutId
    """The thread's current rollout."""
    upto: int
    """Position up to which the thread shows its rows."""


class LivingTurn(NamedTuple):
    """A turn of a rollout."""

    turn_id: str
    offset: int
    """Of its first record, in uncompressed bytes."""
    status: str
    started_at: int | None
    """Seconds since 1970."""
    end_offset: int
    """After the record that ended it; 0: none did."""


class LivingItem(NamedTuple):
    """An item of a rollout."""

    turn_id: str
    item_id: str
    offset: int
    """Of its first record, in uncompressed bytes."""


def first_anomalies(db: Connection) -> Iterator[FirstAnomaly]:
    """Yield the anomalies at the beginning of paginated rollouts."""
    return map(FirstAnomaly._make, db.rows(_FIRST))


def rollouts(db: Connection) -> list[PaginatedRollout]:
    """Return the paginated rollouts whose files exist, by id."""
    return [PaginatedRollout._make(row) for row in db.rows(_ROLLOUTS)]


def inherited_parts(db: Connection) -> Iterator[InheritedPart]:
    """Yield the parts of chains that are not their thread's current rollout."""
    return map(InheritedPart._make, db.rows(_INHERITED))


def living_turns(
    db: Connection, rollout_id: RolloutId, start: int, upto: int = EVERYTHING
) -> Iterator[LivingTurn]:
    """Yield the turns of a rollout before position `upto`, in file order."""
    values = {"rollout": rollout_id, "start": start, "upto": upto}
    return map(LivingTurn._make, db.stream(_TURNS, values))


def living_items(
    db: Connection, rollout_id: RolloutId, start: int, upto: int = EVERYTHING
) -> Iterator[LivingItem]:
    """Yield the items of a rollout before position `upto`, by turn and item id."""
    values = {"rollout": rollout_id, "start": start, "upto": upto}
    return map(LivingItem._make, db.stream(_ITEMS, values))
