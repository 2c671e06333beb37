"""Claims of rollouts that several hosts see: the source that claims one first projects it."""

from __future__ import annotations

import zlib
from collections.abc import Iterable
from typing import Final

from projector.store.postgres.pipeline import Query

#: Number of buckets, which spread claims over machines.
_BUCKETS: Final = 256


def bucket(rollout_id: str) -> int:
    """Return the bucket of a claim; its computation never changes."""
    return zlib.crc32(rollout_id.encode("utf-8", "replace")) % _BUCKETS


_CLAIM: Final = (
    "INSERT INTO _claims (bucket, rollout_id, source_id)"
    " SELECT bucket, rollout_id, source_id::uuid"
    " FROM unnest(%s::smallint[], %s::text[], %s::text[]) AS k (bucket, rollout_id, source_id)"
    " ON CONFLICT (bucket, rollout_id) DO UPDATE"
    " SET source_id = coalesce(_claims.source_id, excluded.source_id)"
    " RETURNING rollout_id, source_id"
)


def claim(own: Iterable[str], others: Iterable[str], source: str) -> Query:
    """Claim rollouts, and lock the claims of others; returns the source of each.

    In one order, so that two transactions never wait for each other.
    """
    wanted: dict[str, str | None] = dict.fromkeys(others)
    wanted.update(dict.fromkeys(own, source))
    ordered = sorted((bucket(one), one, whose) for one, whose in wanted.items())
    return _CLAIM, [list(column) for column in zip(*ordered, strict=True)]
