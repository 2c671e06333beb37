"""The newest feed entry, stored beside the database: `DATABASE.feed`; see `store.newest_entry`."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from projector.store import newest_entry
from projector.store.rules.feed import UNKNOWN, Cursor, FeedState, Newest, rewound
from projector.store.sqlite.file import writing

_NEWEST: Final = (
    "SELECT s.feed_id, c.upto, c.mark FROM _feed_state AS s, _feed_commits AS c"
    " ORDER BY c.upto DESC LIMIT 1"
)


class Memory(newest_entry.Memory):
    """Writes the newest entry to the file after each commit."""

    def __init__(self, database: Path) -> None:
        """Open the file beside a database; without it if that fails."""
        super().__init__(f"{database}{newest_entry.SUFFIX}")

    def follow(self, db: sqlite3.Connection) -> None:
        """Write a database's newest entry to the file if it changed since the last call."""
        if self.wanted:
            row = db.execute(_NEWEST).fetchone()
            if row is not None:
                self.write(Newest(row[0], Cursor(*row[1:])))


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
