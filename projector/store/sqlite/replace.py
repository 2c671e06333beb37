"""Replaces a rollout whose file has another content by its new content.

The new rows are written into temporary tables of the same columns, by the same code as any other
batch; then one transaction merges them into the others by their uids. So readers see the rows
before or after, and no writer is locked out while the file is read. The merge is set-based SQL;
applying row by row, as PostgreSQL's driver does, was measured: a row that is upserted costs 13 us
instead of 8 in large transactions.

Positions in the temporary tables are byte offsets: the rollout's start position may change with its
header.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from projector.model.changes import Event, ItemRow, TurnRow
from projector.model.errors import CheckpointMoved
from projector.model.ids import Checkpoint
from projector.store.protocol import Batch
from projector.store.rules.preserve import EVENTS, ITEMS, TURNS, Content, kept
from projector.store.schema_names import REPLACED
from projector.store.sqlite import (
    changed_files,
    counters,
    feed,
    rollouts,
    search_index,
    stale_threads,
    threads,
    usage,
)
from projector.store.sqlite.file import writing
from projector.store.sqlite.statements import CHANGED, NEXT, SHOWN, differs, marked
from projector.store.sqlite.write import KEY, Target, write

#: Staged tables: the column that numbers their rows, and the key.
_KEYED: Final = {
    "_item_rows": ("item", "rollout, turn_key, uid_start"),
    "_turns": ("turn", "turn_id, rollout"),
    "_realtime_items": ("realtime_item", "rollout, item_id"),
    "_usage_rows": ("usage", "rollout, position"),
    "_events": ("seq", "thread_id, uid"),
}
#: Number of an event in the sequence of all changes. Known events keep theirs, and use none of the
#: new numbers up.
_NEXT: Final = (
    f"{NEXT.format(new='')} - 1 + row_number() OVER (ORDER BY EXISTS (SELECT 1 FROM _events AS e"
    " WHERE e.thread_id = new_events.thread_id AND e.uid = new_events.uid), seq)"
)
_ASIDE: Final = (*_KEYED, "_anomaly_rows", "_frames", "_limit_rows")


def begin(db: sqlite3.Connection, start: Checkpoint, first: Batch) -> None:
    """Create empty staging tables, if the rollout is at `start`.

    Raises:
        CheckpointMoved: it is not.
    """
    forget(db)
    _standing(db, start, first)
    for table in _ASIDE:
        for kind, name, sql in db.execute(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL"
            " AND type IN ('table', 'index') ORDER BY type DESC",
            (table,),
        ).fetchall():
            made = sql.replace(f"CREATE TABLE {table}", f"CREATE TEMP TABLE new{table}", 1)
            if kind == "index":
                made = sql.replace(
                    f"INDEX {name} ON {table}", f"INDEX temp.new_{name} ON new{table}", 1
                )
            assert made != sql, sql
            db.execute(made)
    (view,) = db.execute("SELECT sql FROM sqlite_master WHERE name = '_items'").fetchone()
    view = view.replace("VIEW _items", "TEMP VIEW new_items", 1)
    db.execute(view.replace("FROM _item_rows", "FROM new_item_rows", 1))


def stage(db: sqlite3.Connection, batch: Batch, now_ms: int) -> None:
    """Write a batch into the staging tables; other connections see no more than keys of turns."""
    row = rollouts.lookup(db, batch.file.name.rollout_id)
    rollout = row.rollout if row else 0
    with writing(db):
        write(db, [(Target("new", rollout, batch.thread_id, 0, now_ms), batch.changes)])


def finish(
    db: sqlite3.Connection, start: Checkpoint, last: Batch, records: int, now_ms: int
) -> None:
    """Merge the staged rows into the rollout's rows.

    Raises:
        CheckpointMoved: the rollout is not at `start` any more. Nothing was written.
    """
    with feed.telling(db, now_ms), search_index.following(db), changed_files.following(db):
        old = _standing(db, start, last)
        mode, name = db.execute(
            "SELECT mode, name FROM _rollouts WHERE rollout = ?", (old.rollout,)
        ).fetchone()
        row = rollouts.put(db, old, last, now_ms, anew=True)
        db.execute("UPDATE _rollouts SET records = ? WHERE rollout = ?", (records, row.rollout))
        if old.lineage != row.lineage:
            threads.relink(db, [last.file.name.rollout_id], now_ms, [old.lineage.thread_id])
            row = rollouts.lookup(db, last.file.name.rollout_id) or row
        else:
            threads.refile(db, [last.file.name.rollout_id], now_ms)
        migrated = mode == "legacy" and last.header.mode == "paginated"
        _keep(db, row, now_ms, migrated=migrated, name=name)
        for table in _KEYED:
            if table == "_usage_rows":
                before = usage.rows(db, "n.rollout = ?", (row.rollout,))
                _merge(db, table, row)
                usage.settle(db, before, usage.rows(db, "n.rollout = ?", (row.rollout,)))
            else:
                _merge(db, table, row)
        # When one was first noted here stays true; that its bytes were replaced once, too.
        db.execute(
            "DELETE FROM _anomaly_rows AS a WHERE rollout = ? AND from_batch AND NOT EXISTS"
            " (SELECT 1 FROM new_anomaly_rows AS n WHERE n.byte_offset = a.byte_offset"
            " AND n.byte_length = a.byte_length AND n.kind = a.kind AND n.detail = a.detail)"
            " AND (kind <> 'replaced'"
            " OR EXISTS (SELECT 1 FROM new_anomaly_rows WHERE kind = 'replaced'))",
            (row.rollout,),
        )
        db.execute(
            "INSERT INTO _anomaly_rows (rollout, byte_offset, byte_length, from_batch,"
            " noted_at_ms, kind, detail) SELECT rollout, byte_offset, byte_length, from_batch,"
            " noted_at_ms, kind, detail FROM new_anomaly_rows WHERE true ON CONFLICT DO NOTHING"
        )
        db.execute("DELETE FROM _frames WHERE rollout = ?", (row.rollout,))
        db.execute("INSERT INTO _frames SELECT * FROM new_frames")
        db.execute("DELETE FROM _limit_rows WHERE rollout = ?", (row.rollout,))
        db.execute("INSERT INTO _limit_rows SELECT * FROM new_limit_rows")
        counters.recount(db, row.rollout)


def forget(db: sqlite3.Connection) -> None:
    """Drop the staging tables."""
    db.execute("DROP VIEW IF EXISTS new_items")
    for table in _ASIDE:
        db.execute(f"DROP TABLE IF EXISTS new{table}")


def _standing(db: sqlite3.Connection, start: Checkpoint, batch: Batch) -> rollouts.Row:
    row = rollouts.lookup(db, batch.file.name.rollout_id)
    stands = (row.generation, row.next_offset) if row else None
    if row is None or stands != (start.generation, start.offset):
        raise CheckpointMoved.found(
            batch.file.name.rollout_id, (start.generation, start.offset), stands
        )
    return row


def _keep(
    db: sqlite3.Connection, row: rollouts.Row, now_ms: int, *, migrated: bool, name: str | None
) -> None:
    """Write rows that were shown and that the new content lacks over the staged rows.

    `migrated`: True if Codex may have migrated it since; `name`: from the old content.
    """
    thread_id = row.lineage.thread_id
    marked = db.execute("DELETE FROM _kept_rows WHERE rollout = ? RETURNING uid", (row.rollout,))
    before = frozenset(uid for (uid,) in marked)
    if not (migrated or before):
        return
    stays = kept(
        _content(db, "", row.rollout, row.start_position),
        _content(db, "new", row.rollout, 0),
        None if migrated else before,
    )
    if stays is None:
        return
    if migrated and name is not None:
        stale_threads.mark(db, [thread_id])
        db.execute("INSERT OR IGNORE INTO _names VALUES (?, ?)", (thread_id, name))
    whole = [
        item._replace(json=json)
        for item in stays.items
        for (json,) in db.execute(
            "SELECT json FROM _items WHERE item = (SELECT item FROM _item_rows WHERE rollout = ?"
            f" AND turn_key = {KEY} AND uid_start = substr(?, 1, 8) AND item_id = ?)",
            (row.rollout, item.turn_id, item.uid, item.item_id),
        )
    ]
    db.executemany("DELETE FROM new_events WHERE uid = ?", [(uid,) for uid in stays.unsaid])
    to = Target("new", row.rollout, thread_id, 0, now_ms)
    write(db, [(to, [*stays.turns, *stays.moved(), *whole, *stays.events])])
    db.executemany(
        "INSERT INTO _kept_rows VALUES (?, ?, ?, ?)",
        [(row.rollout, *mark) for mark in stays.marks()],
    )


def _content(db: sqlite3.Connection, new: str, rollout: int, start: int) -> Content:
    """Return the content of a rollout; positions count from its first byte."""

    def rows(sql: str, table: str) -> sqlite3.Cursor:
        asked = sql.format(start=start, table=new + table, whose="rollout = ?")
        return db.execute(asked, (rollout,))

    return Content(
        [TurnRow(*found) for found in rows(TURNS, "_turns")],
        [ItemRow(*found) for found in rows(ITEMS, "_items")],
        [Event(*found) for found in rows(EVENTS, "_events")],
    )


def _merge(db: sqlite3.Connection, table: str, row: rollouts.Row) -> None:
    """Make tombstones of the rows that are not staged; replace the others completely."""
    number, key = _KEYED[table]
    columns_of_key = key.split(", ")
    whose = " AND from_record" if table == "_events" else ""
    told = f", {CHANGED}" if table in SHOWN else ""
    start = f"{row.start_position:d}"
    again = " AND ".join(
        f"n.{column} = {table}.{column}{f' - {start}' if column == 'position' else ''}"
        for column in columns_of_key
    )
    db.execute(
        f"UPDATE {table} SET tombstone = {REPLACED}{told}"
        f" WHERE rollout = ? AND tombstone = 0{whose}"
        f" AND NOT EXISTS (SELECT 1 FROM new{table} AS n WHERE {again})",
        (row.rollout,),
    )
    if table in ("_item_rows", "_turns"):
        # Dropped or rolled back before; now their records are gone.
        db.execute(
            f"UPDATE {table} SET tombstone = {REPLACED}"
            f" WHERE rollout = ? AND tombstone <> 0 AND tombstone <> {REPLACED}"
            f" AND NOT EXISTS (SELECT 1 FROM new{table} AS n WHERE {again})",
            (row.rollout,),
        )
    columns = [
        name
        for _, name, *_ in db.execute(f"PRAGMA table_info({table})").fetchall()
        if name not in (number, "changed")
    ]
    if table == "_events":  # numbers of the one sequence; the order aside is that of the file
        columns = ["seq", *columns]
    # An event keeps the time when it was first written here.
    kept = (*columns_of_key, "noted_at_ms", "seq", "counted")
    changed = [name for name in columns if name not in kept]
    replaced = [f"{name} = excluded.{name}" for name in changed]
    if table in SHOWN:
        # Living before, and a tombstone in the new content: rolled back or dropped there.
        replaced.append(marked(f"{differs(SHOWN[table])} OR excluded.tombstone"))
    made = {"position": f"position + {start}", "seq": _NEXT}
    values = [made.get(column, column) for column in columns]
    db.execute(
        f"INSERT INTO {table} ({', '.join(columns)})"
        f" SELECT {', '.join(values)} FROM new{table} WHERE true ORDER BY {number}"
        f" ON CONFLICT ({key}) DO UPDATE SET {', '.join(replaced)}"
    )
