"""Prefetch: a second process reads and reduces rollouts while this one writes them.

A backfill takes as long as the longer half of its work, not as both.

1. The other process (`prefetch_worker.py`) has no database: this one is the only writer. It returns
   batches as a `Tailer` does, in order, from a rollout's first byte.
2. It is told of the rollouts that come next, and is a batch or two ahead: while one is committed
   the next is on its way here and the one behind it is being made. Then it waits. For a database
   that is not there yet, or a server that nothing was written to from here, it begins by itself,
   with the oldest rollout. The very first batches are small ones, so that this process soon
   has something to write. While the other one is behind, this one reads other rollouts itself
   (`Scheduler._meanwhile`).
3. Whatever is out of the ordinary there ends the stream without an error: a file that cannot be
   read, a reducer that asks for earlier rows, a long line, an end by a signal. The tail goes on
   by itself behind the last batch that was committed, meets the same, and can tell it. By law 1
   of `reduce/protocol.py` the rows are the same.
4. New rollouts with few bytes are read in groups: of those that come next, two thirds are asked for
   together (`Group`), and read while those before them are committed; this process reads the
   others, as to read takes twice as long as to write.
5. After any doubt about a write, nothing is read ahead any more.
6. It ends with this process, however that ends: then its pipes are closed.

It is made by `fork`, before this process has threads or a database, and before what the two need
is imported: so they import it side by side. A thread would not do: who inserts row by row waits
for the interpreter's lock up to 5 ms each time that another thread computes.
"""

from __future__ import annotations

import mmap
import os
import pickle
import signal
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

from msgspec.structs import replace

if TYPE_CHECKING:  # imported after the fork
    import asyncio

    from projector.model.ids import RolloutFile, RolloutId
    from projector.model.settings import Settings
    from projector.store.protocol import Batch

#: Rollouts with fewer bytes are read together with others.
WORTH: Final = 64 * 1024
#: Rollouts that the other process knows of beside the one that is open.
_KNOWN: Final = 2
#: Longer messages than this are rare: a batch has 4 MiB of lines, or a long line.
_ROOM_BYTES: Final = 8 * 1024 * 1024
#: Before each message: its length.
LENGTH: Final = 8


class Request(NamedTuple):
    """A message to the worker."""

    stream: int
    file: RolloutFile | None
    """None: nothing more of this stream."""


class Group(NamedTuple):
    """A message to the worker: small rollouts, each of which is wanted whole."""

    files: tuple[RolloutFile, ...]


class Response(NamedTuple):
    """A message from the worker."""

    stream: int
    batch: Batch | None
    bytes_read: int
    """Of this stream so far."""
    ended: bool
    """No more comes."""


class Read(NamedTuple):
    """What came of a rollout of a group."""

    batch: Batch | None
    """All of it; None: it makes more than a batch, or is out of the ordinary."""
    bytes_read: int


class Whole(NamedTuple):
    """A message from the worker: what came of a group's rollouts, in its order."""

    rollouts: tuple[Read, ...]


Message = Request | Group | Response | Whole


def message(said: Message) -> tuple[bytes, bytes]:
    """Write a message: its length, and what it says."""
    made = _batches(said)
    # Rows as plain tuples, and what they are beside them: half the time.
    rows = [
        None if one is None else (list(map(type, one.changes)), list(map(tuple, one.changes)))
        for one in made
    ]
    bare = _with(said, [None if one is None else replace(one, changes=()) for one in made])
    data = pickle.dumps((bare, rows), pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(LENGTH, "little"), data


def decode(data: bytes | memoryview) -> Message | None:
    """Read a message, without its length; None: it is none, or not whole."""
    said: Message
    try:
        said, rows = pickle.loads(data)  # noqa: S301 - from our own process
    except (EOFError, pickle.UnpicklingError):
        return None
    return _with(
        said,
        [
            None if one is None else replace(one, changes=list(map(tuple.__new__, *found)))
            for one, found in zip(_batches(said), rows, strict=True)
        ],
    )


def _batches(said: Message) -> list[Batch | None]:
    if isinstance(said, Whole):
        return [one.batch for one in said.rollouts]
    return [said.batch] if isinstance(said, Response) else []


def _with(said: Message, batches: list[Batch | None]) -> Message:
    """Return a message with these batches in the place of its own."""
    if isinstance(said, Whole):
        pairs = zip(batches, said.rollouts, strict=True)
        return Whole(tuple(Read(batch, one.bytes_read) for batch, one in pairs))
    return said._replace(batch=batches[0]) if isinstance(said, Response) else said


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
        self._group: dict[RolloutId, RolloutFile] = {}
        """Small rollouts that were asked for together, and not taken yet."""
        self._whole: Whole | None = None
        """What came of them."""
        self._coming: asyncio.Future[memoryview] | None = None
        self._room = mmap.mmap(-1, _ROOM_BYTES)
        """For messages, one after the other. A piece of the heap for each would stay a hole of that
        size: in the part of the heap that belongs to each of the threads that receive them."""
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

    @property
    def group(self) -> Mapping[RolloutId, RolloutFile]:
        """Return the rollouts that `take_group` will tell of."""
        return self._group

    def ask_group(self, files: Sequence[RolloutFile]) -> None:
        """Have new rollouts read, each small enough for a batch. Not while any other is read."""
        if not self.can_ask:
            return
        try:
            self._send(Group(tuple(files)))
        except OSError:
            self.close()
            return
        self._group = {file.name.rollout_id: file for file in files}
        if self._coming is None:
            self._coming = self._begin_to_receive()

    @property
    def can_ask(self) -> bool:
        """True if `ask_group` would ask."""
        return not (self._closed or self._running or self._group)

    async def take_group(self) -> dict[RolloutId, Read]:
        """Wait for what comes of the group, and return it; another one may be asked for."""
        while self._group and self._whole is None and await self._hear() is not None:
            pass
        group, whole = self._group, self._whole
        self._group, self._whole = {}, None
        return {} if whole is None else dict(zip(group, whole.rollouts, strict=True))

    async def _hear(self) -> Response | Whole | None:
        """Return the next message of the worker; None: there is none, nor will be."""
        told = None if self._closed else decode(await self._receive())
        if isinstance(told, Response):
            if told.ended:
                self._running.discard(told.stream)
        elif isinstance(told, Whole):
            self._whole = told
        else:
            self.close()
            return None
        if self._running or (self._group and self._whole is None):
            self._coming = self._begin_to_receive()
        return told

    async def next(self) -> Batch | None:
        """Return the next batch of the open rollout; None: no more, continue in this process."""
        while self._open is not None:
            told = await self._hear()
            if told is None:
                return None
            if isinstance(told, Whole) or told.stream != self._open:
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
        self._send(Request(self._streams, file))

    def _leave(self, stream: int) -> None:
        self._next.pop(stream, None)
        self._send(Request(stream, None))

    def _send(self, said: Request | Group) -> None:
        os.write(self._asked_at, b"".join(message(said)))

    async def _receive(self) -> memoryview:
        coming, self._coming = self._coming or self._begin_to_receive(), None
        return await coming

    def _begin_to_receive(self) -> asyncio.Future[memoryview]:
        import asyncio  # noqa: PLC0415 - after the fork

        return asyncio.get_running_loop().run_in_executor(None, self._answer)

    def _answer(self) -> memoryview:
        """Wait for the next message; empty or cut: the other process is gone.

        It is valid until the next call.
        """
        try:
            length = int.from_bytes(self._answers.read(LENGTH), "little")
            room = self._room if length <= _ROOM_BYTES else mmap.mmap(-1, length)
            data = memoryview(room)[:length]
            return data[: self._answers.readinto(data)]
        except (OSError, ValueError):
            return memoryview(b"")


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
