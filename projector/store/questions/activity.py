"""What was run, changed and asked: rows of `commands`, `file_changes`, `messages`, newest first.

Of a fork only its own rows: what it inherits is told by the thread it inherits from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from projector.store.reading import Connection, Sql

_NEWEST: Final = "ORDER BY x.created_at_ms DESC, x.thread_id DESC, x.position DESC"
#: Since when there are some items of a type, and how many they are. A server sorts all rows of a
#: question before it sends one, so rows are asked for by spans of time.
_SPAN: Final = (
    "SELECT min(w.created_at_ms), count(*) FROM (SELECT x.created_at_ms FROM _read_items AS x"
    " WHERE {is_type} AND x.tombstone = 0 AND {{before}} ORDER BY x.created_at_ms DESC"
    " LIMIT :number) AS w"
)
_SPANS: Final = Sql(
    _SPAN.format(is_type="x.type = :type"),
    _SPAN.format(is_type="left(x.type, 64) = :type"),
)
#: Items in the first span; each further one has four times as many.
_FIRST: Final = 1000
#: Of each row: when, where.
_WHERE: Final = "x.created_at_ms, x.thread_id, x.turn_id, x.uid"


def _of(view: str, columns: str, conditions: str = "") -> str:
    """Return the question for columns of a view, with what lists tell of the thread."""
    return (
        f"SELECT {_WHERE}, {columns}, t.name, t.preview, t.cwd, t.git_origin_url"
        f" FROM {view} AS x JOIN threads AS t ON t.thread_id = x.thread_id{{same}}"
        f" WHERE {{own}}{conditions} AND {{conditions}} {_NEWEST}"
    )


_COMMANDS: Final = _of("commands", "x.status, x.exit_code, x.duration_ms, x.command, x.cwd")
_FILES: Final = _of("file_changes", "x.status, x.kind, x.path, x.move_path")
_PROMPTS: Final = _of("messages", "x.text", " AND x.role = 'user'")
#: SQLite has no booleans in views, and one source.
_OWN: Final = Sql("x.inherited = 0", "NOT x.inherited")
_SAME: Final = Sql("", " AND t.source_id = x.source_id")


class Command(NamedTuple):
    """A command that was run, with the thread that ran it. Times and durations: milliseconds."""

    created_at_ms: int
    thread_id: str
    turn_id: str
    uid: str
    status: str
    exit_code: int | None
    duration_ms: int | None
    command: str
    cwd: str | None
    name: str | None
    preview: str | None
    thread_cwd: str | None
    git_origin_url: str | None


class ChangedFile(NamedTuple):
    """A file that was changed, with the thread that changed it."""

    created_at_ms: int
    thread_id: str
    turn_id: str
    uid: str
    status: str
    kind: str
    """add, delete, update"""
    path: str
    move_path: str | None
    name: str | None
    preview: str | None
    thread_cwd: str | None
    git_origin_url: str | None


class Prompt(NamedTuple):
    """What a user asked, with the thread."""

    created_at_ms: int
    thread_id: str
    turn_id: str
    uid: str
    text: str
    name: str | None
    preview: str | None
    thread_cwd: str | None
    git_origin_url: str | None


Activity = Command | ChangedFile | Prompt


class Span(NamedTuple):
    """Which rows are wanted; None: all."""

    since_ms: int | None = None
    thread_id: str | None = None


def commands(db: Connection, span: Span, *, failed: bool) -> Iterator[Command]:
    """Yield commands one by one; `failed`: those that failed only."""
    more = ["x.status = 'failed'"] if failed else []
    kind = "commandExecution"
    return (Command(*row) for row in _asked(db, kind, _COMMANDS, span, more, {}))


def files(db: Connection, span: Span, path: str | None) -> Iterator[ChangedFile]:
    """Yield changed files one by one.

    `path`: only of this path, or what is below it, or the end of one, and what is below that; a
    file that was moved has both of its paths.
    """
    more: list[str] = []
    values: dict[str, object] = {}
    if path is not None:
        bare = path.rstrip("/")
        escaped = bare.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        likes = {"below": f"{escaped}/%", "end": f"%/{escaped}", "within": f"%/{escaped}/%"}
        values = {"path": bare, **likes}
        either = (
            " OR ".join((f"x.{of} = :path", *(f"x.{of} LIKE :{like} ESCAPE '!'" for like in likes)))
            for of in ("path", "move_path")
        )
        more = [f"({' OR '.join(either)})"]
    return (ChangedFile(*row) for row in _asked(db, "fileChange", _FILES, span, more, values))


def prompts(db: Connection, span: Span) -> Iterator[Prompt]:
    """Yield what users asked one by one."""
    return (Prompt(*row) for row in _asked(db, "userMessage", _PROMPTS, span, [], {}))


def _asked(  # noqa: PLR0917
    db: Connection, kind: str, text: str, span: Span, more: list[str], values: dict[str, object]
) -> Iterator[tuple[Any, ...]]:
    conditions = list(more)
    if span.since_ms is not None:
        conditions.append("x.created_at_ms >= :since")
        values = {**values, "since": span.since_ms}
    if span.thread_id is not None:
        conditions.append("x.thread_id = :thread")
        yield from _rows(db, text, conditions, {**values, "thread": span.thread_id})
        return
    number, before = _FIRST, "1 = 1"
    while True:
        spans = Sql(*(each.format(before=before) for each in _SPANS))
        asked = {**values, "type": kind, "number": number}
        ((first, found),) = db.rows(spans, asked)
        here = [*conditions, before]
        if found == number:
            here.append("x.created_at_ms >= :first")
        yield from _rows(db, text, here, {**values, "first": first})
        if found < number or (span.since_ms is not None and first < span.since_ms):
            return
        before, values = "x.created_at_ms < :before", {**values, "before": first}
        number *= 4


def _rows(
    db: Connection, text: str, conditions: list[str], values: dict[str, object]
) -> Iterator[tuple[Any, ...]]:
    wanted = " AND ".join(conditions) or "1 = 1"
    texts = [
        text.format(own=own, same=same, conditions=wanted)
        for own, same in zip(_OWN, _SAME, strict=True)
    ]
    return db.stream(Sql(*texts), values)
