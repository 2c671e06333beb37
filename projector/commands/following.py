"""Wait for commits of a database, until a signal ends it: for commands that follow."""

from __future__ import annotations

import os
import select
import signal
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from projector.commands import output
from projector.model.errors import ProjectorError

if TYPE_CHECKING:
    from types import FrameType

    from projector.store.reading import Connection

#: After SIGTERM, an unresponsive server is waited for this long, in seconds; as in `run`.
LEAVE_S: Final = 10.0
#: Interval between checks for new commits, in milliseconds.
TICK_MS: Final = 200


@contextmanager
def until_told(abandon: Callable[[], None]) -> Iterator[list[int]]:
    """Yield a list that is not empty once SIGINT or SIGTERM came; a second signal interrupts.

    `abandon`: called if the block has not ended `LEAVE_S` after the first signal.
    """
    told: list[int] = []

    def tell(number: int, _frame: FrameType | None) -> None:
        if told:
            raise KeyboardInterrupt
        told.append(number)
        signal.setitimer(signal.ITIMER_REAL, LEAVE_S)

    def late(_number: int, _frame: FrameType | None) -> None:
        abandon()

    handlers = {signal.SIGINT: tell, signal.SIGTERM: tell, signal.SIGALRM: late}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield told
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """End the block without a fault if the reader of standard output closes the pipe."""
    try:
        yield
    except BrokenPipeError:  # it has everything it wanted
        output.close_quietly()


class ReaderGone:
    """Tells whether whoever reads standard output has closed it."""

    def __init__(self) -> None:
        """Watch standard output."""
        self._watch = select.poll()
        self._watched = False
        with suppress(OSError, ValueError, AttributeError):
            self._watch.register(sys.stdout.fileno(), 0)
            self._watched = True

    def wait(self, ms: int = TICK_MS) -> None:
        """Wait a moment.

        Raises:
            BrokenPipeError: the reader closed the pipe.
        """
        if self._watch.poll(ms) and self._watched and not sys.stdout.isatty():
            raise BrokenPipeError


def after_commits(opener: Callable[[], Connection]) -> Generator[Connection]:
    """Yield the open database now and after each commit, until SIGINT or SIGTERM.

    A database that cannot be read for a while is waited for, once it could be read.

    Raises:
        BrokenPipeError: the reader of standard output closed the pipe; see `reader_may_leave`.
    """
    db: Connection | None = opener()
    version: object = None
    gone = ReaderGone()
    with until_told(lambda: os._exit(0)) as told:
        try:
            while not told:
                try:
                    if db is None or (now := db.version()) is None:
                        if db is not None:
                            db.close()
                        db, now = opener(), None
                    if now is None or now != version:
                        # Read before the answer: what is committed meanwhile is found next time.
                        version = db.version()
                        yield db
                except ProjectorError:  # locked, missing, being replaced: it may come back
                    if db is not None:
                        db.close()
                    db = None
                if not told:
                    gone.wait()
        finally:
            if db is not None:
                db.close()
