"""Reading ahead: a second process reads and reduces rollouts while this one writes them.

A backfill of large rollouts takes as long as the longer half of its work, not as both.

1. The other process knows no database: this one is the only writer. What it gives are batches
   as a `Tail` makes them, in order, from a rollout's first byte.
2. It is one batch ahead: it makes the next one while this one is committed, and then waits until
   that is asked for.
3. Whatever is out of the ordinary there ends the stream without an error: a file that cannot be
   read, a reducer that asks for earlier rows, a long line, an end by a signal. The tail goes on
   by itself behind the last batch that was committed, meets the same, and can tell it. By law 1
   of `reduce/contract.py` the rows are the same.
4. After any doubt about a write, nothing is read ahead any more.
5. It ends with this process, however that ends: then its socket is closed.

It is made by `fork`, before this process has threads or a database: what it needs is imported
then, and it costs 3 ms where nothing is to be done. A thread would not do: who inserts row by row
waits for the interpreter's lock up to 5 ms each time that another thread computes.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import select
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from typing import IO, NamedTuple

from projector.place import Checkpoint, RolloutFile
from projector.reduce import start as reducers
from projector.rows import Found
from projector.run.batches import Limits, batch_of, reader_at
from projector.store.contract import Batch

#: Rollouts that hold less than so many batches are read as fast by the process that writes them.
_BATCHES_MIN = 4
#: A batch with more bytes than so many times the limit (a long line) would be in memory twice.
_LARGE = 4


class _Told(NamedTuple):
    """What the other process answers."""

    stream: int
    batch: Batch | None
    """None: the stream has come to its end."""
    bytes_read: int
    """Of this stream so far."""


class Ahead:
    """The other process, as seen from this one. Made by `start`; `close` it."""

    def __init__(self, process: int, link: socket.socket, limits: Limits) -> None:
        self._process = process
        self._link: socket.socket | None = link
        self._answers = link.makefile("rb")
        self._limits = limits
        self._stream = 0
        self._of: RolloutFile | None = None
        self.bytes_read = 0
        """Uncompressed bytes that were read of the open rollout."""

    @classmethod
    def start(cls, limits: Limits) -> Ahead | None:
        """Begin the other process; None: it could not be, or would not help."""
        if sys.platform != "linux" or threading.active_count() > 1 or _cores() < 2:  # noqa: PLR2004 - one for each
            return None
        here, there = socket.socketpair()
        try:
            process = os.fork()
        except OSError:
            here.close()
            there.close()
            return None
        if process == 0:
            here.close()
            _live(there, limits)
        there.close()
        return cls(process, here, limits)

    def open(self, file: RolloutFile) -> bool:
        """Begin to read a rollout from its first byte; False: not this one, or not now."""
        if (
            self._link is None
            or self._of is not None
            or file.size < _BATCHES_MIN * self._limits.batch_bytes
        ):
            return False
        self._stream += 1
        self._of, self.bytes_read = file, 0
        try:
            self._link.sendall(pickle.dumps((self._stream, file)))
        except OSError:
            self.close()
            return False
        return True

    async def next(self) -> Batch | None:
        """Give the next batch of the open rollout; None: there are no more, go on by yourself."""
        if self._of is None:
            return None
        told = await asyncio.to_thread(self._answer)
        if told is None:
            self.close()
            return None
        self.bytes_read = told.bytes_read
        if told.batch is None:
            self._of = None
        return told.batch

    def _answer(self) -> _Told | None:
        """Wait for an answer to what was asked last; None: the other process is gone."""
        while True:
            try:
                told = pickle.load(self._answers)  # noqa: S301 - from our own process
            except (OSError, EOFError, pickle.UnpicklingError):
                return None
            if isinstance(told, _Told) and told.stream == self._stream:
                return told

    def leave(self) -> None:
        """Leave the open rollout: another one may be opened."""
        self._of = None

    def close(self) -> None:
        """Read nothing ahead any more. Safe to call twice."""
        link, self._link, self._of = self._link, None, None
        if link is None:
            return
        self._answers.close()
        link.close()
        os.kill(self._process, signal.SIGKILL)  # it has nothing to lose, and may wait for a disk
        os.waitpid(self._process, 0)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _live(link: socket.socket, limits: Limits) -> None:
    """Be the other process: answer until nobody asks any more. Does not return."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who asks gets it as well
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        with link.makefile("rb") as asked, link.makefile("wb") as answers:
            while True:
                number, file = pickle.load(asked)  # noqa: S301 - from the process that made us
                _answer(number, file, link, answers, limits)
    except BaseException:  # noqa: BLE001 - nobody is above us: a stack of another program is
        os._exit(1)


def _answer(
    number: int, file: RolloutFile, link: socket.socket, answers: IO[bytes], limits: Limits
) -> None:
    read = 0
    for batch, read in _batches(file, limits):
        pickle.dump(_Told(number, batch, read), answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()
        if select.select([link], [], [], 0)[0]:  # something else is asked for
            return
    pickle.dump(_Told(number, None, read), answers)
    answers.flush()


def _batches(file: RolloutFile, limits: Limits) -> Iterator[tuple[Batch, int]]:
    """Give the batches of a rollout from its first byte on, as long as all is in order.

    With each comes how many bytes were read so far.
    """
    reducer = reducers.start(file.name.rollout_id, file.name.thread_id)
    at: Checkpoint | None = None
    try:
        with reader_at(file, None, limits) as reader:
            reader.resume()
            while not reader.at_end:
                lines = reader.read(limits.batch_bytes, limits.batch_records)
                if sum(len(line.data) for line in lines) > _LARGE * limits.batch_bytes:
                    return
                if reader.torn > _LARGE * limits.batch_bytes:
                    return
                while reducer.wants(lines):
                    if at is not None:
                        return
                    reducer.learn(Found())  # before the first batch there is nothing
                if lines:
                    batch = batch_of(file, at, reader, reducer, lines, limits=limits, generation=0)
                    at = batch.end
                    yield batch, reader.bytes_read
    except Exception:  # noqa: BLE001 - rule 3: whatever it is, it is met again
        return
