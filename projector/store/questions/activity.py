"""What was run, changed and asked: rows of `commands`, `file_changes`, `messages`, newest first.

Of a fork only its own rows: what it inherits is told by the thread it inherits from.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from projector.store.reading import Connection, Sql

_NEWEST: Final = "ORDER BY x.created_at_ms DESC, x.thread_id DESC, x.position DESC"
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
    return (Command(*row) for row in _asked(db, _COMMANDS, span, more, {}))


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
    return (ChangedFile(*row) for row in _asked(db, _FILES, span, more, values))


def prompts(db: Connection, span: Span) -> Iterator[Prompt]:
    """Yield what users asked one by one."""
    return (Prompt(*row) for row in _asked(db, _PROMPTS, span, [], {}))


def _asked(
    db: Connection, text: str, span: Span, more: list[str], values: dict[str, object]
) -> Iterator[tuple[Any, ...]]:
    conditions = list(more)
    if span.since_ms is not None:
        conditions.append("x.created_at_ms >= :since")
        values = {**values, "since": span.since_ms}
    if span.thread_id is not None:
        conditions.append("x.thread_id = :thread")
        values = {**values, "thread": span.thread_id}
    wanted = " AND ".join(conditions) or "1 = 1"
    texts = [
        text.format(own=own, same=same, conditions=wanted)
        for own, same in zip(_OWN, _SAME, strict=True)
    ]
    return db.stream(Sql(*texts), values)
