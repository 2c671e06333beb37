"""Keeps the full-text index of PostgreSQL: a setting of each source, filled step by step.

Written items have the words of the current settings, and their number (`_sources.search_round`).
When the settings change, or how words are made (`text.REVISION`), the number changes: words of
another number are not found, and are replaced from the newest rollout back.
"""

from __future__ import annotations

from typing import Final

from projector.search.text import REVISION, Extent
from projector.store.postgres.arrays import arrays
from projector.store.postgres.pipeline import Pipeline
from projector.store.postgres.save import Search

#: Items indexed in one transaction.
STEP: Final = 500

_CHOOSE: Final = """
UPDATE _sources AS s SET search_what = %s, search_text_bytes = %s, search_revision = %s,
  search_round = search_round + 1,
  (unfilled_rollout, unfilled_position) = (SELECT max(r.rollout_id), 9223372036854775807
    FROM _rollouts AS r WHERE r.source_id = s.source_id)
WHERE source_id = %s AND NOT (
  search_what = %s AND (search_what = 'off' OR search_text_bytes = %s AND search_revision = %s))
"""
_UNFILLED: Final = (
    "SELECT unfilled_rollout, unfilled_position, search_what, search_text_bytes, search_round"
    " FROM _sources WHERE source_id = %s FOR UPDATE"
)
_OLDER: Final = """
SELECT rollout_id, uid, position, type, json::text FROM _items
WHERE source_id = %s AND rollout_id = %s AND position < %s AND tombstone = 0
ORDER BY position DESC LIMIT %s
"""
_NEXT: Final = "SELECT max(rollout_id) FROM _rollouts WHERE source_id = %s AND rollout_id < %s"
_FILLED: Final = (
    "UPDATE _sources SET unfilled_rollout = %s, unfilled_position = %s WHERE source_id = %s"
)
_WORDS: Final = """
UPDATE _items AS i SET words = k.words, words_round = %s
FROM unnest(%b::text[], %b::uuid[], %b::tsvector[]) AS k (rollout_id, uid, words)
WHERE i.source_id = %s AND i.rollout_id = k.rollout_id AND i.uid = k.uid
"""


async def choose(wire: Pipeline, source: str, extent: Extent, max_text_bytes: int) -> None:
    """Set what is indexed from now on; if that differs, existing words become invalid."""
    await wire.begin(
        (_CHOOSE, (extent, max_text_bytes, REVISION, source, extent, max_text_bytes, REVISION)),
        ("COMMIT", ()),
    )


async def fill(wire: Pipeline, source: str) -> bool:
    """Index some items again; True if there are more."""
    (((rollout_id, position, what, text_bytes, number),),) = await wire.begin(
        (_UNFILLED, (source,))
    )
    if rollout_id is None:
        await wire.execute(("ROLLBACK", ()))
        return False
    search = Search(what, text_bytes, number)
    rows: list[tuple[str, bytes, bytes | None]] = []
    # Many rollouts have no items, or few: several are indexed in one step.
    for _ in range(STEP):
        ((found), ((before,),)) = await wire.execute(
            (_OLDER, (source, rollout_id, position, STEP - len(rows))),
            (_NEXT, (source, rollout_id)),
        )
        for one, uid, _, kind, json in found:
            rows.append((one, uid.bytes, search.words_of(kind, json)))
        if len(rows) >= STEP:
            position = found[-1][2]
            break
        rollout_id, position = before, (1 << 63) - 1
        if rollout_id is None:
            break
    await wire.execute(
        (_WORDS, (number, *arrays(("text", "uuid", "tsvector"), rows), source)),
        (_FILLED, (rollout_id, position, source)),
        ("COMMIT", ()),
    )
    return rollout_id is not None
