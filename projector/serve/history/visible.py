"""Interface of a thread's visible history. Pure.

Names and meaning are those of the views `thread_turn_history` and `thread_history`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

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
