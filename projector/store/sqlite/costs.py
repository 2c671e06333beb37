"""Counts what new responses cost: each response once, and the sums by day and by rollout.

Triggers keep both right when rows of `_usage_rows` change or go (migration 0001). New rows are
counted here, all of a statement at once, right behind that statement: before anything can change
them.
"""

from __future__ import annotations

import sqlite3
from typing import Final

_COUNTS: Final = (
    "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens",
    "total_tokens",
)  # fmt: skip

# NOT INDEXED: by their numbers, new rows are found at once. The planner would rather pass over all
# rows there are, in the order of an index that groups them.

_DAYS: Final = (
    "INSERT INTO _usage_days"
    " SELECT coalesce(date(recorded_at_ms / 1000, 'unixepoch'), ''), coalesce(model, ''), count(*),"
    f" {', '.join(f'sum({count})' for count in _COUNTS)}"
    " FROM _usage_rows NOT INDEXED WHERE usage > ? AND tombstone = 0 GROUP BY 1, 2"
    " ON CONFLICT (day, model) DO UPDATE SET responses = responses + excluded.responses,"
    f" {', '.join(f'{count} = {count} + excluded.{count}' for count in _COUNTS)}"
)

_ROLLOUTS: Final = (
    "INSERT INTO _usage_rollouts"
    f" SELECT rollout, count(*), {', '.join(f'sum({count})' for count in _COUNTS)}"
    " FROM _usage_rows NOT INDEXED WHERE usage > ? AND tombstone = 0 GROUP BY rollout"
    " ON CONFLICT (rollout) DO UPDATE SET responses = responses + excluded.responses,"
    f" {', '.join(f'{count} = {count} + excluded.{count}' for count in _COUNTS)}"
)

#: Of living rows that tell of a response: that of the oldest rollout, and there the first.
_FIRST: Final = (
    "(SELECT v.usage FROM _usage_rows AS v JOIN _rollouts AS o ON o.rollout = v.rollout"
    " WHERE v.response_id = _usage_rows.response_id AND v.tombstone = 0"
    " ORDER BY o.rollout_id, v.position, v.usage LIMIT 1)"
)
#: Responses that new rows tell of, and others too. What they add to the sums, triggers take away.
_SETTLE: Final = (
    f"UPDATE _usage_rows SET counted = usage IS {_FIRST} WHERE response_id IN ("
    "SELECT n.response_id FROM _usage_rows AS n NOT INDEXED"
    " WHERE n.usage > ? AND n.response_id IS NOT NULL"
    " AND EXISTS (SELECT 1 FROM _usage_rows AS v WHERE v.response_id = n.response_id"
    " AND v.usage <> n.usage))"
    f" AND counted <> (usage IS {_FIRST})"
)


def newest(db: sqlite3.Connection) -> int:
    """Give the number of the newest row of `_usage_rows`; 0: there is none."""
    (usage,) = db.execute("SELECT coalesce(max(usage), 0) FROM _usage_rows").fetchone()
    return int(usage)


def count(db: sqlite3.Connection, last: int) -> None:
    """Count the rows behind number `last`. They were just inserted, each with `counted` 1."""
    db.execute(_DAYS, (last,))
    db.execute(_ROLLOUTS, (last,))
    db.execute(_SETTLE, (last,))
