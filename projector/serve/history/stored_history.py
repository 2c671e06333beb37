"""Reads a thread's visible history from the database, page by page.

Each page has a snapshot of its own: a paused reader, perhaps waiting for a
pager, must not keep the database from resetting its write-ahead log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

from projector.model.errors import StoreUnavailable
from projector.store.questions import history
from projector.store.questions.history import EVERYTHING, Item, Span, Turn
from projector.store.reading import Connection

#: Rows read at once. Items can be large: with outputs of 1 MB this is the memory needed.
PAGE: Final = 200

_Row = TypeVar("_Row", Turn, Item)
_T = TypeVar("_T")


class _Window(NamedTuple):
    """All items of a range of a history."""

    first: int
    upto: int
    """All items before this position are included."""
    items: list[Item]


class StoredHistory:
    """A thread's visible history, read page by page; see `visible.History`.

    Every method raises StoreUnavailable if the thread's chain of rollouts changes during reading (a
    revert, a rollout projected again): the pages would not be consistent.
    """

    def __init__(self, db: Connection, thread_id: str) -> None:
        """Read the thread's current state."""
        self._db = db
        self._id = thread_id
        with db.snapshot():
            self._chain = history.chain(db, thread_id)
            thread = history.thread(db, thread_id)
        assert thread is not None, thread_id
        self._thread = thread
        self._spans: dict[str, Span] | None = None
        self._window = _Window(0, 0, [])

    @property
    def thread(self) -> Mapping[str, Any]:
        """Return the thread's row of the view `threads`."""
        return self._thread

    def turns(self) -> Iterator[Turn]:
        """Return the turns by position."""
        return self._pages(partial(history.turns, self._db, self._id))

    def turn(self, turn_id: str) -> Turn | None:
        """Return one turn; None if it has no record."""
        return self._unchanged(partial(history.turn, self._db, self._id, turn_id))

    def items(self) -> Iterator[Item]:
        """Return the items of all turns by position."""
        return self._pages(partial(history.items, self._db, self._chain))

    def items_from(self, position: int) -> Iterator[Item]:
        """Return the items of all turns from a position on, by position."""
        return self._pages(partial(history.items, self._db, self._chain), position)

    def rollouts(self) -> list[str]:
        """Return the ids of the rollouts that make up the history, oldest first."""
        return [part.rollout_id for part in self._chain]

    def items_of(self, turn_id: str) -> Iterator[Item]:
        """Return the items of one turn by position."""
        span = self.spans().get(turn_id)
        if span is None:
            return iter(())
        window = self._around(span)
        if window.upto > span.last:
            return (item for item in window.items if item.turn_id == turn_id)
        page = partial(history.items_of, self._db, self._chain, turn_id=turn_id, last=span.last)
        return self._pages(page, span.first)

    def _around(self, span: Span) -> _Window:
        """Return a page of items that begins with the turn's first or earlier.

        Most turns are short.
        """
        window = self._window
        if not window.first <= span.first < window.upto:
            items = self._unchanged(partial(history.items, self._db, self._chain, span.first, PAGE))
            # Rows that share the last position may continue on the next page.
            upto = items[-1].position if len(items) == PAGE else EVERYTHING
            self._window = window = _Window(span.first, upto, items)
        return window

    def spans(self) -> Mapping[str, Span]:
        """Return the span of every turn that has items, by id."""
        if self._spans is None:
            self._spans = self._unchanged(partial(history.spans, self._db, self._id))
        return self._spans

    def _pages(self, page: Callable[[int, int], list[_Row]], first: int = -1) -> Iterator[_Row]:
        """Yield all rows, page by page from a position on.

        Rows can share a position: a page starts at the last one's and skips rows already yielded.
        """
        given: set[str | None] = set()
        position = first
        while True:
            limit = PAGE + len(given)
            rows = self._unchanged(partial(page, position, limit))
            for row in rows:
                if row.position != position:
                    position, given = row.position, set()
                elif row.uid in given:
                    continue
                given.add(row.uid)
                yield row
            if len(rows) < limit:
                return

    def _unchanged(self, ask: Callable[[], _T]) -> _T:
        """Return an answer of the same chain of rollouts as all answers before.

        Raises:
            StoreUnavailable: the thread has another one now.
        """
        with self._db.snapshot():
            answer = ask()
            chain = history.chain(self._db, self._id)
        if chain != self._chain:
            raise StoreUnavailable(
                f"{self._id}: its history changed while it was read", hint="Run it again"
            )
        return answer
