"""List threads, most recently changed first, reading rows as they are needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from projector.serve.history.place import Place
from projector.serve.history.threads import (
    Listed,
    Row,
    Selection,
    Wanted,
    choose,
    filters_by_content,
    why_hidden,
)
from projector.store.questions import newest
from projector.store.questions.newest import Key, Span, Spot
from projector.store.reading import Connection

_FLAG: Final[dict[str, bool | None]] = {"hide": None, "show": None, "only": True}
#: Places up to this number are read one by one. Of more, if they are a good part of all, threads
#: are among the newest anyway.
_FEW: Final = 64
_PART: Final = 4


def select(db: Connection, wanted: Wanted) -> Selection:
    """Return the threads of a filter, to be iterated; other questions may be asked meanwhile."""
    return Selection(_rows(db, wanted), wanted)


def listed(db: Connection, wanted: Wanted) -> Listed:
    """Return the threads of a filter at once."""
    return choose(_rows(db, wanted), wanted)


class Page(NamedTuple):
    """Some threads of a filter, and how many there are."""

    rows: list[Row]
    total: int
    """At most as many as are counted."""


def page(db: Connection, wanted: Wanted, skip: int, size: int, *, most: int, failed: bool) -> Page:
    """Return the threads of a page, and count all, up to `most`.

    `failed`: only those with a turn that failed.
    """
    found: list[Key | Row] = []
    for some in _visible(db, wanted):
        ids = newest.failed(db, [_id_of(one) for one in some]) if failed else ()
        found += (one for one in some if not failed or _id_of(one) in ids)
        if len(found) >= most:
            break
    shown = found[:most][skip : skip + size]
    whole = newest.whole(db, [one for one in shown if isinstance(one, Key)])
    rows = [whole.get(one) if isinstance(one, Key) else one for one in shown]
    return Page([row for row in rows if row is not None], min(len(found), most))


def ids_at(db: Connection, place: Place) -> Iterator[str]:
    """Yield the ids of all threads of a place."""
    for page in _candidates(db, Span(), place):
        unsure: list[Key] = []
        for key in page:
            if _is_told(place, Spot(key.place, None)):
                yield key.thread_id
            else:
                unsure.append(key)
        for key, row in newest.whole(db, unsure).items():
            if place.has(row["cwd"], row["git_origin_url"]):
                yield key.thread_id


def _rows(db: Connection, wanted: Wanted) -> Iterator[Row]:
    """Yield what may be wanted; of what is hidden anyway the keys alone, where these will do."""
    span = _span(wanted)
    by_content = filters_by_content(wanted)
    size = newest.FIRST if wanted.limit is None else min(wanted.limit + 1, newest.FIRST)
    first = size if wanted.hosts else newest.FIRST
    for page in _candidates(db, span, wanted.place, first):
        rows: dict[Key, Row] = {key: key._asdict() for key in page}
        needed = [key for key in page if by_content or why_hidden(rows[key], wanted) is None]
        for key in needed:
            del rows[key]  # of one that was removed meanwhile nothing is left
        begun = 0
        for key in page:
            if begun < len(needed) and key == needed[begun]:
                some = needed[begun : begun + size]
                begun, size = begun + len(some), min(2 * size, newest.MOST)
                rows.update(newest.whole(db, some))
            if key in rows:
                yield rows[key]


def _visible(db: Connection, wanted: Wanted) -> Iterator[list[Key] | list[Row]]:
    """Yield threads that are wanted in pages; their keys, where these tell it."""
    for page in _candidates(db, _span(wanted), wanted.place):
        if filters_by_content(wanted):
            rows = newest.whole(db, page)
            every = [rows[key] for key in page if key in rows]
            yield [*Selection(every, wanted)]
        else:
            yield [key for key in page if [*Selection([key._asdict()], wanted)]]


def _span(wanted: Wanted) -> Span:
    return Span(
        since_ms=wanted.since_ms,
        until_ms=wanted.until_ms,
        hosts=wanted.hosts,
        archived=_FLAG[wanted.archived],
        deleted=_FLAG[wanted.deleted],
    )


def _id_of(one: Key | Row) -> str:
    return one.thread_id if isinstance(one, Key) else str(one["thread_id"])


def _candidates(
    db: Connection, span: Span, place: Place, first: int = newest.FIRST
) -> Iterator[list[Key]]:
    """Yield pages of threads, among them all of a place; `first`: see `newest.keys`."""
    if place.everywhere:
        yield from newest.keys(db, span, first)
        return
    every = newest.spots(db)
    spots = [spot for spot in every if _may_have(place, spot)]
    few = len(spots) <= max(_FEW, len(every) // _PART)
    if few and all(spot.askable for spot in spots):
        yield from newest.keys_at(db, span, spots)
        return
    for page in newest.keys(db, span):
        yield [key for key in page if _may_have(place, Spot(key.place, None))]


def _may_have(place: Place, spot: Spot) -> bool:
    """True if a thread of these rollouts may be of a place: what is missing may be inherited."""
    return not _is_told(place, spot) or place.has(spot.cwd, spot.origin)


def _is_told(place: Place, spot: Spot) -> bool:
    """True if the rollouts alone tell whether their threads are of a place."""
    by_repository = place.repo is not None
    lacks = spot.cwd is None or (by_repository and spot.origin is None)
    return spot.exact and not (spot.inherits and lacks)
