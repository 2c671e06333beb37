"""The newest feed entry that a process of this host wrote, in a file that no backup restores.

SQLite has it beside the database, PostgreSQL in the host's state folder. Whoever restores a backup
of the database usually leaves this file alone, so that the next writer detects that the feed was
rewound. Only consumers that keep bare numbers need it: a cursor identifies its time line by itself.
Losing the file loses no more than that.
"""

from __future__ import annotations

import os
import zlib
from contextlib import suppress
from typing import Final

from projector.store.rules.feed import UNKNOWN, Cursor, Newest

#: Suffix of the file.
SUFFIX: Final = ".feed"
#: All lines have this length, so that one overwrites another completely.
_LENGTH: Final = 80
_PRIVATE_FOLDER: Final = 0o700


class Memory:
    """Reads and overwrites the file."""

    def __init__(self, path: str) -> None:
        """Open the file, created if needed; without it if that fails."""
        self._known = UNKNOWN
        self._file: int | None = None
        with suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(path, flags, 0o600)

    @classmethod
    def in_folder(cls, path: str) -> Memory:
        """Open a file in a folder of its own, created if needed; without it if that fails."""
        with suppress(OSError):
            os.makedirs(os.path.dirname(path), _PRIVATE_FOLDER, exist_ok=True)
        return cls(path)

    def read(self) -> Newest:
        """Return the last entry written; UNKNOWN if the file cannot be read."""
        if self._file is not None:
            with suppress(OSError, ValueError):
                return _parsed(os.pread(self._file, _LENGTH, 0).decode("ascii"))
        return UNKNOWN

    @property
    def wanted(self) -> bool:
        """True if there is a file to write."""
        return self._file is not None

    def write(self, newest: Newest) -> None:
        """Overwrite the entry if it changed since the last call. Never raises."""
        if self._file is not None and newest.cursor != self._known.cursor:
            self._known = newest
            with suppress(OSError):
                os.pwrite(self._file, _line(newest).encode(), 0)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def _line(newest: Newest) -> str:
    text = f"{newest.feed_id.hex()} {newest.cursor}"
    return f"{zlib.crc32(text.encode()):08x} {text}".ljust(_LENGTH - 1) + "\n"


def _parsed(line: str) -> Newest:
    """Parse a line.

    Raises:
        ValueError: it is not one, or was read while it was overwritten.
    """
    _, feed_id, text = line.split()
    cursor = Cursor.parse(text)
    newest = Newest(bytes.fromhex(feed_id), cursor or UNKNOWN.cursor)
    if line != _line(newest):
        raise ValueError(line)
    return newest
