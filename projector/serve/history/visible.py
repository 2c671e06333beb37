"""Interface of a thread's visible history. Pure.

Names and meaning are those of the views `thread_turn_history` and `thread_history`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final, Protocol

from msgspec import Struct

from projector.store.questions.history import Item, Span, Turn


class History(Protocol):
    """One thread's visible history, with at most a page in memory."""

    @property
    def thread(self) -> Mapping[str, Any]:
        """Return the thread's row of the view `threads`."""

    def turns(self) -> Iterator[Turn]:
        """Yield the turns by position."""

    def turn(self, turn_id: str) -> Turn | None:
        """Return one turn; None if it has no record."""

    def items(self) -> Iterator[Item]:
        """Yield the items of all turns by position."""

    def items_of(self, turn_id: str) -> Iterator[Item]:
        """Yield the items of one turn by position."""

    def spans(self) -> Mapping[str, Span]:
        """Return the span of every turn that has items, by id."""


def every_turn(history: History) -> Iterator[Turn]:
    """Yield the turns by position, including those that exist only through their items.

    Such a turn is at the position of its first item, without uid, status and times. Codex lists
    those items too, but no turn for them.
    """
    spans = history.spans()
    known = {turn.turn_id for turn in history.turns()}
    lone = sorted(
        (span.first, turn_id, span) for turn_id, span in spans.items() if turn_id not in known
    )
    lone.reverse()
    for turn in history.turns():
        while lone and lone[-1][0] < turn.position:
            yield _unknown(*lone.pop()[1:])
        yield turn
    while lone:
        yield _unknown(*lone.pop()[1:])


def _unknown(turn_id: str, span: Span) -> Turn:
    return Turn(span.first, span.rollout_id, turn_id, *(None,) * (len(Turn._fields) - 3))


class Shown(Struct, frozen=True, kw_only=True):
    """Which part of a history is shown; as it is made: all."""

    turn: int | None = None
    """Number of the only turn, from 1; negative: from the end."""
    turn_prefix: str | None = None
    """Start of the id of the only turn."""
    turn_ids: frozenset[str] | None = None
    """Ids of the only turns; None: all."""
    last: int | None = None
    """Number of turns at the end."""
    uids: frozenset[str] | None = None
    """Only these items; None: all of the turns."""
    hit: str | None = None
    """Uid of the item that is marked."""

    @property
    def whole(self) -> bool:
        """True if turns are shown with all their items."""
        return self.uids is None

    def shows(self, item: Item) -> bool:
        """True if an item of a shown turn is shown."""
        return self.uids is None or item.uid in self.uids

    def turns(self, history: History) -> Iterator[tuple[int, Turn]]:
        """Yield the shown turns with their numbers in the whole history."""
        numbered = enumerate(every_turn(history), 1)
        if self.last is not None:
            yield from deque(numbered, self.last)
        elif self.turn is not None and self.turn < 0:
            kept = deque(numbered, -self.turn)
            if len(kept) == -self.turn:
                yield kept[0]
        elif self.turn is not None:
            yield from islice(numbered, self.turn - 1, self.turn)
        elif self.turn_prefix is not None:
            prefix = self.turn_prefix
            yield from (one for one in numbered if one[1].turn_id.startswith(prefix))
        elif self.turn_ids is None:
            yield from numbered
        else:
            chosen = self.turn_ids
            yield from islice((one for one in numbered if one[1].turn_id in chosen), len(chosen))


#: All that is visible.
ALL: Final = Shown()
