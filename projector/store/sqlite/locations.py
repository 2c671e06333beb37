"""Writes where rollouts are, deletes rollouts, sets names of threads, and notes anomalies."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from projector.model.changes import Anomaly
from projector.model.ids import Offset, RolloutFile, RolloutId, ThreadId
from projector.store.sqlite import (
    changed_files,
    feed,
    rollouts,
    search_index,
    stale_threads,
    threads,
    usage,
    write,
)
from projector.store.sqlite.execute import mended
from projector.store.sqlite.file import writing


def update_locations(db: sqlite3.Connection, files: Sequence[RolloutFile], now_ms: int) -> None:
    """Store where rollouts are now. Files of unknown rollouts are skipped."""
    with feed.telling(db, now_ms):
        changed = []
        for file in files:
            old = rollouts.lookup(db, file.name.rollout_id)
            if old is None:
                continue
            rollouts.lies(db, old, file)
            now = rollouts.lookup(db, file.name.rollout_id)
            if now is None or old.lineage != now.lineage:
                changed.append(file.name.rollout_id)
        if changed:
            threads.refile(db, changed, now_ms)


def mark_missing(
    db: sqlite3.Connection, rollout_ids: Sequence[RolloutId], now_ms: int, *, purge: bool
) -> None:
    """Record that files are gone; `purge`: delete their rows too."""
    with feed.telling(db, now_ms), search_index.following(db), changed_files.following(db):
        changed = []
        thread_ids = []
        if purge:
            feed.purge(
                db, [row.rollout for one in rollout_ids if (row := rollouts.lookup(db, one))]
            )
        for rollout_id in rollout_ids:
            row = db.execute(
                "SELECT rollout, thread_id, gone_at_ms FROM _rollouts WHERE rollout_id = ?",
                (rollout_id,),
            ).fetchone()
            if row is None:
                continue
            rollout, thread_id, gone_at_ms = row
            if purge:
                _purge(db, rollout)
                thread_ids.append(ThreadId(thread_id))
            elif gone_at_ms is None:
                with stale_threads.changing(db, rollout):
                    db.execute(
                        "UPDATE _rollouts SET gone_at_ms = ? WHERE rollout = ?", (now_ms, rollout)
                    )
            else:
                continue
            changed.append(rollout_id)
        if purge and changed:
            threads.relink(db, changed, now_ms, thread_ids)
        elif changed:
            threads.refile(db, changed, now_ms)
        for thread_id in dict.fromkeys(thread_ids):
            left = "SELECT 1 FROM _rollouts WHERE thread_id = ? LIMIT 1"
            if db.execute(left, (thread_id,)).fetchone() is None:
                _forget_names(db, thread_id)


def _purge(db: sqlite3.Connection, rollout: int) -> None:
    """Delete all rows of a rollout, except events that no record tells of."""
    spent = usage.rows(db, "n.rollout = ?", (rollout,))
    for table in ("_item_rows", "_turns"):
        for which in ("tombstone = 0", "tombstone <> 0"):
            db.execute(f"DELETE FROM {table} WHERE rollout = ? AND {which}", (rollout,))
    for table in (
        "_realtime_items",
        "_usage_rows",
        "_anomaly_rows",
        "_limit_rows",
        "_frames",
        "_kept_rows",
        "_rollouts",
    ):
        db.execute(f"DELETE FROM {table} WHERE rollout = ?", (rollout,))
        if table == "_usage_rows":
            usage.settle(db, spent, {})
    db.execute("DELETE FROM _events WHERE rollout = ? AND from_record", (rollout,))
    # SQLite may assign a number again: no row may keep it.
    db.execute("UPDATE _events SET rollout = NULL WHERE rollout = ?", (rollout,))


def delete_name(db: sqlite3.Connection, thread_id: ThreadId, now_ms: int) -> None:
    """Delete a thread's name, and the names in its events."""
    with feed.telling(db, now_ms):
        _forget_names(db, thread_id)


def _forget_names(db: sqlite3.Connection, thread_id: ThreadId) -> None:
    stale_threads.mark(db, [thread_id])
    db.execute("DELETE FROM _names WHERE thread_id = ?", (thread_id,))
    db.execute("UPDATE _events SET payload = '{}' WHERE thread_id = ?", (thread_id,))


def add_anomalies(
    db: sqlite3.Connection, rollout_id: RolloutId, anomalies: Sequence[Anomaly], now_ms: int
) -> None:
    """Insert anomalies of a rollout; does nothing for an unknown one."""
    with writing(db):
        row = rollouts.lookup(db, rollout_id)
        if row is not None:
            to = write.Target("", row.rollout, row.lineage.thread_id, 0, now_ms)
            write.note(db, to, anomalies, from_batch=False)


def noted_anomalies(db: sqlite3.Connection, kind: str) -> dict[RolloutId, list[Anomaly]]:
    """Return the anomalies of a kind that were inserted outside of batches."""
    found: dict[RolloutId, list[Anomaly]] = {}
    for rollout_id, offset, length, detail in db.execute(
        "SELECT r.rollout_id, a.byte_offset, a.byte_length, a.detail FROM _anomaly_rows AS a"
        " JOIN _rollouts AS r ON r.rollout = a.rollout WHERE a.from_batch = 0 AND a.kind = ?",
        (kind,),
    ):
        found.setdefault(RolloutId(rollout_id), []).append(
            Anomaly(kind, Offset(offset), length, detail)
        )
    return found


def remove_anomalies(
    db: sqlite3.Connection, rollout_id: RolloutId, anomalies: Sequence[Anomaly]
) -> None:
    """Delete anomalies that were inserted outside of batches."""
    with writing(db):
        db.executemany(
            "DELETE FROM _anomaly_rows WHERE rollout ="
            " (SELECT rollout FROM _rollouts WHERE rollout_id = ?) AND byte_offset = ?"
            " AND byte_length = ? AND kind = ? AND detail = ? AND from_batch = 0",
            [(rollout_id, one.offset, one.length, one.kind, one.detail) for one in anomalies],
        )


def set_names(db: sqlite3.Connection, names: dict[ThreadId, str], now_ms: int) -> None:
    """Set names of threads, with an event for each new name."""
    known = dict(db.execute("SELECT thread_id, name FROM _names"))
    wanted = {thread_id: mended(name) for thread_id, name in names.items()}
    if all(known.get(thread_id) == name for thread_id, name in wanted.items()):
        return
    with feed.telling(db, now_ms):
        known = dict(db.execute("SELECT thread_id, name FROM _names"))
        for thread_id, name in wanted.items():
            if known.get(thread_id) != name:
                stale_threads.mark(db, [thread_id])
                db.execute("INSERT OR REPLACE INTO _names VALUES (?, ?)", (thread_id, name))
                threads.event(
                    db, thread_id, None, "thread.renamed", {"name": str(name)}, now_ms=now_ms
                )
