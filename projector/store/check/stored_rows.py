"""Reads the rows of a rollout for comparison: see `compare`.

Not compared are times of arrival and row numbers; positions count from the rollout's first byte.
Tombstones of replaced content no longer follow from any file and are skipped; those of rollbacks
are compared. Rows that were preserved when a rollout was migrated: see `Rows.kept`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from projector.model.ids import RolloutId, ThreadId
from projector.model.revisions import ProjectedBy
from projector.store.check import derived_check
from projector.store.check.compare import Difference, Kind, Rollout, Row
from projector.store.reading import Connection, Sql, of_rollout
from projector.store.schema_names import HEADER, META, REPLACED

_ITEM: Final = (
    "uid", "ordinal", "updated_ordinal", "created_at_ms", "started_at_ms", "completed_at_ms",
    "owner", "tombstone", "provenance", "type", "json",
)  # fmt: skip
_TURN: Final = (
    "uid", "ordinal", "status", "started_at", "completed_at", "duration_ms", "end_ordinal",
    "end_offset", "owner", "end_owner", "tombstone", "first_user_item_id",
    "final_agent_item_id", "root_turn_id", "model", "error_json",
)  # fmt: skip
_REALTIME: Final = ("uid", "ordinal", "created_at_ms", "type", "json")
_USAGE: Final = (
    "turn_id", "ordinal", "recorded_at_ms", "input_tokens", "cached_input_tokens",
    "output_tokens", "reasoning_output_tokens", "total_tokens", "response_id", "model",
    "cache_write_input_tokens", "service_tier", "model_provider",
)  # fmt: skip
_ROLLOUT: Final = (
    "rollout_id", "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset",
    "next_offset", "next_ordinal", "head", "tail", "records", "items", "turns", *HEADER, *META,
    "state",
)  # fmt: skip


def _placed(
    name: str, columns: tuple[str, ...], identity: tuple[str, ...], table: str, where: str
) -> Kind:
    """Return the kind of rows with a position: an index sorts them, except for equal positions."""
    sort = ", ".join(("position", *identity))
    return Kind(
        name,
        ("offset", *identity, *columns),
        1 + len(identity),
        identity,
        of_rollout(
            f"position - :start, {', '.join((*identity, *columns))}",
            table,
            f"AND {where} ORDER BY {sort}",
        ),
    )


#: Preserved rows without a row in the file: the rollout's counters include them.
_ALONE: Final = {
    "items": of_rollout("count(*)", "_kept_rows", "AND kind = 'item' AND alone"),
    "turns": of_rollout("count(*)", "_kept_rows", "AND kind = 'turn' AND alone"),
}


def _rollout() -> Sql:
    """Return the query for a rollout's own row, with counters as they follow from its file."""
    texts = (
        text.format(
            ", ".join(
                f"{name} - ({_ALONE[name][engine]})" if name in _ALONE else name
                for name in _ROLLOUT
            )
        )
        for engine, text in enumerate(of_rollout("{}", "_rollouts"))
    )
    return Sql(*texts)


_LIVING: Final = "tombstone = 0"
_TOMBSTONED: Final = f"tombstone <> 0 AND tombstone <> {REPLACED}"
_EVENTS: Final = "AND from_record AND tombstone = 0 ORDER BY"
_ANOMALY: Final = "byte_offset, byte_length, kind, detail"
# No record says that a rollout was replaced.
_ANOMALIES: Final = f"AND from_batch AND kind <> 'replaced' ORDER BY {_ANOMALY}"

_LIMIT: Final = (
    "slot", "limit_id", "window_minutes", "used_percent", "resets_at_ms", "plan_type",
    "recorded_at_ms",
)  # fmt: skip

KINDS: Final[Sequence[Kind]] = (
    Kind("rollout", _ROLLOUT, 1, (), _rollout()),
    _placed("turn", _TURN, ("turn_id",), "_turns", _LIVING),
    _placed("turn", _TURN, ("turn_id",), "_turns", _TOMBSTONED),
    _placed("item", _ITEM, ("turn_id", "item_id"), "_items", _LIVING),
    _placed("item", _ITEM, ("turn_id", "item_id"), "_items", _TOMBSTONED),
    _placed("realtime item", _REALTIME, ("item_id",), "_realtime_items", _LIVING),
    _placed("usage", _USAGE, ("uid",), "_usage", _LIVING),
    Kind(
        "event", ("uid", "type", "turn_id", "thread_id", "recorded_at_ms", "payload"), 1,
        ("type", "turn_id", "uid"),
        of_rollout(
            "uid, type, turn_id, thread_id, recorded_at_ms, payload", "_events", f"{_EVENTS} uid"
        ),
    ),
    Kind(
        "event", ("place", "type", "turn_id", "uid"), 1, ("place",),
        of_rollout(
            "row_number() OVER (ORDER BY seq), type, turn_id, uid", "_events", f"{_EVENTS} seq"
        ),
        sequence=True,
    ),
    Kind(
        "anomaly", ("offset", "length", "anomaly", "detail"), 4, ("anomaly", "offset"),
        of_rollout(_ANOMALY, "_anomaly_rows", _ANOMALIES)._replace(
            postgres=of_rollout(_ANOMALY, "_anomaly_rows", f'{_ANOMALIES} COLLATE "C"').postgres
        ),
    ),
    Kind(
        "rate limit", ("offset", *_LIMIT), 2, ("offset", "slot"),
        of_rollout(f"byte_offset, {', '.join(_LIMIT)}", "_limit_rows", "ORDER BY 1, 2"),
    ),
    Kind(
        "frame", ("key", "popped", "turn_id", "before"), 1, ("key",),
        of_rollout("key, popped, turn_id, before", "_frames", "ORDER BY key"),
    ),
)  # fmt: skip

_KEPT: Final = of_rollout("uid", "_kept_rows")
_OWN: Final = "SELECT rollout_id FROM _read_rollouts WHERE source_id = :source"
_ROLLOUTS: Final = f"{_OWN} AND NOT elsewhere ORDER BY 1"
_ELSEWHERE: Final = f"{_OWN} AND elsewhere"
_GONE: Final = f"{_OWN} AND gone_at_ms IS NOT NULL"
_CHAINS: Final = (
    f"{_OWN} AND NOT elsewhere AND :one IN (thread_id, rollout_id)"
    " UNION SELECT rollout_id FROM _read_parts WHERE part_source = :source AND thread_id = :one"
)
_ONE: Final = (
    "SELECT rollout_key, rollout_id, thread_id, generation, next_offset, start_position,"
    " revision, mode, kinds FROM _read_rollouts"
    " WHERE source_id = :source AND rollout_id = :rollout AND NOT elsewhere"
)
_NAMES: Final = "SELECT thread_id, name FROM _read_names WHERE source_id = :source"


class StoredRows:
    """`compare.Rows` over a connection that only reads."""

    def __init__(self, db: Connection) -> None:
        """Read from it; `close` closes it."""
        self._db = db

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """See `Rows`."""
        with self._db.snapshot():
            yield

    def rollouts(self) -> Sequence[RolloutId]:
        """See `Rows`."""
        return [one for (one,) in self._db.rows(_ROLLOUTS)]

    def gone(self) -> frozenset[RolloutId]:
        """See `Rows`."""
        return frozenset(one for (one,) in self._db.rows(_GONE))

    def elsewhere(self) -> frozenset[RolloutId]:
        """See `Rows`."""
        return frozenset(one for (one,) in self._db.rows(_ELSEWHERE))

    def chains(self, ids: Iterable[str]) -> frozenset[RolloutId]:
        """See `Rows`."""
        found: set[RolloutId] = set()
        for wanted in ids:
            rows = self._db.rows(_CHAINS, {"one": wanted})
            found.update(one for (one,) in rows)
        return frozenset(found)

    def rollout(self, rollout_id: RolloutId) -> Rollout | None:
        """See `Rows`."""
        found = self._db.rows(_ONE, {"rollout": rollout_id})
        for *stands, revision, mode, kinds in found:
            return Rollout._make((*stands, ProjectedBy(revision, mode, kinds)))
        return None

    def kinds(self) -> Sequence[Kind]:
        """See `Rows`."""
        return KINDS

    def rows(self, rollout: Rollout, kind: Kind) -> Iterator[Row]:
        """See `Rows`."""
        values = {
            "rollout": rollout.key,
            "rollout_id": rollout.rollout_id,
            "start": rollout.start,
        }
        return self._db.stream(kind.source, values)

    def kept(self, rollout: Rollout) -> frozenset[bytes]:
        """See `Rows`."""
        values = {"rollout": rollout.key, "rollout_id": rollout.rollout_id}
        return frozenset(uid for (uid,) in self._db.rows(_KEPT, values))

    def lineage(self, threads: frozenset[ThreadId] | None) -> Iterator[Difference]:
        """See `Rows`."""
        return derived_check.differences(self._db, threads)

    def names(self) -> dict[ThreadId, str]:
        """See `Rows`."""
        return dict(self._db.rows(_NAMES))

    def close(self) -> None:
        """See `Rows`."""
        self._db.close()
