"""Threads and their visible history out of the database, read-only.

All that these commands know of a backend is here: the views of the contract, and what tells
that a thread's chain of rollouts is another one than before.

History is read in pages, each in a snapshot of its own: a reader that stands still, perhaps
before a pager, must not keep the database from resetting its write-ahead log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, NamedTuple, Self, TypeVar

from projector.errors import StoreUnavailable
from projector.place import RolloutId
from projector.serve.connect import connect, explained
from projector.serve.visible import Item, Span, Turn

#: Rows read at once. Items can be large: with outputs of 1 MB this is the memory that it takes.
PAGE: Final = 200

_Row = TypeVar("_Row", Turn, Item)

_THREADS: Final = "SELECT * FROM threads ORDER BY updated_at_ms DESC NULLS LAST, thread_id DESC"
_NAMES: Final = "SELECT thread_id, name FROM threads"
_THREAD: Final = "SELECT * FROM threads WHERE thread_id = ?"
_TURN: Final = f"SELECT {', '.join(Turn._fields)} FROM thread_turn_history WHERE thread_id = ?"  # noqa: S608 - names of our own fields
_ITEM: Final = f"SELECT {', '.join(Item._fields)} FROM thread_history WHERE thread_id = ?"  # noqa: S608 - same
_TURNS: Final = f"{_TURN} AND position >= ? ORDER BY position LIMIT ?"
_ONE_TURN: Final = f"{_TURN} AND turn_id = ?"
_ITEMS: Final = f"{_ITEM} AND position >= ? ORDER BY position LIMIT ?"
# By position and not by turn: there is no index on a turn's items in the order of the file.
_ITEMS_OF: Final = (
    f"{_ITEM} AND +turn_id = ? AND position <= ? AND position >= ? ORDER BY position LIMIT ?"
)
_SPANS: Final = (
    "SELECT +turn_id, rollout_id, min(position), max(position) FROM thread_history"
    " WHERE thread_id = ? GROUP BY +turn_id"
)
_CHAIN: Final = (
    "SELECT p.rollout_id, p.upto, r.generation FROM thread_parts AS p"
    " JOIN rollouts AS r ON r.rollout = p.rollout WHERE p.thread_id = ? ORDER BY p.part"
)


class Named(NamedTuple):
    """How a thread may be called."""

    thread_id: str
    name: str | None


class Reader:
    """The database, open for reading."""

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            StoreRefused: there is no such database, or it is none of ours.
            StoreUnavailable: it cannot be read now.
        """
        self._path = path
        with self._words():
            self._connection = connect(path)

    def close(self) -> None:
        """Close it."""
        self._connection.close()

    def __enter__(self) -> Self:
        """Give the reader."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close it."""
        self.close()

    def threads(self) -> Iterator[dict[str, Any]]:
        """Give the rows of the view `threads`, the one that changed last first."""
        with self._words():
            cursor = self._connection.execute(_THREADS)
            names = [name for name, *_ in cursor.description]
            for row in cursor:
                yield dict(zip(names, row, strict=True))

    def names(self) -> list[Named]:
        """Give every thread's id and name."""
        return [Named(*row) for row in self._rows(_NAMES, ())]

    def rollouts(self, thread_id: str) -> dict[RolloutId, str]:
        """Give the rollouts of a thread, and where each lay when it was seen last."""
        return dict(
            self._rows("SELECT rollout_id, path FROM rollouts WHERE thread_id = ?", (thread_id,))
        )

    def history(self, thread_id: str) -> StoredHistory:
        """Give the visible history of a thread that is there."""
        return StoredHistory(self, thread_id)

    def row(self, thread_id: str) -> dict[str, Any]:
        """Give a thread's row of the view `threads`."""
        with self._words():
            cursor = self._connection.execute(_THREAD, (thread_id,))
            names = [name for name, *_ in cursor.description]
            (row,) = cursor.fetchall()
            return dict(zip(names, row, strict=True))

    def page(
        self, thread_id: str, sql: str, values: Sequence[object]
    ) -> tuple[list[tuple[Any, ...]], list[tuple[Any, ...]]]:
        """Run one query; gives its rows and the thread's chain of rollouts at that moment."""
        with self._words(), self._snapshot():
            return self._rows(sql, values), self._rows(_CHAIN, (thread_id,))

    def _rows(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        with self._words():
            return self._connection.execute(sql, values).fetchall()

    @contextmanager
    def _snapshot(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            self._connection.execute("COMMIT")

    @contextmanager
    def _words(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explained(self._path, error) from error


class StoredHistory:
    """A thread's visible history, read page by page; see `visible.History`.

    Every method raises StoreUnavailable when the thread's chain of rollouts changes while it is
    read (a revert, a rollout projected anew): the pages would not fit together.
    """

    def __init__(self, reader: Reader, thread_id: str) -> None:
        """Take the thread as it is now."""
        self._reader = reader
        self._id = thread_id
        rows, self._chain = reader.page(thread_id, _NAMES + " WHERE thread_id = ?", (thread_id,))
        assert rows, "the thread was found before"
        self._thread = reader.row(thread_id)
        self._spans: dict[str, Span] | None = None

    @property
    def thread(self) -> Mapping[str, Any]:
        """The thread's row of the view `threads`."""
        return self._thread

    def turns(self) -> Iterator[Turn]:
        """Give the turns by position."""
        return self._pages(Turn._make, _TURNS, ())

    def turn(self, turn_id: str) -> Turn | None:
        """Give one turn; None: no record tells of it."""
        rows = self._page(_ONE_TURN, (self._id, turn_id))
        return Turn._make(rows[0]) if rows else None

    def items(self) -> Iterator[Item]:
        """Give the items of all turns by position."""
        return self._pages(Item._make, _ITEMS, ())

    def items_of(self, turn_id: str) -> Iterator[Item]:
        """Give the items of one turn by position."""
        span = self.spans().get(turn_id)
        if span is None:
            return iter(())
        return self._pages(Item._make, _ITEMS_OF, (turn_id, span.last), first=span.first)

    def spans(self) -> Mapping[str, Span]:
        """Give every turn that has items, by id."""
        if self._spans is None:
            self._spans = {
                turn_id: Span(rollout_id, first, last)
                for turn_id, rollout_id, first, last in self._page(_SPANS, (self._id,))
            }
        return self._spans

    def _pages(
        self,
        make: Callable[[tuple[Any, ...]], _Row],
        sql: str,
        values: tuple[object, ...],
        *,
        first: int = -1,
    ) -> Iterator[_Row]:
        """Give all rows of a query that is asked from a position on.

        Rows can share a position: a page begins at the last one's and leaves out what was given.
        """
        given: set[str | None] = set()
        position = first
        while True:
            limit = PAGE + len(given)
            rows = [make(row) for row in self._page(sql, (self._id, *values, position, limit))]
            for row in rows:
                if row.position != position:
                    position, given = row.position, set()
                elif row.uid in given:
                    continue
                given.add(row.uid)
                yield row
            if len(rows) < limit:
                return

    def _page(self, sql: str, values: Sequence[object]) -> list[tuple[Any, ...]]:
        rows, chain = self._reader.page(self._id, sql, values)
        if chain != self._chain:
            raise StoreUnavailable(
                f"{self._id}: its history changed while it was read", hint="Run it again"
            )
        return rows
