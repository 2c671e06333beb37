"""Notes which threads a transaction may show differently: the driver of `rules/shown_threads.py`.

Whoever writes `_thread_states`, `_thread_parts`, `_names` or `_rollouts` says here what it writes.
At the end of the transaction these threads are compared with what the feed told of them last.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from projector.store.rules.lineage import EVERYTHING
from projector.store.rules.older_parts import refolds
from projector.store.rules.shown_threads import PASSED_ON, passed_on, shows
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
#: The current rollouts of the threads that go on behind a part of one.
_CONTINUING: Final = (
    f"SELECT DISTINCT p.thread_id, {_COLUMNS} FROM _thread_parts AS p"
    " JOIN _thread_states AS s ON s.thread_id = p.thread_id"
    " JOIN _rollouts AS r ON r.rollout = s.rollout WHERE p.rollout = ? AND p.upto < ?"
)


def mark(db: sqlite3.Connection, thread_ids: Iterable[str]) -> None:
    """Note threads whose state, parts or names change."""
    db.executemany(_MARK, ((thread_id,) for thread_id in thread_ids))


def mark_parts(db: sqlite3.Connection, rollout: int) -> None:
    """Note all threads that have a part of a rollout."""
    db.execute(_MARK_PARTS, (rollout,))


@contextmanager
def changing(db: sqlite3.Connection, rollout: int) -> Iterator[None]:
    """Note the threads that an update of a rollout, made inside, may show differently."""
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
    if changed:
        mark(
            db,
            [
                thread_id
                for thread_id, *current in db.execute(_CONTINUING, (rollout, EVERYTHING)).fetchall()
                if shows(changed, _named(current))
            ],
        )


def _named(values: Iterable[Any]) -> dict[str, Any]:
    return dict(zip(PASSED_ON, values, strict=True))
