"""Prefetch: a second process reads and reduces rollouts while this one writes them.

A backfill takes as long as the longer half of its work, not as both.

1. The other process (`prefetch_worker.py`) has no database: this one is the only writer. It returns
   batches as a `Tailer` does, in order, from a rollout's first byte.
2. It is told of the rollouts that come next, and is a batch or two ahead: while one is committed
   the next is on its way here and the one behind it is being made. Then it waits. For a database
   that is not there yet, or a server that nothing was written to from here, it begins by itself,
   with the oldest rollout. The very first batch is a small one, so that this process soon has
   something to write. While the other one is behind, this one reads other rollouts itself
   (`Scheduler._meanwhile`).
3. Whatever is out of the ordinary there ends the stream without an error: a file that cannot be
   read, a reducer that asks for earlier rows, a long line, an end by a signal. The tail goes on
   by itself behind the last batch that was committed, meets the same, and can tell it. By law 1
   of `reduce/protocol.py` the rows are the same.
4. After any doubt about a write, nothing is read ahead any more.
5. It ends with this process, however that ends: then its pipes are closed.

It is made by `fork`, before this process has threads or a database, and before what the two need
is imported: so they import it side by side. A thread would not do: who inserts row by row waits
for the interpreter's lock up to 5 ms each time that another thread computes.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

if TYPE_CHECKING:  # imported after the fork
    import asyncio

    from projector.model.changes import Change
    from projector.model.ids import RolloutFile
    from projector.model.settings import Settings
    from projector.store.protocol import Batch

#: Rollouts with fewer bytes are read as fast by the process that writes them.
WORTH: Final = 64 * 1024
#: Rollouts that the other process knows of beside the one that is open.
_KNOWN: Final = 2
#: Before each message: its length.
LENGTH: Final = 8


class Request(NamedTuple):
    """A message to the worker."""

    stream: int
    file: RolloutFile | None
    """None: nothing more of this stream."""


class Response(NamedTuple):
    """A message from the worker."""

    stream: int
    batch: Batch | None
    bytes_read: int
    """Of this stream so far."""
    ended: bool
    """No more comes."""


def message(said: Request | Response) -> tuple[bytes, bytes]:
    """Write a message: its length, and what it says."""
    changes: Sequence[Change] = ()
    if isinstance(said, Response) and said.batch is not None:
        changes = said.batch.changes
        said = said._replace(batch=replace(said.batch, changes=()))
    # Rows as plain tuples, and what they are beside them: half the time.
    data = pickle.dumps(
        (said, list(map(type, changes)), list(map(tuple, changes))), pickle.HIGHEST_PROTOCOL
    )
    return len(data).to_bytes(LENGTH, "little"), data


def decode(data: bytes) -> Request | Response | None:
    """Read a message, without its length; None: it is none, or not whole."""
    said: Request | Response
    try:
        said, kinds, rows = pickle.loads(data)  # noqa: S301 - from our own process
    except (EOFError, pickle.UnpicklingError):
        return None
    if isinstance(said, Response) and said.batch is not None:
        changes = list(map(tuple.__new__, kinds, rows))
        said = said._replace(batch=replace(said.batch, changes=changes))
    return said


class Prefetcher:
    """The prefetch worker, as seen by the parent. Created by `start`; `close` it."""

    def __init__(self, process: int, asked: int, answers: int) -> None:
        self._process = process
        self._asked_at = asked
        self._answers = os.fdopen(answers, "rb")
        self._closed = False
        self._streams = 0
        self._next: dict[int, RolloutFile] = {}
        """Streams that were asked for and not opened yet, in the order in which they come."""
        self._running: set[int] = set()
        """Those of which more comes, if only their end."""
        self._open: int | None = None
        self._open_file: RolloutFile | None = None
        self._coming: asyncio.Future[bytes] | None = None
        self.bytes_read = 0
        """Uncompressed bytes that were read of the open rollout."""

    @classmethod
    def start(cls, settings: Settings) -> Prefetcher | None:
        """Begin the other process; None: it could not be, or would not help."""
        if sys.platform != "linux" or threading.active_count() > 1 or _cores() < 2:  # noqa: PLR2004 - one for each
            return None
        is_new = not _is_known(settings)
        asks, asked = os.pipe()
        answers, answered = os.pipe()
        try:
            process = os.fork()
        except OSError:
            for end in (asks, asked, answers, answered):
                os.close(end)
            return None
        if process == 0:
            os.close(asked)
            os.close(answers)
            _become(asks, answered, settings, is_new=is_new)
        os.close(asks)
        os.close(answered)
        return cls(process, asked, answers)

    def open(self, file: RolloutFile, soon: Iterable[RolloutFile] = ()) -> bool:
        """Start reading a rollout from its first byte; False: not this one, or not now.

        `soon`: rollouts that will probably be opened after it.
        """
        if self._closed or self._open is not None or file.size < WORTH:
            return False
        try:
            for stream, other in list(self._next.items()):
                if other == file:
                    break
                self._leave(stream)  # it was expected, and did not come
            if not self._next:
                self._ask(file)
            self._open = next(iter(self._next))
            self._open_file = self._next.pop(self._open)
            for other in soon:
                if len(self._next) == _KNOWN:
                    break
                if other.size >= WORTH and other not in self._next.values():
                    self._ask(other)
        except OSError:
            self.close()
            return False
        self.bytes_read = 0
        if self._coming is None:
            self._coming = self._begin_to_receive()
        return True

    @property
    def is_open(self) -> bool:
        """True if a rollout is open, and has more batches."""
        return self._open is not None

    @property
    def is_behind(self) -> bool:
        """True if a rollout is open whose next batch has not come yet."""
        return self._open is not None and self._coming is not None and not self._coming.done()

    def knows(self, file: RolloutFile) -> bool:
        """True if the other process reads a rollout, or was told that it comes next."""
        return file == self._open_file or file in self._next.values()

    async def next(self) -> Batch | None:
        """Return the next batch of the open rollout; None: no more, continue in this process."""
        while self._open is not None:
            told = decode(await self._receive())
            if not isinstance(told, Response):
                self.close()
                return None
            if told.ended:
                self._running.discard(told.stream)
            if self._running:
                self._coming = self._begin_to_receive()
            if told.stream != self._open:
                continue  # of one that was left
            self.bytes_read = told.bytes_read
            if told.ended:
                self._open = None
            return told.batch
        return None

    def leave(self) -> None:
        """Leave the open rollout: another one may be opened."""
        stream, self._open = self._open, None
        if stream is not None and not self._closed:
            try:
                self._leave(stream)
            except OSError:
                self.close()

    def close(self) -> None:
        """Stop reading ahead. Safe to call twice."""
        if self._closed:
            return
        self._closed, self._open = True, None
        os.close(self._asked_at)
        os.kill(self._process, signal.SIGKILL)  # it has nothing to lose, and may wait for a disk
        os.waitpid(self._process, 0)
        if self._coming is None or self._coming.done():
            self._answers.close()  # else a thread reads its end just now

    def _ask(self, file: RolloutFile) -> None:
        self._streams += 1
        self._next[self._streams] = file
        self._running.add(self._streams)
        os.write(self._asked_at, b"".join(message(Request(self._streams, file))))

    def _leave(self, stream: int) -> None:
        self._next.pop(stream, None)
        os.write(self._asked_at, b"".join(message(Request(stream, None))))

    async def _receive(self) -> bytes:
        coming, self._coming = self._coming or self._begin_to_receive(), None
        return await coming

    def _begin_to_receive(self) -> asyncio.Future[bytes]:
        import asyncio  # noqa: PLC0415 - after the fork

        return asyncio.get_running_loop().run_in_executor(None, self._answer)

    def _answer(self) -> bytes:
        """Wait for the next message; empty: the other process is gone."""
        try:
            length = int.from_bytes(self._answers.read(LENGTH), "little")
            return self._answers.read(length)
        except (OSError, ValueError):
            return b""


def _is_known(settings: Settings) -> bool:
    """True if the database is there, or, on a server, if something was written to it from here."""
    if settings.database_path:
        return os.path.exists(settings.database_path)
    from projector.model.database_url import shown, source_id  # noqa: PLC0415 - not for SQLite
    from projector.store import state_file  # noqa: PLC0415 - same

    source = source_id(settings.source.name or os.uname().nodename)
    return state_file.was_written(shown(settings.database), str(source))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _become(asks: int, answered: int, settings: Settings, *, is_new: bool) -> None:
    """Run the prefetch worker in the forked child. Never returns."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks gets it as well
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        from projector.run.prefetch_worker import serve  # noqa: PLC0415 - after the fork

        serve(asks, answered, settings, is_new=is_new)
    except BaseException:  # noqa: BLE001, S110 - nobody is above us: a stack of another program is
        pass
    os._exit(1)
