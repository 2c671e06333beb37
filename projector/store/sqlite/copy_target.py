"""Creates a SQLite file from the rows of another database: `store.copy.Receiver`.

It is filled under a temporary name and renamed at the end, so that a failed attempt leaves nothing.
Row numbers are this database's own; the change feed keeps its numbers, and its entries about
deleted rows.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from projector.model.errors import StoreRefused
from projector.model.ids import RolloutId
from projector.store.copy import Row, Stand, Table
from projector.store.migrations import migrations
from projector.store.rules.feed import KINDS, OPS, Cursor
from projector.store.schema_names import SQLITE_ROWS
from projector.store.sqlite import changed_files, usage
from projector.store.sqlite.execute import chunks
from projector.store.sqlite.file import PAGE_SIZE, faults, prepare
from projector.store.sqlite.guard import SIBLINGS, resolved
from projector.store.sqlite.item_json import NUMBERS, rest_of
from projector.store.sqlite.schema import migrate
from projector.store.sqlite.statements import STATUS
from projector.store.sqlite.thread_digest import THREADS_AT_ONCE, digests
from projector.store.sqlite.write import KEY, PROVENANCES, turn_keys

_MOST: Final = (1 << 63) - 1


class SqliteReceiver:
    """See `Receiver`."""

    def __init__(self, path: Path) -> None:
        """Create the new file.

        Raises:
            StoreRefused: it exists already.
        """
        path = resolved(path)
        for there in (path, *(Path(f"{path}{suffix}") for suffix in SIBLINGS[:-1])):
            # A log left behind would be taken for the new file's
            if os.path.lexists(there):
                raise StoreRefused(
                    f"{there}: is there already", hint="Name another file, or move it away"
                )
        self._path = path
        self._new = path.with_name(path.name + ".copying")
        self._remove()
        prepare(self._new)
        self._db = sqlite3.connect(self._new, isolation_level=None)
        self._numbers: dict[str, int] = {}
        self._keys: dict[str | None, int | None] = {}
        self._models: dict[usage.Model, int | None] = {}
        self._number = 0
        self._stand: Stand | None = None
        self._done = False

    def begin(self, stand: Stand, rollout_ids: Sequence[RolloutId]) -> frozenset[RolloutId]:
        """See `Receiver`."""
        del rollout_ids
        self._stand = stand
        with faults(self._path):
            # A failed attempt is deleted: nothing to roll back to, and nothing to wait for
            for pragma in (f"page_size = {PAGE_SIZE}", "journal_mode = OFF", "synchronous = OFF"):
                self._db.execute(f"PRAGMA {pragma}")
            migrate(self._db, self._new, migrations("sqlite"))
            self._db.execute("BEGIN EXCLUSIVE")
            self._db.execute(
                "UPDATE _feed_state SET feed_id = ?, pruned = ?, pruned_mark = ?,"
                " rewound_after = ?, rewound_upto = ?",
                (stand.feed_id, stand.pruned, stand.pruned_mark, stand.rewound_after,
                 stand.rewound_upto),
            )  # fmt: skip
        return frozenset()

    def rollout(self, row: dict[str, Any]) -> None:
        """See `Receiver`."""
        row = {name: _held(value) for name, value in row.items()}
        with faults(self._path):
            self._number = self._insert("_rollouts", row)
        self._numbers[row["rollout_id"]] = self._number

    def take_of(self, table: Table, rows: Iterable[Row]) -> int:
        """See `Receiver`."""
        number, columns, more = self._number, table.columns, {}
        if table.name == "_usage":
            rows, columns = self._with_models(rows, columns)
        made: dict[str, Callable[[Any], Any]] = {}
        if table.name in SQLITE_ROWS:
            turn = columns.index("turn_id")
            columns = (*columns[:turn], "turn_key", *columns[turn + 1 :])
            made["turn_key"] = self._turn_key
        if table.name == "_items":
            rows, columns = _with_rests(rows, columns)
            made["provenance"] = PROVENANCES.__getitem__
            places = {name: f"?{2 + columns.index(name)}" for name in ("kind", "rest")}
            more = {"status": STATUS.format(**places)}
        elif table.name == "_usage":
            made["counted"] = lambda _: 1  # which of several rows counts is settled at the end
        makers = [made.get(name, lambda value: value) for name in columns]
        return self._many(
            SQLITE_ROWS.get(table.name, table.name),
            ("rollout", *columns),
            (
                (number, *(make(value) for make, value in zip(makers, row, strict=True)))
                for row in rows
            ),
            more,
        )

    def _with_models(
        self, rows: Iterable[Row], columns: Sequence[str]
    ) -> tuple[Iterable[Row], tuple[str, ...]]:
        """Replace the names of models in rows of usage by their keys."""
        places = [columns.index(name) for name in ("model", "model_provider", "service_tier")]
        others = [at for at in range(len(columns)) if at not in places]

        def keyed(row: Row) -> Row:
            model, provider, tier = (row[at] for at in places)
            named = (model, provider, tier)
            if named not in self._models:
                self._models |= usage.model_keys(self._db, [named])
            return (*(row[at] for at in others), self._models[named])

        return map(keyed, rows), (*(columns[at] for at in others), "model_key")

    def _turn_key(self, turn_id: str | None) -> int | None:
        if turn_id not in self._keys:
            self._keys.update(turn_keys(self._db, [turn_id]))
        return self._keys[turn_id]

    def take(self, table: Table, rows: Iterable[Row]) -> int:
        """See `Receiver`."""
        match table.name:
            case "changes":
                with faults(self._path):
                    return self._changes(table, rows)
            case "_thread_parts":
                return self._many(
                    table.name, ("rollout", *table.columns), self._placed(table, rows, keep=True)
                )
            case "_thread_states" | "_events":
                columns = [name for name in table.columns if name != "rollout_id"]
                return self._many(
                    table.name, ("rollout", *columns), self._placed(table, rows, keep=False)
                )
            case _:
                return self._many(table.name, table.columns, rows)

    def _placed(self, table: Table, rows: Iterable[Row], *, keep: bool) -> Iterator[Row]:
        """Replace the rollout's id before each row by its number; drop rows of unknown ones."""
        place = table.columns.index("rollout_id")
        for row in rows:
            number = self._numbers.get(row[place])
            if number is not None or table.name == "_events":
                yield (number, *(row if keep else (*row[:place], *row[place + 1 :])))

    def _many(
        self,
        table: str,
        columns: Sequence[str],
        rows: Iterable[Row],
        more: Mapping[str, str] = MappingProxyType({}),
    ) -> int:
        """Insert rows; `more`: columns whose values SQL computes from the others."""
        marks = ", ".join((*"?" * len(columns), *more.values()))
        with faults(self._path):
            return self._db.executemany(
                f"INSERT INTO {table} ({', '.join((*columns, *more))}) VALUES ({marks})", rows
            ).rowcount.__index__()

    def _insert(self, table: str, row: dict[str, Any]) -> int:
        made = self._db.execute(
            f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
            tuple(row.values()),
        ).lastrowid
        assert made is not None, table
        return made

    # The feed -------------------------------------------------------------------------------------

    def _changes(self, table: Table, rows: Iterable[Row]) -> int:
        count, commit, last = 0, None, 0
        for row in rows:
            change = dict(zip(table.columns, row, strict=True))
            cursor = Cursor.parse(change["cursor"])
            assert cursor is not None, change
            if commit is not None and cursor.mark != commit[1]:
                self._commit(last, *commit)
            commit, last = (change["committed_at_ms"], cursor.mark), cursor.seq
            self._db.execute(
                "INSERT INTO _feed (seq, kind, op, row) VALUES (?, ?, ?, ?)",
                (
                    last,
                    KINDS[change["kind"]],
                    OPS[change["op"]],
                    self._row_of(change),
                ),
            )
            count += 1
        if commit is not None:
            self._commit(last, *commit)
        self._tell_threads()
        self._go_on(last)
        return count

    def _commit(self, upto: int, at_ms: int, mark: int | None) -> None:
        self._db.execute(
            "INSERT INTO _feed_commits (upto, committed_at_ms, mark) VALUES (?, ?, ?)",
            (upto, at_ms, mark),
        )

    def _row_of(self, change: dict[str, Any]) -> int:
        """Return the number of a change's row; for a deleted row, its entry in `_feed_purged`."""
        key: tuple[Any, ...]
        rollout = self._numbers.get(change["rollout_id"])
        turn_id, item_id = change["turn_id"], change["item_id"]
        match change["kind"]:
            case "thread":
                return self._thread(change["thread_id"])
            case "turn":
                sql = "SELECT turn FROM _turns WHERE rollout = ? AND turn_id = ?"
                key = (rollout, turn_id)
            case "item":
                sql = (
                    f"SELECT item FROM _item_rows WHERE rollout = ? AND turn_key = {KEY}"
                    " AND uid_start = substr(?, 1, 8)"
                )
                key = (rollout, turn_id, _uid(change["uid"]))
            case "realtime":
                sql = "SELECT realtime_item FROM _realtime_items WHERE rollout = ? AND item_id = ?"
                key = (rollout, item_id)
            case _:
                sql = "SELECT seq FROM _events WHERE thread_id = ? AND uid = ?"
                key = (change["thread_id"], _uid(change["uid"]))
        found = self._db.execute(sql, key).fetchone()
        if found:
            return int(found[0])
        names = ("thread_id", "rollout_id", "turn_id", "item_id", "type")
        seq = change["seq"]
        lost = {
            "kind": KINDS[change["kind"]],
            "row": -seq,
            "upto": seq,
            "uid": _uid(change["uid"]) or b"",
        } | {name: change[name] for name in names}
        lost["thread_id"] = lost["thread_id"] or ""
        self._insert("_feed_purged", lost)
        return -int(seq)

    def _thread(self, thread_id: str) -> int:
        found = self._db.execute(
            "SELECT thread FROM _feed_threads WHERE thread_id = ?", (thread_id,)
        ).fetchone()
        return int(found[0]) if found else self._insert("_feed_threads", {"thread_id": thread_id})

    def _tell_threads(self) -> None:
        """Store the digests of all threads, so that copying appends no feed entries."""
        usage.rebuild(self._db)  # usage sums are among the columns shown
        known = [row[0] for row in self._db.execute("SELECT thread_id FROM _thread_states")]
        for thread_id in known:
            self._thread(thread_id)
        told = [row[0] for row in self._db.execute("SELECT thread_id FROM _feed_threads")]
        for some in chunks(told, THREADS_AT_ONCE):
            shown = digests(self._db, some)
            self._db.executemany(
                "UPDATE _feed_threads SET digest = ? WHERE thread_id = ?",
                [(shown.get(thread_id), thread_id) for thread_id in some],
            )

    def _go_on(self, last: int) -> None:
        """Continue numbers after the greatest one ever assigned, even if it was pruned."""
        assert self._stand is not None
        thread = self._db.execute("SELECT thread FROM _feed_threads LIMIT 1").fetchone()
        if last < self._stand.last and thread is not None:
            self._db.execute(
                "INSERT INTO _feed (seq, kind, op, row) VALUES (?, 3, 2, ?)",
                (self._stand.last, thread[0]),
            )
            self._commit(self._stand.last, 0, self._stand.last_mark)

    def finish(self) -> None:
        """See `Receiver`."""
        with faults(self._path):
            changed_files.list_new(self._db, 0)
            self._db.execute("COMMIT")
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.close()
        file = os.open(self._new, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)
        os.rename(self._new, self._path)
        self._done = True

    def close(self) -> None:
        """See `Receiver`."""
        self._db.close()
        if not self._done:
            self._remove()

    def _remove(self) -> None:
        for suffix in ("", "-wal", "-shm", "-journal"):
            Path(f"{self._new}{suffix}").unlink(missing_ok=True)


def _with_rests(
    rows: Iterable[Row], columns: Sequence[str]
) -> tuple[Iterable[Row], tuple[str, ...]]:
    """Replace types and snapshots in rows of items by what is stored of them."""
    kind, item_id, json = (columns.index(name) for name in ("type", "item_id", "json"))
    others = [at for at in range(len(columns)) if at not in (kind, json)]

    def shortened(row: Row) -> Row:
        rest = rest_of(row[kind], row[item_id], row[json])
        return (*(row[at] for at in others), NUMBERS.get(row[kind], row[kind]), rest)

    return map(shortened, rows), (*(columns[at] for at in others), "kind", "rest")


def _uid(text: str | None) -> bytes | None:
    return None if text is None else bytes.fromhex(text.replace("-", ""))


def _held(value: Any) -> Any:
    """Return what a column can hold; an inode may have one bit more."""
    return min(value, _MOST) if isinstance(value, int) else value
