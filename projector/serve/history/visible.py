"""What is asked of a thread's visible history. Pure.

Names and meaning are those of the views `thread_turn_history` and `thread_history`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

#: Behind all positions.
EVERYTHING: Final = (1 << 63) - 1


class Turn(NamedTuple):
    """A turn as its thread shows it. Times are seconds, positions sort."""

    position: int
    rollout_id: str
    turn_id: str
    uid: str | None
    """None: no record tells of the turn, there are only items that name it."""
    status: str | None
    error_json: str | None
    started_at: int | None
    completed_at: int | None
    duration_ms: int | None
    model: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    reasoning_output_tokens: int | None
    total_tokens: int | None
    root_turn_id: str | None
    end_position: int | None
    """Just behind the record that ended it; None: nothing did, or no record of its own."""


class Item(NamedTuple):
    """An item as its thread shows it. Times are milliseconds, positions sort."""

    position: int
    rollout_id: str
    turn_id: str
    item_id: str
    uid: str
    type: str
    item_json: str
    """The snapshot, exactly as it is stored."""
    created_at_ms: int
    started_at_ms: int | None
    completed_at_ms: int | None


class Span(NamedTuple):
    """Between which positions the items of a turn lie, both included."""

    rollout_id: str
    """Of the first."""
    first: int
    last: int


class History(Protocol):
    """One thread's visible history. Nothing is held in memory but a page at a time."""

    @property
    def thread(self) -> Mapping[str, Any]:
        """The thread's row of the view `threads`."""

    def turns(self) -> Iterator[Turn]:
        """Return the turns by position."""

    def turn(self, turn_id: str) -> Turn | None:
        """Return one turn; None: no record tells of it."""

    def items(self) -> Iterator[Item]:
        """Return the items of all turns by position."""

    def items_of(self, turn_id: str) -> Iterator[Item]:
        """Return the items of one turn by position."""

    def spans(self) -> Mapping[str, Span]:
        """Return every turn that has items, by id."""


def every_turn(history: History) -> Iterator[Turn]:
    """Yield the turns by position, and with them those that only their items tell of.

    Such a turn stands where its first item stands, without uid, status and times. Codex lists
    those items too, and no turn for them.
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
