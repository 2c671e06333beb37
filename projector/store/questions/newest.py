"""Threads, most recently changed first, by an index over the time of their last change.

A list reads what it shows, whatever the database holds: first `Key`s, by what a thread's current
rollout alone tells, then whole rows of those that are wanted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from projector.store.questions.history import for_people
from projector.store.reading import Connection, Sql, among, words_of

#: Threads in the first page; each further one is twice as long.
FIRST: Final = 64
#: Threads in a page at most.
MOST: Final = 4096


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


class Span(NamedTuple):
    """Which threads are wanted; None and (): all."""

    since_ms: int | None = None
    """Changed at or after this time."""
    hosts: Sequence[str] = ()
    archived: bool | None = None
    deleted: bool | None = None
    folder_part: str | None = None
    """Text that the folder has; one whose rollout tells none is wanted, too."""


_KEYS: Final = (
    "SELECT updated_at_ms, thread_id, CAST(source_id AS text), archived, deleted, source,"
    " source_kind, thread_source FROM _read_newest"
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
_WITHIN: Final = Sql(
    "(cwd IS NULL OR instr(cwd, :part) > 0)", "(cwd IS NULL OR strpos(cwd, :part) > 0)"
)
_FLAG: Final = Sql("{name} = {value:d}", "{name} = {value}")
_HOSTS: Final = Sql(*(f"host IN {hosts}" for hosts in among("hosts")))
_WHOLE: Final = Sql(
    "SELECT t.*, '' AS of_source FROM json_each(:wanted) AS w"
    " JOIN threads AS t ON t.thread_id = w.value ->> 1",
    "SELECT t.*, CAST(t.source_id AS text) AS of_source"
    " FROM threads AS t WHERE t.thread_id IN"
    " (SELECT w ->> 1 FROM json_array_elements(CAST(:wanted AS json)) AS w)",
)


def keys(db: Connection, span: Span) -> Iterator[list[Key]]:
    """Yield the threads of a span in pages that grow, most recently changed first.

    Those without a readable time come last. Between two pages other questions may be asked.
    """
    conditions, values = _conditions(span)
    page = FIRST
    last: Key | None = None
    timeless = False
    while True:
        here, more = _behind(last, timeless=timeless)
        asked = values | more | {"page": page}
        found = [Key._make(row) for row in db.rows(_text([here, *conditions]), asked)]
        if found:
            last = found[-1]
            yield found
        if len(found) < page:
            if timeless or span.since_ms is not None:
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
    if span.since_ms is not None:
        conditions.append("updated_at_ms >= :since")
        values["since"] = span.since_ms
    if span.hosts:
        conditions.append(_HOSTS)
        values["hosts"] = json.dumps([*span.hosts])
    for name, value in (("archived", span.archived), ("deleted", span.deleted)):
        if value is not None:
            conditions.append(Sql(*(text.format(name=name, value=value) for text in _FLAG)))
    if span.folder_part is not None:
        conditions.append(_WITHIN)
        values["part"] = span.folder_part
    return conditions, values


def _text(conditions: Sequence[Sql | str]) -> Sql:
    engines = zip(*map(words_of, conditions), strict=True)
    return Sql(*(f"{_KEYS} WHERE {' AND '.join(texts)}{_ORDER}" for texts in engines))
