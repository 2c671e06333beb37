"""Keeps which usage rows count, and the sums over them: the driver of `store/rules/usage.py`.

New rows whose response has no other row, nearly all, are added to the sums by SQL, all rows of a
statement at once, right after that statement. All others are loaded, settled by the rules, and
saved where they changed.

`_usage_shared` has an entry for each living row of the responses that have, or had, several rows:
it finds the next row when the counted one is deleted.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct

from projector.store.rules import usage as rules
from projector.store.rules.usage import Countable
from projector.store.schema_names import DROPPED
from projector.store.sqlite import responses, stale_threads
from projector.store.sqlite.execute import mended

_COUNTS: Final = (
    "input_tokens", "cached_input_tokens", "output_tokens", "reasoning_output_tokens",
    "total_tokens",
)  # fmt: skip
_SUMS: Final = ", ".join(f"sum({count})" for count in _COUNTS)
_ADDED: Final = ", ".join(
    f"{count} = {count} + excluded.{count}" for count in ("responses", *_COUNTS)
)
_DAY: Final = "coalesce(date(recorded_at_ms / 1000, 'unixepoch'), '')"

# NOT INDEXED: new rows are found at once by their numbers. The planner would rather scan all rows,
# in the order of an index that groups them.

#: Sums over new rows that count, by rollout, day and model. Grouped by the number of the day, since
#: a date takes longer; counted from 272,000 BC on, so that no division rounds up.
_NEW: Final = (
    f"SELECT r.thread_id, coalesce(date(min(n.recorded_at_ms) / 1000, 'unixepoch'), ''),"
    f" coalesce((SELECT m.model FROM _models AS m WHERE m.model_key = n.model_key), ''),"
    f" count(*), {_SUMS} FROM _usage_rows AS n NOT INDEXED"
    " CROSS JOIN _rollouts AS r ON r.rollout = n.rollout"
    " WHERE n.usage > ? AND n.counted AND n.tombstone = 0"
    " GROUP BY n.rollout, (n.recorded_at_ms / 1000 + 8640000000000) / 86400, n.model_key"
)
_DAY_CHANGES: Final = (
    "INSERT INTO _usage_days VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    f" ON CONFLICT (day, model) DO UPDATE SET {_ADDED}"
)
_THREAD_CHANGES: Final = (
    "INSERT INTO _usage_threads VALUES (?, ?, ?, ?, ?, ?, ?)"
    f" ON CONFLICT (thread_id) DO UPDATE SET {_ADDED}"
)
#: New rows whose response has another row.
_MET: Final = f"n.usage > ? AND n.response_id IS NOT NULL AND ({responses.MET})"
_ROWS: Final = (
    "SELECT n.usage, n.rollout, n.position - r.start_position, r.thread_id, r.rollout_id,"
    " n.position, n.uid,"
    f" n.response_id, {_DAY}, coalesce((SELECT m.model FROM _models AS m"
    " WHERE m.model_key = n.model_key), ''), n.tombstone = 0, n.counted,"
    f" {', '.join(f'n.{count}' for count in _COUNTS)}"
    " FROM _usage_rows AS n {how} JOIN _rollouts AS r ON r.rollout = n.rollout WHERE {which}"
)
_COUNTED: Final = f"{responses.FOUND} AND n.response_id = ?1 AND n.counted = 1 AND n.tombstone = 0"
_FIRST: Final = (
    "n.usage = (SELECT usage FROM _usage_shared WHERE response_id = ?"
    " ORDER BY rollout_id, place, usage LIMIT 1)"
)


class Row(Countable, Struct, kw_only=True):
    """A row of `_usage_rows`."""

    usage: int
    rollout: int
    place: int
    """Byte offset of its record; unlike the position it does not change when the rollout moves."""

    def shared(self) -> tuple[Any, ...]:
        """Return its entry in `_usage_shared`."""
        return self.response_id, self.rollout_id, self.place, self.usage


def rows(db: sqlite3.Connection, which: str, values: Sequence[Any] = ()) -> dict[int, Row]:
    """Load the rows, aliased `n`, that a condition selects; by number."""
    return _load(db, _ROWS.format(how="", which=which), values)


def _load(db: sqlite3.Connection, sql: str, values: Sequence[Any]) -> dict[int, Row]:
    found = {}
    for number, rollout, place, thread_id, rollout_id, *rest in db.execute(sql, values):
        position, uid, response_id, day, model, living, counted, *tokens = rest
        found[number] = Row(
            usage=number, rollout=rollout, place=place, thread_id=thread_id,
            rollout_id=rollout_id, position=position, uid=uid, response_id=response_id, day=day,
            model=model, tokens=(tokens[0], tokens[1], tokens[2], tokens[3], tokens[4]),
            living=bool(living), counted=bool(counted),
        )  # fmt: skip
        found[number].was = found[number].share
    return found


def newest(db: sqlite3.Connection) -> int:
    """Return the number of the newest row of `_usage_rows`; 0: there is none."""
    (usage,) = db.execute("SELECT coalesce(max(usage), 0) FROM _usage_rows").fetchone()
    return int(usage)


def count(db: sqlite3.Connection, last: int) -> None:
    """Count the rows after number `last`. They were just inserted, each with `counted` 1."""
    _count(db, last)
    responses.take_new(db, last)
    met = _load(db, _ROWS.format(how="NOT INDEXED", which=_MET), (last,))
    if met:
        _settle(db, met, {row.response_id for row in met.values()})


def _count(db: sqlite3.Connection, last: int) -> None:
    """Add the rows after number `last` that count to the sums."""
    days: dict[tuple[str, str], rules.Amounts] = {}
    threads: dict[str, rules.Amounts] = {}
    for thread_id, day, model, *found in db.execute(_NEW, (last,)):
        amounts = (found[0], found[1], found[2], found[3], found[4], found[5])
        days[day, model] = rules.add(days.get((day, model), rules.NOTHING), 1, amounts)
        threads[thread_id] = rules.add(threads.get(thread_id, rules.NOTHING), 1, amounts)
    db.executemany(_DAY_CHANGES, [(*key, *amounts) for key, amounts in days.items()])
    db.executemany(_THREAD_CHANGES, [(key, *amounts) for key, amounts in threads.items()])


def settle(db: sqlite3.Connection, before: Mapping[int, Row], after: Mapping[int, Row]) -> None:
    """Settle which rows count, after rows were changed, deleted or inserted, and update the sums.

    `before`, `after`: the same rows before and after; each without the rows that do not exist then.
    """
    changed: dict[int, Row] = {}
    touched: set[str | None] = set()
    gone: list[Row] = []
    for number, row in after.items():
        old = before.get(number)
        row.was = None if old is None else old.share
        changed[number] = row
        if old is None:
            touched.add(row.response_id)
        elif (old.living, old.response_id) != (row.living, row.response_id):
            touched.update((old.response_id, row.response_id))
            gone.append(old)
        elif row.response_id is None and not row.counted:
            touched.add(None)
    for number, old in before.items():
        if number not in after:
            gone.append(old)
            touched.add(old.response_id)
    db.executemany(
        "DELETE FROM _usage_shared WHERE response_id = ? AND rollout_id = ? AND place = ?"
        " AND usage = ?",
        [old.shared() for old in gone if old.response_id is not None],
    )
    for number, old in before.items():
        if number not in after:
            old.living = False
            changed[number] = old
    _settle(db, changed, touched)


def _settle(
    db: sqlite3.Connection, changed: Mapping[int, Row], touched: Collection[str | None]
) -> None:
    candidates = dict(changed)
    for response_id in touched:
        if response_id is None:
            continue
        for which in (_COUNTED, _FIRST):
            for number, row in rows(db, which, (response_id,)).items():
                candidates.setdefault(number, row)
    stored = {number: row.counted for number, row in candidates.items()}
    rules.settle(row for row in candidates.values() if row.response_id in touched)
    db.executemany(
        "UPDATE _usage_rows SET counted = ? WHERE usage = ?",
        [(row.counted, number) for number, row in candidates.items()
         if row.counted != stored[number]],
    )  # fmt: skip
    named = [(row, row.response_id) for row in candidates.values() if row.response_id is not None]
    responses.remove(db, [(name, row.usage) for row, name in named if not row.counted])
    responses.add(db, [(name, row.usage) for row, name in named if row.counted])
    _share(db, [row for row in candidates.values() if row.living and row.response_id in touched])
    _add(db, candidates.values())


def _share(db: sqlite3.Connection, living: Iterable[Row]) -> None:
    """Insert entries of the responses that have several rows."""
    by_response: dict[str, list[Row]] = {}
    for row in living:
        if row.response_id is not None:
            by_response.setdefault(row.response_id, []).append(row)
    db.executemany(
        "INSERT OR IGNORE INTO _usage_shared VALUES (?, ?, ?, ?)",
        [row.shared() for same in by_response.values() if len(same) > 1 for row in same],
    )


def _add(db: sqlite3.Connection, changed: Collection[Row]) -> None:
    """Update the sums, and mark the threads whose sums changed as stale."""
    sums = rules.changes(changed)
    db.executemany(
        _DAY_CHANGES, [(day, model, *amounts) for (_, day, model), amounts in sums.days.items()]
    )
    db.executemany(
        _THREAD_CHANGES, [(thread, *amounts) for (_, thread), amounts in sums.threads.items()]
    )
    stale_threads.mark(db, [thread_id for _, thread_id in sums.threads])


# What changes rows --------------------------------------------------------------------------------


def retract(
    db: sqlite3.Connection, new: str, rollout: int, key: int | None, places: tuple[int, int]
) -> None:
    """Make tombstones of the rows that a `RetractCounts` names.

    `new`: prefix of the tables. `places`: positions of its `since` and `before`.
    """
    since, before = places
    lost = [
        number
        for which, values in (
            ("turn_key = ? AND rollout = ? AND position < ?", (key, rollout, before)),
            ("turn_key IS NULL AND rollout = ? AND position >= ? AND position < ?",
             (rollout, since, before)),
        )
        for (number,) in db.execute(
            f"SELECT usage FROM {new}_usage_rows WHERE {which} AND response_id IS NULL"
            " AND tombstone = 0",
            values,
        )
    ]  # fmt: skip
    _change(db, new, lost, f"tombstone = {DROPPED}", ())


def name(db: sqlite3.Connection, new: str, rollout: int, model: str, before: int) -> None:
    """Set the model of the rows that a `NameUsage` names. `new`: prefix of the tables."""
    nameless: dict[Model, list[int]] = {}
    for number, provider, tier in db.execute(
        f"SELECT u.usage, m.model_provider, m.service_tier FROM {new}_usage_rows AS u"
        " LEFT JOIN _models AS m ON m.model_key = u.model_key WHERE u.rollout = ?"
        " AND u.position < ? AND m.model IS NULL AND u.tombstone = 0",
        (rollout, before),
    ):
        nameless.setdefault((model, provider, tier), []).append(number)
    for named, numbers in nameless.items():
        _change(db, new, numbers, "model_key = ?", (model_keys(db, [named])[named],))


#: Model, its provider and the service tier.
Model = tuple[str | None, str | None, str | None]
UNNAMED: Final[Model] = (None, None, None)


def model_keys(db: sqlite3.Connection, models: Iterable[Model]) -> Mapping[Model, int | None]:
    """Return the keys of what responses name; inserts what has none yet."""
    keys: dict[Model, int | None] = {UNNAMED: None}
    for named in models:
        if named not in keys:
            kept = tuple(map(mended, named))
            found = (
                db.execute(
                    "SELECT model_key FROM _models WHERE model IS ? AND model_provider IS ?"
                    " AND service_tier IS ?",
                    kept,
                ).fetchone()
                or db.execute(
                    "INSERT INTO _models (model, model_provider, service_tier) VALUES (?, ?, ?)"
                    " RETURNING model_key",
                    kept,
                ).fetchone()
            )
            keys[named] = found[0]
    return keys


def _change(
    db: sqlite3.Connection, new: str, numbers: Sequence[int], what: str, values: Sequence[Any]
) -> None:
    old = {} if new else numbered(db, numbers)
    db.executemany(
        f"UPDATE {new}_usage_rows SET {what} WHERE usage = ?",
        [(*values, number) for number in numbers],
    )
    if not new:
        settle(db, old, numbered(db, numbers))


def rethread(db: sqlite3.Connection, rollout: int, old: str, new: str) -> None:
    """Move the usage of a rollout's rows to another thread's sum."""
    db.execute(
        f"INSERT INTO _usage_threads SELECT ?, -count(*), {_SUMS.replace('sum(', '-sum(')}"
        " FROM _usage_rows WHERE rollout = ? AND counted AND tombstone = 0 HAVING count(*) > 0"
        f" ON CONFLICT (thread_id) DO UPDATE SET {_ADDED}",
        (old, rollout),
    )
    db.execute(
        f"INSERT INTO _usage_threads SELECT ?, count(*), {_SUMS}"
        " FROM _usage_rows WHERE rollout = ? AND counted AND tombstone = 0 HAVING count(*) > 0"
        f" ON CONFLICT (thread_id) DO UPDATE SET {_ADDED}",
        (new, rollout),
    )


def numbered(db: sqlite3.Connection, numbers: Iterable[int]) -> dict[int, Row]:
    """Load rows by their numbers."""
    found: dict[int, Row] = {}
    for number in numbers:
        found |= rows(db, "n.usage = ?", (number,))
    return found


def rebuild(db: sqlite3.Connection) -> None:
    """Choose which rows count for all responses, and compute all sums again."""
    for table in ("_usage_shared", "_usage_days", "_usage_threads"):
        db.execute(f"DELETE FROM {table}")
    db.execute(
        "INSERT INTO _usage_shared SELECT n.response_id, r.rollout_id,"
        " n.position - r.start_position, n.usage"
        " FROM _usage_rows AS n JOIN _rollouts AS r ON r.rollout = n.rollout"
        " WHERE n.tombstone = 0 AND n.response_id IN (SELECT response_id FROM _usage_rows"
        " WHERE tombstone = 0 AND response_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1)"
    )
    # `usage` breaks ties in the order of the index only: no two rows have the same place
    db.execute(
        "UPDATE _usage_rows SET counted = response_id IS NULL OR tombstone = 0"
        " WHERE counted <> (response_id IS NULL OR tombstone = 0)"
    )
    db.execute(
        "UPDATE _usage_rows SET counted = 0 WHERE usage IN (SELECT usage FROM ("
        " SELECT usage, row_number() OVER (PARTITION BY response_id"
        " ORDER BY rollout_id, place, usage) AS at FROM _usage_shared) WHERE at > 1)"
    )
    _count(db, 0)
    responses.rebuild(db)
