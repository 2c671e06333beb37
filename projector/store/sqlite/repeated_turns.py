"""Counts the turns of a thread that several of its parts have, so that each is counted once.

A fork or a revert of a running turn has rows of that turn, as its base has.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from typing import Final

from projector.model.ids import ThreadId
from projector.store.sqlite.write import Touched

#: Of a chain of so many parts each is asked for a turn; of a longer one, those that have the turn
#: are asked whether they are parts of it.
_SHORT: Final = 16
#: A turn `t` that a part of `thread_id` = ?1 before part ?2 has, too.
_REPEATED_IN: Final = {
    True: (
        "EXISTS (SELECT 1 FROM _thread_parts AS q CROSS JOIN _turns AS o ON o.turn_id = t.turn_id"
        " AND o.rollout = q.rollout AND o.position < q.upto AND o.tombstone = 0"
        " WHERE q.thread_id = ?1 AND q.part < ?2)"
    ),
    False: (
        "EXISTS (SELECT 1 FROM _turns AS o CROSS JOIN _thread_parts AS q ON q.thread_id = ?1"
        " AND q.rollout = o.rollout AND q.part < ?2 AND o.position < q.upto"
        " WHERE o.turn_id = t.turn_id AND o.rollout <> t.rollout AND o.tombstone = 0)"
    ),
}
#: Parts of `thread_id` = ?1, but for rollout ?2, that have or had a turn ?3.
_HAVE: Final = {
    True: (
        "SELECT q.part FROM _thread_parts AS q CROSS JOIN _turns AS o ON o.turn_id = ?3"
        " AND o.rollout = q.rollout WHERE q.thread_id = ?1 AND q.rollout <> ?2"
    ),
    False: (
        "SELECT q.part FROM _turns AS o CROSS JOIN _thread_parts AS q ON q.thread_id = ?1"
        " AND q.rollout = o.rollout WHERE o.turn_id = ?3 AND o.rollout <> ?2"
    ),
}


def renew(db: sqlite3.Connection, thread_id: ThreadId, parts: Iterable[int]) -> int:
    """Count anew which turns of parts an earlier one has, too; return how many more they are."""
    more = 0
    for part in parts:
        if part == 0:
            continue
        rollout, upto, known = db.execute(
            "SELECT rollout, upto, repeated FROM _thread_parts WHERE thread_id = ? AND part = ?",
            (thread_id, part),
        ).fetchone()
        (repeated,) = db.execute(
            "SELECT count(*) FROM _turns AS t WHERE t.rollout = ?3 AND t.position < ?4"
            f" AND t.tombstone = 0 AND {_REPEATED_IN[part < _SHORT]}",
            (thread_id, part, rollout, upto),
        ).fetchone()
        if repeated != known:
            db.execute(
                "UPDATE _thread_parts SET repeated = ? WHERE thread_id = ? AND part = ?",
                (repeated, thread_id, part),
            )
            more += repeated - known
    return more


def renew_all(db: sqlite3.Connection) -> None:
    """Count the repeated turns of all threads again."""
    for thread_id, part in db.execute(
        "SELECT thread_id, part FROM _thread_parts WHERE part > 0 OR repeated <> 0"
    ).fetchall():
        renew(db, ThreadId(thread_id), [part])
    db.execute("UPDATE _thread_parts SET repeated = 0 WHERE part = 0 AND repeated <> 0")
    db.execute(
        "UPDATE _thread_states SET repeated_turns = coalesce((SELECT sum(p.repeated)"
        " FROM _thread_parts AS p WHERE p.thread_id = _thread_states.thread_id), 0)"
    )


def add(db: sqlite3.Connection, thread_id: ThreadId, more: int) -> None:
    """Add to the number of a thread's repeated turns."""
    if more:
        db.execute(
            "UPDATE _thread_states SET repeated_turns = repeated_turns + ? WHERE thread_id = ?",
            (more, thread_id),
        )


def stale(
    db: sqlite3.Connection, thread_id: ThreadId, part: int, rollout: int, touched: Touched
) -> list[int]:
    """Return the parts of which other turns may be repeated after a part was written."""
    (last,) = db.execute(
        "SELECT max(part) FROM _thread_parts WHERE thread_id = ?", (thread_id,)
    ).fetchone()
    if last == 0:
        return []
    turns: Iterable[str] = touched.turns
    found = set()
    if touched.older:
        rows = db.execute("SELECT turn_id FROM _turns WHERE rollout = ?", (rollout,))
        turns = [turn for (turn,) in rows.fetchall()]
        found.add(part)
    found |= {
        max(part, other)
        for turn in turns
        for (other,) in db.execute(_HAVE[last < _SHORT], (thread_id, rollout, turn))
    }
    return sorted(found)
