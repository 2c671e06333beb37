"""`projector commands`, `projector files` and `projector prompts`: what was run, changed, asked."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Generic, TypeVar

import click

from projector.commands import filters, output
from projector.commands.options import common, reading, settings_of
from projector.commands.rows import Form, as_rows

if TYPE_CHECKING:
    from projector.serve.history.looks import Style
    from projector.store.questions.activity import Activity, Span
    from projector.store.reading import Connection

#: Default number of rows in a table on a terminal.
LIMIT: Final = 50

_Command = TypeVar("_Command", bound=Callable[..., Any])


def _filters(command: _Command) -> _Command:
    """Add what all three can be narrowed by."""
    for option in (
        filters.limit(LIMIT),
        click.option("--thread", metavar="THREAD", help="Only of this thread."),
        filters.repo,
        filters.folder,
        filters.since,
    ):
        command = option(command)
    return command


@click.command("commands")
@common
@click.option("--failed", is_flag=True, help="Only commands that failed.")
@_filters
@as_rows
@click.pass_context
def commands(context: click.Context, /, *, failed: bool, **asked: Any) -> None:
    """List the commands that were run, newest first."""
    from projector.store.questions import activity  # noqa: PLC0415 - see the package's docstring

    def line(row: activity.Command) -> Sequence[Any]:
        code = row.status if row.exit_code is None else row.exit_code
        took = duration(row.duration_ms)
        return (_when(row), code, took, _thread(row), row.command)

    from projector.serve.history.rendered_item import duration  # noqa: PLC0415 - same

    listing = _Listing(
        "commands",
        activity.Command._fields,
        ("WHEN", "EXIT", "TOOK", "THREAD", "COMMAND"),
        lambda db, span: activity.commands(db, span, failed=failed),
        line,
    )
    _list(context, listing, **asked)


@click.command("files")
@click.argument("path", required=False)
@common
@_filters
@as_rows
@click.pass_context
def files(context: click.Context, /, *, path: str | None, **asked: Any) -> None:
    """List the files that were changed, newest first; only PATH, or what ends in or is below it."""
    from projector.store.questions import activity  # noqa: PLC0415 - see the package's docstring

    def line(row: activity.ChangedFile) -> Sequence[Any]:
        moved = f" -> {row.move_path}" if row.move_path else ""
        return (_when(row), row.kind, row.status, _thread(row), row.path + moved)

    wanted = None if path is None else filters.named_path(path)
    listing = _Listing(
        "changed files",
        activity.ChangedFile._fields,
        ("WHEN", "KIND", "STATUS", "THREAD", "PATH"),
        lambda db, span: activity.files(db, span, wanted),
        line,
    )
    _list(context, listing, **asked)


@click.command("prompts")
@common
@_filters
@as_rows
@click.pass_context
def prompts(context: click.Context, /, **asked: Any) -> None:
    """List what users asked, newest first."""
    from projector.store.questions import activity  # noqa: PLC0415 - see the package's docstring

    def line(row: activity.Prompt) -> Sequence[Any]:
        return (_when(row), _thread(row), row.text)

    listing = _Listing(
        "prompts", activity.Prompt._fields, ("WHEN", "THREAD", "PROMPT"), activity.prompts, line
    )
    _list(context, listing, **asked)


_Row = TypeVar("_Row", bound="Activity")


class _Listing(Generic[_Row]):
    """What one of the commands lists, and how."""

    def __init__(
        self,
        what: str,
        fields: Sequence[str],
        head: Sequence[str],
        question: Callable[[Connection, Span], Iterator[_Row]],
        line: Callable[[_Row], Sequence[Any]],
    ) -> None:
        self.what = what
        self.fields = fields
        self.head = head
        self.question = question
        self.line = line


def _list(
    context: click.Context,
    listing: _Listing[_Row],
    *,
    codex_home: tuple[str, ...],
    database: str | None,
    since: str | None,
    folder: str | None,
    repo: str | None,
    thread: str | None,
    limit: int | None,
    form: Form,
) -> None:
    """Ask, filter, print."""
    from projector.commands.naming import chosen_threads  # noqa: PLC0415
    from projector.commands.rows import say_rows, write_rows  # noqa: PLC0415 - see the package
    from projector.store.questions.activity import Span  # noqa: PLC0415

    if limit is None and form == "table" and output.terminal():
        limit = LIMIT
    place = filters.place(folder, repo)
    with reading(settings_of(context, codex_home, database)) as db:
        span = Span(
            since_ms=None if since is None else filters.moment(since),
            thread_id=None if thread is None else chosen_threads(db, [thread])[0],
        )
        found = (
            row
            for row in listing.question(db, span)
            if place.has(row.thread_cwd, row.git_origin_url)
        )
        rows = islice(found, limit or None)
        if form != "table":
            write_rows((row._asdict() for row in rows), form, listing.fields)
            return
        lines = ((row, listing.line(row)) for row in rows)
        with output.paged():
            number = say_rows(
                listing.head, lines, style=_style, paths=("PATH",), going=("TOOK", "STATUS")
            )
        more = bool(limit) and next(found, None) is not None
    if not number:
        narrowed = any((since, folder, repo, thread))
        output.tell(f"no {listing.what}" + (" like that" if narrowed else ""))
    elif more:
        output.tell("there are more (--limit 0: all)")


def _style(row: Activity) -> Style | None:
    status = getattr(row, "status", None)
    return "bad" if status == "failed" else "quiet" if status == "declined" else None


def _when(row: Activity) -> str:
    from projector.serve.history.table import when  # noqa: PLC0415 - see the package's docstring

    return when(row.created_at_ms)[:16]


def _thread(row: Activity) -> str:
    """Return the start of a thread's id: enough for `projector show`."""
    from projector.serve.history.table import SHORT_ID  # noqa: PLC0415 - see the package's docstring

    return row.thread_id[:SHORT_ID]
