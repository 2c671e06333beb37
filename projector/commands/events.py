"""`projector events`."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from projector.commands import output
from projector.commands.following import ReaderGone, until_told
from projector.commands.options import Count, check_source, common, reading, settings_of
from projector.model.errors import ProjectorError, StoreUnavailable
from projector.store.rules.feed import START, Cursor

if TYPE_CHECKING:
    from projector.serve.feed import Wanted
    from projector.store.reading import Connection

#: Printed by --follow if the database no longer contains its last change: numbers start again.
RESTART: Final = b'{"seq":0,"kind":"feed","op":"restart"}'


def _cursor(_context: click.Context, _parameter: click.Parameter, text: str) -> Cursor:
    cursor = Cursor.parse(text)
    if cursor is None:
        raise click.BadParameter(f"{text!r} is neither a line's `cursor` nor a number")
    return cursor


@click.command()
@common
@click.option(
    "--after",
    metavar="CURSOR",
    default=str(START),
    callback=_cursor,
    help="Only changes after this one: the `cursor` of the last line processed. A plain"
    " number works too, but does not detect a database restored from a backup."
    " Default: from the beginning.",
)
@click.option(
    "--follow",
    is_flag=True,
    help="Continue with new changes until interrupted; wait for a server that is down.",
)
@click.option(
    "--types",
    metavar="NAMES",
    multiple=True,
    help="Only these kinds, comma-separated or repeated: turn, item, thread, event, or"
    " a lifecycle type such as turn.failed.",
)
@click.option(
    "--source",
    metavar="NAME",
    help="Source whose changes are printed, in a database that several hosts write;"
    " each source has its own sequence. Default: this host's, or [source] name.",
)
@click.option("--limit", metavar="N", type=Count(min=1), help="Maximum number of lines.")
@click.pass_context
def events(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    after: Cursor,
    follow: bool,
    types: tuple[str, ...],
    source: str | None,
    limit: int | None,
) -> None:
    """Print the change feed as JSON lines, in commit order.

    Each line contains its number `seq`, its `cursor`, what changed, and the current row. A consumer
    that stores the last `cursor` it has processed, and requests the changes --after it, misses
    nothing and sees nothing twice. If the database does not contain that change, because it was
    restored from a backup or is another one, the command ends with exit code 1; with --follow it
    prints {"seq":0,"kind":"feed","op":"restart"}, and then everything from the beginning.
    """
    from projector.serve.feed import Wanted  # noqa: PLC0415 - see the package's docstring

    wanted = Wanted.parse([one for names in types for one in names.split(",") if one])
    settings = settings_of(context, codex_home, database)
    check_source(source, settings)
    printing = _Printing(lambda: reading(settings, source), wanted, after, limit)
    with until_told(printing.abandon) as told:
        try:
            printing.run(told, follow=follow)
        except BrokenPipeError:
            # The reader closed the pipe: it has everything it wanted.
            output.close_quietly()
        finally:
            printing.close()


class _Printing:
    """Progress of printing the feed."""

    def __init__(
        self, database: Callable[[], Connection], wanted: Wanted, after: Cursor, limit: int | None
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._after = after
        self._left = limit
        self._db: Connection | None = None
        self._version: object = None
        self._out: BinaryIO = sys.stdout.buffer
        self._writing = False

    @property
    def done(self) -> bool:
        """Return True if all requested lines are printed."""
        return self._left == 0

    def close(self) -> None:
        """Close the database."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def abandon(self) -> None:
        """Exit the process at once, unless a line is being written: the query hangs.

        Nothing else ends a query to an unresponsive server: a rollback would wait for it too.
        """
        if not self._writing:
            os._exit(0)

    def run(self, told: list[int], *, follow: bool) -> None:
        """Print existing changes, and with `follow` new ones until `told` is set.

        Raises:
            TimelineLost: the database has another past; with `follow` the consumer is informed.
            ChangesPruned: changes were deleted before they were printed.
            BrokenPipeError: the reader closed the pipe.
        """
        from projector.serve.feed import ChangesPruned, TimelineLost  # noqa: PLC0415 - same

        began = False
        while not told:
            try:
                self.catch_up(told)
                began = True
            except TimelineLost:
                if not follow:
                    raise
                self.restart()
                continue
            except ChangesPruned:
                raise
            except ProjectorError as error:  # gone again; wait for the next one
                if not (began or (follow and isinstance(error, StoreUnavailable))):
                    raise
                self._version = None  # what could not be read is asked for again, commit or not
            if not follow or self.done:
                return
            self.wait(told)

    def catch_up(self, told: list[int]) -> None:
        """Print all existing changes."""
        from projector.serve.feed import Feed  # noqa: PLC0415 - see the package's docstring

        db = self._opened()
        # Read before the changes: what is committed in between is found at the next check.
        self._version = db.version()
        feed = Feed(db)
        more = True
        while more and not self.done and not told:
            page = feed.page(self._after, self._wanted, self._left)
            safe = output.as_safe_json()
            self._writing = True
            output.write_bytes(safe(line) + b"\n" for line in page.lines)
            self._writing = False
            self._after, more = page.cursor, page.more
            if self._left is not None:
                self._left -= len(page.lines)

    def restart(self) -> None:
        """Print that the database has another past than the one printed so far; start again."""
        output.write_bytes([RESTART + b"\n"])
        self._after = START

    def wait(self, told: list[int]) -> None:
        """Wait for a commit, whatever happens to the database meanwhile.

        Raises:
            BrokenPipeError: the reader closed the pipe.
        """
        gone = ReaderGone()
        while not told:
            gone.wait()
            try:
                if self._opened().version() != self._version:
                    return
            except ProjectorError:  # locked, missing, being replaced: it may come back
                self.close()

    def _opened(self) -> Connection:
        """Open the database at its current path."""
        if self._db is not None and self._db.version() is None:
            self.close()
        if self._db is None:
            self._db, self._version = self._database(), None
        return self._db
