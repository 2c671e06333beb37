"""Files that are opened by name: regular ones only, never waited for, read within a limit.

A name may stand for anything: a pipe waits for ever, a device has no end or begins to work when
it is opened, a socket cannot be opened. So a path is looked at before it is opened, opened without
waiting, and looked at again.
"""

from __future__ import annotations

import errno
import os
import stat
from typing import Final

_FLAGS: Final = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
_NOATIME: Final = getattr(os, "O_NOATIME", 0)


class NotRegularFile(OSError):
    """What the path leads to is no regular file; `strerror` says what it is."""

    def __init__(self, path: str, mode: int) -> None:
        """Say what it is by its mode."""
        what = "is a folder" if stat.S_ISDIR(mode) else "is no regular file"
        super().__init__(errno.EINVAL, what, path)


def open_regular(path: str) -> int:
    """Open a regular file for reading; return its descriptor.

    The access time stays where the system allows it.

    Raises:
        NotRegularFile: it is a folder, a pipe, a device or a socket.
        OSError: it is missing, or cannot be opened.
    """
    mode = os.stat(path).st_mode
    if not stat.S_ISREG(mode):
        raise NotRegularFile(path, mode)
    descriptor = _open(path)
    mode = os.fstat(descriptor).st_mode
    if not stat.S_ISREG(mode):  # it was replaced between the two
        os.close(descriptor)
        raise NotRegularFile(path, mode)
    return descriptor


def _open(path: str) -> int:
    if _NOATIME:
        try:
            return os.open(path, _FLAGS | _NOATIME)
        except PermissionError:
            pass  # only the owner may ask for it
    return os.open(path, _FLAGS)


def pread_fully(descriptor: int, length: int, offset: int) -> bytes:
    """Read `length` bytes from `offset` on; fewer only at the end of the file.

    One call of the system may give less than there is: on network file systems, FUSE, or beyond
    2 GiB.
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
    """Read a regular file whole.

    Raises:
        NotRegularFile: it is a folder, a pipe, a device or a socket.
        OSError: it is missing, cannot be read, or is longer than `limit` bytes (EFBIG).
    """
    descriptor = open_regular(path)
    try:
        data = pread_fully(descriptor, limit + 1, 0)
    finally:
        os.close(descriptor)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"is longer than {limit} bytes", path)
    return data
