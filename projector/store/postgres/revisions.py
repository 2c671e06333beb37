"""Which rollouts were projected by older rules, and which of them are as new rules make them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from projector.model.ids import RolloutId
from projector.model.revisions import ProjectedBy
from projector.store.postgres import load_unit_of_work
from projector.store.postgres.pipeline import Pipeline
from projector.store.protocol import Outdated

#: Rollouts that are looked at in one transaction.
_CHUNK: Final = 5000
_OLDER: Final = (
    "SELECT rollout_id, elsewhere, gone_at_ms IS NOT NULL, revision, mode, kinds FROM _rollouts"
    " WHERE source_id = %s AND revision < %s AND rollout_id > %s ORDER BY rollout_id LIMIT %s"
)
_RAISE: Final = (
    "UPDATE _rollouts SET revision = %s WHERE source_id = %s AND rollout_id = ANY(%s::text[])"
)
_NEWER: Final = (
    "SELECT count(*) FROM _rollouts WHERE source_id = %s AND revision > %s AND NOT elsewhere"
)


async def raise_revisions(
    wire: Pipeline, source: str, to: int, is_outdated: Callable[[ProjectedBy], bool]
) -> Outdated:
    """See `Store`. A few thousand rollouts a transaction, under the source's lock."""
    outdated: list[RolloutId] = []
    gone: list[RolloutId] = []
    last = ""
    while True:
        lock = (load_unit_of_work.LOCK, (source,))
        _, rows = await wire.begin(lock, (_OLDER, (source, to, last, _CHUNK)))
        untouched: list[str] = []
        for rollout_id, elsewhere, is_gone, *projected in rows:
            # Of what another source has there are no rows.
            if elsewhere or not is_outdated(ProjectedBy._make(projected)):
                untouched.append(rollout_id)
            elif is_gone:
                gone.append(rollout_id)
            else:
                outdated.append(rollout_id)
        raised = [(_RAISE, (to, source, untouched))] if untouched else []
        *_, newer, _ = await wire.execute(*raised, (_NEWER, (source, to)), ("COMMIT", ()))
        if len(rows) < _CHUNK:
            return Outdated(rollouts=outdated, gone=gone, newer=newer[0][0])
        last = rows[-1][0]
