"""Render what is new in a thread's visible history. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from projector.serve.history.render import (
    Detail,
    error_text,
    item_text,
    thread_heading,
    turn_heading,
)
from projector.serve.history.stored_history import StoredHistory
from projector.serve.history.visible import Shown, every_turn
from projector.store.questions.history import Item, Turn
from projector.store.reading import Connection

#: Turns that a history begins with, unless told.
TURNS: Final = 1

_RUNS: Final = re.compile(r'"status":\s*"inProgress"')


class Follower:
    """Tells the end of a thread's history, then each item once it is over."""

    def __init__(self, thread_id: str, detail: Detail, turns: int | None) -> None:
        """Begin with the last `turns` turns; None: with the last one."""
        self._id = thread_id
        self._detail = detail
        self._last = TURNS if turns is None else turns
        self._chain: list[str] | None = None
        """Rollouts of the history; None: nothing was told yet."""
        self._given: set[str] = set()
        """Uids of the items that were told."""
        self._position = -1
        """Where to read on: the first item that is not over, else the last one."""
        self._open: str | None = None
        """Id of the turn whose heading was written last and whose end was not."""
        self._number = 0
        """Number of that turn."""
        self._turn: str | None = None

    def news(self, db: Connection) -> Iterator[str]:
        """Yield what is new, as text."""
        stored = StoredHistory(db, self._id)
        chain = stored.rollouts()
        if self._chain is None:
            yield from thread_heading(stored, self._detail)
            self._position = self._begin(stored)
        elif chain != self._chain:
            mark = "-- the thread was reverted; it continues after an earlier turn"
            yield f"\n{self._detail.looks.paint(mark, 'warning')}\n"
        self._chain = chain
        yield from self._items(stored)
        if self._open is not None:
            yield from self._ended(stored, self._open)

    def _begin(self, stored: StoredHistory) -> int:
        turns = [turn.turn_id for _, turn in Shown(last=self._last).turns(stored)]
        spans = stored.spans()
        return min((spans[one].first for one in turns if one in spans), default=-1)

    def _items(self, stored: StoredHistory) -> Iterator[str]:
        waiting: int | None = None
        known: dict[str, Turn | None] = {}
        for item in stored.items_from(self._position):
            if item.uid in self._given:
                continue
            if item.turn_id not in known:
                known[item.turn_id] = stored.turn(item.turn_id)
            turn = known[item.turn_id]
            if _runs(item) and turn is not None and turn.status == "inProgress":
                waiting = item.position if waiting is None else waiting
                continue
            self._given.add(item.uid)
            if waiting is None:
                self._position = item.position
            if self._detail.shows(item):
                if item.turn_id != self._turn:
                    yield from self._heading(stored, item.turn_id, turn)
                yield item_text(item, self._detail)
        if waiting is not None:
            self._position = waiting

    def _heading(self, stored: StoredHistory, turn_id: str, turn: Turn | None) -> Iterator[str]:
        if self._open is not None:
            yield from self._ended(stored, self._open)
        self._turn = turn_id
        self._open = turn_id if turn is not None and turn.status == "inProgress" else None
        for number, one in enumerate(every_turn(stored), 1):
            if one.turn_id == turn_id:
                self._number = number
                yield "\n" + turn_heading(number, one, self._detail)
                if self._open is None and one.error_json is not None:
                    yield error_text(one.error_json, self._detail.looks)

    def _ended(self, stored: StoredHistory, turn_id: str) -> Iterator[str]:
        turn = stored.turn(turn_id)
        if turn is None or turn.status == "inProgress":
            return
        self._open = None
        if turn.error_json is not None:
            yield error_text(turn.error_json, self._detail.looks)
        yield "\n" + turn_heading(self._number, turn, self._detail)


def _runs(item: Item) -> bool:
    if item.started_at_ms is not None:
        return item.completed_at_ms is None
    return _RUNS.search(item.item_json) is not None
