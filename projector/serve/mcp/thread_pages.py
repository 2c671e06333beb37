"""A thread's visible history in pages of bounded size. Pure.

Pages go by position, so the cost of one does not depend on the length of the thread, and a page of
a thread that grew goes on where the last one ended.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from projector.model.errors import ProjectorError
from projector.model.terminal_safe import one_line
from projector.serve.history.render import Detail, error_text, heading, item_text, turn_facts
from projector.serve.history.table import title
from projector.serve.mcp.bounded import MOST_BYTES, Answer, Pieces, Place
from projector.store.questions import history
from projector.store.questions.history import Item, Part, Turn
from projector.store.reading import Connection

#: Items asked for at once.
_PAGE: Final = 50
#: Bytes below which no further item is begun.
_LEAST: Final = 200


def read(
    db: Connection, thread_id: str, after: str, turn_id: str, *, full: bool, last: bool
) -> Answer:
    """Return a page of a thread: from its start, from a turn on, or from where a page ended.

    `last`: its end instead, whole items only.

    Raises:
        ProjectorError: there is no such thread, turn or place.
    """
    detail = Detail(full=full, more="full=true: all")
    with db.snapshot():
        row = history.thread(db, thread_id)
        if row is None:
            raise ProjectorError(f"no thread {thread_id!r}", hint="list_threads lists them")
        parts = history.chain(db, thread_id)
        pieces = Pieces()
        if last:
            start = _start_of_end(db, parts, detail)
        elif after:
            found = Place.parse(after)
            if found is None:
                raise ProjectorError(f"after {after!r}: no place", hint="Give it as it was told")
            start = found
        elif turn_id:
            start = _start_of(db, thread_id, turn_id)
        else:
            start = Place()
        if not after:
            pieces.add(f"{title(row)}\n")
            pieces.add(
                "".join(f"  {name:<10}{one_line(text)}\n" for name, text in heading(row, detail))
            )
        return _page(db, thread_id, parts, start, detail, pieces)


def _start_of(db: Connection, thread_id: str, turn_id: str) -> Place:
    turn = history.turn(db, thread_id, turn_id)
    if turn is not None:
        return Place(turn.position)
    span = history.spans(db, thread_id).get(turn_id)
    if span is None:
        raise ProjectorError(f"no turn {turn_id!r} in this thread", hint="search tells turns")
    return Place(span.first)


def _start_of_end(db: Connection, parts: list[Part], detail: Detail) -> Place:
    """Return where the last items begin that fit together."""
    size, start = 0, Place()
    for item in reversed(history.items_before(db, parts, history.EVERYTHING, _PAGE)):
        if detail.shows(item):
            size += len("".join(item_text(item, detail)).encode("utf-8", "replace")) + _LEAST
        if size > MOST_BYTES and start.position:
            break
        start = Place(item.position)
    return start


def _page(  # noqa: PLR0917 - parts of one page
    db: Connection, thread_id: str, parts: list[Part], start: Place, detail: Detail, pieces: Pieces
) -> Answer:
    turn: Turn | None = None
    known: str | None = None
    for item, place in _items(db, parts, start):
        if not detail.shows(item):
            continue
        if item.turn_id != known:
            pieces.add_start(_error(turn))
            known, turn = item.turn_id, history.turn(db, thread_id, item.turn_id)
            facts = " · ".join(turn_facts(turn, detail)) if turn else "no record of the turn"
            pieces.add_start(f"\n== Turn {one_line(item.turn_id)}: {facts}\n", _LEAST)
        rest = "".join(item_text(item, detail))[place.characters :]
        taken = pieces.add_start(rest, _LEAST)
        if taken < len(rest):
            stopped = place._replace(characters=place.characters + taken)
            return Answer(pieces.text, f'read_thread again with after="{stopped}"')
    pieces.add_start(_error(turn))
    return Answer(pieces.text + ("" if known else "No more items.\n"))


def _error(turn: Turn | None) -> str:
    return "" if turn is None or turn.error_json is None else error_text(turn.error_json)


def _items(db: Connection, parts: list[Part], start: Place) -> Iterator[tuple[Item, Place]]:
    """Yield the items from a place on, each with where it stands.

    Rows can share a position: a page begins with the last one's, and passes over those known.
    """
    begin, passed, characters = start
    while True:
        limit = _PAGE + passed
        rows = history.items(db, parts, begin, limit)
        at, here = begin, 0
        for item in rows:
            if item.position != at:
                at, here = item.position, 0
            if at != begin or here >= passed:
                yield item, Place(at, here, characters)
                characters = 0
            here += 1
        if len(rows) < limit:
            return
        begin, passed = at, here
