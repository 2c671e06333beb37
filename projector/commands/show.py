"""`projector show`."""

from __future__ import annotations

from contextlib import closing, nullcontext
from typing import TYPE_CHECKING, Any, Final

import click

from projector.commands import output
from projector.commands.options import common, reading, settings_of
from projector.model.errors import ProjectorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from projector.model.settings import Settings
    from projector.serve.history.render import Detail
    from projector.serve.history.visible import Shown
    from projector.store.reading import Connection

#: Items shown on both sides of a hit.
CONTEXT: Final = 3


@click.command()
@click.argument("thread", nargs=-1, required=True)
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
@click.option(
    "--turn",
    metavar="N",
    type=int,
    help="Only turn N, as numbered in the text; -1: the last one.",
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="Only the last N turns.")
@click.option(
    "--around",
    metavar="HIT",
    help="Only an item that `search` found, by the start of its id, and what was before and after.",
)
@click.option(
    "-C",
    "--context",
    "near",
    metavar="N",
    type=click.IntRange(min=0),
    help=f"With --around: number of items before and after. Default: {CONTEXT}.",
)
@click.option(
    "-f", "--follow", is_flag=True, help="Go on with new items as they come, until interrupted."
)
@click.pass_context
def show(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    thread: tuple[str, ...],
    form: str,
    turn: int | None,
    limit: int | None,
    around: str | None,
    full: bool,
    reasoning: bool,
    follow: bool,
    near: int | None,
) -> None:
    """Print a thread's visible history.

    THREAD is its id or the start of one, its name, what `projector threads` shows of it, or `last`:
    the one changed last. Text and Markdown are for reading: long outputs are cut, and control
    characters are escaped; on a terminal by $PAGER. JSON and events are exact and complete.
    """
    from projector.serve.history.render import Detail  # noqa: PLC0415 - see the package's docstring

    _refuse(thread, form, turn=turn, limit=limit, around=around, near=near, follow=follow)
    settings = settings_of(context, codex_home, database)
    detail = Detail(full=full, reasoning=reasoning, looks=_looks())
    if follow:
        _follow(settings, thread[0], detail, limit)
        return
    with reading(settings) as db:
        from projector.commands.naming import chosen_threads  # noqa: PLC0415 - see the package

        chosen = chosen_threads(db, thread)
        which = _part(
            db, chosen[0], turn=turn, limit=limit, around=around, near=near, reasoning=reasoning
        )
        with output.paged() if form in ("text", "markdown") else nullcontext():
            for number, thread_id in enumerate(chosen):
                _print(db, thread_id, form, detail, which, again=number > 0)


def _refuse(
    thread: tuple[str, ...],
    form: str,
    *,
    turn: int | None,
    limit: int | None,
    around: str | None,
    near: int | None,
    follow: bool,
) -> None:
    """Raise if options do not go together."""
    given = [
        name
        for name, value in (("--turn", turn), ("--limit", limit), ("--around", around))
        if value is not None
    ]
    if turn == 0:
        raise UsageError("--turn 0: turns are numbered from 1; -1 is the last one")
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other: give one of them")
    if near is not None and around is None:
        raise UsageError("--context: what is around which item? Give --around too")
    if form == "events" and given:
        raise UsageError(f"{given[0]}: not with --format events, which tells everything")
    if len(thread) > 1 and (form not in ("text", "markdown") or around is not None or follow):
        what = "--follow" if follow else "--around" if around else f"--format {form}"
        raise UsageError(f"{what}: of one thread only")
    if follow and (form != "text" or turn is not None or around is not None):
        raise UsageError("--follow: only with --format text, and without --turn and --around")


def _looks() -> Any:
    from projector.serve.history.looks import Looks  # noqa: PLC0415 - see the package's docstring

    return Looks(width=output.width(), paint=output.paint)


def _part(
    db: Connection,
    thread_id: str,
    *,
    turn: int | None,
    limit: int | None,
    around: str | None,
    near: int | None,
    reasoning: bool,
) -> Shown:
    from projector.serve.history.visible import Shown  # noqa: PLC0415 - see the package's docstring
    from projector.store.questions import history  # noqa: PLC0415

    if around is None:
        return Shown(turn=turn, last=limit)
    wanted = around.removeprefix("#")
    with db.snapshot():
        found = history.found_items(db, thread_id, wanted)
        if len(found) > 1:
            raise UsageError(f"--around {around}: several items; give more of the id")
        if not found:
            raise ProjectorError(
                f"--around {around}: no such item in thread {thread_id}",
                hint="Give the id that projector search printed, and the thread above it",
            )
        number = CONTEXT if near is None else near
        before, after = history.items_around(
            db, thread_id, found[0].position, number, reasoning=reasoning
        )
    shown = [*before, found[0], *after]
    return Shown(
        turn_ids=frozenset(one.turn_id for one in shown),
        uids=frozenset(one.uid for one in shown),
        hit=found[0].uid,
    )


def _print(
    db: Connection, thread_id: str, form: str, detail: Detail, which: Shown, *, again: bool
) -> None:
    from dataclasses import replace  # noqa: PLC0415 - see the package's docstring

    from projector.serve.history import render as shown  # noqa: PLC0415
    from projector.serve.history.replay import line, replay  # noqa: PLC0415
    from projector.serve.history.stored_history import StoredHistory  # noqa: PLC0415
    from projector.store.questions import history as stored  # noqa: PLC0415

    if stored.thread(db, thread_id) is None:
        raise ProjectorError(f"no thread {thread_id!r}", hint="See: projector threads --all")
    history = StoredHistory(db, thread_id)
    if which.turn is not None and next(which.turns(history), None) is None:
        turns = history.thread["turn_count"] or 0
        raise ProjectorError(f"--turn {which.turn}: {thread_id} has {turns:,} turns")
    if which.hit is not None:
        detail = replace(detail, reasoning=True)
    match form:
        case "json":
            output.write_json(shown.as_json(history, which))
        case "events":
            output.write_json(map(line, replay(history)))
        case "markdown":
            output.write_rendered(_after(shown.as_markdown(history, detail, which), again=again))
        case _:
            output.write_rendered(_after(shown.as_text(history, detail, which), again=again))


def _after(pieces: Iterator[str], *, again: bool) -> Iterator[str]:
    """Yield the pieces of a thread, after a gap if it is not the first one."""
    if again:
        yield "\n\n"
    yield from pieces


def _follow(settings: Settings, thread: str, detail: Detail, limit: int | None) -> None:
    """Print a thread, then its items as they come."""
    from projector.commands.following import after_commits, reader_may_leave  # noqa: PLC0415 - see the package
    from projector.commands.naming import meant  # noqa: PLC0415
    from projector.serve.history.follow import Follower  # noqa: PLC0415

    follower: Follower | None = None
    with reader_may_leave(), closing(after_commits(lambda: reading(settings))) as commits:
        for db in commits:
            if follower is None:
                follower = Follower(meant(db, thread), detail, limit)
            output.write_rendered(follower.news(db))
