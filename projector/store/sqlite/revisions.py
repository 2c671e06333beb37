"""Which rollouts were projected by older rules, and which of them are as new rules make them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import Final

from projector.model.ids import RolloutId
from projector.model.revisions import ProjectedBy
from projector.store.protocol import Outdated
from projector.store.sqlite.file import writing

#: Rollouts that are looked at in one transaction.
_CHUNK: Final = 5000
_OLDER: Final = (
    "SELECT rollout, rollout_id, gone_at_ms IS NOT NULL, revision, mode, kinds FROM _rollouts"
    " WHERE revision < ? AND rollout > ? ORDER BY rollout LIMIT ?"
)


def raise_revisions(
    db: sqlite3.Connection, to: int, is_outdated: Callable[[ProjectedBy], bool]
) -> Outdated:
    """See `Store`. A few thousand rollouts a transaction."""
    outdated: list[RolloutId] = []
    gone: list[RolloutId] = []
    last = 0
    # By an index: nearly always there are none.
    more = db.execute("SELECT 1 FROM _rollouts WHERE revision < ? LIMIT 1", (to,)).fetchone()
    while more:
        with writing(db):
            rows = db.execute(_OLDER, (to, last, _CHUNK)).fetchall()
            untouched: list[tuple[int, int]] = []
            for rollout, rollout_id, is_gone, *projected in rows:
                if not is_outdated(ProjectedBy._make(projected)):
                    untouched.append((to, rollout))
                elif is_gone:
                    gone.append(rollout_id)
                else:
                    outdated.append(rollout_id)
            db.executemany("UPDATE _rollouts SET revision = ? WHERE rollout = ?", untouched)
        last, more = rows[-1][0] if rows else last, len(rows) == _CHUNK
    (newer,) = db.execute("SELECT count(*) FROM _rollouts WHERE revision > ?", (to,)).fetchone()
    return Outdated(rollouts=sorted(outdated), gone=gone, newer=newer)
