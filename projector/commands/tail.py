"""`projector tail`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Final

import click

from projector.commands import filters, output
from projector.commands.options import Count, check_source, common, reading, settings_of

if TYPE_CHECKING:
    from projector.store.reading import Connection

#: Lines that are shown first.
LINES: Final = 10


@click.command()
@common
@click.option(
    "-n",
    "--lines",
    "number",
    metavar="N",
    type=Count(min=0),
    default=LINES,
    show_default=True,
    help="Number of lines to begin with.",
)
@click.option("--no-follow", is_flag=True, help="Only these lines; do not wait for new ones.")
@click.option(
    "--thread", metavar="THREAD", multiple=True, help="Only this thread; may be repeated."
)
@filters.folder
@filters.repo
@click.option(
    "--source",
    metavar="NAME",
    help="Host that is watched, in a database that several write. Default: this one.",
)
@click.pass_context
def tail(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    number: int,
    *,
    no_follow: bool,
    thread: tuple[str, ...],
    folder: str | None,
    repo: str | None,
    source: str | None,
) -> None:
    """Watch what happens in all threads: a line for each message, command, change and turn.

    New lines come as the daemon projects them, until interrupted. For programs: `projector events`.
    """
    from projector.commands.following import after_commits, reader_may_leave  # noqa: PLC0415 - see the package
    from projector.commands.naming import chosen_threads  # noqa: PLC0415
    from projector.serve.activity_lines import ActivityLines  # noqa: PLC0415
    from projector.serve.history.looks import Looks  # noqa: PLC0415

    settings = settings_of(context, codex_home, database)
    check_source(source, settings)
    looks = Looks(width=output.width(), paint=output.paint)
    place = filters.place(folder, repo)

    def begun(db: Connection) -> ActivityLines:
        chosen = chosen_threads(db, thread) if thread else None
        return ActivityLines(db, looks, place.has, chosen)

    if no_follow:
        with reading(settings, source) as db:
            output.write_rendered(begun(db).last(db, number))
        return
    lines: ActivityLines | None = None
    with reader_may_leave(), closing(after_commits(lambda: reading(settings, source))) as commits:
        for db in commits:
            if lines is None:
                lines = begun(db)
                output.write_rendered(lines.last(db, number))
                if db.daemon().held is False:
                    output.tell("the daemon does not run: nothing new will come. projector run")
            output.write_rendered(lines.news(db))
