"""The page that lists threads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from typing import Any, Final, NamedTuple

from projector.serve.history import thread_list
from projector.serve.history.place import Place
from projector.serve.history.repositories import repository
from projector.serve.history.threads import Wanted
from projector.serve.web import pages
from projector.serve.web.query import day_ms, number
from projector.store.questions import newest
from projector.store.reading import Connection

#: What lists are narrowed by, as parameters of the page's address.
FILTERS: Final = (
    "q", "folder", "repo", "model", "since", "until", "failed", "archived", "agents",
)  # fmt: skip
#: Threads that are counted, and can be paged to.
MOST: Final = 1000
#: Folders and repositories that are offered: those of the newest threads.
_OFFERED: Final = 500


class Choices(NamedTuple):
    """What threads can be narrowed by, sorted."""

    folders: list[str]
    repositories: list[str]
    models: list[str]


def choices(db: Connection) -> Choices:
    """Return what threads can be narrowed by, as it is in the database."""
    spots = sorted(newest.spots(db), key=lambda one: one.updated_at_ms or 0, reverse=True)
    return Choices(
        _some(spot.cwd for spot in spots),
        _some(spot.origin and repository(spot.origin) for spot in spots),
        newest.models(db),
    )


def listed(
    db: Connection,
    given: Mapping[str, str],
    now_ms: int,
    choices: Callable[[Connection], Choices] = choices,
) -> dict[str, Any]:
    """Return a page of threads, newest first. `choices`: those of the database, as asked lately."""
    asked = {name: given.get(name, "").strip().replace("\0", "") for name in FILTERS}
    known = choices(db)
    page = min(number(given.get("page"), 1), -(-MOST // pages.THREADS))
    found = _page(db, asked, page)
    last = max(1, -(-found.total // pages.THREADS))
    if page > last:
        page, found = last, _page(db, asked, last)
    return {
        "threads": [pages.thread(row, now_ms) for row in found.rows],
        "total": found.total,
        "more": found.total >= MOST,
        "page": page,
        "last": last,
        "asked": asked,
        "narrowed": any(asked.values()),
        "known": {
            "folders": known.folders,
            "repositories": known.repositories,
            "models": known.models,
        },
    }


def _page(db: Connection, asked: Mapping[str, str], page: int) -> thread_list.Page:
    skip = (page - 1) * pages.THREADS
    failed = bool(asked["failed"])
    return thread_list.page(db, _wanted(asked), skip, pages.THREADS, most=MOST, failed=failed)


def _wanted(asked: Mapping[str, str]) -> Wanted:
    folder = asked["folder"]
    return Wanted(
        place=Place((folder,) if folder else (), asked["repo"] or None),
        model=asked["model"],
        since_ms=day_ms(asked["since"]),
        until_ms=day_ms(asked["until"], timedelta(days=1)),
        text=asked["q"],
        archived={"only": "only", "show": "show"}.get(asked["archived"], "hide"),  # type: ignore[arg-type]
        agents=bool(asked["agents"]),
    )


def _some(values: Iterable[str | None]) -> list[str]:
    """Return the first distinct values that are there, sorted."""
    found = dict.fromkeys(value for value in values if value)
    return sorted([*found][:_OFFERED])
