"""Copies what can still be read of a damaged database into a new one.

Rollouts whose files exist need not be copied: they are projected again. Copied are rollouts whose
files are gone, with all their rows, names, and the numbers and times of events, so that consumers
of the change feed see nothing twice under two numbers. A rollout with rows that a migration dropped
(`store/rules/preserve.py`) is copied, and then projected again over the copy.

A damaged page loses the rows on it. Rows are read in the order of their keys, without other
indexes; after a place that cannot be read the search continues in steps that double.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

from projector.model.ids import RolloutId
from projector.store.sqlite import changed_files, counters, feed, threads, usage
from projector.store.sqlite.file import faults, writing
from projector.store.sqlite.write import turn_keys

#: Tables of a rollout's rows, with their integer key.
_TABLES: Final = {
    "_turns": "turn",
    "_item_rows": "item",
    "_realtime_items": "realtime_item",
    "_usage_rows": "usage",
    "_anomaly_rows": "anomaly",
}
_CHUNK: Final = 200
_LAST: Final = (1 << 63) - 1


class Salvaged(NamedTuple):
    """What was saved."""

    rollouts: int
    """Rollouts whose files are gone."""
    rows: int
    """Rows of these rollouts."""
    damaged: tuple[str, ...]
    """Tables of which some rows could not be read."""
    numbers: dict[int, int]
    """Numbers of these rollouts in the old database, and in the new one."""


class DamagedDatabase:
    """A damaged database, open for reading."""

    def __init__(self, path: Path) -> None:
        """Open it, if that is possible."""
        self.damaged: dict[str, None] = {}
        name = str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
        self.db = sqlite3.connect(f"file:{name}?mode=ro", uri=True, isolation_level=None)
        self.db.text_factory = lambda raw: raw.decode("utf-8", "replace")

    def columns(self, table: str) -> list[str]:
        """Return the columns of a table; none if they cannot be read."""
        try:
            return [name for _, name, *_ in self.db.execute(f"PRAGMA table_info({table})")]
        except sqlite3.DatabaseError:
            self.damaged[table] = None
            return []

    def rows(self, table: str, key: str) -> Iterator[dict[str, Any]]:
        """Yield the readable rows of a table, by its integer key."""
        columns = self.columns(table)
        if key not in columns:
            self.damaged[table] = None
            return
        at, step, chunk = -1, 1, _CHUNK
        sql = f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED WHERE {key} > ? ORDER BY {key}"
        while at < _LAST:
            try:
                found = self.db.execute(f"{sql} LIMIT {chunk}", (at,)).fetchall()
            except (sqlite3.DatabaseError, OverflowError):
                self.damaged[table] = None
                if chunk > 1:
                    chunk = 1  # up to the damaged place one by one
                    continue
                at, step = min(at + step, _LAST), step * 2
                continue
            if not found:
                return
            for row in found:
                named = dict(zip(columns, row, strict=True))
                number = named[key]
                at = max(at, number) if isinstance(number, int) else at + 1
                yield named
            if step > 1:
                step, chunk = 1, _CHUNK

    def some(self, table: str, where: str = "1", values: tuple[Any, ...] = ()) -> list[Any]:
        """Return the rows of a small table, as far as they can be read in one query."""
        columns = self.columns(table)
        found: list[Any] = []
        try:
            sql = f"SELECT {', '.join(columns or ('1',))} FROM {table} WHERE {where}"
            for row in self.db.execute(sql, values):
                found.append(dict(zip(columns, row, strict=True)))  # noqa: PERF401 - what was read before a fault stays
        except sqlite3.DatabaseError:
            self.damaged[table] = None
        return found


def salvage(old: Path, new: Path, there: Collection[RolloutId], now_ms: int) -> Salvaged:
    """Copy rollouts that are not `there` on disk, with their rows, and all names.

    `new` has the current schema and no rows yet.

    Raises:
        StoreUnavailable: the new database cannot be written.
    """
    wreck = DamagedDatabase(old)
    with (
        faults(new),
        closing(wreck.db),
        closing(sqlite3.connect(new, isolation_level=None)) as db,
        writing(db),
    ):
        into = _Into(db)
        marks = wreck.some("_kept_rows")
        numbers, again = _rollouts(wreck, into, there, {mark["rollout"] for mark in marks})
        rows = 0
        turn_ids = {row["turn_key"]: row["turn_id"] for row in wreck.rows("_turn_ids", "turn_key")}
        keys = turn_keys(db, turn_ids.values() if numbers else ())
        names = {row["model_key"]: _named(row) for row in wreck.rows("_models", "model_key")}
        models = usage.model_keys(db, names.values() if numbers else ())
        for table, key in _TABLES.items() if numbers else ():
            for row in wreck.rows(table, key):
                if row["rollout"] in numbers:
                    del row[key]
                    row.pop("counted", None)
                    row["rollout"] = numbers[row["rollout"]]
                    if "turn_key" in row:
                        row["turn_key"] = keys.get(turn_ids.get(row["turn_key"]))
                    if "model_key" in row:
                        row["model_key"] = models.get(names.get(row["model_key"], usage.UNNAMED))
                    rows += into.insert(table, row) and row["rollout"] not in again
        changed_files.list_new(db, 0)
        usage.rebuild(db)
        _beside(wreck, into, numbers, marks)
        for row in wreck.rows("_events", "seq") if again else ():
            if row["from_record"] and numbers.get(row["rollout"], 0) in again:
                into.insert("_events", {**row, "rollout": numbers[row["rollout"]]})
        for row in wreck.some("_names"):
            into.insert("_names", row)
        _settle(wreck, db, numbers, again, now_ms)
    return Salvaged(len(numbers) - len(again), rows, tuple(wreck.damaged), numbers)


def _named(row: Mapping[str, Any]) -> usage.Model:
    return row["model"], row["model_provider"], row["service_tier"]


def _beside(
    wreck: DamagedDatabase, into: _Into, numbers: Mapping[int, int], marks: Iterable[dict[str, Any]]
) -> None:
    """Copy rows of tables without an integer key."""
    for before, number in numbers.items():
        for table in ("_frames", "_limit_rows"):
            for row in wreck.some(table, "rollout = ?", (before,)):
                into.insert(table, {**row, "rollout": number})
    for mark in marks:
        if mark["rollout"] in numbers:
            into.insert("_kept_rows", {**mark, "rollout": numbers[mark["rollout"]]})


def _rollouts(
    wreck: DamagedDatabase, into: _Into, there: Collection[RolloutId], migrated: Collection[int]
) -> tuple[dict[int, int], frozenset[int]]:
    """Copy the rollouts; return their numbers, old to new, and the numbers of those on disk."""
    numbers: dict[int, int] = {}
    again: list[int] = []
    for row in wreck.rows("_rollouts", "rollout"):
        before = row.pop("rollout")
        is_there = row["rollout_id"] in there
        if is_there and before not in migrated:
            continue
        if into.insert("_rollouts", row):
            (numbers[before],) = into.db.execute("SELECT last_insert_rowid()").fetchone()
            if is_there:
                again.append(numbers[before])
    return numbers, frozenset(again)


class _Into:
    """Inserts rows into the new database."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self.db = db
        self._columns: dict[str, frozenset[str]] = {}

    def insert(self, table: str, row: dict[str, Any]) -> int:
        """Insert a row; return its number, or 0 if that fails: a duplicate, or misread."""
        if table not in self._columns:
            found = self.db.execute(f"PRAGMA table_info({table})")
            self._columns[table] = frozenset(name for _, name, *_ in found)
        names = [name for name in row if name in self._columns[table]]
        with suppress(sqlite3.IntegrityError):
            return self.db.execute(
                f"INSERT OR IGNORE INTO {table} ({', '.join(names)})"
                f" VALUES ({', '.join('?' for _ in names)})",
                [row[name] for name in names],
            ).rowcount
        return 0


def _settle(
    wreck: DamagedDatabase,
    db: sqlite3.Connection,
    numbers: dict[int, int],
    again: Collection[int],
    now_ms: int,
) -> None:
    """Compute chains and counters of the copied rollouts."""
    copied = [
        db.execute(
            "SELECT rollout_id, thread_id FROM _rollouts WHERE rollout = ?", (number,)
        ).fetchone()
        for number in numbers.values()
    ]
    # No new event for an archived or deleted thread: its old events already say so.
    db.executemany(
        "INSERT INTO _thread_states (thread_id, rollout, archived, deleted, incomplete)"
        " SELECT r.thread_id, r.rollout, r.archived, NOT EXISTS (SELECT 1 FROM _rollouts AS o"
        " WHERE o.thread_id = r.thread_id AND o.gone_at_ms IS NULL), 0"
        " FROM _rollouts AS r WHERE r.rollout_id = ? ON CONFLICT DO NOTHING",
        [(rollout_id,) for rollout_id, _ in copied],
    )
    threads.relink(db, [rollout_id for rollout_id, _ in copied], now_ms)
    # Other rollouts of these threads may exist: the next event is a change from this state.
    thread_ids = {thread_id for _, thread_id in copied}
    db.executemany(
        "UPDATE _thread_states SET archived = ?, deleted = ? WHERE thread_id = ?",
        [
            (row["archived"], row["deleted"], row["thread_id"])
            for row in wreck.some("_thread_states")
            if row["thread_id"] in thread_ids
        ],
    )
    for number in numbers.values():
        counters.recount(db, number)
    # If such a file comes back, it is projected again where some of its rows are lost.
    for number in numbers.values() if wreck.damaged else again:
        db.execute(
            "UPDATE _rollouts SET head = x'', tail = x'', checksum = NULL, size = 0"
            " WHERE rollout = ?",
            (number,),
        )


def keep_numbers(old: Path, new: Path, numbers: Mapping[int, int]) -> tuple[str, ...]:
    """Give the events of the new database the numbers and times that they had in the old one.

    Events that were seen on disk, and events of copied rollouts, are copied too. New ones are
    numbered after all numbers ever assigned, and so are the entries of the change feed: one for
    every row. Returns the tables that could not be read completely.
    """
    wreck = DamagedDatabase(old)
    with (
        faults(new),
        closing(wreck.db),
        closing(sqlite3.connect(new, isolation_level=None)) as db,
    ):
        known = {name for _, name, *_ in db.execute("PRAGMA table_info(_events)")}
        columns = sorted(known & {"seq", "rollout", *wreck.columns("_events")})
        now = dict(db.execute("SELECT rollout_id, rollout FROM _rollouts"))
        every = {
            row["rollout"]: now.get(row["rollout_id"]) for row in wreck.rows("_rollouts", "rollout")
        }
        db.execute("CREATE TEMP TABLE known AS SELECT * FROM _events WHERE false")
        with writing(db):
            for row in wreck.rows("_events", "seq"):
                which = numbers if row["from_record"] else every
                row["rollout"] = which.get(row["rollout"])
                values = [row.get(name) for name in columns]
                db.execute(
                    f"INSERT INTO known ({', '.join(columns)})"
                    f" VALUES ({', '.join('?' for _ in columns)})",
                    values,
                )
            commits = wreck.some("_feed_commits")
            last = max(
                [row["seq"] for row in wreck.some("sqlite_sequence", "name = '_events'")]
                + [row["seq"] for row in wreck.some("_feed", "1 ORDER BY seq DESC LIMIT 1")]
                + [row["upto"] for row in commits]
                + [db.execute("SELECT coalesce(max(seq), 0) FROM known").fetchone()[0]]
            )
            _take_over(db, [name for name in columns if name != "seq"], last)
            states = wreck.some("_feed_state")
            kept = ("feed_id", "rewound_after", "rewound_upto")
            state = {name: states[0][name] for name in kept} if states else {}
            feed.tell_again(db, last, commits, state)
    return tuple(wreck.damaged)


def _take_over(db: sqlite3.Connection, columns: list[str], last: int) -> None:
    same = "k.thread_id = _events.thread_id AND k.uid = _events.uid"
    names = ", ".join(columns)
    db.execute(
        f"INSERT OR IGNORE INTO _events ({names}) SELECT {names} FROM known"
        " WHERE NOT from_record OR rollout IS NOT NULL ORDER BY seq"
    )
    db.execute("CREATE INDEX temp.known_by_uid ON known (thread_id, uid)")
    db.execute("UPDATE _events SET seq = -seq")
    db.execute(
        f"UPDATE _events SET seq = k.seq, noted_at_ms = k.noted_at_ms FROM known AS k WHERE {same}"
    )
    db.execute(
        "UPDATE _events SET seq = ? + n.place FROM"
        " (SELECT seq, row_number() OVER (ORDER BY seq DESC) AS place FROM _events WHERE seq < 0)"
        " AS n WHERE n.seq = _events.seq",
        (last,),
    )
    db.execute(
        "UPDATE sqlite_sequence SET seq = max(?, (SELECT coalesce(max(seq), 0) FROM _events))"
        " WHERE name = '_events'",
        (last,),
    )


def swap(old: Path, new: Path, kept: Path) -> None:
    """Rename a new database to the path of a damaged one, which is kept under another name.

    Whoever opens the path meets one or the other. The damaged one's log is removed first: beside
    the new database it would be taken for the new one's.
    """
    try:
        os.link(old, kept)
    except OSError:  # a file system without hard links: for an instant there is no database
        os.rename(old, kept)
    for suffix in ("-wal", "-shm"):
        with suppress(FileNotFoundError):
            os.rename(f"{old}{suffix}", f"{kept}{suffix}")
    os.rename(new, old)
    folder = os.open(old.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
