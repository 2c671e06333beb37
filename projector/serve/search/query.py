"""Search items in the database by text."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any, Final

from projector.search.text import shown, text_of
from projector.serve.history.place import Place
from projector.serve.history.rendered_item import TYPES
from projector.serve.history.thread_list import ids_at
from projector.serve.search.hits import Hit
from projector.serve.search.snippets import WORDS, Snippets
from projector.store.questions import history
from projector.store.questions import search as questions
from projector.store.questions.search import Candidate, SearchRequest
from projector.store.reading import Connection

#: Larger than any number of hits.
_ALL: Final = 1 << 40
#: Minimum number of candidates checked together: an engine's index may return too many.
_PAGE: Final = 50
#: Bytes of an item's output that a hit without words begins with.
_BEGINNING: Final = 2000
_Cut = Callable[[str], str | None]


def beginning(text: str) -> str:
    """Return the first words of a text."""
    words = text[:_BEGINNING].split(maxsplit=WORDS)
    return " ".join(words[:WORDS]) + (" …" if len(words) > WORDS else "")


class SearchQuery:
    """Searches a database. Every method raises as `Connection` does."""

    def __init__(self, db: Connection) -> None:
        """Read from `db`; the caller closes it."""
        self._db = db

    def missing(self) -> int | None:
        """Return the number of items not indexed yet; None: the index is off."""
        off, filling = questions.state(self._db)
        if off:
            return None
        return questions.unindexed(self._db) if filling else 0

    def narrowed(self, threads: Sequence[str] | None, place: Place) -> tuple[str, ...] | None:
        """Return those of some threads, None: of all, that are of a place; None: all."""
        if place.everywhere:
            return None if threads is None else tuple(threads)
        if threads is None:
            return tuple(ids_at(self._db, place))
        rows = {one: history.thread(self._db, one) for one in threads}
        return tuple(
            one for one, row in rows.items() if row and place.has(row["cwd"], row["git_origin_url"])
        )

    def unknown_type(self, types: Iterable[str]) -> str | None:
        """Return one of these that is no type of items, neither known nor stored; None: none."""
        known = (one for one in types if one not in TYPES)
        return next((one for one in known if not questions.has_type(self._db, one)), None)

    def threads(self, thread_ids: Iterable[str]) -> Mapping[str, Mapping[str, Any]]:
        """Return name, preview and folder of threads."""
        found = {one: questions.named(self._db, one) for one in dict.fromkeys(thread_ids)}
        return {thread_id: row for thread_id, row in found.items() if row is not None}

    def find(self, sought: SearchRequest) -> list[Hit]:
        """Return the items of visible histories that contain all words, each once.

        Candidates from the index are checked again: not every engine's index knows positions and
        order of the words of every text.
        """
        with closing(Snippets(sought.query)) as snippets, self._db.snapshot():
            cut = snippets.of if sought.query else beginning
            return list(islice(self._hits(sought, cut), sought.limit))

    def _hits(self, sought: SearchRequest, cut: _Cut) -> Iterator[Hit]:
        offset, limit = 0, max(sought.limit or _ALL, _PAGE)
        some = min(sought.limit or _PAGE, _PAGE)
        while True:
            found = questions.candidates(self._db, sought, limit, offset)
            for at in range(0, len(found), some):
                yield from self._shown(found[at : at + some], sought, cut)
            if len(found) < limit:
                return
            offset += limit

    def _shown(self, found: Sequence[Candidate], sought: SearchRequest, cut: _Cut) -> Iterator[Hit]:
        """Yield the candidates that do match, with snippet and the threads that show them."""
        texts = questions.indexed(self._db, found)
        threads = questions.threads_showing(self._db, found)
        for number, one in enumerate(found):
            said = texts[number]
            if sought.query:
                snippet = cut(shown(one.type, *said))
            else:
                snippet = cut(text_of(one.type, said.item_json, _BEGINNING))
            if snippet is not None:
                yield self._hit(sought, one, threads[number], snippet)

    def _hit(
        self, sought: SearchRequest, found: Candidate, threads: list[str], snippet: str
    ) -> Hit:
        wanted = sought.threads
        if wanted is not None:  # report it under a requested thread
            threads.sort(key=lambda thread: thread not in wanted)
        return Hit(
            thread_id=threads[0],
            also_in=tuple(threads[1:]),
            turn_id=found.turn_id,
            item_id=found.item_id,
            uid=str(uuid.UUID(bytes=found.uid)),
            type=found.type,
            created_at_ms=found.created_at_ms,
            snippet=snippet,
            position=found.position,
        )
