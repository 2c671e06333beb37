"""What only the pages in a browser show: reverted turns, sums of tokens, newest anomalies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from projector.store.questions.history import Item, Turn
from projector.store.reading import Connection, Sql
from projector.store.rules.feed import START, Cursor

_LATEST: Final = Sql(
    "SELECT cursor FROM changes ORDER BY seq DESC LIMIT 1",
    "SELECT cursor FROM changes WHERE source_id = :source ORDER BY seq DESC LIMIT 1",
)
_REVERTED: Final = (
    "SELECT position, rollout_id, turn_id, uid, status, error_json, started_at, completed_at,"
    " duration_ms, model, tombstone FROM all_turns WHERE thread_id = :thread"
    " AND tombstone IS NOT NULL AND tombstone <> 'replaced' ORDER BY position LIMIT :limit"
)
_REVERTED_ITEMS: Final = (
    f"SELECT {', '.join(Item._fields)} FROM all_items WHERE thread_id = :thread AND turn_id = :turn"
    " AND tombstone IS NOT NULL AND tombstone <> 'replaced' ORDER BY position LIMIT :limit"
)
_REVERTED_COUNT: Final = (
    "SELECT count(*) FROM all_turns WHERE thread_id = :thread AND tombstone IS NOT NULL"
    " AND tombstone <> 'replaced'"
)
_DAYS: Final = (
    "SELECT day, model, responses, input_tokens, cached_input_tokens, output_tokens, total_tokens"
    " FROM token_days WHERE day >= :since ORDER BY day DESC, model"
)
_REPOSITORIES: Final = (
    "SELECT t.git_origin_url, t.cwd, sum(u.total_tokens) AS total_tokens, count(*) AS responses"
    " FROM token_usage AS u JOIN threads AS t ON t.thread_id = u.thread_id"
    " WHERE u.recorded_at_ms >= :since_ms GROUP BY t.git_origin_url, t.cwd"
)
_TIMES: Final = "SELECT recorded_at_ms FROM token_usage WHERE recorded_at_ms >= :since_ms"
_ANOMALIES: Final = (
    "SELECT rollout_id, byte_offset, kind, detail, noted_at_ms FROM anomalies"
    " ORDER BY noted_at_ms DESC LIMIT :limit"
)
_FAILED: Final = "SELECT DISTINCT thread_id FROM lifecycle_events WHERE type = 'turn.failed'"


class Reverted(NamedTuple):
    """A turn that is in no visible history any more."""

    turn: Turn
    why: str
    """`reverted` or `rolled back`."""


def latest(db: Connection) -> Cursor:
    """Return the cursor of the newest change of this connection's source."""
    for (text,) in db.rows(_LATEST):
        return Cursor.parse(text) or START
    return START


def reverted_count(db: Connection, thread_id: str) -> int:
    """Return the number of turns that a revert or rollback took out of a thread."""
    ((number,),) = db.rows(_REVERTED_COUNT, {"thread": thread_id})
    return int(number)


def reverted(db: Connection, thread_id: str, limit: int) -> list[Reverted]:
    """Return those turns by position."""
    rows = db.rows(_REVERTED, {"thread": thread_id, "limit": limit})
    return [
        Reverted(Turn(*row, *(None,) * (len(Turn._fields) - len(row))), str(why))
        for *row, why in rows
    ]


def reverted_items(db: Connection, thread_id: str, turn_id: str, limit: int) -> list[Item]:
    """Return the items of such a turn by position."""
    values = {"thread": thread_id, "turn": turn_id, "limit": limit}
    return [Item._make(row) for row in db.rows(_REVERTED_ITEMS, values)]


def days(db: Connection, since: str) -> list[dict[str, Any]]:
    """Return tokens by day and model since a day (`2026-01-31`), newest first."""
    return db.dicts(_DAYS, {"since": since})


def repositories(db: Connection, since_ms: int) -> list[dict[str, Any]]:
    """Return tokens by repository and folder since a time."""
    return db.dicts(_REPOSITORIES, {"since_ms": since_ms})


def times(db: Connection, since_ms: int) -> list[int | None]:
    """Return when each response since a time came."""
    return [ms for (ms,) in db.rows(_TIMES, {"since_ms": since_ms})]


def anomalies(db: Connection, limit: int) -> list[Mapping[str, Any]]:
    """Return the newest anomalies."""
    return [*db.dicts(_ANOMALIES, {"limit": limit})]


def failed(db: Connection) -> frozenset[str]:
    """Return the threads in which a turn failed."""
    return frozenset(thread_id for (thread_id,) in db.rows(_FAILED))
