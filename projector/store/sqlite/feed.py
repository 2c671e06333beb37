"""The change feed: at the end of a transaction, all that happened in it; and what may go.

What changes a row marks it (`statements.marked`, `statements.CHANGED`), and triggers name the
threads that may not be as they were. So here the changes of a transaction are written at once,
each row and thread at most once.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import orjson

from projector.store.sqlite.file import writing

_TURN: Final = 1
_ITEM: Final = 2
_THREAD: Final = 3
_EVENT: Final = 4
_REALTIME: Final = 5
_INSERT: Final = 1
_UPDATE: Final = 2
_TOMBSTONE: Final = 3
#: Rows whose changes are told of: kind, table, and the column that numbers them.
_ROWS: Final = (
    (_EVENT, "_events", "seq"),
    (_TURN, "_turns", "turn"),
    (_ITEM, "_item_rows", "item"),
    (_REALTIME, "_realtime_items", "realtime_item"),
)

#: Changes that go in one transaction.
PRUNED_AT_ONCE: Final = 10_000

_PARTS: Final = "SELECT rollout_id, upto FROM _thread_parts WHERE thread_id = ? ORDER BY part"


@contextmanager
def telling(db: sqlite3.Connection, now_ms: int) -> Iterator[None]:
    """Run one write transaction; at its end the feed has all that happened in it.

    `now_ms`: its time, milliseconds since 1970.
    """
    with writing(db):
        before = [
            db.execute(f"SELECT coalesce(max({number}), 0) FROM {table}").fetchone()[0]
            for _, table, number in _ROWS
        ]
        yield
        for (kind, table, number), last in zip(_ROWS, before, strict=True):
            _rows(db, kind, table, number, last)
        for (thread_id,) in db.execute("SELECT thread_id FROM _feed_stale").fetchall():
            _thread(db, thread_id)
        db.execute("DELETE FROM _feed_stale")
        db.execute(
            "INSERT INTO _feed_commits (upto, committed_at_ms)"
            " SELECT upto, ? FROM (SELECT max(seq) AS upto FROM _feed)"
            " WHERE upto > coalesce((SELECT max(upto) FROM _feed_commits), 0)",
            (now_ms,),
        )


def _rows(db: sqlite3.Connection, kind: int, table: str, number: str, last: int) -> None:
    """Tell of the rows that came (with numbers behind `last`) and of those that were marked."""
    seq = "seq" if kind == _EVENT else "NULL"
    db.execute(
        f"INSERT INTO _feed (seq, kind, op, row) SELECT {seq}, {kind}, {_INSERT}, {number}"
        f" FROM {table} WHERE {number} > ? AND tombstone = 0 ORDER BY {number}",
        (last,),
    )
    db.execute(
        f"INSERT INTO _feed (kind, op, row) SELECT {kind},"
        f" CASE WHEN tombstone THEN {_TOMBSTONE} WHEN changed = 3 THEN {_INSERT}"
        f" ELSE {_UPDATE} END, {number}"
        f" FROM {table} INDEXED BY {table}_changed"
        f" WHERE changed <> 0 AND {number} <= ? AND (tombstone = 0 OR changed = 1)"
        f" ORDER BY {number}",
        (last,),
    )
    db.execute(f"UPDATE {table} INDEXED BY {table}_changed SET changed = 0 WHERE changed <> 0")


def _thread(db: sqlite3.Connection, thread_id: str) -> None:
    """Tell of a thread, if it is not as it was told of last."""
    now = digest(db, thread_id)
    told = db.execute(
        "SELECT thread, digest FROM _feed_threads WHERE thread_id = ?", (thread_id,)
    ).fetchone()
    if told is None:
        if now is None:  # a name of a thread that is not here
            return
        thread = db.execute(
            "INSERT INTO _feed_threads (thread_id, digest) VALUES (?, ?)", (thread_id, now)
        ).lastrowid
        op = _INSERT
    else:
        thread, before = told
        if before == now:
            return
        db.execute("UPDATE _feed_threads SET digest = ? WHERE thread = ?", (now, thread))
        op = _TOMBSTONE if now is None else _INSERT if before is None else _UPDATE
    db.execute("INSERT INTO _feed (kind, op, row) VALUES (?, ?, ?)", (_THREAD, op, thread))


def digest(db: sqlite3.Connection, thread_id: str) -> bytes | None:
    """Give a fingerprint of all that is shown of a thread; None: it is not there."""
    row = db.execute("SELECT * FROM threads WHERE thread_id = ?", (thread_id,)).fetchone()
    if row is None:
        return None
    shown = (row, db.execute(_PARTS, (thread_id,)).fetchall())
    return hashlib.blake2b(orjson.dumps(shown), digest_size=16).digest()


def purge(db: sqlite3.Connection, rollouts: Sequence[int]) -> None:
    """Tell that all rows of some rollouts go, before they do.

    What was told of them before goes too: nothing in the feed may name a row that is no more,
    for SQLite may give its number to another one.
    """
    if not rollouts:
        return
    db.execute("CREATE TEMP TABLE IF NOT EXISTS going (rollout INTEGER PRIMARY KEY)")
    db.execute("DELETE FROM temp.going")
    db.executemany("INSERT INTO temp.going VALUES (?)", [(rollout,) for rollout in rollouts])
    (last,) = db.execute("SELECT coalesce(max(purged), 0) FROM _feed_purged").fetchone()
    for kind, table, number, names, more in (
        (_TURN, "_turns", "turn", "x.turn_id, NULL, NULL", ""),
        (_ITEM, "_items", "item", "x.turn_id, x.item_id, x.type", ""),
        (_EVENT, "_events", "seq", "x.turn_id, NULL, x.type", " AND from_record"),
        (_REALTIME, "_realtime_items", "realtime_item", "NULL, x.item_id, x.type", ""),
    ):
        db.execute(
            "INSERT INTO _feed_purged (uid, thread_id, rollout_id, turn_id, item_id, type)"
            f" SELECT x.uid, r.thread_id, r.rollout_id, {names}"
            f" FROM temp.going AS g JOIN {table} AS x ON x.rollout = g.rollout"
            " JOIN _rollouts AS r ON r.rollout = g.rollout"
            f" WHERE x.tombstone = 0{more} ORDER BY x.{number}"
        )
        db.execute(
            "INSERT INTO _feed (kind, op, row) SELECT ?, ?, -purged FROM _feed_purged"
            " WHERE purged > ? ORDER BY purged",
            (kind, _TOMBSTONE, last),
        )
        (last,) = db.execute("SELECT coalesce(max(purged), 0) FROM _feed_purged").fetchone()
        db.execute(
            "DELETE FROM _feed WHERE kind = ? AND row IN"
            f" (SELECT x.{number} FROM temp.going AS g JOIN {table} AS x"
            f" ON x.rollout = g.rollout WHERE true{more})"
            " AND seq < (SELECT max(seq) FROM _feed)",
            (kind,),
        )


def tell_again(db: sqlite3.Connection, last: int, feed_id: bytes | None) -> None:
    """Begin a feed that goes on behind `last`, with every row: the database was made anew.

    Who follows the old feed goes on with this one, `feed_id` being the same. Part of a
    transaction; threads are told of in the next one.
    """
    for table in ("_feed", "_feed_commits", "_feed_purged", "_feed_stale", "_feed_threads"):
        db.execute(f"DELETE FROM {table}")
    if feed_id is not None:
        db.execute("UPDATE _feed_state SET feed_id = ?", (feed_id,))
    for kind, table, number in _ROWS:
        seq = "seq"
        if kind != _EVENT:
            seq = (
                "max(?, (SELECT coalesce(max(seq), 0) FROM _feed))"
                f" + row_number() OVER (ORDER BY {number})"
            )
        db.execute(
            f"INSERT INTO _feed (seq, kind, op, row) SELECT {seq}, {kind}, {_INSERT}, {number}"
            f" FROM {table} WHERE tombstone = 0 ORDER BY {number}",
            () if kind == _EVENT else (last,),
        )
        db.execute(f"UPDATE {table} SET changed = 0 WHERE changed <> 0")
    db.execute("INSERT INTO _feed_stale SELECT thread_id FROM _thread_states")


def prune(db: sqlite3.Connection, before_ms: int) -> bool:
    """Take some changes away that were committed before a time; whether there are more.

    Not the newest, from which numbers go on, and not that an event came, as long as it is there.
    """
    (pruned,) = db.execute("SELECT pruned FROM _feed_state").fetchone()
    (end,) = db.execute(
        "SELECT coalesce((SELECT upto FROM _feed_commits WHERE upto < k.upto ORDER BY upto DESC"
        " LIMIT 1), 0) FROM (SELECT coalesce((SELECT upto FROM _feed_commits"
        " WHERE committed_at_ms >= ? ORDER BY upto LIMIT 1),"
        " (SELECT max(upto) FROM _feed_commits)) AS upto) AS k",
        (before_ms,),
    ).fetchone()
    if end <= pruned:
        return False
    with writing(db):
        last = db.execute(
            "SELECT seq FROM _feed WHERE seq > ? AND seq <= ? ORDER BY seq LIMIT 1 OFFSET ?",
            (pruned, end, PRUNED_AT_ONCE - 1),
        ).fetchone()
        upto = last[0] if last else end
        some = (pruned, upto)
        db.execute(
            "DELETE FROM _feed_purged WHERE purged <="
            " (SELECT max(-row) FROM _feed WHERE seq > ? AND seq <= ? AND row < 0)",
            some,
        )
        db.execute(
            "DELETE FROM _feed WHERE seq > ? AND seq <= ? AND NOT (kind = 4 AND op = 1 AND EXISTS"
            " (SELECT 1 FROM _events AS e WHERE e.seq = _feed.row AND e.tombstone = 0))",
            some,
        )
        db.execute("DELETE FROM _feed_commits WHERE upto <= ?", (upto,))
        db.execute("UPDATE _feed_state SET pruned = ?", (upto,))
    return bool(upto < end)
