"""SQL texts that write a row of each table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from projector.store.sqlite.item_json import NUMBERS


def differs(columns: Sequence[str]) -> str:
    """Return SQL that is true if an upserted row has another value in one of the columns."""
    return " OR ".join(f"{column} IS NOT excluded.{column}" for column in columns)


#: For an UPDATE of living rows: mark them as changed.
CHANGED: Final = "changed = iif(changed, changed, 1)"

#: Columns that readers see, the most frequently changed ones first.
SHOWN: Final = {
    "_turns": (
        "status", "completed_at", "end_offset", "end_ordinal", "duration_ms", "started_at",
        "first_user_item_id", "final_agent_item_id", "error_json", "model", "root_turn_id",
        "ordinal", "position",
    ),
    "_item_rows": (
        "updated_ordinal", "rest", "kind", "completed_at_ms", "started_at_ms", "provenance",
        "created_at_ms", "ordinal", "position",
    ),
    "_events": ("payload", "type", "turn_id", "recorded_at_ms"),
    "_realtime_items": ("json", "type", "created_at_ms", "ordinal", "position"),
}  # fmt: skip


def marked(differ: str) -> str:
    """Return SQL that marks an upserted row if a column that readers see changes."""
    return f"changed = CASE WHEN changed THEN changed WHEN tombstone THEN 3 ELSE {differ} END"


#: Status of an item: a command's, as in its JSON, of which the rest is known.
STATUS: Final = (
    f"iif({{kind}} = {NUMBERS['commandExecution']}, json_extract(CASE substr({{rest}}, 1, 1)"
    " WHEN ',' THEN '{{\"id\":0' || {rest} WHEN '\"' THEN '{{\"command\":' || {rest}"
    " ELSE {rest} END, '$.status'), NULL)"
)

ITEM_NEW: Final = """
INSERT OR IGNORE INTO {new}_item_rows (uid, rollout, position, turn_key, item_id, ordinal,
  updated_ordinal, created_at_ms, started_at_ms, completed_at_ms, kind, rest, provenance, owner,
  status)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?6, ?7, ?8, ?9, ?10, CAST(?11 AS TEXT), ?12, ?13,
  {status})
"""

#: If the change does not say it.
STATUS_OF_NEW: Final = f"coalesce(?14, {STATUS.format(kind='?10', rest='CAST(?11 AS TEXT)')})"

# An upserted row keeps its position, unless it was a tombstone: then it becomes living again, as if
# it were new. `excluded` is the new row, bare names are the stored row.
ITEM_AGAIN = """
ON CONFLICT (rollout, turn_key, uid_start) DO UPDATE SET
  position = iif(tombstone, excluded.position, position),
  ordinal = iif(tombstone, excluded.ordinal, ordinal),
  created_at_ms = iif(tombstone, excluded.created_at_ms, created_at_ms),
  started_at_ms = iif(tombstone, excluded.started_at_ms,
                      coalesce(started_at_ms, excluded.started_at_ms)),
  completed_at_ms = iif(tombstone, excluded.completed_at_ms,
                        iif(?15, coalesce(excluded.completed_at_ms, completed_at_ms),
                            coalesce(completed_at_ms, excluded.completed_at_ms))),
  owner = iif(tombstone, excluded.owner, owner),
  updated_ordinal = excluded.updated_ordinal, kind = excluded.kind, rest = excluded.rest,
  provenance = excluded.provenance, status = excluded.status, {changed}, tombstone = 0
""".replace(
    "{changed}",
    # Of a living row: what the statement replaces, and the times where they are filled.
    marked(
        f"{differs(('updated_ordinal', 'rest', 'kind', 'provenance'))}"
        " OR started_at_ms IS NULL AND excluded.started_at_ms IS NOT NULL"
        " OR excluded.completed_at_ms IS NOT NULL"
        " AND iif(?15, excluded.completed_at_ms IS NOT completed_at_ms, completed_at_ms IS NULL)"
    ),
)

TURN = """
INSERT INTO {new}_turns (uid, rollout, position, turn_id, ordinal, status, error_json,
  started_at, completed_at, duration_ms, first_user_item_id, final_agent_item_id, end_ordinal,
  end_offset, root_turn_id, model, owner, end_owner)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (turn_id, rollout) DO UPDATE SET
  position = excluded.position, ordinal = excluded.ordinal, status = excluded.status,
  error_json = excluded.error_json, started_at = excluded.started_at,
  completed_at = excluded.completed_at, duration_ms = excluded.duration_ms,
  first_user_item_id = excluded.first_user_item_id,
  final_agent_item_id = excluded.final_agent_item_id, end_ordinal = excluded.end_ordinal,
  end_offset = excluded.end_offset, root_turn_id = excluded.root_turn_id,
  model = excluded.model, owner = excluded.owner, end_owner = excluded.end_owner, {changed},
  tombstone = 0
""".replace("{changed}", marked(differs(SHOWN["_turns"])))

REALTIME = """
INSERT INTO {new}_realtime_items (uid, rollout, position, item_id, ordinal, created_at_ms,
  type, json)
VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (rollout, item_id) DO UPDATE SET
  position = excluded.position, ordinal = excluded.ordinal,
  created_at_ms = excluded.created_at_ms, type = excluded.type, json = excluded.json, {changed},
  tombstone = 0
WHERE tombstone <> 0
""".replace("{changed}", marked(differs(SHOWN["_realtime_items"])))

USAGE_NEW = """
INSERT OR IGNORE INTO {new}_usage_rows (uid, rollout, position, turn_key, ordinal, response_id,
  input_tokens, cached_input_tokens, output_tokens, reasoning_output_tokens, total_tokens,
  recorded_at_ms, cache_write_input_tokens, model_key)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

USAGE_AGAIN = """
ON CONFLICT (rollout, position) DO UPDATE SET
  uid = excluded.uid, turn_key = excluded.turn_key, ordinal = excluded.ordinal,
  response_id = excluded.response_id, model_key = excluded.model_key,
  input_tokens = excluded.input_tokens, cached_input_tokens = excluded.cached_input_tokens,
  output_tokens = excluded.output_tokens,
  reasoning_output_tokens = excluded.reasoning_output_tokens,
  total_tokens = excluded.total_tokens, recorded_at_ms = excluded.recorded_at_ms,
  cache_write_input_tokens = excluded.cache_write_input_tokens, counted = 0, tombstone = 0
WHERE tombstone <> 0
"""

#: Number of the next event, which share the one sequence of all changes. Rows of `_feed` are
#: appended at the end of a transaction, so its greatest number is asked for once.
_NEXT_AFTER: Final = "(SELECT 1 + max(?, coalesce((SELECT max(seq) FROM {new}_events), 0)))"

#: The same in one text.
NEXT: Final = (
    "(SELECT 1 + max(coalesce((SELECT max(seq) FROM _feed), 0),"
    " coalesce((SELECT max(seq) FROM {new}_events), 0)))"
)

EVENT = """
INSERT INTO {new}_events (seq, uid, thread_id, rollout, from_record, type, turn_id, payload,
  recorded_at_ms, noted_at_ms)
VALUES ({next}, ?, ?, ?, 1, ?, ?, ?, ?, ?)
ON CONFLICT (thread_id, uid) DO UPDATE SET
  type = excluded.type, turn_id = excluded.turn_id, payload = excluded.payload,
  recorded_at_ms = excluded.recorded_at_ms, changed = iif(changed, changed, 3), tombstone = 0
WHERE tombstone <> 0
""".replace("{next}", _NEXT_AFTER)

ANOMALY = """
INSERT INTO {new}_anomaly_rows (rollout, byte_offset, byte_length, kind, detail, from_batch,
  noted_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (rollout, byte_offset, byte_length, kind, detail) DO UPDATE SET
  from_batch = min(from_batch, excluded.from_batch)
"""

LIMIT = """
INSERT OR REPLACE INTO {new}_limit_rows (rollout, byte_offset, slot, limit_id, window_minutes,
  used_percent, resets_at_ms, plan_type, recorded_at_ms)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""

FRAME = """
INSERT INTO {new}_frames (rollout, key, turn_id, before, popped) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (rollout, key) DO UPDATE SET
  turn_id = excluded.turn_id, before = excluded.before, popped = excluded.popped
"""
