"""Computes again what belongs to no single rollout: the last step of `rebuild`."""

from __future__ import annotations

import sqlite3

from projector.store.check.derived_check import OWNED, ownerless
from projector.store.schema_names import SQLITE_ROWS
from projector.store.sqlite import (
    changed_files,
    counters,
    feed,
    repeated_turns,
    search_index,
    threads,
    usage,
)


def rebuild_derived(db: sqlite3.Connection, now_ms: int) -> None:
    """Delete rows of unknown rollouts; compute chains, positions and counters again."""
    with feed.telling(db, now_ms), search_index.following(db), changed_files.following(db):
        told = ("_items", "_turns", "_realtime_items")
        lost_rows = {one for table in told for (one,) in db.execute(ownerless(table).sqlite)}
        feed.purge(db, sorted(lost_rows))
        for table in OWNED:
            for (rollout,) in db.execute(ownerless(table).sqlite).fetchall():
                db.execute(
                    f"DELETE FROM {SQLITE_ROWS.get(table, table)} WHERE rollout = ?", (rollout,)
                )
        db.execute("DELETE FROM _feed_parts")
        rollouts = db.execute("SELECT rollout_id, rollout FROM _rollouts ORDER BY 1").fetchall()
        lost = db.execute(
            "SELECT thread_id FROM (SELECT thread_id FROM _thread_states"
            " UNION SELECT thread_id FROM _thread_parts)"
            " WHERE thread_id NOT IN (SELECT thread_id FROM _rollouts)"
        ).fetchall()
        threads.relink(db, [name for name, _ in rollouts], now_ms, [thread for (thread,) in lost])
        for _, rollout in rollouts:
            counters.recount(db, rollout)
        repeated_turns.renew_all(db)
        usage.rebuild(db)
