"""`projector threads` and `projector show`."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final, Literal

import click

from projector.commands import output
from projector.commands.options import as_json, common, reading, settings_of
from projector.model.errors import ProjectorError, UsageError

if TYPE_CHECKING:
    from projector.store.reading import Connection

#: Default number of threads in a table on a terminal: what fits on a screen.
LIMIT: Final = 30
#: Maximum number of candidates listed in a message.
_CANDIDATES: Final = 10


@click.command()
@common
@click.option(
    "--cwd",
    "folder",
    metavar="DIR",
    help="Only threads of this folder and its subfolders. Default: all.",
)
@click.option(
    "--archived/--no-archived",
    default=None,
    help="Only archived threads, or none of them (default).",
)
@click.option("--deleted", is_flag=True, help="Only threads whose files were deleted.")
@click.option(
    "--all", "every", is_flag=True, help="Include archived, deleted and sub-agent threads."
)
@click.option(
    "--host", "hosts", metavar="HOST", multiple=True, help="Only of this host; may be repeated."
)
@click.option(
    "--since",
    metavar="WHEN",
    help="Changed since: 12h, 7d, last week, today, yesterday, 2026-11-01, or a date and time.",
)
@click.option(
    "--source",
    metavar="KIND",
    multiple=True,
    help="Only from these sources: cli, vscode, exec, mcp, ..., subagent (all of them),"
    " review, compact, ...; may be repeated. Sub-agents and reviewers are hidden"
    " unless requested here or by --all.",
)
@click.option(
    "--name",
    "text",
    metavar="TEXT",
    default="",
    help="Only threads with TEXT in their name or preview.",
)
@click.option(
    "--limit",
    type=click.IntRange(min=0),
    metavar="N",
    help=f"At most N; 0: all. Default: {LIMIT} in a table on a terminal, else all.",
)
@as_json
@click.pass_context
def threads(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    folder: str | None,
    hosts: tuple[str, ...],
    since: str | None,
    source: tuple[str, ...],
    text: str,
    limit: int | None,
    archived: bool | None,
    deleted: bool,
    every: bool,
    as_json: bool,
) -> None:
    """List threads, most recently changed first.

    Archived and deleted threads, sub-agents and reviewers are hidden by default.
    """
    from projector.serve.history import table, thread_list  # noqa: PLC0415 - see the package's docstring
    from projector.serve.history.threads import Wanted, document  # noqa: PLC0415

    terminal = sys.stdout.isatty() and not as_json
    if limit is None and terminal:
        limit = LIMIT
    wanted = Wanted(
        folders=() if folder is None else spellings(folder),
        hosts=hosts,
        archived=_shown(archived, every=every or deleted),
        deleted="only" if deleted else "show" if every else "hide",
        agents=every,
        sources=source,
        since_ms=None if since is None else moment(since),
        text=text,
        limit=limit or None,
    )
    with reading(settings_of(context, codex_home, database)) as db:
        listed = thread_list.listed(db, wanted)
    if as_json:
        import orjson  # noqa: PLC0415 - see the package's docstring

        output.write_json([orjson.dumps([document(row) for row in listed.rows]) + b"\n"])
        return
    if listed.rows:
        width = shutil.get_terminal_size().columns if terminal else None
        head, lines = table.table(listed, width=width)
        output.say(head, style="heading")
        output.say("\n".join(lines))
    else:
        output.tell("no threads" + (" like that" if wanted != Wanted() else ""))
    note = table.footnote(listed)
    if note is not None:
        output.tell(note)


@click.command()
@click.argument("thread")
@common
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "json", "events"]),
    default="text",
    show_default=True,
    help="json: one document. events: JSON lines, the notifications that a live session would"
    " have sent.",
)
@click.option("--full", is_flag=True, help="Show complete outputs and diffs, and reasoning.")
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning.")
@click.pass_context
def show(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    thread: str,
    form: str,
    *,
    full: bool,
    reasoning: bool,
) -> None:
    """Print a thread's visible history; THREAD is its id, the prefix of one, or its name.

    Text and Markdown are for reading: long outputs are cut, and control characters are escaped.
    JSON and events are exact and complete.
    """
    from projector.serve.history import render as shown  # noqa: PLC0415 - see the package's docstring
    from projector.serve.history.replay import line, replay  # noqa: PLC0415
    from projector.serve.history.stored_history import StoredHistory  # noqa: PLC0415

    with reading(settings_of(context, codex_home, database)) as db:
        history = StoredHistory(db, meant(db, thread))
        detail = shown.Detail(full=full, reasoning=reasoning)
        match form:
            case "json":
                output.write_json(shown.as_json(history))
            case "events":
                output.write_json(map(line, replay(history)))
            case "markdown":
                output.write_rendered(shown.as_markdown(history, detail))
            case _:
                output.write_rendered(shown.as_text(history, detail))


def chosen_threads(db: Connection, named: Iterable[str]) -> tuple[str, ...]:
    """Return the ids of the named threads; a full id is returned without a query.

    Raises as `meant` does.
    """
    import uuid  # noqa: PLC0415 - see the package's docstring

    chosen: list[str] = []
    for name in named:
        try:
            chosen.append(str(uuid.UUID(name)))
        except ValueError:
            chosen.append(meant(db, name))
    return tuple(dict.fromkeys(chosen))


def meant(db: Connection, text: str) -> str:
    """Return the id of the thread named by its id, the prefix of one, or its name.

    Raises:
        ProjectorError: there is none.
        UsageError: it is ambiguous.
    """
    from projector.model.terminal_safe import one_line  # noqa: PLC0415 - see the package's docstring
    from projector.serve.history.threads import PREFIX, resolve  # noqa: PLC0415
    from projector.store.questions import history  # noqa: PLC0415

    found = resolve(text, history.names(db))
    if not found:
        raise ProjectorError(
            f"no thread {text!r}",
            hint=f"Give its id, {PREFIX} or more characters of its start, or its whole name;"
            " see: projector threads --all",
        )
    if len(found) > 1:
        listed = ", ".join(
            thread_id + (f" ({one_line(name)})" if name else "")
            for thread_id, name in found[:_CANDIDATES]
        )
        beside = len(found) - _CANDIDATES
        more = f" and {beside:,} more" if beside > 0 else ""
        raise UsageError(
            f"{text!r} could be any of {len(found):,} threads: {listed}{more}",
            hint="Give more of the id",
        )
    return found[0][0]


def spellings(folder: str) -> tuple[str, ...]:
    """Return a folder's absolute path, as given and with links resolved: threads may have any."""
    from projector.serve.history.folders import is_windows  # noqa: PLC0415 - see the package's docstring

    if is_windows(folder):  # of another system
        return (folder,)
    named = os.path.abspath(os.path.expanduser(folder))
    return tuple(dict.fromkeys((folder, named, os.path.realpath(named))))


def _shown(asked: bool | None, *, every: bool) -> Literal["hide", "only", "show"]:  # noqa: FBT001 - as click has it
    if asked is None:
        return "show" if every else "hide"
    return "only" if asked else "hide"


def moment(text: str) -> int:
    """Parse `--since`; return milliseconds since 1970.

    Raises:
        UsageError: it is not a point in time.
    """
    from datetime import datetime  # noqa: PLC0415 - see the package's docstring

    from projector.serve.history.threads import since  # noqa: PLC0415

    try:
        return since(text, datetime.now().astimezone())
    except (ValueError, OverflowError):
        raise UsageError(
            f"--since {text}: not a point in time", hint="Write 7d, 12h, today or 2026-11-01"
        ) from None
