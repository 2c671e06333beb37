"""The page that lists threads. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from datetime import timedelta
from typing import Any, Final

from projector.serve.history.folders import is_within
from projector.serve.history.repositories import repository
from projector.serve.web import pages
from projector.serve.web.query import day_ms, number
from projector.store.questions import thread_list as questions
from projector.store.questions.thread_list import Choices
from projector.store.reading import Connection

#: What lists are narrowed by, as parameters of the page's address.
FILTERS: Final = (
    "q", "folder", "repo", "model", "since", "until", "failed", "archived", "agents",
)  # fmt: skip


def listed(
    db: Connection,
    given: Mapping[str, str],
    now_ms: int,
    choices: Callable[[Connection], list[Choices]] = questions.choices,
) -> dict[str, Any]:
    """Return a page of threads, newest first. `choices`: those of the database, as asked lately."""
    asked = {name: given.get(name, "").strip().replace("\0", "") for name in FILTERS}
    known = choices(db)
    wanted = _wanted(asked, known)
    total = questions.total(db, wanted)
    last = max(1, -(-total // pages.THREADS))
    page = min(number(given.get("page"), 1), last)
    rows = questions.page(db, wanted, pages.THREADS, (page - 1) * pages.THREADS)
    return {
        "threads": [pages.thread(row, now_ms) for row in rows],
        "total": total,
        "page": page,
        "last": last,
        "asked": asked,
        "narrowed": any(asked.values()),
        "known": {
            "folders": _some(one.folder for one in known),
            "repositories": _some(one.origin and repository(one.origin) for one in known),
            "models": _some(one.model for one in known),
        },
    }


def _wanted(asked: Mapping[str, str], known: Collection[Choices]) -> questions.Wanted:
    folder, repo, until = asked["folder"], asked["repo"], day_ms(asked["until"], timedelta(days=1))
    return questions.Wanted(
        folders={one.folder for one in known if one.folder and is_within(one.folder, (folder,))}
        if folder
        else None,
        origins={one.origin for one in known if one.origin and repository(one.origin) == repo}
        if repo
        else None,
        model=asked["model"] or None,
        since_ms=day_ms(asked["since"]),
        until_ms=until,
        text=asked["q"],
        failed=bool(asked["failed"]),
        archived={"only": "only", "show": "show"}.get(asked["archived"], "hide"),  # type: ignore[arg-type]
        agents=bool(asked["agents"]),
    )


def _some(values: Any) -> list[str]:
    """Return the distinct values that are there, sorted."""
    return sorted({value for value in values if value})
