"""A visible history without secrets of known shapes. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from projector.model.secret_shapes import Redaction
from projector.serve.history.visible import History
from projector.store.questions.history import Item, Span, Turn


class RedactedHistory:
    """See `visible.History`: the same, but what looks like a secret is hidden."""

    def __init__(self, history: History, redaction: Redaction) -> None:
        """Read from `history`; what is hidden is counted in `redaction`."""
        self._history = history
        self._redaction = redaction
        self._errors: dict[str, str] = {}

    @property
    def thread(self) -> Mapping[str, Any]:
        """Return the thread's row of the view `threads`."""
        return {
            name: self._redaction.text(value) if isinstance(value, str) else value
            for name, value in self._history.thread.items()
        }

    def turns(self) -> Iterator[Turn]:
        """Yield the turns by position."""
        return map(self._turn, self._history.turns())

    def turn(self, turn_id: str) -> Turn | None:
        """Return one turn; None if it has no record."""
        turn = self._history.turn(turn_id)
        return None if turn is None else self._turn(turn)

    def items(self) -> Iterator[Item]:
        """Yield the items of all turns by position."""
        return map(self._item, self._history.items())

    def items_of(self, turn_id: str) -> Iterator[Item]:
        """Yield the items of one turn by position."""
        return map(self._item, self._history.items_of(turn_id))

    def spans(self) -> Mapping[str, Span]:
        """Return the span of every turn that has items, by id."""
        return self._history.spans()

    def _turn(self, turn: Turn) -> Turn:
        if turn.error_json is None:
            return turn
        if turn.turn_id not in self._errors:  # turns are read more than once, and counted once
            self._errors[turn.turn_id] = self._redaction.json(turn.error_json)
        return turn._replace(error_json=self._errors[turn.turn_id])

    def _item(self, item: Item) -> Item:
        return item._replace(item_json=self._redaction.json(item.item_json))
