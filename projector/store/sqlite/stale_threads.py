"""Marks threads that a transaction may show differently: driver of `rules/shown_threads.py`.

Every writer of `_thread_states`, `_thread_parts`, `_names` or `_rollouts` marks here what it
writes. At the end of the transaction the marked threads are compared with their last feed entries.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from projector.store.rules.lineage import EVERYTHING
from projector.store.rules.older_parts import refolds
from projector.store.rules.shown_threads import OPENING, PASSED_ON, bits, passed_on
from projector.store.sqlite.thread_digest import forget_behind

_MARK: Final = "INSERT OR IGNORE INTO _feed_stale VALUES (?)"
_MARK_OWN: Final = (
    "INSERT OR IGNORE INTO _feed_stale SELECT thread_id FROM _rollouts WHERE rollout = ?"
)
_MARK_PARTS: Final = (
    "INSERT OR IGNORE INTO _feed_stale SELECT thread_id FROM _thread_parts WHERE rollout = ?"
)
_COLUMNS: Final = ", ".join(f"r.{name}" for name in PASSED_ON)
#: A rollout, if a thread goes on behind a part of it.
_CONTINUED: Final = (
    f"SELECT {_COLUMNS} FROM _rollouts AS r WHERE r.rollout = ? AND EXISTS"
    " (SELECT 1 FROM _thread_parts AS p WHERE p.rollout = r.rollout AND p.upto < ?)"
)
#: Which columns the rollouts that continue one lack: each combination once, in order.
_NEXT_LACKING: Final = "SELECT min(lacks) FROM _rollouts WHERE base_rollout_id = ? AND lacks > ?"
_LACKING: Final = (
    "SELECT rollout_id, thread_id FROM _rollouts WHERE base_rollout_id = ? AND lacks = ?"
)


def mark(db: sqlite3.Connection, thread_ids: Iterable[str]) -> None:
    """Mark threads whose state, parts or names change."""
    db.executemany(_MARK, ((thread_id,) for thread_id in thread_ids))


def mark_parts(db: sqlite3.Connection, rollout: int) -> None:
    """Mark all threads that have a part of a rollout."""
    db.execute(_MARK_PARTS, (rollout,))


@contextmanager
def changing(db: sqlite3.Connection, rollout: int) -> Iterator[None]:
    """Mark the threads that an update of a rollout, made inside, may show differently."""
    before = db.execute(_CONTINUED, (rollout, EVERYTHING)).fetchone()
    yield
    db.execute(_MARK_OWN, (rollout,))
    if before is None:
        return
    now = db.execute(_CONTINUED, (rollout, EVERYTHING)).fetchone()
    if now == before:
        return
    if refolds(_named(before), _named(now)):
        forget_behind(db, rollout)
    changed = passed_on(_named(before), _named(now))
    if changed.intersection(OPENING):
        mark_parts(db, rollout)
    else:
        mark(db, _heirs(db, rollout, bits(changed)))


def _heirs(db: sqlite3.Connection, rollout: int, missing: int) -> list[str]:
    """Return the threads that continue a rollout and inherit one of some columns from it.

    `missing`: the columns, by their bits. However many continue it, those that have values of
    their own are not read.
    """
    found = []
    (rollout_id,) = db.execute(
        "SELECT rollout_id FROM _rollouts WHERE rollout = ?", (rollout,)
    ).fetchone()
    seen, queue = {rollout_id}, [(rollout_id, missing)]
    while queue:
        base, columns = queue.pop()
        lacks = -1
        while (lacks := db.execute(_NEXT_LACKING, (base, lacks)).fetchone()[0]) is not None:
            if not lacks & columns:
                continue
            for one, thread_id in db.execute(_LACKING, (base, lacks)):
                found.append(thread_id)
                if one not in seen:
                    seen.add(one)
                    queue.append((one, lacks & columns))
    return found


def _named(values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip(PASSED_ON, values, strict=True))
