"""Windows of rate limits: as they were reported last, and how they changed."""

from __future__ import annotations

from typing import Final, NamedTuple

from projector.store.reading import Connection, Sql

_COLUMNS: Final = (
    "limit_id, slot, window_minutes, used_percent, resets_at_ms, plan_type, recorded_at_ms"
)
_HOST: Final = "(SELECT o.host FROM _sources AS o WHERE o.source_id = l.source_id) AS host"
# SQLite takes the other columns from the row with the maximum.
_LAST: Final = Sql(
    "SELECT NULL AS host, limit_id, slot, window_minutes, used_percent, resets_at_ms, plan_type,"
    " max(recorded_at_ms) FROM rate_limits WHERE recorded_at_ms IS NOT NULL"
    " GROUP BY limit_id, slot ORDER BY limit_id, slot",
    f"SELECT DISTINCT ON (l.source_id, limit_id, slot) {_HOST}, {_COLUMNS} FROM rate_limits AS l"
    " WHERE recorded_at_ms IS NOT NULL"
    " ORDER BY l.source_id, limit_id NULLS FIRST, slot, recorded_at_ms DESC",
)
_SINCE: Final = Sql(
    f"SELECT NULL AS host, {_COLUMNS} FROM rate_limits WHERE recorded_at_ms >= :since"
    " ORDER BY recorded_at_ms, limit_id, slot",
    f"SELECT {_HOST}, {_COLUMNS} FROM rate_limits AS l WHERE recorded_at_ms >= :since"
    " ORDER BY recorded_at_ms, limit_id NULLS FIRST, slot",
)


class Window(NamedTuple):
    """A window of a limit, at one moment."""

    host: str | None
    """None: the database is of one host."""
    limit_id: str | None
    slot: str
    window_minutes: int | None
    used_percent: float
    resets_at_ms: int | None
    plan_type: str | None
    recorded_at_ms: int


def last_windows(db: Connection) -> list[Window]:
    """Return each window as it was reported last, on each host."""
    return [Window(*row) for row in db.rows(_LAST)]


def windows_since(db: Connection, since_ms: int) -> list[Window]:
    """Return all rows since a time, in milliseconds, oldest first."""
    return [Window(*row) for row in db.rows(_SINCE, {"since": since_ms})]
