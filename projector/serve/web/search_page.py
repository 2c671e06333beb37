"""The page of what a search found, by thread. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from projector.search.text import query as fts5
from projector.search.tsvector import query as tsvector
from projector.serve.history.table import title
from projector.serve.search.hits import types_of
from projector.serve.search.query import SearchQuery
from projector.serve.web import pages
from projector.store.questions.search import SearchRequest
from projector.store.reading import Connection

_HITS: Final = 100
_UNNAMED: Final = {"name": None, "preview": None}


def found(db: Connection, given: Mapping[str, str]) -> dict[str, Any]:
    """Return the items that hold all words, by thread."""
    said = given.get("q", "").replace("\0", "")
    words, kind = said.split(), given.get("type", "").replace("\0", "")
    asked = fts5(words) if words else ""
    page = {"words": said, "type": kind, "groups": [], "number": 0, "full": False, "missing": 0}
    if not asked:
        return page
    finder = SearchQuery(db)
    hits = finder.find(
        SearchRequest(
            query=asked,
            vector=tsvector(words),
            types=types_of([kind] if kind else []),
            order="best" if given.get("order") == "best" else "newest",
            limit=_HITS,
        )
    )
    known = finder.threads(hit.thread_id for hit in hits)
    grouped: dict[str, list[pages.ShownHit]] = {}
    for hit in hits:
        grouped.setdefault(hit.thread_id, []).append(pages.hit(hit))
    return {
        **page,
        "groups": [
            (pages.thread_address(one), title(known.get(one) or _UNNAMED), some)
            for one, some in grouped.items()
        ],
        "number": len(hits),
        "full": len(hits) == _HITS,
        "missing": finder.missing(),
    }
