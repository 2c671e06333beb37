"""Bytes of a rollout, plain or .zst, piece by piece within fixed memory.

Files are opened for reading only, never locked or touched, and without moving their access time
where the system allows it. What is wrong with the world is raised as `RolloutUnreadable`; what is
wrong with the compressed data is an `Anomaly`, after all that can be read has been given.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, Self

from projector.model.changes import Anomaly
from projector.model.errors import RolloutMissing, RolloutUnreadable, TooManyOpenFiles
from projector.model.ids import Offset
from projector.model.regular_file import NotRegularFile, open_regular, pread_fully

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: Bytes read at a time.
CHUNK_BYTES = 1024 * 1024
#: Largest window of a compressed frame, as a power of two: 128 MiB, what `zstd` itself allows.
WINDOW_LOG = 27
#: A .zst that has given so many bytes, each `BOMB_RATIO` for one, is not read further.
BOMB_BYTES = 256 * 1024 * 1024
BOMB_RATIO = 1024

_PACKED_BYTES: Final = 128 * 1024
_IDLE_STEPS: Final = 1000


class Identity(NamedTuple):
    """Which file this is, and how long, at one moment."""

    device: int
    inode: int
    size: int
    mtime_ns: int


class File(Protocol):
    """An open file; what tests put faults into."""

    def pread(self, length: int, offset: int) -> bytes:
        """Read `length` bytes from `offset` on; fewer only at the end of the file."""

    def identity(self) -> Identity:
        """Tell which file is open."""

    def close(self) -> None:
        """Let go of it."""


class OpenFile:
    """A file on disk."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str) -> None:
        """Open it.

        Raises:
            RolloutMissing: there is none.
            RolloutUnreadable: it cannot be read, or is no file.
        """
        self.path = path
        self._fd = -1
        try:
            self._fd = open_regular(path)
        except NotRegularFile as error:
            raise RolloutUnreadable(
                f"{path}: {error.strerror}", hint="Move it away: only rollouts belong here"
            ) from error
        except OSError as error:
            raise _set_aside(path, error) from error

    def pread(self, length: int, offset: int) -> bytes:
        """Read `length` bytes from `offset` on; fewer only at the end of the file.

        Raises:
            RolloutUnreadable: the disk or the network failed.
        """
        try:
            return pread_fully(self._fd, length, offset)
        except OSError as error:
            raise _set_aside(self.path, error) from error

    def identity(self) -> Identity:
        """Tell which file is open.

        Raises:
            RolloutUnreadable: the network failed.
        """
        try:
            return _identity(os.fstat(self._fd))
        except OSError as error:
            raise _set_aside(self.path, error) from error

    def close(self) -> None:
        """Let go of it. Safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        """Use it for the length of a `with`."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of it."""
        self.close()


def identity_of(path: str) -> Identity:
    """Tell which file a path leads to now.

    Raises:
        RolloutMissing: to none.
        RolloutUnreadable: the folder cannot be read.
    """
    try:
        return _identity(os.stat(path))
    except OSError as error:
        raise _set_aside(path, error) from error


def _identity(found: os.stat_result) -> Identity:
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _set_aside(path: str, error: OSError) -> RolloutUnreadable:
    """Say what an error of the system means for a rollout."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return RolloutMissing(f"{path}: not there any more")
        case errno.EACCES | errno.EPERM:
            return RolloutUnreadable(
                f"{path}: permission denied", hint=f"Mend: chmod u+r {path}, or run as its owner"
            )
        case errno.EIO:
            return RolloutUnreadable(
                f"{path}: the disk cannot read it", hint="Check the disk (dmesg)"
            )
        case errno.ELOOP:
            return RolloutUnreadable(f"{path}: links in a circle", hint="Remove the link")
        case errno.EMFILE | errno.ENFILE:
            return TooManyOpenFiles.at(path)
        case _:
            return RolloutUnreadable(f"{path}: cannot be read: {error.strerror or error}")


class Unpacked:
    """The content of a .zst, from its start, of one frame or several."""

    __slots__ = ("_consumed", "_file", "_frame", "_input", "anomaly", "ended", "position")

    def __init__(self, file: File) -> None:
        """Begin at the first byte."""
        self._file = file
        self._frame: zstd.ZstdDecompressor | None = None
        self._input = b""
        self._consumed = 0
        self.position = 0
        """Uncompressed bytes given so far."""
        self.ended = False
        """There is no more, or no more that can be read."""
        self.anomaly: Anomaly | None = None
        """Why no more can be read; None: it ended well, or has not ended."""

    def read(self, length: int) -> bytes:
        """Give at most `length` bytes more; none: `ended` says whether to ask again.

        Raises:
            RolloutUnreadable: the disk or the network failed.
        """
        for _ in range(_IDLE_STEPS):  # of headers and empty frames, which give nothing
            if self.ended:
                break
            packed = self._next_packed()
            if self._frame is None:
                continue
            try:
                given = self._frame.decompress(packed, length)
            except zstd.ZstdError as error:
                self._stop(*_damage(error, at_start=not self.position))
                break
            if self._frame.eof:
                self._input, self._frame = self._frame.unused_data, None
            if given:
                self.position += len(given)
                if self.position > max(BOMB_BYTES, BOMB_RATIO * self._consumed):
                    self._stop("zst_expands", "expands beyond reason; not read further")
                return given
        return b""

    def _next_packed(self) -> bytes:
        """Give what the frame needs next; begins the next frame where one ended."""
        if self._frame is not None and not self._frame.needs_input:
            return b""
        packed, self._input = self._input, b""
        if not packed:
            packed = self._file.pread(_PACKED_BYTES, self._consumed)
            self._consumed += len(packed)
        if not packed:
            self.ended = True
            if self._frame is not None:
                self._stop("zst_truncated", "the compressed file is cut short")
                self._frame = None
        elif self._frame is None:
            self._frame = zstd.ZstdDecompressor(
                options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
            )
        return packed

    def _stop(self, kind: str, detail: str) -> None:
        self.ended = True
        self.anomaly = Anomaly(kind, Offset(self.position), 0, detail)


def _damage(error: Exception, *, at_start: bool) -> tuple[str, str]:
    """Name what the decompressor refused: kind and detail."""
    if at_start and "Unknown frame descriptor" in str(error):
        return "zst_not", "named .zst, and is no zstd file"
    return "zst_damaged", f"the compressed file is damaged: {error}"


Opener = Callable[[str], File]
