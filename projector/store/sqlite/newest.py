"""The newest feed entry, stored beside the database: `DATABASE.feed`.

Whoever restores a backup of the database usually leaves this file alone, so that the next writer
detects that the feed was rewound. Only consumers that keep bare numbers need it: a cursor
identifies its time line by itself. Losing the file loses no more than that.
"""

from __future__ import annotations

import os
import sqlite3
import zlib
from contextlib import suppress
from pathlib import Path
from typing import Final

from projector.store.rules.feed import UNKNOWN, Cursor, FeedState, Newest, rewound
from projector.store.sqlite.file import writing

#: Suffix of the file, after the database's name.
SUFFIX: Final = ".feed"
_NEWEST: Final = (
    "SELECT s.feed_id, c.upto, c.mark FROM _feed_state AS s, _feed_commits AS c"
    " ORDER BY c.upto DESC LIMIT 1"
)
#: All lines have this length, so that one overwrites another completely.
_LENGTH: Final = 80


class Memory:
    """Writes the newest entry to the file after each commit."""

    def __init__(self, database: Path) -> None:
        """Open the file; without it if that fails."""
        self._known = UNKNOWN
        self._file: int | None = None
        with suppress(OSError):
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._file = os.open(database.with_name(database.name + SUFFIX), flags, 0o600)

    def read(self) -> Newest:
        """Return the last entry written; UNKNOWN if the file cannot be read."""
        if self._file is not None:
            with suppress(OSError, ValueError):
                return _parsed(os.pread(self._file, _LENGTH, 0).decode("ascii"))
        return UNKNOWN

    def follow(self, db: sqlite3.Connection) -> None:
        """Write a database's newest entry to the file if it changed since the last call."""
        if self._file is None:
            return
        row = db.execute(_NEWEST).fetchone()
        if row is not None and row[1:] != self._known.cursor:
            self._known = Newest(row[0], Cursor(*row[1:]))
            with suppress(OSError):
                os.pwrite(self._file, _line(self._known).encode(), 0)

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


def note_rewound(db: sqlite3.Connection, known: Newest) -> None:
    """Store in the feed's state that the feed lost an entry known from before it was opened."""
    if known == UNKNOWN:
        return
    feed_id, pruned, pruned_mark, after, upto = db.execute(
        "SELECT feed_id, pruned, pruned_mark, rewound_after, rewound_upto FROM _feed_state"
    ).fetchone()
    (last,) = db.execute("SELECT coalesce(max(seq), 0) FROM _feed").fetchone()
    found = db.execute(
        "SELECT mark FROM _feed_commits WHERE upto >= ? ORDER BY upto LIMIT 1", (known.cursor.seq,)
    ).fetchone()
    mark = found[0] if found else None
    if known.cursor.seq == pruned:
        mark = pruned_mark
    state = FeedState(last, pruned, after, upto)
    lost = rewound(known.cursor, state, mark, same_feed=feed_id == known.feed_id)
    if lost is not None and lost != state:
        with writing(db):
            db.execute(
                "UPDATE _feed_state SET rewound_after = ?, rewound_upto = ?",
                (lost.rewound_after, lost.rewound_upto),
            )
