"""Counts the living items and turns of rollouts, and of the threads that show them.

Costs what a batch contains, whatever was there before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

import orjson

from projector.model.ids import ThreadId
from projector.store.rules.lineage import EVERYTHING
from projector.store.sqlite import repeated_turns, stale_threads, thread_digest
from projector.store.sqlite.write import Touched


def counts(db: sqlite3.Connection, rollout: int, since: int, upto: int) -> tuple[int, int]:
    """Return the number of living items and turns of a rollout between two positions."""
    place = (rollout, since, upto)
    (items,) = db.execute(
        "SELECT count(*) FROM _item_rows WHERE rollout = ? AND position >= ? AND position < ?"
        " AND tombstone = 0",
        place,
    ).fetchone()
    (turns,) = db.execute(
        "SELECT count(*) FROM _turns WHERE rollout = ? AND position >= ? AND position < ?"
        " AND tombstone = 0",
        place,
    ).fetchone()
    return int(items), int(turns)


class Before(NamedTuple):
    """Counters of rows from a position on, before a batch is written."""

    rollout: int
    since: int
    """Position of the first byte that the batch read: new rows are there or later."""
    rows: dict[int, tuple[int, int]]
    """End of a part that reaches behind `since` → its items and turns behind `since`."""


def before(db: sqlite3.Connection, rollout: int, since: int) -> Before:
    """Count what a batch will add to, so that `tally` need not count what was there before.

    As a rule that is nothing. It is something when a last line without newline was taken ahead.
    """
    uptos = db.execute(
        "SELECT DISTINCT upto FROM _thread_parts WHERE rollout = ? AND upto > ?", (rollout, since)
    ).fetchall()
    ends = {EVERYTHING, *(upto for (upto,) in uptos)}
    return Before(rollout, since, {upto: counts(db, rollout, since, upto) for upto in ends})


def tally(db: sqlite3.Connection, old: Before, touched: Touched) -> None:
    """Update the counters after a batch; costs what the batch contains.

    If older rows became tombstones, all are counted again. A thread that continues this rollout
    from a cut before the batch is not touched.
    """
    if not (touched.rows or touched.older):
        return
    since = -1 if touched.older else old.since
    more: dict[int, tuple[int, int]] = {}

    def added(upto: int) -> tuple[int, int]:
        if upto not in more:
            items, turns = counts(db, old.rollout, since, upto)
            known = (0, 0) if touched.older else old.rows.get(upto, (0, 0))
            more[upto] = items - known[0], turns - known[1]
        return more[upto]

    db.execute(
        "UPDATE _rollouts SET items = iif(?1, 0, items) + ?2, turns = iif(?1, 0, turns) + ?3"
        " WHERE rollout = ?4",
        (touched.older, *added(EVERYTHING), old.rollout),
    )
    parts = db.execute(
        "SELECT thread_id, part, upto, items, turns FROM _thread_parts"
        " WHERE rollout = ? AND upto > ?",
        (old.rollout, since),
    ).fetchall()
    stale_threads.mark(db, [thread_id for thread_id, *_ in parts])
    for thread_id, part, upto, *known in parts:
        counted = added(upto)
        if not touched.older:
            counted = known[0] + counted[0], known[1] + counted[1]
        if counted != tuple(known):
            db.execute(
                "UPDATE _thread_parts SET items = ?, turns = ? WHERE thread_id = ? AND part = ?",
                (*counted, thread_id, part),
            )
            thread_digest.forget(db, thread_id, part)
        stale = repeated_turns.stale(db, ThreadId(thread_id), part, old.rollout, touched)
        repeated_turns.add(db, thread_id, repeated_turns.renew(db, thread_id, stale))


def recount(db: sqlite3.Connection, rollout: int) -> None:
    """Count the rows of a rollout again, and of all chains that it is part of."""
    tally(db, Before(rollout, -1, {}), Touched(rows=True, older=True, turns=frozenset()))


# Of many rollouts at once -------------------------------------------------------------------------

#: Rollouts and positions, JSON, with the numbers of living items and turns from there on.
_COUNTS: Final = (
    "SELECT k.rollout, (SELECT count(*) FROM _item_rows AS i WHERE i.rollout = k.rollout"
    " AND i.position >= k.since AND i.tombstone = 0), (SELECT count(*) FROM _turns AS t"
    " WHERE t.rollout = k.rollout AND t.position >= k.since AND t.tombstone = 0)"
    " FROM (SELECT json_extract(value, '$[0]') AS rollout, json_extract(value, '$[1]') AS since"
    " FROM json_each(?)) AS k"
)
_CONTINUED: Final = (
    "SELECT k.value FROM json_each(?) AS k WHERE EXISTS (SELECT 1 FROM _thread_parts AS p"
    " WHERE p.rollout = k.value AND p.upto < ?)"
)
_LAST_PARTS: Final = (
    "SELECT p.thread_id, p.part, p.rollout, p.items, p.turns FROM json_each(?) AS k"
    " CROSS JOIN _thread_parts AS p ON p.rollout = k.value AND p.upto = ?"
)


def counts_since(db: sqlite3.Connection, since: Mapping[int, int]) -> dict[int, tuple[int, int]]:
    """Return the numbers of living items and turns of rollouts, each from a position on."""
    rows = db.execute(_COUNTS, (orjson.dumps([*since.items()]).decode(),))
    return {rollout: (items, turns) for rollout, items, turns in rows}


def continued(db: sqlite3.Connection, rollouts: Iterable[int]) -> set[int]:
    """Return those of some rollouts behind which a thread goes on with another one."""
    rows = db.execute(_CONTINUED, (orjson.dumps([*rollouts]).decode(), EVERYTHING))
    return {rollout for (rollout,) in rows}


class Counted(NamedTuple):
    """What a batch has written to a rollout that no other continues."""

    rollout: int
    since: int
    """Position of the first byte that the batch read."""
    before: tuple[int, int]
    """Living items and turns from there on, before the batch."""
    touched: Touched


def tally_all(db: sqlite3.Connection, batches: Iterable[Counted]) -> None:
    """Update the counters of rollouts that no other continues: see `tally`."""
    written = {one.rollout: one for one in batches if one.touched.rows or one.touched.older}
    if not written:
        return
    now = counts_since(
        db, {rollout: -1 if one.touched.older else one.since for rollout, one in written.items()}
    )
    # What they grow by; of those whose older rows have changed, what they have.
    more = {
        rollout: (items - before[0], turns - before[1])
        for rollout, (items, turns) in now.items()
        for before in [(0, 0) if written[rollout].touched.older else written[rollout].before]
    }
    for older, sql in (
        (False, "UPDATE _rollouts SET items = items + ?, turns = turns + ? WHERE rollout = ?"),
        (True, "UPDATE _rollouts SET items = ?, turns = ? WHERE rollout = ?"),
    ):
        db.executemany(
            sql,
            [
                (*added, rollout)
                for rollout, added in more.items()
                if written[rollout].touched.older == older and (older or any(added))
            ],
        )
    parts = db.execute(_LAST_PARTS, (orjson.dumps([*written]).decode(), EVERYTHING)).fetchall()
    stale_threads.mark(db, [thread_id for thread_id, *_ in parts])
    changed = []
    for thread_id, part, rollout, *known in parts:
        items, turns = more[rollout]
        if not written[rollout].touched.older:
            items, turns = items + known[0], turns + known[1]
        if [items, turns] != known:
            changed.append((items, turns, thread_id, part))
    # No later part has stored what these contribute: each is the last of its thread.
    db.executemany(
        "UPDATE _thread_parts SET items = ?, turns = ? WHERE thread_id = ? AND part = ?", changed
    )
    for thread_id, part, rollout, *_ in parts:
        if part > 0:
            touched = written[rollout].touched
            stale = repeated_turns.stale(db, ThreadId(thread_id), part, rollout, touched)
            repeated_turns.add(db, thread_id, repeated_turns.renew(db, thread_id, stale))
