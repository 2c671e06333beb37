"""The page of a thread, and that of one turn. Pure.

A page has a bounded number of turns and of items: whole turns, except that a turn longer than a
page is cut, and continued on pages of its own. Which turns a thread has, and what it cost, is kept
between requests as long as nothing of it changes; what is shown of the turns is read anew.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from projector.serve.history.table import title
from projector.serve.web import pages
from projector.serve.web.images import Image
from projector.serve.web.query import number
from projector.store.questions import history
from projector.store.questions import pages as questions
from projector.store.questions.history import Part, Turn
from projector.store.questions.pages import TurnItems
from projector.store.reading import Connection

#: Threads whose outlines are kept.
_KEPT: Final = 8
#: Turns that may share a position with the first of a page, before it.
_SAME: Final = 8
#: Forks and agents that a page names.
_RELATED: Final = 50


class NotHere(Exception):
    """The thread, or the turn in it, is not there."""


class _Place(NamedTuple):
    """Where a turn stands in its thread."""

    turn_id: str
    position: int
    has_record: bool
    """False: only items name it."""
    items: TurnItems | None
    """None: it has none."""


class _Outline(NamedTuple):
    """The turns of a thread as they were at one moment."""

    moment: object
    turns: Sequence[_Place]
    pages: Sequence[int]
    """The first turn of each page."""
    cost: str

    def page_of(self, turn_id: str) -> int:
        """Return the page of a turn; the first one, if there is no such turn."""
        at = next((n for n, one in enumerate(self.turns) if one.turn_id == turn_id), 0)
        return bisect_right(self.pages, at)


def page_starts(sizes: Iterable[int]) -> list[int]:
    """Return the first turn of each page; `sizes`: the number of items of each turn."""
    starts, turns, items = [0], 0, 0
    for at, size in enumerate(sizes):
        shown = min(size, pages.ITEMS)
        if turns and (turns == pages.TURNS or items + shown > pages.ITEMS):
            starts.append(at)
            turns, items = 0, 0
        turns, items = turns + 1, items + shown
    return starts


class ThreadPages:
    """Reads pages of threads."""

    def __init__(self, drawable: Callable[[Image], bool]) -> None:
        """`drawable`: whether an image of an item can be sent."""
        self._drawable = drawable
        self._kept: dict[str, _Outline] = {}

    def page(self, db: Connection, thread_id: str, given: Mapping[str, str]) -> dict[str, Any]:
        """Return a page of a thread's turns; without a page number its last one.

        Raises:
            NotHere: there is no such thread.
        """
        reverted = bool(given.get("reverted"))
        with db.snapshot():
            cursor = questions.latest(db)
            read = _Reader(self, db, thread_id)
            turns = read.outline.turns
            last = len(read.outline.pages)
            page = min(number(given.get("page"), last), last)
            if "turn" in given:
                page = read.outline.page_of(given["turn"])
            first, behind = (*read.outline.pages, len(turns))[page - 1 : page + 1]
            shown = read.turns(first, turns[first:behind])
            if reverted:
                upto = turns[behind].position if page < last else None
                begin = turns[first].position if page > 1 else -1
                shown += read.reverted(begin, upto)
                shown.sort(key=lambda pair: pair[0])
            return {
                **read.heading(),
                "turns": [turn for _, turn in shown],
                "page": page,
                "last": last,
                "live": str(cursor) if page == last else "",
                "reverted": reverted,
                "reverted_count": questions.reverted_count(db, thread_id),
            }

    def turn(
        self, db: Connection, thread_id: str, turn_id: str, given: Mapping[str, str]
    ) -> dict[str, Any]:
        """Return one turn alone, from its first item or from a position on.

        Raises:
            NotHere: there is no such thread, or it shows no such turn.
        """
        with db.snapshot():
            read = _Reader(self, db, thread_id)
            for at, one in enumerate(read.outline.turns):
                if one.turn_id == turn_id:
                    begin = number(given.get("from"), 0, 0)
                    ((_, turn),) = read.turns(at, [one], begin)
                    return {
                        "thread": read.thread,
                        "title": title(read.thread),
                        "turn": turn,
                        "begin": begin,
                    }
        raise NotHere("This thread shows no such turn.")

    def outline(self, db: Connection, thread: Mapping[str, Any], parts: list[Part]) -> _Outline:
        """Return the turns of a thread; the same as long as nothing of it is committed."""
        thread_id = thread["thread_id"]
        # The feed is of one source: the thread of another one is told by its row.
        moment = (questions.latest(db), dict(thread), parts)
        kept = self._kept.get(thread_id)
        if kept is None or kept.moment != moment:
            items = questions.turn_items(db, thread_id)
            keys = questions.turn_keys(db, thread_id)
            places = [_Place(*key, has_record=True, items=items.pop(key[0], None)) for key in keys]
            places += [
                _Place(turn_id, some.first, has_record=False, items=some)
                for turn_id, some in items.items()
            ]
            places.sort(key=lambda one: (one.position, not one.has_record))
            starts = page_starts(one.items.number if one.items else 0 for one in places)
            cost = pages.cost(questions.thread_cost(db, thread_id))
            kept = _Outline(moment, places, starts, cost)
            while len(self._kept) >= _KEPT:
                self._kept.pop(next(iter(self._kept)), None)
            self._kept[thread_id] = kept
        return kept

    def drawable(self, image: Image) -> bool:
        """True if an image can be sent."""
        return self._drawable(image)


class _Reader:
    """Reads a thread within one snapshot."""

    def __init__(self, owner: ThreadPages, db: Connection, thread_id: str) -> None:
        thread = history.thread(db, thread_id)
        if thread is None:
            raise NotHere("There is no such thread.")
        self._owner = owner
        self._db = db
        self.thread = thread
        self._parts = history.chain(db, thread_id)
        self.outline = owner.outline(db, thread, self._parts)

    def heading(self) -> dict[str, Any]:
        """Return what is said of the thread as a whole."""
        thread_id = self.thread["thread_id"]
        related = questions.related(self._db, thread_id, _RELATED)
        return {
            "thread": self.thread,
            "title": title(self.thread),
            "facts": list(pages.facts(self.thread, self.outline.cost)),
            "forks": [pages.related(one) for one in related if one.fork],
            "agents": [pages.related(one) for one in related if not one.fork],
        }

    def turns(
        self, first: int, places: Sequence[_Place], begin: int = 0
    ) -> list[tuple[int, pages.ShownTurn]]:
        """Return turns with their positions. `begin`: show items from this position on."""
        records = {
            turn.turn_id: turn
            for place in places[:1]
            for turn in history.turns(
                self._db, self.thread["thread_id"], place.position, len(places) + _SAME
            )
        }
        costs = questions.turn_costs(
            self._db,
            (part.rollout_id for part in self._parts),
            (place.turn_id for place in places),
        )
        return [
            (
                place.position,
                self._shown(
                    place,
                    records.get(place.turn_id) or _unknown(place),
                    first + at,
                    begin,
                    pages.cost(costs.get(place.turn_id, [])),
                ),
            )
            for at, place in enumerate(places, 1)
        ]

    def _shown(
        self, place: _Place, turn: Turn, number_: int, begin: int, cost: str
    ) -> pages.ShownTurn:
        if place.items is None:
            return pages.turn(turn, number_, [], cost=cost)
        last = place.items.last
        start = max(place.items.first, begin)
        items = history.items_of(
            self._db, self._parts, start, pages.ITEMS + 1, turn_id=place.turn_id, last=last
        )
        rest = pages.Rest()
        if len(items) > pages.ITEMS:
            left = items.pop().position
            number = questions.count_items(self._db, self._parts, place.turn_id, left, last)
            rest = pages.Rest(left, number)
        return pages.turn(turn, number_, items, rest=rest, cost=cost, images=self._owner.drawable)

    def reverted(self, begin: int, upto: int | None) -> list[tuple[int, pages.ShownTurn]]:
        """Return the turns that were taken out, between two positions."""
        thread_id = self.thread["thread_id"]
        found = []
        for turn, why in questions.reverted(self._db, thread_id, 10 * pages.TURNS):
            if turn.position >= begin and (upto is None or turn.position < upto):
                items = questions.reverted_items(self._db, thread_id, turn.turn_id, pages.ITEMS)
                shown = pages.turn(turn, None, items, reverted=why)
                found.append((turn.position, shown))
        return found


def _unknown(place: _Place) -> Turn:
    return Turn(place.position, "", place.turn_id, *(None,) * (len(Turn._fields) - 3))
