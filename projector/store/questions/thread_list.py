"""Threads in pages, most recently changed first, by what people narrow lists by.

The database filters, sorts and cuts. What it cannot compare itself (spellings of a folder,
addresses of a repository) is given as the values that match, of those that `choices` returns.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final, Literal, NamedTuple

from msgspec import Struct

from projector.store.reading import Connection, Sql, among, words_of

_CHOICES: Final = "SELECT DISTINCT cwd, git_origin_url, model FROM threads"
_ORDER: Final = "ORDER BY updated_at_ms DESC NULLS LAST, thread_id DESC"
_IDS: Final = "SELECT thread_id FROM threads WHERE {} " + _ORDER + " LIMIT :limit OFFSET :offset"
_COUNT: Final = "SELECT count(*) FROM threads WHERE {}"
_ROWS: Final = "SELECT * FROM threads WHERE thread_id IN {} " + _ORDER
_FAILED: Final = (
    "thread_id IN (SELECT e.thread_id FROM lifecycle_events AS e WHERE e.type = 'turn.failed')"
)
_AGENTS: Final = (
    "(coalesce(thread_source, '') <> 'subagent'"
    " AND coalesce(source, '') NOT IN ('subagent', 'internal'))"
)


class Choices(NamedTuple):
    """Values that threads have, together."""

    folder: str | None
    origin: str | None
    """Address of the git repository."""
    model: str | None


class Wanted(Struct, frozen=True, kw_only=True):
    """Which threads; None: not narrowed by it."""

    folders: Collection[str] | None = None
    origins: Collection[str] | None = None
    model: str | None = None
    since_ms: int | None = None
    """Changed at or after it."""
    until_ms: int | None = None
    """Changed before it."""
    text: str = ""
    """In the name or the preview; case of ASCII letters is ignored."""
    failed: bool = False
    """With a turn that failed."""
    archived: Literal["hide", "only", "show"] = "hide"
    agents: bool = False
    """Sub-agents and reviewers, too."""


def choices(db: Connection) -> list[Choices]:
    """Return what threads can be narrowed by."""
    return [Choices._make(row) for row in db.rows(_CHOICES)]


def total(db: Connection, wanted: Wanted) -> int:
    """Return the number of threads."""
    where, values = _where(wanted)
    ((number,),) = db.rows(_each(_COUNT, where), values)
    return int(number)


def page(db: Connection, wanted: Wanted, limit: int, offset: int) -> list[dict[str, Any]]:
    """Return rows of the view `threads`."""
    where, values = _where(wanted)
    found = db.rows(_each(_IDS, where), {**values, "limit": limit, "offset": offset})
    # The view's other columns are looked up for these alone.
    return db.dicts(
        _each(_ROWS, among("ids")),
        {"ids": json.dumps([thread_id for (thread_id,) in found])},
    )


def _each(text: str, where: Sql) -> Sql:
    return Sql(*(text.format(one) for one in where))


def _where(wanted: Wanted) -> tuple[Sql, dict[str, object]]:
    conditions: list[Sql | str] = ["NOT deleted"]
    values: dict[str, object] = {}
    for column, name, chosen in (
        ("cwd", "folders", wanted.folders),
        ("git_origin_url", "origins", wanted.origins),
    ):
        if chosen is not None:
            conditions.append(Sql(*(f"{column} IN {texts}" for texts in among(name))))
            values[name] = json.dumps([*chosen])
    for condition, name, value in (
        ("model = :model", "model", wanted.model),
        ("updated_at_ms >= :since", "since", wanted.since_ms),
        ("updated_at_ms < :until", "until", wanted.until_ms),
    ):
        if value is not None:
            conditions.append(condition)
            values[name] = value
    if wanted.text:
        conditions.append(
            "(lower(name) LIKE :text ESCAPE '!' OR lower(preview) LIKE :text ESCAPE '!'"
            " OR name LIKE :said ESCAPE '!' OR preview LIKE :said ESCAPE '!')"
        )
        escaped = wanted.text.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values |= {"text": f"%{escaped.lower()}%", "said": f"%{escaped}%"}
    if wanted.failed:
        conditions.append(_FAILED)
    if wanted.archived != "show":
        conditions.append("archived" if wanted.archived == "only" else "NOT archived")
    if not wanted.agents:
        conditions.append(_AGENTS)
    engines = zip(*map(words_of, conditions), strict=True)
    return Sql(*map(" AND ".join, engines)), values
