"""What the older parts of a chain contribute to a thread, accumulated part by part. Pure.

A thread shows counters of all its parts, and values of the current rollout; a value that it lacks
comes from the newest part before it that has one. So what all parts but the last contribute is a
value that grows by one part at a time: an append to the last part, or a revert, costs what it
changes and not the chain. Of an inherited value, only its rollout is kept here, so that older parts
need not be accumulated again when the value changes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from projector.store.rules.shown_threads import INHERITED, PASSED_ON


class Older(NamedTuple):
    """What the parts before one contribute to it; rollouts by their numbers."""

    items: int = 0
    turns: int = 0
    chain: str = ""
    """Fingerprint of the parts: rollouts and cuts."""
    preview: int | None = None
    """The oldest part with a preview before its cut; None: no part has one."""
    goal: int | None = None
    """The oldest part with a goal; None: no part has one."""
    newest: tuple[int | None, ...] = (None,) * len(INHERITED)
    """For each of `INHERITED`, the newest part that has it; None: no part has it."""


NOTHING: Final = Older()


class PartRow(NamedTuple):
    """A part of a chain, and which values its rollout has."""

    rollout: int
    rollout_id: str
    upto: int
    items: int
    turns: int
    preview: bool
    """True if its rollout has a preview, from a record before the cut."""
    goal: bool
    has: Sequence[object]
    """For each of `INHERITED`, true if the rollout has it."""


def fold(older: Older, part: PartRow) -> Older:
    """Return what a part and those before it contribute to the next one."""
    link = f"{older.chain}\0{part.rollout_id}\0{part.upto}"
    return Older(
        older.items + part.items,
        older.turns + part.turns,
        hashlib.blake2b(link.encode("utf-8", "replace"), digest_size=16).hexdigest(),
        part.rollout if older.preview is None and part.preview else older.preview,
        part.rollout if older.goal is None and part.goal else older.goal,
        tuple(
            part.rollout if has else before
            for has, before in zip(part.has, older.newest, strict=True)
        ),
    )


def refolds(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """True if a change of a rollout changes which values its parts contribute.

    `before`, `now`: the rollout, with the columns of `PASSED_ON` at least.
    """
    return before["preview_offset"] != now["preview_offset"] or any(
        (before[name] is None) != (now[name] is None) for name in PASSED_ON
    )
