"""List threads, most recently changed first, reading rows as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from projector.serve.history.folders import last_part
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
from projector.store.reading import Connection

Condition = Callable[[Row], bool]

_FLAG: Final[dict[str, bool | None]] = {"hide": None, "show": None, "only": True}


def select(db: Connection, wanted: Wanted, also: Condition | None = None) -> Selection:
    """Return the threads of a filter, to be iterated; other questions may be asked meanwhile.

    `also`: what a row must be besides.
    """
    return Selection(_rows(db, wanted, also), wanted)


def listed(db: Connection, wanted: Wanted, also: Condition | None = None) -> Listed:
    """Return the threads of a filter at once."""
    return choose(_rows(db, wanted, also), wanted)


def _rows(db: Connection, wanted: Wanted, also: Condition | None) -> Iterator[Row]:
    """Yield what may be wanted; of what is hidden anyway the keys alone, where these will do."""
    span = newest.Span(
        since_ms=wanted.since_ms,
        hosts=wanted.hosts,
        archived=_FLAG[wanted.archived],
        deleted=_FLAG[wanted.deleted],
        folder_part=last_part(wanted.folders),
    )
    by_content = also is not None or filters_by_content(wanted)
    size = newest.FIRST if wanted.limit is None or by_content else wanted.limit + 1
    for page in newest.keys(db, span):
        rows: dict[newest.Key, Row] = {key: key._asdict() for key in page}
        needed = [key for key in page if by_content or why_hidden(rows[key], wanted) is None]
        for key in needed:
            del rows[key]  # of one that was removed meanwhile nothing is left
        begun = 0
        for key in page:
            if begun < len(needed) and key == needed[begun]:
                some = needed[begun : begun + size]
                begun, size = begun + len(some), min(2 * size, newest.MOST)
                whole = newest.whole(db, some)
                rows.update((one, row) for one, row in whole.items() if also is None or also(row))
            if key in rows:
                yield rows[key]
