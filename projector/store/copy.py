"""Copies a database's rows into another one, of the same engine or another. Pure.

Sent is what both engines have: rows named by the ids that files give them, no numbers of one
database. Not sent is what can be computed again (the full-text index, sums) and what belongs to a
daemon (its heartbeat). Each rollout is sent with all its rows, then the rows that belong to no
rollout.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple, Protocol

from projector.model.errors import ProjectorError
from projector.model.ids import RolloutId
from projector.store.reading import Connection, Sql, of_rollout
from projector.store.schema_names import HEADER, META

Row = tuple[Any, ...]


class Table(NamedTuple):
    """A table to be sent: its columns in order, and the query for its rows."""

    name: str
    columns: tuple[str, ...]
    query: Sql


class Stand(NamedTuple):
    """State of the sender's change feed."""

    feed_id: bytes
    pruned: int
    """Changes up to this one were pruned, except inserts of events."""
    pruned_mark: int | None
    last: int
    last_mark: int | None
    rewound_after: int
    rewound_upto: int


class Receiver(Protocol):
    """A database that receives rows: all of them, or nothing."""

    def begin(self, stand: Stand, rollout_ids: Sequence[RolloutId]) -> frozenset[RolloutId]:
        """Prepare; return the rollouts that belong to another host there, which are not to be sent.

        Raises:
            StoreRefused: there are rows already.
        """

    def rollout(self, row: dict[str, Any]) -> None:
        """Insert a rollout. Rows of the following calls of `take_of` belong to it."""

    def take_of(self, table: Table, rows: Iterable[Row]) -> int:
        """Insert rows of the last rollout; return their number."""

    def take(self, table: Table, rows: Iterable[Row]) -> int:
        """Insert rows that belong to no rollout, or name theirs; return their number."""

    def finish(self) -> None:
        """Commit everything."""

    def close(self) -> None:
        """Close it; what is not committed is rolled back."""


class Sent(NamedTuple):
    """Numbers of what was sent."""

    rollouts: int
    rows: int
    left: int
    """Number of rollouts that another host had projected there already."""


def _of(table: str, order: str, *columns: str) -> Table:
    names = ", ".join(columns)
    return Table(
        table,
        columns,
        of_rollout(names, table, f"ORDER BY {order}"),
    )


_PLACE: Final = (
    "rollout_id", "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset",
    "start_position", "home", "path", "archived", "named", "compressed", "size", "mtime_ns",
    "ctime_ns", "device", "inode", "gone_at_ms", "generation", "next_offset", "next_ordinal",
    "head", "tail", "checksum", "trusted_bytes", "read_at_ms", "revision", "records", "items",
    "turns", "lacks", "kinds",
)  # fmt: skip
ROLLOUT: Final = of_rollout(", ".join((*_PLACE, *HEADER, *META, "state")), "_rollouts")
_ROLLOUTS: Final = (
    "SELECT rollout_key, rollout_id, size FROM _read_rollouts"
    " WHERE source_id = :source AND NOT elsewhere ORDER BY rollout_key"
)
_STAND: Final = Sql(
    "SELECT feed_id, pruned, pruned_mark, (SELECT coalesce(max(seq), 0) FROM _feed),"
    " (SELECT mark FROM _feed_commits ORDER BY upto DESC LIMIT 1), rewound_after, rewound_upto"
    " FROM _feed_state",
    "SELECT feed_id, pruned, pruned_mark, last_seq, last_mark, rewound_after, rewound_upto"
    " FROM _sources WHERE source_id = :source",
)

#: Tables of a rollout's rows.
OWNED: Final = (
    _of(
        "_turns", "position, uid",
        "uid", "position", "ordinal", "status", "started_at", "completed_at", "duration_ms",
        "end_ordinal", "end_offset", "owner", "end_owner", "tombstone", "turn_id",
        "first_user_item_id", "final_agent_item_id", "root_turn_id", "model", "error_json",
    ),
    _of(
        "_items", "position, uid",
        "uid", "position", "ordinal", "updated_ordinal", "created_at_ms", "started_at_ms",
        "completed_at_ms", "owner", "tombstone", "provenance", "type", "turn_id", "item_id",
        "json",
    ),
    _of(
        "_realtime_items", "position, uid",
        "uid", "position", "ordinal", "created_at_ms", "tombstone", "type", "item_id", "json",
    ),
    _of(
        "_usage", "position, uid",
        "uid", "position", "ordinal", "recorded_at_ms", "input_tokens", "cached_input_tokens",
        "output_tokens", "reasoning_output_tokens", "total_tokens", "tombstone", "counted",
        "turn_id", "response_id", "model", "cache_write_input_tokens", "service_tier",
        "model_provider",
    ),
    _of(
        "_anomaly_rows", "byte_offset, byte_length, kind",
        "byte_offset", "byte_length", "from_batch", "noted_at_ms", "kind", "detail",
    ),
    _of(
        "_limit_rows", "byte_offset, slot",
        "byte_offset", "slot", "limit_id", "window_minutes", "used_percent", "resets_at_ms",
        "plan_type", "recorded_at_ms",
    ),
    _of("_frames", "key", "key", "popped", "turn_id", "before"),
    _of("_kept_rows", "uid", "uid", "kind", "alone"),
)  # fmt: skip

_EVENT: Final = (
    "seq", "uid", "thread_id", "rollout_id", "from_record", "recorded_at_ms", "noted_at_ms",
    "tombstone", "type", "turn_id", "payload",
)  # fmt: skip
_PART: Final = ("thread_id", "part", "rollout_id", "upto", "items", "turns", "repeated")
_STATE: Final = ("thread_id", "rollout_id", "archived", "deleted", "incomplete", "repeated_turns")
_CHANGE: Final = (
    "seq", "kind", "op", "thread_id", "rollout_id", "turn_id", "item_id", "uid", "type",
    "committed_at_ms", "cursor",
)  # fmt: skip


def _named(columns: tuple[str, ...], table: str) -> str:
    """Return SQLite's query for rows with the id of their rollout instead of its number."""
    names = ", ".join(
        "(SELECT r.rollout_id FROM _rollouts AS r WHERE r.rollout = x.rollout) AS rollout_id"
        if name == "rollout_id"
        else f"x.{name}"
        for name in columns
    )
    return f"SELECT {names} FROM {table} AS x"


def _whole(table: str, columns: tuple[str, ...], order: str, sqlite: str = "") -> Table:
    names = ", ".join(columns)
    return Table(
        table,
        columns,
        Sql(
            f"{sqlite or f'SELECT {names} FROM {table}'} ORDER BY {order}",
            f"SELECT {names} FROM {table} WHERE source_id = :source ORDER BY {order}",
        ),
    )


STATES: Final = _whole("_thread_states", _STATE, "thread_id", _named(_STATE, "_thread_states"))
PARTS: Final = _whole("_thread_parts", _PART, "thread_id, part")
EVENTS: Final = _whole("_events", _EVENT, "seq", _named(_EVENT, "_events"))
CHANGES: Final = _whole("changes", _CHANGE, "seq")
#: Tables of rows that belong to no rollout, referenced ones first.
OTHERS: Final = (
    _whole("_names", ("thread_id", "name"), "thread_id"),
    STATES,
    PARTS,
    EVENTS,
    CHANGES,
)


def send(
    db: Connection,
    receiver: Receiver,
    *,
    start: Callable[[int, int], None],
    advance: Callable[[int, int], None],
) -> Sent:
    """Send all rows of a source, from one snapshot.

    `start`: called with the number of rollouts and their bytes on disk; `advance`: called with the
    number of rollouts and bytes sent since.
    """
    with db.snapshot():
        stands = db.rows(_STAND)
        if not stands:
            raise ProjectorError(f"{db.shown}: nothing of this source was ever written there")
        known = db.rows(_ROLLOUTS)
        start(len(known), sum(size for _, _, size in known))
        left = receiver.begin(Stand(*stands[0]), [rollout_id for _, rollout_id, _ in known])
        rows = 0
        for number, rollout_id, size in known:
            if rollout_id not in left:
                which = {"rollout": number, "rollout_id": rollout_id}
                (row,) = db.dicts(ROLLOUT, which)
                receiver.rollout(row)
                for table in OWNED:
                    rows += receiver.take_of(table, db.stream(table.query, which))
            advance(1, size)
        apart = _apart(db, left)
        for table in OTHERS:
            rows += receiver.take(table, _ours(table, db.stream(table.query), left, apart))
    receiver.finish()
    return Sent(len(known) - len(left), rows, len(left))


def _apart(db: Connection, left: frozenset[RolloutId]) -> frozenset[str]:
    """Return the threads with a part that is not sent: their chains are computed again."""
    if not left:
        return frozenset()
    thread, rollout = PARTS.columns.index("thread_id"), PARTS.columns.index("rollout_id")
    return frozenset(row[thread] for row in db.stream(PARTS.query) if row[rollout] in left)


def _ours(
    table: Table, rows: Iterable[Row], left: frozenset[RolloutId], apart: frozenset[str]
) -> Iterator[Row]:
    """Skip rows of rollouts that are not sent, and chains with such a part."""
    if not left or "rollout_id" not in table.columns:
        yield from rows
        return
    rollout, thread = table.columns.index("rollout_id"), table.columns.index("thread_id")
    chains = table in (STATES, PARTS)
    for row in rows:
        if row[rollout] not in left and not (chains and row[thread] in apart):
            yield row
