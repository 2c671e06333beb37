"""Open files by name: regular files only, without blocking, up to a size limit.

A path may lead to anything: a pipe blocks forever, a device is endless or starts working when
opened, a socket cannot be opened. So the type is checked before opening, the file is opened without
blocking, and the type is checked again.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_NOATIME: Final = getattr(os, "O_NOATIME", 0)


class NotRegularFile(OSError):
    """The path does not lead to a regular file; `strerror` says what it is."""

    def __init__(self, path: str, mode: int) -> None:
        """Create the error from the file's mode."""
        what = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
        super().__init__(errno.EINVAL, what, path)


def open_regular(path: str) -> int:
    """Open a regular file for reading and return its descriptor.

    The access time is not updated where the system allows it.

    Raises:
        NotRegularFile: it is a folder, a pipe, a device or a socket.
        OSError: it does not exist or cannot be opened.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise NotRegularFile(path, mode)
    descriptor = _open(path)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):  # it was replaced between check and open
        os.close(descriptor)
        raise NotRegularFile(path, mode)
    return descriptor


def _open(path: str) -> int:
    if _NOATIME:
        try:
            return os.open(path, _FLAGS | _NOATIME)
        except PermissionError:
            pass  # only the owner may set O_NOATIME
    return os.open(path, _FLAGS)


def pread_fully(descriptor: int, length: int, offset: int) -> bytes:
    """Read `length` bytes at `offset`; return fewer only at the end of the file.

    One system call may return less than there is: on network file systems, FUSE, or beyond 2 GiB.
    """
    data = os.pread(descriptor, length, offset)
    if not data or len(data) == length:
        return data
    parts = [data]
    got = len(data)
    while got < length and (data := os.pread(descriptor, length - got, offset + got)):
        parts.append(data)
        got += len(data)
    return b"".join(parts)


def read_regular(path: str, limit: int) -> bytes:
    """Read a whole regular file.

    Raises:
        NotRegularFile: it is a folder, a pipe, a device or a socket.
        OSError: it does not exist, cannot be read, or is longer than `limit` bytes (EFBIG).
    """
    descriptor = open_regular(path)
    try:
        data = pread_fully(descriptor, limit + 1, 0)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"is longer than {limit} bytes", path)
    return data
