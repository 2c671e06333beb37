"""Reads and prunes a source's feed."""

from __future__ import annotations

from typing import Final

from projector.store.postgres.pipeline import Pipeline, Query
from projector.store.rules.feed import FeedState

#: Entries that are pruned in one transaction.
PRUNED_AT_ONCE: Final = 10_000

#: The last entry before those that stay: entries since a time, and those of the newest commit.
_END: Final = """
SELECT s.pruned, coalesce(
  (SELECT f.seq FROM _feed AS f WHERE f.source_id = s.source_id AND f.seq > s.pruned
     AND f.committed_at_ms >= %s ORDER BY f.seq LIMIT 1),
  (SELECT min(f.seq) FROM _feed AS f WHERE f.source_id = s.source_id AND f.seq > s.pruned
     AND f.committed_at_ms = (SELECT n.committed_at_ms FROM _feed AS n
       WHERE n.source_id = s.source_id ORDER BY n.seq DESC LIMIT 1)), 0) - 1
FROM _sources AS s WHERE s.source_id = %s FOR UPDATE
"""
_UPTO: Final = (
    "SELECT seq FROM _feed WHERE source_id = %s AND seq > %s AND seq <= %s ORDER BY seq"
    " LIMIT 1 OFFSET %s"
)
_DELETE: Final = """
DELETE FROM _feed AS f WHERE f.source_id = %s AND f.seq > %s AND f.seq <= %s
  AND NOT (f.kind = 4 AND f.op = 1 AND EXISTS (
    SELECT 1 FROM _events AS e WHERE e.source_id = f.source_id AND e.seq = f.seq
      AND e.tombstone = 0))
"""


_STANDING: Final = """
SELECT s.last_seq, s.pruned, s.rewound_after, s.rewound_upto,
  CASE %s::bigint WHEN s.last_seq THEN s.last_mark WHEN s.pruned THEN s.pruned_mark
  ELSE (SELECT f.mark FROM _feed AS f WHERE f.source_id = s.source_id AND f.seq = %s) END
FROM _sources AS s WHERE s.source_id = %s
"""


def standing(source: str, seq: int) -> Query:
    """Read the columns of a `FeedState`, and the mark of the entry of a number; NULL: none."""
    return _STANDING, (seq, seq, source)


def rewind(source: str, state: FeedState) -> Query:
    """Store which numbers were assigned in a lost time line, too."""
    return (
        "UPDATE _sources SET rewound_after = %s, rewound_upto = %s WHERE source_id = %s",
        (state.rewound_after, state.rewound_upto, source),
    )


async def prune(wire: Pipeline, source: str, before_ms: int) -> bool:
    """Delete some entries that were committed before a time; return whether there are more.

    Kept are the newest entry, and inserts of events that still exist.
    """
    (((pruned, end),),) = await wire.begin((_END, (before_ms, source)))
    if end <= pruned:
        await wire.execute(("ROLLBACK", ()))
        return False
    (last,) = await wire.execute((_UPTO, (source, pruned, end, PRUNED_AT_ONCE - 1)))
    upto = last[0][0] if last else end
    await wire.execute(
        (
            "UPDATE _sources SET pruned = %s, pruned_mark = (SELECT f.mark FROM _feed AS f"
            " WHERE f.source_id = _sources.source_id AND f.seq = %s) WHERE source_id = %s",
            (upto, upto, source),
        ),
        (_DELETE, (source, pruned, upto)),
        ("COMMIT", ()),
    )
    return bool(upto < end)
