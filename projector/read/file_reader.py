"""Read a rollout, plain or .zst, in chunks within fixed memory.

Files are opened read-only, never locked or modified, and where the system allows it without
updating their access time. File system errors are raised as `RolloutUnreadable`; damaged compressed
data is an `Anomaly`, after everything readable was returned.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol, Self

from msgspec.structs import replace

from projector.model.changes import Anomaly
from projector.model.errors import RolloutMissing, RolloutUnreadable, TooManyOpenFiles
from projector.model.ids import Offset, RolloutFile
from projector.model.regular_file import NotRegularFile, open_regular, pread_fully

#: Bytes per read.
CHUNK_BYTES = 1024 * 1024
#: Largest window of a compressed frame, as a power of two: 128 MiB, the default limit of `zstd`.
WINDOW_LOG = 27
#: A .zst that has expanded to this many bytes, `BOMB_RATIO` for each compressed byte, is not read
#: further.
BOMB_BYTES = 256 * 1024 * 1024
BOMB_RATIO = 1024
#: In this a line counts as so many bytes at least: its number may cost more than its bytes.
BOMB_LINE = 64

_PACKED_BYTES: Final = 128 * 1024
_IDLE_STEPS: Final = 1000


class Identity(NamedTuple):
    """Identity and length of a file at one moment."""

    device: int
    inode: int
    size: int
    mtime_ns: int
    ctime_ns: int = 0

    def of(self, file: RolloutFile) -> RolloutFile:
        """Return a rollout's file as it was at this moment."""
        return replace(file, **self._asdict())


class File(Protocol):
    """An open file; replaced by tests to inject faults."""

    def pread(self, length: int, offset: int) -> bytes:
        """Read `length` bytes at `offset`; fewer only at the end of the file."""

    def identity(self) -> Identity:
        """Return the identity of the open file."""

    def close(self) -> None:
        """Close the file."""


class OpenFile:
    """A file on disk."""

    __slots__ = ("_fd", "path")

    def __init__(self, path: str) -> None:
        """Open the file.

        Raises:
            RolloutMissing: it does not exist.
            RolloutUnreadable: it cannot be read or is not a regular file.
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
        """Read `length` bytes at `offset`; fewer only at the end of the file.

        Raises:
            RolloutUnreadable: the disk or the network failed.
        """
        try:
            return pread_fully(self._fd, length, offset)
        except OSError as error:
            raise _set_aside(self.path, error) from error

    def identity(self) -> Identity:
        """Return the identity of the open file.

        Raises:
            RolloutUnreadable: the network failed.
        """
        try:
            return _identity(os.fstat(self._fd))
        except OSError as error:
            raise _set_aside(self.path, error) from error

    def close(self) -> None:
        """Close the file. Safe to call twice."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __enter__(self) -> Self:
        """Enter a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file."""
        self.close()


def identity_of(path: str) -> Identity:
    """Return the identity of the file at a path now.

    Raises:
        RolloutMissing: it does not exist.
        RolloutUnreadable: the folder cannot be read.
    """
    try:
        return _identity(os.stat(path))
    except OSError as error:
        raise _set_aside(path, error) from error


def _identity(found: os.stat_result) -> Identity:
    return Identity(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _set_aside(path: str, error: OSError) -> RolloutUnreadable:
    """Convert an OSError to the error for a rollout."""
    match error.errno:
        case errno.ENOENT | errno.ENOTDIR | errno.ESTALE:
            return RolloutMissing(f"{path}: not there any more")
        case errno.EACCES | errno.EPERM:
            return RolloutUnreadable(
                f"{path}: permission denied", hint=f"Fix: chmod u+r {path}, or run as its owner"
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
    """The content of a .zst file, of one or several frames, from its start."""

    __slots__ = (
        "_consumed", "_file", "_frame", "_input", "_lines", "_zstd", "anomaly", "ended", "position",
    )  # fmt: skip

    def __init__(self, file: File) -> None:
        """Start at the first byte."""
        from projector.read.zstd import zstd  # noqa: PLC0415 - see there

        self._zstd = zstd
        self._file = file
        self._frame: zstd.ZstdDecompressor | None = None
        self._input = b""
        self._consumed = self._lines = 0
        self.position = 0
        """Uncompressed bytes returned so far."""
        self.ended = False
        """True if there is no more, or nothing more that is readable."""
        self.anomaly: Anomaly | None = None
        """Why nothing more can be read; None: the file ended normally, or has not ended."""

    def read(self, length: int) -> bytes:
        """Return at most `length` more bytes; if none, `ended` says whether to call again.

        Raises:
            RolloutUnreadable: the disk or the network failed.
        """
        for _ in range(_IDLE_STEPS):  # headers and empty frames produce no output
            if self.ended:
                break
            packed = self._next_packed()
            if self._frame is None:
                continue
            try:
                given = self._frame.decompress(packed, length)
            except self._zstd.ZstdError as error:
                self._stop(*_damage(error, at_start=not self.position))
                break
            if self._frame.eof:
                self._input, self._frame = self._frame.unused_data, None
            if given:
                self.position += len(given)
                self._lines += given.count(b"\n")
                expanded = max(self.position, BOMB_LINE * self._lines)
                if expanded > max(BOMB_BYTES, BOMB_RATIO * self._consumed):
                    self._stop("zst_expands", "expands beyond reason; not read further")
                return given
        return b""

    def _next_packed(self) -> bytes:
        """Return the next compressed input; start the next frame if one ended."""
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
            self._frame = self._zstd.ZstdDecompressor(
                options={self._zstd.DecompressionParameter.window_log_max: WINDOW_LOG}
            )
        return packed

    def _stop(self, kind: str, detail: str) -> None:
        self.ended = True
        self.anomaly = Anomaly(kind, Offset(self.position), 0, detail)


def _damage(error: Exception, *, at_start: bool) -> tuple[str, str]:
    """Return kind and detail of a decompression error."""
    if at_start and "Unknown frame descriptor" in str(error):
        return "zst_not", "named .zst, and is no zstd file"
    return "zst_damaged", f"the compressed file is damaged: {error}"


Opener = Callable[[str], File]
