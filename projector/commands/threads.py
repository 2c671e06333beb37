"""`projector threads`."""

from __future__ import annotations

import time
from typing import Final, Literal

import click

from projector.commands import filters, output
from projector.commands.options import common, reading, settings_of
from projector.commands.rows import Form, as_rows

#: Default number of threads in a table on a terminal: what fits on a screen.
LIMIT: Final = 30


@click.command()
@common
@filters.folder
@filters.repo
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
@filters.since
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
@filters.limit(LIMIT)
@as_rows
@click.pass_context
def threads(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    folder: str | None,
    hosts: tuple[str, ...],
    repo: str | None,
    since: str | None,
    source: tuple[str, ...],
    text: str,
    limit: int | None,
    archived: bool | None,
    deleted: bool,
    every: bool,
    form: Form,
) -> None:
    """List threads, most recently changed first.

    Archived and deleted threads, sub-agents and reviewers are hidden by default.
    """
    from projector.commands.rows import write_rows  # noqa: PLC0415 - see the package's docstring
    from projector.serve.history import table, thread_list  # noqa: PLC0415
    from projector.serve.history.threads import Wanted, document  # noqa: PLC0415
    from projector.store.questions import history  # noqa: PLC0415

    if limit is None and form == "table" and output.terminal():
        limit = LIMIT
    wanted = Wanted(
        place=filters.place(folder, repo),
        hosts=hosts,
        archived=_shown(archived, every=every or deleted),
        deleted="only" if deleted else "show" if every else "hide",
        agents=every,
        sources=source,
        since_ms=None if since is None else filters.moment(since),
        text=text,
        limit=limit or None,
    )
    with reading(settings_of(context, codex_home, database)) as db:
        listed = thread_list.listed(db, wanted)
        columns = history.thread_columns(db) if form == "csv" else []
    if form != "table":
        write_rows(map(document, listed.rows), form, columns)
        return
    if listed.rows:
        now_ms = time.time_ns() // 1_000_000
        head, lines = table.table(listed, width=output.width(), now_ms=now_ms)
        with output.paged():
            output.say(head, style="heading")
            output.say("\n".join(lines))
    else:
        narrowed = wanted != Wanted(limit=wanted.limit)
        output.tell("no threads" + (" like that" if narrowed else ""))
    note = table.footnote(listed)
    if note is not None:
        output.tell(note)


def _shown(asked: bool | None, *, every: bool) -> Literal["hide", "only", "show"]:  # noqa: FBT001 - as click has it
    if asked is None:
        return "show" if every else "hide"
    return "only" if asked else "hide"
