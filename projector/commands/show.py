"""`projector show`."""

from __future__ import annotations

import re
from contextlib import closing, nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

import click

from projector.commands import output
from projector.commands.options import Count, common, reading, settings_of
from projector.model.errors import ProjectorError, StoreUnavailable, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from projector.model.secret_shapes import Redaction
    from projector.model.settings import Settings
    from projector.serve.history.follow import Follower
    from projector.serve.history.render import Detail
    from projector.serve.history.visible import History, Shown
    from projector.store.reading import Connection

#: Items shown on both sides of a hit.
CONTEXT: Final = 3
#: Characters from which digits are the start of an id.
_ID: Final = 8


@click.command()
@click.argument("thread", nargs=-1, required=True)
@common
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "html", "json", "events"]),
    default="text",
    show_default=True,
    help="html: one file that stands alone. json: one document. events: JSON lines, the"
    " notifications that a live session would have sent.",
)
@click.option("--full", is_flag=True, help="Show complete outputs and diffs, and reasoning.")
@click.option(
    "--redact",
    is_flag=True,
    help="Hide what looks like a secret: tokens, keys, passwords in URLs. What has no form of its"
    " own is not found: read it before you share it.",
)
@click.option("--reasoning", is_flag=True, help="Show the model's reasoning.")
@click.option(
    "--turn",
    metavar="N",
    help="Only turn N, as numbered in the text; -1: the last one; or the start of its id.",
)
@click.option("--limit", metavar="N", type=Count(min=1), help="Only the last N turns.")
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
    type=Count(min=0),
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
    turn: str | None,
    limit: int | None,
    around: str | None,
    full: bool,
    reasoning: bool,
    redact: bool,
    follow: bool,
    near: int | None,
) -> None:
    """Print a thread's visible history.

    THREAD is its id or the start of one, its name, what `projector threads` shows of it, or `last`:
    the one changed last. Text and Markdown are for reading: long outputs are cut, and control
    characters are escaped; on a terminal by $PAGER. JSON and events are exact and complete.
    """
    from projector.model.secret_shapes import Redaction  # noqa: PLC0415 - see the package
    from projector.serve.history.render import Detail  # noqa: PLC0415 - see the package's docstring

    if redact and follow:
        raise UsageError("--redact: not with --follow, which shows what comes at once")
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
        redaction = Redaction() if redact else None
        histories = [_history(db, one, which, redaction) for one in chosen]
        with output.paged() if form in ("text", "markdown") else nullcontext():
            _print(histories, form, detail, which)
    if redaction is not None:
        output.tell(_redacted(redaction))


def _refuse(
    thread: tuple[str, ...],
    form: str,
    *,
    turn: str | None,
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
    if turn is not None and not turn.lstrip("0"):
        raise UsageError(f"--turn {turn}: turns are numbered from 1; -1 is the last one")
    if len(given) > 1:
        raise UsageError(f"{given[0]} and {given[1]} exclude each other: give one of them")
    if near is not None and around is None:
        raise UsageError("--context: what is around which item? Give --around too")
    if form == "events" and given:
        raise UsageError(f"{given[0]}: not with --format events, which tells everything")
    if len(thread) > 1 and (
        form not in ("text", "markdown", "html") or around is not None or follow
    ):
        what = "--follow" if follow else "--around" if around else f"--format {form}"
        raise UsageError(f"{what}: of one thread only")
    if follow and (form != "text" or turn is not None or around is not None):
        raise UsageError("--follow: only with --format text, and without --turn and --around")


def _number(turn: str | None) -> int | None:
    """Return the number of a turn; None: it is none, but the start of an id."""
    short = turn is not None and len(turn) < _ID
    return int(turn) if turn and short and re.fullmatch(r"-?\d+", turn, re.ASCII) else None


def _looks() -> Any:
    from projector.serve.history.looks import Looks  # noqa: PLC0415 - see the package's docstring

    return Looks(width=output.width(), paint=output.paint)


def _part(
    db: Connection,
    thread_id: str,
    *,
    turn: str | None,
    limit: int | None,
    around: str | None,
    near: int | None,
    reasoning: bool,
) -> Shown:
    from projector.serve.history.visible import Shown  # noqa: PLC0415 - see the package's docstring
    from projector.store.questions import history  # noqa: PLC0415

    if around is None:
        number = _number(turn)
        return Shown(turn=number, turn_prefix=None if number else turn, last=limit)
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


def _tell_news(follower: Follower, db: Connection) -> None:
    """Print what is new; a history that is changed meanwhile is read again."""
    for last in (False, False, True):
        try:
            output.write_rendered(follower.news(db))
        except StoreUnavailable:
            if last:
                raise
        else:
            return


def _history(db: Connection, thread_id: str, which: Shown, redaction: Redaction | None) -> History:
    """Return a thread's history, and raise if there is nothing to be shown."""
    from projector.serve.history.redacted import RedactedHistory  # noqa: PLC0415 - see the package
    from projector.serve.history.stored_history import StoredHistory  # noqa: PLC0415
    from projector.store.questions import history as stored  # noqa: PLC0415

    if stored.thread(db, thread_id) is None:
        raise ProjectorError(f"no thread {thread_id!r}", hint="See: projector threads --all")
    history: History = StoredHistory(db, thread_id)
    if which.turn is not None or which.turn_prefix is not None:
        wanted = which.turn_prefix or which.turn
        found = [*islice(which.turns(history), 2)]
        if not found:
            turns = history.thread["turn_count"] or 0
            raise ProjectorError(f"--turn {wanted}: {thread_id} has {turns:,} turns, and not this")
        if len(found) > 1:
            raise UsageError(f"--turn {wanted}: several turns; give more of the id")
    return history if redaction is None else RedactedHistory(history, redaction)


def _print(histories: Sequence[History], form: str, detail: Detail, which: Shown) -> None:
    from msgspec.structs import replace  # noqa: PLC0415 - see the package's docstring

    from projector.serve.history import render as shown  # noqa: PLC0415
    from projector.serve.history.replay import line, replay  # noqa: PLC0415

    if which.hit is not None:
        detail = replace(detail, reasoning=True)
    match form:
        case "json":
            output.write_json(shown.as_json(histories[0], which))
        case "events":
            output.write_json(map(line, replay(histories[0])))
        case "html":
            from projector.serve.history.html import as_html  # noqa: PLC0415 - only here

            output.write_rendered(as_html(histories, detail, _style_sheet(), which))
        case _:
            write = shown.as_markdown if form == "markdown" else shown.as_text
            for number, history in enumerate(histories):
                output.write_rendered(_after(write(history, detail, which), again=number > 0))


def _style_sheet() -> str:
    from importlib.resources import files  # noqa: PLC0415 - only here

    return files("projector.serve.web").joinpath("static", "style.css").read_text("utf-8")


def _redacted(redaction: Redaction) -> str:
    """Return what was hidden, and what cannot be."""
    found = ", ".join(f"{name} {number:,}" for name, number in redaction.found.most_common())
    return (
        f"hidden: {found or 'nothing'}. Secrets without a known form, split ones and those in"
        " images are not found: read it before you share it"
    )


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
            _tell_news(follower, db)
