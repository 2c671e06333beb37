"""Read threads and their visible histories from the database.

All knowledge of a backend that these commands need is here: the views of the contract, and how to
detect that a thread's chain of rollouts has changed.

History is read in pages, each in a snapshot of its own: a paused reader, perhaps waiting for a
pager, must not keep the database from resetting its write-ahead log.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple, TypeVar

from projector.model.errors import StoreUnavailable
from projector.model.ids import RolloutId
from projector.serve.history.visible import EVERYTHING, Item, Span, Turn
from projector.store.reading import Connection, Sql, Values

#: Rows read at once. Items can be large: with outputs of 1 MB this is the memory needed.
PAGE: Final = 200

_Row = TypeVar("_Row", Turn, Item)

_THREADS: Final = "SELECT * FROM threads ORDER BY updated_at_ms DESC NULLS LAST, thread_id DESC"
_NAMES: Final = "SELECT thread_id, name FROM threads"
_ROLLOUTS: Final = Sql(
    "SELECT rollout_id, path FROM _rollouts WHERE thread_id = :thread",
    "SELECT rollout_id, path FROM _rollouts WHERE thread_id = :thread AND source_id = :source",
)
_THREAD: Final = "SELECT * FROM threads WHERE thread_id = :thread"
_TURN: Final = (
    f"SELECT {', '.join(Turn._fields)} FROM thread_turn_history WHERE thread_id = :thread"
)
_ITEM: Final = f"SELECT {', '.join(Item._fields)} FROM thread_history WHERE thread_id = :thread"
_TURNS: Final = f"{_TURN} AND position >= :position ORDER BY position LIMIT :limit"
_ONE_TURN: Final = f"{_TURN} AND turn_id = :turn"
_FROM: Final = f"{_ITEM} AND position >= :position"
_PAGE: Final = "ORDER BY position LIMIT :limit"


def _end(more: str = "") -> str:
    """Return the query for the end of a page, by one index range per part.

    Else PostgreSQL sorts everything after it.
    """
    return (
        "AND position <= (SELECT max(x.position) FROM (SELECT i.position FROM _thread_parts AS p"
        " CROSS JOIN LATERAL (SELECT i.position FROM _items AS i WHERE i.source_id = p.part_source"
        " AND i.rollout_id = p.rollout_id AND i.tombstone = 0 AND i.position < p.upto"
        f" AND i.position >= :position {more} ORDER BY i.position LIMIT :limit) AS i"
        " WHERE p.thread_id = :thread AND p.upto > :position ORDER BY 1 LIMIT :limit) AS x)"
    )


_ITEMS: Final = Sql(f"{_FROM} {_PAGE}", f"{_FROM} {_end()} {_PAGE}")
# By position and not by turn: there is no index on a turn's items in file order.
_ITEMS_OF: Final = Sql(
    f"{_FROM} AND +turn_id = :turn AND position <= :last {_PAGE}",
    f"{_FROM} AND turn_id = :turn {_end('AND i.turn_id = :turn AND i.position <= :last')} {_PAGE}",
)
_SPANS: Final = Sql(
    "SELECT +turn_id, rollout_id, min(position), max(position) FROM thread_history"
    " WHERE thread_id = :thread GROUP BY +turn_id",
    "SELECT turn_id, (array_agg(rollout_id ORDER BY position))[1], min(position), max(position)"
    " FROM thread_history WHERE thread_id = :thread GROUP BY turn_id",
)
_CHAIN: Final = Sql(
    "SELECT p.rollout_id, p.upto, r.generation FROM _thread_parts AS p"
    " JOIN _rollouts AS r ON r.rollout = p.rollout WHERE p.thread_id = :thread ORDER BY p.part",
    "SELECT p.rollout_id, p.upto, r.generation FROM _thread_parts AS p"
    " JOIN _rollouts AS r ON r.source_id = p.part_source AND r.rollout_id = p.rollout_id"
    " WHERE p.thread_id = :thread ORDER BY p.part",
)


class Named(NamedTuple):
    """Id and name of a thread."""

    thread_id: str
    name: str | None


class Reader:
    """Reads threads from a database. Every method raises as `Connection` does."""

    def __init__(self, db: Connection) -> None:
        """Read from `db`; the caller closes it."""
        self._db = db

    def threads(self) -> list[dict[str, Any]]:
        """Return the rows of the view `threads`, most recently changed first; of all hosts."""
        return [_known(row) for row in self._db.dicts(_THREADS)]

    def names(self) -> list[Named]:
        """Return every thread's id and name."""
        return [Named(*row) for row in self._db.rows(_NAMES)]

    def rollouts(self, thread_id: str) -> dict[RolloutId, str]:
        """Return the rollouts of a thread, and the last known path of each."""
        return dict(self._db.rows(_ROLLOUTS, {"thread": thread_id}))

    def history(self, thread_id: str) -> StoredHistory:
        """Return the visible history of an existing thread."""
        return StoredHistory(self._db, thread_id)


def _known(thread: dict[str, Any]) -> dict[str, Any]:
    """Return a thread's row without columns that mean nothing to people; `host` stays."""
    thread.pop("source_id", None)
    return thread


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
            self._chain = self._parts()
            (thread,) = db.dicts(_THREAD, {"thread": thread_id})
        self._thread = _known(thread)
        self._spans: dict[str, Span] | None = None
        self._window = _Window(0, 0, [])

    @property
    def thread(self) -> Mapping[str, Any]:
        """Return the thread's row of the view `threads`."""
        return self._thread

    def turns(self) -> Iterator[Turn]:
        """Return the turns by position."""
        return self._pages(Turn._make, _TURNS, {})

    def turn(self, turn_id: str) -> Turn | None:
        """Return one turn; None if it has no record."""
        rows = self._page(_ONE_TURN, {"turn": turn_id})
        return Turn._make(rows[0]) if rows else None

    def items(self) -> Iterator[Item]:
        """Return the items of all turns by position."""
        return self._pages(Item._make, _ITEMS, {})

    def items_of(self, turn_id: str) -> Iterator[Item]:
        """Return the items of one turn by position."""
        span = self.spans().get(turn_id)
        if span is None:
            return iter(())
        window = self._around(span)
        if window.upto > span.last:
            return (item for item in window.items if item.turn_id == turn_id)
        values = {"turn": turn_id, "last": span.last}
        return self._pages(Item._make, _ITEMS_OF, values, first=span.first)

    def _around(self, span: Span) -> _Window:
        """Return a page of items that begins with the turn's first or earlier.

        Most turns are short.
        """
        window = self._window
        if not window.first <= span.first < window.upto:
            rows = self._page(_ITEMS, {"position": span.first, "limit": PAGE})
            items = [Item._make(row) for row in rows]
            # Rows that share the last position may continue on the next page.
            upto = items[-1].position if len(rows) == PAGE else EVERYTHING
            self._window = window = _Window(span.first, upto, items)
        return window

    def spans(self) -> Mapping[str, Span]:
        """Return the span of every turn that has items, by id."""
        if self._spans is None:
            self._spans = {
                turn_id: Span(rollout_id, first, last)
                for turn_id, rollout_id, first, last in self._page(_SPANS, {})
            }
        return self._spans

    def _pages(
        self,
        make: Callable[[tuple[Any, ...]], _Row],
        sql: Sql | str,
        values: Values,
        *,
        first: int = -1,
    ) -> Iterator[_Row]:
        """Yield all rows of a query, page by page from a position on.

        Rows can share a position: a page starts at the last one's and skips rows already yielded.
        """
        given: set[str | None] = set()
        position = first
        while True:
            limit = PAGE + len(given)
            asked = {**values, "position": position, "limit": limit}
            rows = [make(row) for row in self._page(sql, asked)]
            for row in rows:
                if row.position != position:
                    position, given = row.position, set()
                elif row.uid in given:
                    continue
                given.add(row.uid)
                yield row
            if len(rows) < limit:
                return

    def _page(self, sql: Sql | str, values: Values) -> list[tuple[Any, ...]]:
        with self._db.snapshot():
            rows = self._db.rows(sql, {"thread": self._id, **values})
            chain = self._parts()
        if chain != self._chain:
            raise StoreUnavailable(
                f"{self._id}: its history changed while it was read", hint="Run it again"
            )
        return rows

    def _parts(self) -> list[tuple[Any, ...]]:
        """Return the thread's current chain of rollouts."""
        return self._db.rows(_CHAIN, {"thread": self._id})
