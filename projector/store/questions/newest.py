"""Threads, most recently changed first, by an index over the time of their last change.

A list reads what it shows, whatever the database holds: first `Key`s, by what a thread's current
rollout alone tells, then whole rows of those that are wanted. Threads of a few places are found by
an index of the places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from heapq import heappop, heappush
from math import inf
from typing import Any, Final, NamedTuple

from projector.store.questions.history import for_people
from projector.store.reading import Connection, Sql, Values, among, words_of

#: Threads in the first page; each further one is twice as long.
FIRST: Final = 64
#: Threads in a page at most.
MOST: Final = 4096
#: Threads in the first page of one place.
_FIRST_AT: Final = 16
#: Characters of a folder and of an origin that the index has.
_INDEXED: Final = 256
#: What PostgreSQL cannot store, and what it begins with there.
_ESCAPED: Final = re.compile("[\0\ud800-\udfff\uf8f0]")


class Key(NamedTuple):
    """A thread, and what can be told of it without its chain."""

    updated_at_ms: int | None
    thread_id: str
    source_id: str
    archived: bool
    deleted: bool
    source: str | None
    source_kind: str | None
    thread_source: str | None
    place: str
    """`Spot.key` of its current rollout."""


class Spot(NamedTuple):
    """A place of rollouts: a folder and the origin of a git repository, together."""

    key: str
    updated_at_ms: int | None
    """Last change of a rollout there; None: no time is known."""

    @property
    def cwd(self) -> str | None:
        """Return the folder; None: the rollouts do not tell it."""
        return self.key[1:].partition("|")[0] or None

    @property
    def origin(self) -> str | None:
        """Return the origin; None: the rollouts do not tell it."""
        return self.key[1:].partition("|")[2] or None

    @property
    def inherits(self) -> bool:
        """True if threads have what is missing here from what they continue."""
        return self.key.startswith("+")

    @property
    def exact(self) -> bool:
        """False if names are cut, or cannot be told apart."""
        names = self.key[1:].split("|")
        return len(names) == 2 and max(map(len, names)) < _INDEXED  # noqa: PLR2004 - both

    @property
    def askable(self) -> bool:
        """False if an engine holds the key escaped, and does not find it as it is here."""
        return _ESCAPED.search(self.key) is None


class Span(NamedTuple):
    """Which threads are wanted; None and (): all."""

    since_ms: int | None = None
    """Changed at or after this time."""
    until_ms: int | None = None
    """Changed before this time."""
    hosts: Sequence[str] = ()
    archived: bool | None = None
    deleted: bool | None = None


_KEYS: Final = (
    "SELECT updated_at_ms, thread_id, CAST(source_id AS text), archived, deleted, source,"
    " source_kind, thread_source, place FROM _read_newest"
)
_ORDER: Final = " ORDER BY updated_at_ms DESC, thread_id DESC, source_id DESC LIMIT :page"
#: Behind the last key of a page. The first comparison is what the index can use.
_BEHIND: Final = (
    "updated_at_ms <= :ms AND (updated_at_ms < :ms OR thread_id < :thread"
    " OR (thread_id = :thread AND CAST(source_id AS text) < :one))"
)
_TIMELESS: Final = "updated_at_ms IS NULL"
_TIMELESS_BEHIND: Final = (
    "updated_at_ms IS NULL AND (thread_id < :thread"
    " OR (thread_id = :thread AND CAST(source_id AS text) < :one))"
)
_FLAG: Final = Sql("{name} = {value:d}", "{name} = {value}")
_HOSTS: Final = Sql(*(f"host IN {hosts}" for hosts in among("hosts")))
_SPOTS: Final = "SELECT place, updated_at_ms FROM _read_places"
_MODELS: Final = "SELECT DISTINCT model FROM _read_models WHERE model IS NOT NULL ORDER BY model"
_FAILED: Final = Sql(
    *(
        "SELECT DISTINCT thread_id FROM lifecycle_events"
        f" WHERE thread_id IN {threads} AND type = 'turn.failed'"
        for threads in among("threads")
    )
)
_WHOLE: Final = Sql(
    "SELECT t.*, '' AS of_source FROM json_each(:wanted) AS w"
    " JOIN threads AS t ON t.thread_id = w.value ->> 1",
    "SELECT t.*, CAST(t.source_id AS text) AS of_source"
    " FROM threads AS t WHERE t.thread_id IN"
    " (SELECT w ->> 1 FROM json_array_elements(CAST(:wanted AS json)) AS w)",
)


def spots(db: Connection) -> list[Spot]:
    """Return the places of all rollouts, by an index: as many steps as there are places."""
    return [Spot._make(row) for row in db.rows(_SPOTS)]


def models(db: Connection) -> list[str]:
    """Return the models that answered, by an index."""
    return [model for (model,) in db.rows(_MODELS)]


def failed(db: Connection, thread_ids: Sequence[str]) -> set[str]:
    """Return those of some threads that have a turn that failed."""
    rows = db.rows(_FAILED, {"threads": json.dumps([*thread_ids])})
    return {thread_id for (thread_id,) in rows}


def keys(db: Connection, span: Span, first: int = FIRST) -> Iterator[list[Key]]:
    """Yield the threads of a span in pages that grow, most recently changed first.

    Those without a readable time come last. Between two pages other questions may be asked.

    `first`: threads in the first page. Of a host that is rare each thread is far from the next.
    """
    return _paged(db, *_conditions(span), first)


def keys_at(db: Connection, span: Span, places: Iterable[Spot]) -> Iterator[list[Key]]:
    """Yield the threads of some places, as `keys` does; a place is read when its turn comes."""
    conditions, values = _conditions(span)
    conditions.append("place = :place")
    waiting = sorted(
        (_late(one.updated_at_ms), one.key)
        for one in places
        if span.since_ms is None or _late(one.updated_at_ms) >= _late(span.since_ms)
    )
    heads: list[_Head] = []
    page: list[Key] = []
    size = 1
    while heads or waiting:
        if waiting and (not heads or waiting[-1][0] >= _late(heads[0].key.updated_at_ms)):
            _, place = waiting.pop()
            pages = _paged(db, conditions, {**values, "place": place}, _FIRST_AT)
            rest: Iterator[Key] = (key for found in pages for key in found)
        else:
            key, rest = heappop(heads)
            page.append(key)
            if len(page) >= size:
                yield page
                page, size = [], min(2 * size, MOST)
        if (following := next(rest, None)) is not None:
            heappush(heads, _Head(following, rest))
    if page:
        yield page


class _Head(NamedTuple):
    """The next thread of a place, and those that follow; the one changed last is the least."""

    key: Key
    rest: Iterator[Key]

    def __lt__(self, other: tuple[object, ...]) -> bool:
        """Compare two."""
        return isinstance(other, _Head) and _order(self.key) > _order(other.key)


def _late(updated_at_ms: int | None) -> float:
    """Return a time that sorts, no time first."""
    return -inf if updated_at_ms is None else updated_at_ms


def _order(key: Key) -> tuple[float, str, str]:
    return _late(key.updated_at_ms), key.thread_id, key.source_id


def _paged(
    db: Connection, conditions: Sequence[Sql | str], values: Values, page: int
) -> Iterator[list[Key]]:
    last: Key | None = None
    timeless = False
    while True:
        here, more = _behind(last, timeless=timeless)
        asked = {**values, **more, "page": page}
        found = [Key._make(row) for row in db.rows(_text([here, *conditions]), asked)]
        if found:
            last = found[-1]
            yield found
        if len(found) < page:
            if timeless or not values.keys().isdisjoint(("since", "until")):
                return
            timeless, last = True, None
        page = min(2 * page, MOST)


def whole(db: Connection, wanted: Sequence[Key]) -> dict[Key, dict[str, Any]]:
    """Return rows of the view `threads`; of a thread that was removed meanwhile there is none."""
    by_pair = {(key.source_id, key.thread_id): key for key in wanted}
    rows = db.dicts(_WHOLE, {"wanted": json.dumps([*by_pair])}) if by_pair else []
    found = (((row.pop("of_source"), row["thread_id"]), for_people(row)) for row in rows)
    return {by_pair[pair]: row for pair, row in found if pair in by_pair}


def _behind(last: Key | None, *, timeless: bool) -> tuple[str, dict[str, object]]:
    if last is None:
        return _TIMELESS if timeless else "updated_at_ms IS NOT NULL", {}
    place: dict[str, object] = {"thread": last.thread_id, "one": last.source_id}
    if timeless:
        return _TIMELESS_BEHIND, place
    return _BEHIND, {**place, "ms": last.updated_at_ms}


def _conditions(span: Span) -> tuple[list[Sql | str], dict[str, object]]:
    conditions: list[Sql | str] = []
    values: dict[str, object] = {}
    for condition, name, value in (
        ("updated_at_ms >= :since", "since", span.since_ms),
        ("updated_at_ms < :until", "until", span.until_ms),
    ):
        if value is not None:
            conditions.append(condition)
            values[name] = value
    if span.hosts:
        conditions.append(_HOSTS)
        values["hosts"] = json.dumps([*span.hosts])
    for name, flag in (("archived", span.archived), ("deleted", span.deleted)):
        if flag is not None:
            conditions.append(Sql(*(text.format(name=name, value=flag) for text in _FLAG)))
    return conditions, values


def _text(conditions: Sequence[Sql | str]) -> Sql:
    engines = zip(*map(words_of, conditions), strict=True)
    return Sql(*(f"{_KEYS} WHERE {' AND '.join(texts)}{_ORDER}" for texts in engines))
