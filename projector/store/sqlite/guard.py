"""Ensures one name per database: SQLite's log and our lock belong to the name, not the file.

Two programs that write one file by two names have two logs: the second one destroys what the first
wrote. A symbolic link is followed to the file that it names. A hard link is refused. Against names
that cannot be seen (a file that is mounted elsewhere, a link created while a daemon runs) every
writer locks a byte of the file that stands for its name, and is refused if the byte of another name
is locked.
"""

from __future__ import annotations

import fcntl
import os
import stat
import struct
import zlib
from contextlib import suppress
from pathlib import Path
from typing import ClassVar, Final

from msgspec import Struct, field

from projector.model.errors import AlreadyRunning, StoreRefused
from projector.store.sqlite.file import refused

#: Files that SQLite and we keep beside a database.
SIBLINGS: Final = ("-wal", "-shm", "-journal", ".lock", ".feed")
#: Offset of the bytes that stand for names: far after those that SQLite locks, and after the end of
#: any database.
_FIRST: Final = 1 << 61
_NAMES: Final = 1 << 32
_SHARED: Final = stat.S_IWGRP | stat.S_IWOTH
_FLOCK: Final = "hhqqi4x"


def resolved(path: Path) -> Path:
    """Return the path of the file that `path` names, through symbolic links.

    Raises:
        StoreRefused: the system does not let us follow them, or they lead in a circle.
    """
    try:
        # A link that the kernel does not follow (another user's in a shared folder) is not followed
        # here either
        with suppress(FileNotFoundError, NotADirectoryError):
            os.stat(path)
        return Path(os.path.realpath(path))
    except OSError as error:
        raise refused(path, error) from error


def check(path: Path) -> None:
    """Check that the database at `path`, which is resolved, has one name and one owner.

    Raises:
        StoreRefused: it has another name, or another user could have created it.
    """
    try:
        shared = os.stat(path.parent).st_mode & _SHARED
    except OSError:
        shared = 0
    for suffix in ("", *SIBLINGS):
        _check_file(Path(f"{path}{suffix}"), shared=bool(shared))


def check_to_read(path: str) -> None:
    """Check that the log of the database at `path` is beside this name, if it has several names.

    By another name a reader would miss what is in the log, and leave files beside the name.

    Raises:
        StoreRefused: it has several names, and no log beside this one.
    """
    real = os.path.realpath(path)
    facts = os.stat(real)
    if facts.st_nlink > 1 and not os.path.lexists(f"{real}-wal"):
        raise _several_names(Path(path), facts)


def _several_names(path: Path, facts: os.stat_result) -> StoreRefused:
    return StoreRefused(
        f"{path}: has {facts.st_nlink} names (hard links): SQLite keeps its log by the name,"
        " and two programs that write it by two names destroy it",
        hint=f"Keep one; find them: find / -xdev -inum {facts.st_ino}",
    )


def _check_file(path: Path, *, shared: bool) -> None:
    try:
        facts = os.lstat(path)
    except OSError:
        return
    if stat.S_ISDIR(facts.st_mode):
        return  # `prepare` reports that
    if not stat.S_ISREG(facts.st_mode):
        what = "a symbolic link" if stat.S_ISLNK(facts.st_mode) else "no regular file"
        raise StoreRefused(f"{path}: is {what}", hint="Take it away, or give another path")
    if facts.st_nlink > 1 and not path.name.endswith(SIBLINGS[:3]):
        raise _several_names(path, facts)
    if shared and facts.st_uid != os.geteuid():
        raise StoreRefused(
            f"{path}: is another user's (uid {facts.st_uid}) in a folder that others can write",
            hint="Give a path in a folder of your own, or run as its owner",
        )


class _Files(Struct):
    """Descriptors of one file.

    Closing one releases all of SQLite's locks on that file in this process, so all are closed with
    the last one.
    """

    users: int = 0
    descriptors: list[int] = field(default_factory=list)


class Guard:
    """A lock on the byte of a database file that stands for the name by which it is written."""

    _open: ClassVar[dict[tuple[int, int], _Files]] = {}
    """Descriptors of this process, by device and inode."""

    def __init__(self, path: Path) -> None:
        """Lock the name `path`, which is resolved, if the file system has such locks.

        Raises:
            AlreadyRunning: another program writes the file by another name.
            StoreRefused: it cannot be opened.
        """
        try:
            file = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError as error:
            raise refused(path, error) from error
        facts = os.fstat(file)
        self._key = (facts.st_dev, facts.st_ino)
        first = self._key not in self._open
        files = self._open.setdefault(self._key, _Files())
        files.descriptors.append(file)
        files.users += 1
        self._held = True
        if first and _other_name(file, _place(path)):
            self.release()
            raise AlreadyRunning(
                f"{path}: another program writes this file by another name",
                hint="Stop it, and give both the same path: SQLite keeps its log by the name",
            )

    def release(self) -> None:
        """Release the name. Call after SQLite's own connection is closed."""
        if not self._held:
            return
        self._held = False
        files = self._open[self._key]
        files.users -= 1
        if files.users == 0:
            del self._open[self._key]
            for file in files.descriptors:
                os.close(file)


def _place(path: Path) -> int:
    """Return the byte that stands for a name, from its folder's inode and its last part."""
    folder = os.stat(path.parent)
    name = f"{folder.st_dev}:{folder.st_ino}:".encode() + os.fsencode(path.name)
    return _FIRST + zlib.crc32(name)


def _other_name(file: int, place: int) -> bool:
    """Lock the byte of this name, shared; return whether the byte of another name is locked."""
    if not hasattr(fcntl, "F_OFD_SETLK"):
        return False
    with suppress(OSError):  # not supported by every file system
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, _range(fcntl.F_RDLCK, place, 1))
        end = _FIRST + _NAMES
        for begin, length in ((_FIRST, place - _FIRST), (place + 1, end - place - 1)):
            if length:
                asked = _range(fcntl.F_WRLCK, begin, length)
                answer = fcntl.fcntl(file, fcntl.F_OFD_GETLK, asked)
                if struct.unpack(_FLOCK, answer)[0] != fcntl.F_UNLCK:
                    return True
    return False


def _range(kind: int, begin: int, length: int) -> bytes:
    return struct.pack(_FLOCK, kind, os.SEEK_SET, begin, length, 0)
