"""What threads show, said as plainly as can be: the model that stores are held to.

Written from the docs on rollout files, section 3: no SQL, no positions, no state; all of it is
worked out anew from the rollouts that are there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Told(NamedTuple):
    """A row of a rollout: an item, or a turn."""

    offset: int
    turn: str
    item: str | None
    """None: it is a turn."""


@dataclass
class Rollout:
    """A rollout; bases and cuts need not make sense."""

    number: int
    """Ids grow with it."""
    thread: int
    base: int | None = None
    end_offset: int = 0
    end_ordinal: int = 0
    attached: bool = False
    rows: list[Told] = field(default_factory=list)


class Shown(NamedTuple):
    """What a thread shows."""

    items: list[tuple[int, str, str]]
    """Rollout, turn and item, in order."""
    turns: list[tuple[int, str]]
    incomplete: bool


def shown(rollouts: Mapping[int, Rollout], thread: int) -> Shown:
    """Work out a thread's visible history."""
    newest = max(one.number for one in rollouts.values() if one.thread == thread)
    parts, incomplete = chain(rollouts, rollouts[newest])
    items = [
        (one.number, row.turn, row.item)
        for one, upto in parts
        for row in sorted(one.rows)
        if row.item is not None and (upto is None or row.offset < upto)
    ]
    found: dict[str, tuple[int, int, int]] = {}
    for place, (one, upto) in enumerate(parts):
        for row in one.rows:
            if row.item is None and (upto is None or row.offset < upto):
                found[row.turn] = (place, row.offset, one.number)
    ordered = sorted((where, turn) for turn, where in found.items())
    return Shown(items, [(where[2], turn) for where, turn in ordered], incomplete)


def chain(
    rollouts: Mapping[int, Rollout], newest: Rollout
) -> tuple[list[tuple[Rollout, int | None]], bool]:
    """Give a thread's parts with their cuts, oldest first, and whether something is missing."""
    parts: list[tuple[Rollout, int | None]] = [(newest, None)]
    own = newest
    while own.base is not None:
        if leads_back(rollouts, own):
            return parts[::-1], True
        base = rollouts.get(own.base)
        if base is None:
            first = own.number == own.thread
            return parts[::-1], not (own.attached and first)
        if own.attached and base.thread != own.thread:
            break
        parts.append((base, own.end_offset))
        own = base
    return parts[::-1], False


def leads_back(rollouts: Mapping[int, Rollout], own: Rollout) -> bool:
    """Tell whether a rollout is its own ancestor."""
    at: Rollout | None = own
    for _ in range(len(rollouts)):
        at = rollouts.get(at.base) if at is not None and at.base is not None else None
        if at is own:
            return True
    return False
