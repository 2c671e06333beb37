"""What Datasette is told of our views: meanings, units, order, the manual's questions. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from projector.serve.web.pages import here, thread_address
from projector.store.view_descriptions import described

#: Name of the database in addresses.
DATABASE: Final = "threads"
#: Views that have few rows: a row a thread, a day, a column.
SMALL: Final = frozenset(
    {"columns", "threads", "thread_tokens", "token_days", "codex_projection_state", "anomalies"}
)
#: By what views are sorted unless a reader sorts them otherwise; each by an index.
_SORTED: Final = {
    "threads": "updated_at_ms", "commands": "created_at_ms", "file_changes": "created_at_ms",
    "token_usage": "recorded_at_ms", "token_costs": "recorded_at_ms", "lifecycle_events": "seq",
    "token_days": "day", "changes": "seq", "anomalies": "noted_at_ms",
}  # fmt: skip
_SECTION: Final = re.compile(
    r"^### (?P<words>[^\n]+\?)\n(?P<about>(?:(?!```|###).*\n)*)```sql\n(?P<sql>[^`]*)```",
    re.MULTILINE,
)
#: What the manual's questions name of the sample, and the parameters in its place.
_PARAMETERS: Final = (
    (re.compile("'2026-01-06'"), "coalesce(nullif(:until_day, ''), 'now')"),
    (re.compile(r"cwd = '[^']*'"), "cwd = :folder"),
    (re.compile("MATCH 'tea'"), "MATCH coalesce(nullif(:words, ''), '\"\"')"),
    (re.compile("'[0-9a-f]{8}-[0-9a-f-]{27}'"), ":thread_id"),
)
_THREADS: Final = frozenset({"thread_id", "parent_thread_id", "forked_from_id"})


class Question(NamedTuple):
    """A question of the manual, with parameters."""

    words: str
    about: str
    sql: str


def questions(page: str) -> Iterator[Question]:
    """Yield the questions of the manual's page."""
    for found in _SECTION.finditer(page):
        sql = found["sql"].strip().removesuffix(";")
        for named, parameter in _PARAMETERS:
            sql = named.sub(parameter, sql)
        about = " ".join(found["about"].split())
        day = "until_day: such a day, as 2026-01-06; empty: now." if ":until_day" in sql else ""
        yield Question(found["words"], day or about, sql)


def metadata(manual: str) -> dict[str, Any]:
    """Return Datasette's metadata; `manual`: the page of questions."""
    views = {
        name: {
            "description": view.meaning,
            "columns": {
                column: f"{about.meaning}{f' [{about.unit}]' if about.unit else ''}"
                for column, about in view.columns.items()
            },
            **({"sort_desc": _SORTED[name]} if name in _SORTED else {}),
        }
        for name, view in described("sqlite").items()
    }
    queries = {
        re.sub(r"\W+", "-", one.words.lower()).strip("-"): {
            "title": one.words,
            "description": one.about,
            "sql": one.sql,
        }
        for one in questions(manual)
    }
    return {
        "title": "Codex threads",
        "description": "The views of the data dictionary, read-only. Ids lead to their pages.",
        "databases": {DATABASE: {"tables": views, "queries": queries}},
    }


def address_of(column: str, value: object, row: dict[str, Any]) -> str | None:
    """Return the page of ours that an id in a row leads to; None: there is none."""
    if not isinstance(value, str) or not value:
        return None
    if column in _THREADS:
        return thread_address(value)
    thread = row.get("thread_id")
    if column == "turn_id" and isinstance(thread, str):
        return f"{here(thread_address(thread), turn=value)}#turn-{quote(value, safe='')}"
    return None


def is_public(view: str) -> bool:
    """True if a view is in the data dictionary; all else is internal."""
    return view in described("sqlite")
