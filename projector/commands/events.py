"""`projector events`."""

from __future__ import annotations

import select
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, BinaryIO, Final

import click

from projector.commands import output
from projector.commands.options import common, reading, settings_of
from projector.errors import ProjectorError, UsageError
from projector.model.database_url import is_postgres

if TYPE_CHECKING:
    from types import FrameType

    from projector.serve.feed import Wanted
    from projector.store.reading import Connection

#: How often a follower asks whether there was a commit, in milliseconds.
TICK_MS: Final = 200
#: What a follower says when it finds another database than before: numbers begin anew.
RESTART: Final = b'{"seq":0,"kind":"feed","op":"restart"}'


@click.command()
@common
@click.option(
    "--after",
    metavar="SEQ",
    type=click.IntRange(min=0),
    help="Only what came behind this number: the last that was seen. Default: from the beginning.",
)
@click.option("--follow", is_flag=True, help="Go on with what happens, until it is interrupted.")
@click.option(
    "--types",
    metavar="NAMES",
    multiple=True,
    help="Only these, with commas or repeated: turn, item, thread, event, or a lifecycle type such"
    " as turn.failed.",
)
@click.option(
    "--source",
    metavar="NAME",
    help="Of this source, in a database that several hosts write: each has a sequence of its own."
    " Default: that of this host, or of [source] name.",
)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="No more lines than this.")
@click.pass_context
def events(
    context: click.Context,
    codex_home: tuple[str, ...],
    database: str | None,
    *,
    after: int | None,
    follow: bool,
    types: tuple[str, ...],
    source: str | None,
    limit: int | None,
) -> None:
    """Print the change feed: JSON lines, in the order in which changes were committed.

    Each line has its number `seq`, what changed, and the row as it is now. Whoever stores the last
    `seq` that it has dealt with, and asks for what came --after it, misses nothing and sees nothing
    twice.
    """
    from projector.serve.feed import Feed, Wanted  # noqa: PLC0415 - see the package's docstring

    wanted = Wanted.parse([one for names in types for one in names.split(",") if one])
    settings = settings_of(context, codex_home, database)
    if source is not None and not is_postgres(settings.database):
        raise UsageError(f"--source {source}: a file has one only; leave it out")
    with reading(settings, source) as db:
        Feed(db).check(after or 0, wanted)
    printing = _Printing(lambda: reading(settings, source), wanted, after or 0, limit)
    with _until_told() as told:
        try:
            printing.catch_up(told)
            while follow and not printing.done and not told:
                printing.wait(told)
                with suppress(ProjectorError):  # gone again; the wait is for the next one
                    printing.catch_up(told)
        except BrokenPipeError:
            # Whoever read has left, and has all that it wanted.
            output.close_quietly()
        finally:
            printing.close()


class _Printing:
    """How far the feed has been printed."""

    def __init__(
        self, database: Callable[[], Connection], wanted: Wanted, after: int, limit: int | None
    ) -> None:
        self._database = database
        self._wanted = wanted
        self._after = after
        self._left = limit
        self._db: Connection | None = None
        self._feed_id: bytes | None = None
        self._version: object = None
        self._out: BinaryIO = sys.stdout.buffer

    @property
    def done(self) -> bool:
        """All lines that were asked for are out."""
        return self._left == 0

    def close(self) -> None:
        """Let go of the database."""
        if self._db is not None:
            self._db.close()
            self._db = None

    def catch_up(self, told: list[int]) -> None:
        """Print all that is there."""
        from projector.serve.feed import Feed  # noqa: PLC0415 - see the package's docstring

        db = self._opened()
        # Asked for before the changes: what is committed in between is found at the next look.
        self._version = db.version()
        feed = Feed(db)
        more = True
        while more and not self.done and not told:
            page = feed.page(self._after, self._wanted, self._left)
            safe = output.as_safe_json()
            output.write_bytes(safe(line) + b"\n" for line in page.lines)
            self._after, more = page.seq, page.more
            if self._left is not None:
                self._left -= len(page.lines)

    def wait(self, told: list[int]) -> None:
        """Wait for a commit, whatever happens to the database meanwhile.

        Raises:
            BrokenPipeError: nobody reads any more.
        """
        watch = select.poll()
        watch.register(self._out.fileno(), 0)
        while not told:
            if watch.poll(TICK_MS) and not self._out.isatty():
                raise BrokenPipeError
            try:
                if self._opened().version() != self._version:
                    return
            except ProjectorError:  # locked, gone, being replaced: it may come again
                self.close()

    def _opened(self) -> Connection:
        """Give the database that is there now."""
        from projector.serve.feed import Feed  # noqa: PLC0415 - see the package's docstring

        if self._db is not None and self._db.version() is None:
            self.close()
        if self._db is None:
            db = self._database()
            try:
                feed_id = Feed(db).feed_id
            except ProjectorError:
                db.close()
                raise
            if self._feed_id not in (None, feed_id):
                output.write_bytes([RESTART + b"\n"])
                self._after = 0
            self._db, self._feed_id, self._version = db, feed_id, None
        return self._db


@contextmanager
def _until_told() -> Iterator[list[int]]:
    """Give a list that is no longer empty once SIGINT or SIGTERM came; a second one interrupts."""
    told: list[int] = []

    def tell(number: int, _frame: FrameType | None) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(number)

    before = {number: signal.signal(number, tell) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield told
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
