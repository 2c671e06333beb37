"""Reads the rows of a rollout for comparison: see `store.compare`.

What says when a row arrived, or under which number, is left out; positions count from the
rollout's first byte. Rows that a replaced content left as tombstones follow from no file any more
and are left out too; those of rollbacks are compared.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from projector.place import RolloutId, ThreadId
from projector.store import recheck
from projector.store.columns import HEADER, META, REPLACED
from projector.store.compare import Difference, Kind, Rollout, Row
from projector.store.reading import Connection

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
)  # fmt: skip
_ROLLOUT: Final = (
    "rollout_id", "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset",
    "next_offset", "next_ordinal", "head", "tail", "records", "items", "turns", *HEADER, *META,
    "state",
)  # fmt: skip


def _placed(
    name: str, columns: tuple[str, ...], identity: tuple[str, ...], table: str, where: str
) -> Kind:
    """Select rows that have a position: an index gives them sorted, but for equal places."""
    sort = ", ".join(("position", *identity))
    return Kind(
        name,
        ("offset", *identity, *columns),
        1 + len(identity),
        identity,
        f"SELECT position - :start, {', '.join((*identity, *columns))} FROM {table}"
        f" WHERE rollout = :rollout AND {where} ORDER BY {sort}",
    )


_LIVING: Final = "tombstone = 0"
_BURIED: Final = f"tombstone <> 0 AND tombstone <> {REPLACED}"
_EVENTS: Final = "FROM events WHERE rollout = :rollout AND from_record AND tombstone = 0"

KINDS: Final[Sequence[Kind]] = (
    Kind(
        "rollout", _ROLLOUT, 1, (),
        f"SELECT {', '.join(_ROLLOUT)} FROM rollouts WHERE rollout = :rollout",
    ),
    _placed("turn", _TURN, ("turn_id",), "turns", _LIVING),
    _placed("turn", _TURN, ("turn_id",), "turns", _BURIED),
    _placed("item", _ITEM, ("turn_id", "item_id"), "items", _LIVING),
    _placed("item", _ITEM, ("turn_id", "item_id"), "items", _BURIED),
    _placed("realtime item", _REALTIME, ("item_id",), "realtime_items", _LIVING),
    _placed("usage", _USAGE, ("uid",), "usage", _LIVING),
    Kind(
        "event", ("uid", "type", "turn_id", "thread_id", "recorded_at_ms", "payload"), 1,
        ("type", "turn_id", "uid"),
        f"SELECT uid, type, turn_id, thread_id, recorded_at_ms, payload {_EVENTS} ORDER BY uid",
    ),
    Kind(
        "event", ("place", "type", "turn_id", "uid"), 1, ("place",),
        f"SELECT row_number() OVER (ORDER BY seq), type, turn_id, uid {_EVENTS} ORDER BY seq",
        sequence=True,
    ),
    # That a rollout was replaced, no record of it says.
    Kind(
        "anomaly", ("offset", "length", "anomaly", "detail"), 4, ("anomaly", "offset"),
        "SELECT byte_offset, byte_length, kind, detail FROM anomaly_rows WHERE rollout = :rollout"
        " AND from_batch AND kind <> 'replaced' ORDER BY byte_offset, byte_length, kind, detail",
    ),
    Kind(
        "frame", ("key", "popped", "turn_id", "before"), 1, ("key",),
        "SELECT key, popped, turn_id, before FROM frames WHERE rollout = :rollout ORDER BY key",
    ),
)  # fmt: skip


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
        return [one for (one,) in self._db.rows("SELECT rollout_id FROM rollouts ORDER BY 1")]

    def gone(self) -> frozenset[RolloutId]:
        """See `Rows`."""
        rows = self._db.rows("SELECT rollout_id FROM rollouts WHERE gone_at_ms IS NOT NULL")
        return frozenset(one for (one,) in rows)

    def chains(self, ids: Iterable[str]) -> frozenset[RolloutId]:
        """See `Rows`."""
        found: set[RolloutId] = set()
        for wanted in ids:
            rows = self._db.rows(
                "SELECT rollout_id FROM rollouts WHERE :one IN (thread_id, rollout_id)"
                " UNION SELECT rollout_id FROM thread_parts WHERE thread_id = :one",
                {"one": wanted},
            )
            found.update(one for (one,) in rows)
        return frozenset(found)

    def rollout(self, rollout_id: RolloutId) -> Rollout | None:
        """See `Rows`."""
        found = self._db.rows(
            "SELECT rollout, rollout_id, thread_id, generation, next_offset, start_position"
            " FROM rollouts WHERE rollout_id = :rollout",
            {"rollout": rollout_id},
        )
        return Rollout._make(found[0]) if found else None

    def kinds(self) -> Sequence[Kind]:
        """See `Rows`."""
        return KINDS

    def rows(self, rollout: Rollout, kind: Kind) -> Iterator[Row]:
        """See `Rows`."""
        return self._db.stream(kind.source, {"rollout": rollout.number, "start": rollout.start})

    def lineage(self, threads: frozenset[ThreadId] | None) -> Iterator[Difference]:
        """See `Rows`."""
        return recheck.differences(self._db, threads)

    def names(self) -> dict[ThreadId, str]:
        """See `Rows`."""
        return dict(self._db.rows("SELECT thread_id, name FROM names"))

    def close(self) -> None:
        """See `Rows`."""
        self._db.close()
