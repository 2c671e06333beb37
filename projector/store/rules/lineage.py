"""Which rollouts make up a thread's visible history, and where each row of theirs sorts.

Pure. A rollout may continue another one, its base, up to a cut. From a thread's current rollout
back, base by base, goes the chain of its parts; oldest first, it is the thread's history.

1. A thread's current rollout is the one with the greatest id among those on disk (all of them,
   where none is left): ids are UUIDv7. Source: docs on files, 3.3. A stray file, whose header names
   the thread and whose name does not, counts where there is no other: it takes no thread over.
2. The chain ends at a rollout without a base; at a base that is not here; at a base of another
   thread, where the rollout is attached to it (context for the model only, not shown); and at a
   rollout that lies on a cycle, whose base cannot be what it says.
3. Positions. `start(r) = max(first ordinal of r << 38, start(base) + cut)`, and a row's position
   is start plus its byte offset. So along every chain positions grow strictly: an inherited row
   lies before the cut. The first ordinal of a rollout is its base's `end_ordinal`, known from its
   own header, and files are shorter than 2**38 bytes: the first term decides for whatever Codex
   writes, and a base that arrives late renumbers nothing. The second one only where ordinals were
   damaged, or are too large for 63 bits.
4. What a thread shows is a function of the set of rollouts, not of the order they came in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final, Literal, NamedTuple

from projector.model.ids import RolloutId, ThreadId

#: Bits of a position that hold the byte offset.
OFFSET_BITS: Final = 38
#: Greater first ordinals count as this one; leaves half of the positions for rule 3's second term.
MAX_ORDINAL: Final = (1 << 24) - 1
#: Upper bound of the positions of a current rollout: all of it is shown.
EVERYTHING: Final = (1 << 63) - 1
#: Maximum parts of a chain; what is before them is not shown. Codex shows chains of 140.
MAX_PARTS: Final = 1000


class Link(NamedTuple):
    """A rollout, as far as lineage is concerned."""

    rollout: int
    """Its number in the store; 0 where rollouts have none."""
    rollout_id: RolloutId
    thread_id: ThreadId
    base_id: RolloutId | None
    end_ordinal: int
    """Cut of the base: ordinal of the first record that is not inherited; 0 without a base."""
    end_offset: int
    """Cut of the base: bytes of it that are inherited; 0 without a base."""
    attached: bool


Lookup = Callable[[RolloutId], Link | None]


class Standing(NamedTuple):
    """Everything about a rollout that chains depend on: they are computed again when it changes."""

    thread_id: ThreadId
    base_id: RolloutId | None
    end_ordinal: int | None
    end_offset: int | None
    attached: bool
    archived: bool
    there: bool
    """True if it is on disk."""
    named: bool
    """True if its file has a name of the thread: see `Candidate`."""


class Part(NamedTuple):
    """A part of a thread's history: a rollout up to a cut."""

    link: Link
    upto: int | None
    """Byte offset of the cut; None: the current rollout, all of it."""


#: Why a chain ends. whole: nothing before it, or nothing that is shown; the others: what is before
#: it is not available.
End = Literal["whole", "missing", "cycle", "deep"]


class Chain(NamedTuple):
    """The parts of a thread's visible history, oldest first."""

    parts: tuple[Part, ...]
    end: End


class Candidate(NamedTuple):
    """One of a thread's rollouts. The greatest is the current one (rule 1)."""

    there: bool
    """True if it is on disk."""
    named: bool
    """True if its file has a name of the thread; False: a stray file."""
    rollout_id: RolloutId


def current(candidates: Iterable[Candidate]) -> RolloutId:
    """Return a thread's current rollout.

    Raises:
        ValueError: there are none.
    """
    return max(candidates).rollout_id


def base_of(link: Link, lookup: Lookup) -> Link | None:
    """Return the base that positions build on (rule 3); None: none, not here, or on a cycle."""
    if link.base_id is None:
        return None
    base = lookup(link.base_id)
    return None if base is None or link.rollout_id in cycle(link, lookup) else base


def cycle(link: Link, lookup: Lookup) -> frozenset[RolloutId]:
    """Return the rollouts on the cycle that the bases of a rollout lead to; empty: none."""
    walked: dict[RolloutId, int] = {}
    at: Link | None = link
    while at is not None and at.base_id is not None:
        walked[at.rollout_id] = len(walked)
        if at.base_id in walked:
            first = walked[at.base_id]
            return frozenset(one for one, place in walked.items() if place >= first)
        at = lookup(at.base_id)
    return frozenset()


def chain(newest: Link, lookup: Lookup) -> Chain:
    """Return the chain from a thread's current rollout back to its beginning (rule 2)."""
    looped = cycle(newest, lookup)
    parts = [Part(newest, None)]
    own = newest
    end: End = "whole"
    while own.base_id is not None:
        if own.rollout_id in looped:
            end = "cycle"
            break
        if len(parts) == MAX_PARTS:
            end = "deep"
            break
        base = lookup(own.base_id)
        if base is None:
            # The base of an attached thread's first rollout is another thread's: never shown.
            end = "whole" if own.attached and str(own.rollout_id) == own.thread_id else "missing"
            break
        if own.attached and base.thread_id != own.thread_id:
            break
        parts.append(Part(base, own.end_offset))
        own = base
    return Chain(tuple(reversed(parts)), end)


def start(end_ordinal: int, end_offset: int, base_start: int | None) -> int:
    """Return the position of a rollout's first byte (rule 3).

    `base_start` is that of its base, as `base_of` gives it; None: it has none.
    """
    own = max(0, min(end_ordinal, MAX_ORDINAL)) << OFFSET_BITS
    return own if base_start is None else max(own, base_start + max(0, end_offset))
