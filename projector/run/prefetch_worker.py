"""Prefetch worker process: read and reduce rollouts in the requested order.

See `prefetch`, the other side of the pipes, for the rules.
"""

from __future__ import annotations

import fcntl
import os
import select
import sys
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import chain
from time import perf_counter

from msgspec.structs import replace

from projector.model.ids import Checkpoint, RolloutFile
from projector.model.settings import Settings
from projector.reduce import detect as reducers
from projector.run.batches import Limits, batch_of, gather, limits_of, reader_at
from projector.run.collector import settle
from projector.run.file_catalog import FileCatalog
from projector.run.prefetch import (
    LENGTH,
    WORTH,
    Group,
    Read,
    Request,
    Response,
    Whole,
    decode,
    message,
)
from projector.search.diacritics import folded
from projector.search.text import spaced
from projector.store.protocol import Batch

#: What a pipe holds, if the system lets it: messages are larger than the 64 KiB that it has.
_PIPE_BYTES = 1024 * 1024
#: A batch with more bytes than so many times the limit (a long line) would be in memory twice.
_LARGE = 4
#: Bytes of the very first batch, and how many times as many each next one has, up to the limit:
#: the other process has nothing to do before the first, and soon something.
_SMALL_BYTES = 64 * 1024
_GROWTH = 4
#: So many batches are made before the first request at most.
_GUESSED = 5
#: The other process waits for batches if it takes one within this part of the time it took to make.
_TAKEN_AT_ONCE = 1 / 8


_Made = Iterator[tuple[Batch, int, bool]]


def serve(asks: int, answered: int, settings: Settings, *, is_new: bool) -> None:
    """Answer requests until the other end of the pipe is closed.

    `is_new`: the database does not exist yet, so every rollout will be requested.

    Raises:
        OSError: the requesting process has ended.
    """
    _warm_up()
    settle()
    if sys.platform == "linux":
        with suppress(OSError):  # there is less for each user of a busy system
            fcntl.fcntl(answered, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
    limits = limits_of(settings)
    waiting = _Waiting(asks)
    pace = Pace()
    guess = _guess(settings, limits, waiting, pace) if is_new else None
    begun = guess is not None
    while (asked := waiting.next()) is not None:
        if isinstance(asked, Group):
            _write(answered, message(Whole(tuple(_whole(file, limits) for file in asked.files))))
            continue
        stream, file = asked
        made = (
            guess[1]
            if guess is not None and guess[0] == file
            else batches(file, limits, begins=not begun, pace=pace)
        )
        guess, begun = None, True
        told = Response(stream, None, 0, ended=False)
        began = perf_counter()
        for batch, read, ended in made:
            told = Response(stream, batch, read, ended)
            data = message(told)
            done = perf_counter()
            _write(answered, data)
            began, made_in = perf_counter(), done - began
            if waiting.is_left(stream):
                break
            # A rollout has one reader. While the other process only waits for it, it extracts the
            # words of items: that takes as long there.
            pace.is_waited_for = waiting.is_empty and began - done < made_in * _TAKEN_AT_ONCE
        if not told.ended:
            _write(answered, message(told._replace(batch=None, ended=True)))


def _warm_up() -> None:
    """Import and compile what else the first batch needs, while nobody waits for it: 4 ms."""
    import projector.read.rollout  # noqa: F401, PLC0415 - used by `reader_at`

    folded(spaced("\N{CJK UNIFIED IDEOGRAPH-4E2D}"))


def _whole(file: RolloutFile, limits: Limits) -> Read:
    """Read a rollout that makes one batch."""
    for batch, read, ended in batches(file, limits):
        return Read(batch if ended else None, read)
    return Read(None, 0)


class Pace:
    """How fast batches are taken."""

    def __init__(self) -> None:
        self.is_waited_for = False
        """True if the other process has nothing to do but to wait for the next batch."""
        self.ends_at: Callable[[], bool] = lambda: False
        """Whether a batch is to end here, though it may have more bytes."""


def _guess(
    settings: Settings, limits: Limits, waiting: _Waiting, pace: Pace
) -> tuple[RolloutFile, _Made] | None:
    """Make the first batches of the rollout that will probably be requested first."""
    look = FileCatalog(settings.codex_homes).everything()
    files = [file for file in look.files.values() if file.size >= WORTH]
    if not files:
        return None
    file = min(files, key=lambda one: one.name.rollout_id)
    made = batches(file, limits, begins=True, pace=pace)
    ready = []
    pace.ends_at = waiting.is_asked
    for batch in made:
        ready.append(batch)
        if len(ready) == _GUESSED or waiting.is_asked():
            break
    pace.ends_at = lambda: False
    return (file, chain(ready, made)) if ready else None


class _Waiting:
    """Rollouts that were requested and not started."""

    def __init__(self, asks: int) -> None:
        self._asks = asks
        self._files: deque[tuple[int, RolloutFile] | Group] = deque()
        self._left: set[int] = set()

    @property
    def is_empty(self) -> bool:
        """True if no rollout waits, of those that were heard of."""
        return not self._files

    def next(self) -> tuple[int, RolloutFile] | Group | None:
        """Wait for a request; None: the other end of the pipe is closed."""
        while not self._files:
            if not self._hear():
                return None
        return self._files.popleft()

    def is_asked(self) -> bool:
        """True if a message has come."""
        return bool(select.select([self._asks], [], [], 0)[0])

    def is_left(self, stream: int) -> bool:
        """True if nothing more is wanted of a stream."""
        while self.is_asked():
            if not self._hear():
                return True
        return stream in self._left

    def _hear(self) -> bool:
        """Take a message; False: there is none any more."""
        asked = decode(self._read(int.from_bytes(self._read(LENGTH), "little")))
        if isinstance(asked, Group):
            self._files.append(asked)
            return True
        if not isinstance(asked, Request):
            return False
        if asked.file is None:
            self._left.add(asked.stream)
        else:
            self._files.append((asked.stream, asked.file))
        return True

    def _read(self, length: int) -> bytes:
        data = b""
        while len(data) < length:
            piece = os.read(self._asks, length - len(data))
            if not piece:
                return b""
            data += piece
        return data


def _write(to: int, parts: tuple[bytes, bytes]) -> None:
    for part in parts:
        rest = memoryview(part)
        while rest:
            rest = rest[os.write(to, rest) :]


def batches(
    file: RolloutFile, limits: Limits, *, begins: bool = False, pace: Pace | None = None
) -> _Made:
    """Yield the batches of a rollout from its first byte on, as long as all is in order.

    With each comes how many bytes were read so far, and whether it is the last one. `begins`: the
    first batches are small ones, because the other process waits for them. `pace`: batches that are
    waited for come without the words of their items.
    """
    wordless = replace(limits, indexing=None)
    size = min(limits.batch_bytes, _SMALL_BYTES) if begins else limits.batch_bytes
    most = _LARGE * limits.batch_bytes
    pace = pace or Pace()
    reducer = reducers.start(file.name.rollout_id, file.name.thread_id)
    at: Checkpoint | None = None
    try:
        with reader_at(file, None, limits) as reader:
            reader.resume()
            while not reader.at_end:
                how = wordless if pace.is_waited_for else limits
                made, left = gather(reader, reducer, how, size, most=most, is_enough=pace.ends_at)
                if made is not None:
                    batch = batch_of(file, at, reader, reducer, made, limits=how, generation=0)
                    at, size = batch.end, min(_GROWTH * size, limits.batch_bytes)
                    yield batch, reader.bytes_read, not left and reader.at_end
                if left or reader.partial_bytes > most:
                    return
    except Exception:  # noqa: BLE001 - rule 3: whatever it is, it is met again
        return
