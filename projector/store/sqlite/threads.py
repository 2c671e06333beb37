"""Keeps each thread's chain of parts, and its state, consistent with `_rollouts`.

Forks and reverts copy no rows: they cost a rollout and the few parts of its thread.
"""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import orjson

from projector.model.changes import Anomaly, EventType, uid
from projector.model.ids import Offset, RolloutId, ThreadId
from projector.store.rules import lineage
from projector.store.rules.lifecycle import ThreadFiles, file_events
from projector.store.rules.lineage import EVERYTHING, Chain, Link
from projector.store.sqlite import counters, repeated_turns, stale_threads, thread_digest
from projector.store.sqlite.statements import CHANGED, NEXT
from projector.store.sqlite.write import Target, note


class Links:
    """The rollouts of one transaction as lineage needs them, each read once."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._known: dict[RolloutId, Link | None] = {}

    def __call__(self, rollout_id: RolloutId) -> Link | None:
        """Return a rollout; None: it is not here."""
        if rollout_id not in self._known:
            row = self._db.execute(
                "SELECT rollout, rollout_id, thread_id, base_rollout_id,"
                " coalesce(base_end_ordinal, 0), coalesce(base_end_offset, 0), attached"
                " FROM _rollouts WHERE rollout_id = ?",
                (rollout_id,),
            ).fetchone()
            self._known[rollout_id] = Link._make((*row[:6], bool(row[6]))) if row else None
        return self._known[rollout_id]

    def is_base(self, rollout_id: RolloutId) -> bool:
        """True if a known rollout continues this one. Else it is on no cycle."""
        found = self._db.execute(
            "SELECT 1 FROM _rollouts WHERE base_rollout_id = ? LIMIT 1", (rollout_id,)
        )
        return found.fetchone() is not None

    def below(self, rollout_ids: Iterable[RolloutId]) -> list[RolloutId]:
        """Return these rollouts and all that continue them, bases first."""
        order = list(dict.fromkeys(rollout_ids))
        seen = set(order)
        queue = deque(order)
        while queue:
            for (child,) in self._db.execute(
                "SELECT rollout_id FROM _rollouts WHERE base_rollout_id = ?", (queue.popleft(),)
            ):
                if child not in seen:
                    seen.add(child)
                    order.append(child)
                    queue.append(child)
        return order


def relink(
    db: sqlite3.Connection,
    rollout_ids: Iterable[RolloutId],
    now_ms: int,
    threads: Iterable[ThreadId] = (),
    *,
    left: Collection[ThreadId] = (),
) -> None:
    """Update positions and chains after rollouts were added, deleted or changed their base.

    `threads`: those that lost a rollout: it is gone. `left`: a rollout now says, further down in
    the same file, that it is of another thread: if it was the only one, there was no such thread.
    """
    links = Links(db)
    below = links.below(rollout_ids)
    _settle(db, links, below)
    touched = dict.fromkeys((*threads, *left))
    for rollout_id in below:
        if link := links(rollout_id):
            touched[link.thread_id] = None
    alone = links(below[0]) if len(below) == len(touched) == 1 else None
    # A rollout that no other continues is before no part that stays.
    same = all(links(rollout_id) is None for rollout_id in below)
    for thread_id in touched:
        was = thread_id not in left
        _chain(db, links, thread_id, now_ms, was=was, alone=alone, same=same)


def refile(db: sqlite3.Connection, rollout_ids: Iterable[RolloutId], now_ms: int) -> None:
    """Update chains after files of rollouts appeared, vanished or moved.

    Their bases are unchanged: only which rollout of a thread is the current one may change.
    """
    links = Links(db)
    found = [link for one in rollout_ids if (link := links(one))]
    for thread_id in dict.fromkeys(link.thread_id for link in found):
        _chain(db, links, thread_id, now_ms, was=True, alone=None, same=True)


def _settle(db: sqlite3.Connection, links: Links, rollout_ids: Iterable[RolloutId]) -> None:
    """Set the start positions of rollouts; shifts the rows of those that move.

    Nothing moves in what Codex writes: see rule 3 of `lineage`. A rollout that is reached over two
    ways is visited again until its base is settled.
    """
    queue = deque(rollout_ids)
    # Bases come before what continues them, except around cycles, which have no bases: so each
    # rollout is settled after its base, or at most once more when that one moved.
    while queue:
        link = links(queue.popleft())
        if link is None:
            continue
        if links.is_base(link.rollout_id):
            base = lineage.base_of(link, links)
        else:
            base = None if link.base_id is None else links(link.base_id)
        base_start = _start_of(db, base.rollout) if base else None
        start = lineage.start(link.end_ordinal, link.end_offset, base_start)
        moved = start - _start_of(db, link.rollout)
        if moved:
            for table in ("_item_rows", "_turns", "_realtime_items"):
                for which, told in (("tombstone = 0", f", {CHANGED}"), ("tombstone <> 0", "")):
                    db.execute(
                        f"UPDATE {table} SET position = position + ?{told}"
                        f" WHERE rollout = ? AND {which}",
                        (moved, link.rollout),
                    )
            # In two steps: on its way a row must not have the position of another one.
            db.execute(
                "UPDATE _usage_rows SET position = -1 - (position + ?) WHERE rollout = ?",
                (moved, link.rollout),
            )
            db.execute(
                "UPDATE _usage_rows SET position = -1 - position WHERE rollout = ?", (link.rollout,)
            )
            db.execute(
                "UPDATE _rollouts SET start_position = ? WHERE rollout = ?", (start, link.rollout)
            )
            stale_threads.mark_parts(db, link.rollout)
            thread_digest.forget_behind(db, link.rollout)
            db.execute(
                "UPDATE _thread_parts SET upto = upto + ? WHERE rollout = ? AND upto < ?",
                (moved, link.rollout, EVERYTHING),
            )
            queue.extend(
                child
                for (child,) in db.execute(
                    "SELECT rollout_id FROM _rollouts WHERE base_rollout_id = ?", (link.rollout_id,)
                )
            )


def _start_of(db: sqlite3.Connection, rollout: int) -> int:
    (start,) = db.execute(
        "SELECT start_position FROM _rollouts WHERE rollout = ?", (rollout,)
    ).fetchone()
    return int(start)


def _current(db: sqlite3.Connection, thread_id: ThreadId) -> tuple[RolloutId, bool] | None:
    """Return a thread's current rollout (rule 1 of `lineage`), and whether it is on disk."""
    found = db.execute(
        "SELECT rollout_id, gone_at_ms IS NULL FROM _rollouts WHERE thread_id = ?"
        " ORDER BY thread_id DESC, gone_at_ms IS NULL DESC, named DESC, rollout_id DESC LIMIT 1",
        (thread_id,),
    ).fetchone()
    return (RolloutId(found[0]), bool(found[1])) if found else None


def _chain(
    db: sqlite3.Connection,
    links: Links,
    thread_id: ThreadId,
    now_ms: int,
    *,
    was: bool,
    alone: Link | None,
    same: bool,
) -> None:
    """Compute a thread's parts and state again, and write what changed; `was`: its end is an event.

    `alone`: the only rollout that changed, which no other continues. `same`: the bases of all known
    rollouts are unchanged.
    """
    stale_threads.mark(db, [thread_id])
    current = _current(db, thread_id)
    if current is None:
        if was:
            _note_events(db, thread_id, None, ThreadFiles(archived=False, deleted=True), now_ms)
        db.execute("DELETE FROM _thread_parts WHERE thread_id = ?", (thread_id,))
        thread_digest.forget(db, thread_id, -1)
        db.execute("DELETE FROM _thread_states WHERE thread_id = ?", (thread_id,))
        return
    name, there = current
    newest = links(name)
    assert newest is not None, thread_id
    if alone is not None and alone != newest and _is_current(db, newest):
        return  # one that is older came, which nobody continues
    repeated = _cut_back(db, newest) if same else None
    if repeated is None and (same or newest == alone):
        repeated = _extend(db, links, newest)
    found = None if repeated is not None else lineage.chain(newest, links)
    if found is not None and found.end == "cycle":
        first = found.parts[0].link
        note(
            db,
            Target("", first.rollout, first.thread_id, 0, now_ms),
            [Anomaly("lineage.cycle", Offset(0), 0, f"its base {first.base_id} continues it")],
            from_batch=False,
        )
    if found is not None:
        repeated = _put_parts(db, thread_id, found)
    state = _state(db, newest.rollout, deleted=not there)
    _note_events(db, thread_id, newest.rollout, state, now_ms)
    db.execute(
        "INSERT INTO _thread_states (thread_id, rollout, archived, deleted, incomplete)"
        " VALUES (?, ?, ?, ?, ?) ON CONFLICT (thread_id) DO UPDATE SET rollout = excluded.rollout,"
        " archived = excluded.archived, deleted = excluded.deleted,"
        " incomplete = excluded.incomplete",
        (
            thread_id,
            newest.rollout,
            state.archived,
            state.deleted,
            found is not None and found.end != "whole",
        ),
    )
    repeated_turns.add(db, thread_id, repeated or 0)


def _is_current(db: sqlite3.Connection, link: Link) -> bool:
    """True if a rollout is the stored current one of its thread."""
    found = db.execute(
        "SELECT rollout FROM _thread_states WHERE thread_id = ?", (link.thread_id,)
    ).fetchone()
    return bool(found == (link.rollout,))


def _cut_back(db: sqlite3.Connection, newest: Link) -> int | None:
    """Make a part of a thread's chain the last one; return how many more turns are repeated.

    None: the chain is to be made anew.
    """
    found = db.execute(
        "SELECT p.part, p.upto, r.items, r.turns FROM _thread_parts AS p"
        " JOIN _thread_states AS s ON s.thread_id = p.thread_id AND s.incomplete = 0"
        " JOIN _rollouts AS r ON r.rollout = p.rollout WHERE p.rollout = ? AND p.thread_id = ?",
        (newest.rollout, newest.thread_id),
    ).fetchone()
    if found is None:
        return None
    part, upto, items, turns = found
    more = 0
    if upto != EVERYTHING:
        thread_id = newest.thread_id
        more -= _drop(db, thread_id, part + 1)
        db.execute(
            "UPDATE _thread_parts SET upto = ?, items = ?, turns = ?"
            " WHERE thread_id = ? AND part = ?",
            (EVERYTHING, items, turns, thread_id, part),
        )
        thread_digest.forget(db, thread_id, part)
        more += repeated_turns.renew(db, thread_id, [part])
    return more


def _drop(db: sqlite3.Connection, thread_id: ThreadId, part: int) -> int:
    """Delete the parts of a thread from one on; return how many repeated turns they had."""
    where = "FROM _thread_parts WHERE thread_id = ? AND part >= ?"
    (repeated,) = db.execute(
        f"SELECT coalesce(sum(repeated), 0) {where}", (thread_id, part)
    ).fetchone()
    db.execute(f"DELETE {where}", (thread_id, part))
    return int(repeated)


def _extend(db: sqlite3.Connection, links: Links, newest: Link) -> int | None:
    """Put a rollout that continues a part of its thread behind that part, if nothing else changed.

    So a revert costs what it cuts off, not the whole chain. Returns how many more turns are
    repeated; None: the chain is to be made anew.
    """
    base = None if newest.base_id is None else links(newest.base_id)
    if base is None or base.thread_id != newest.thread_id:
        return None
    state = db.execute(
        "SELECT incomplete FROM _thread_states WHERE thread_id = ?", (newest.thread_id,)
    ).fetchone()
    if state is None or state[0]:
        return None
    cut = _start_of(db, base.rollout) + max(0, newest.end_offset)
    thread_id = newest.thread_id
    number, before = -1, -1
    # From the end: those that are passed over go.
    for part, rollout, upto in db.execute(
        "SELECT part, rollout, upto FROM _thread_parts WHERE thread_id = ? ORDER BY part DESC",
        (thread_id,),
    ):
        if rollout == newest.rollout or part + 1 >= lineage.MAX_PARTS:
            return None
        if rollout == base.rollout:
            number, before = part, upto
            break
    if number < 0:
        return None
    more = -_drop(db, thread_id, number + 1)
    if before != cut:
        counted = _counted(db, base.rollout, cut)
        db.execute(
            "UPDATE _thread_parts SET upto = ?, items = ?, turns = ?"
            " WHERE thread_id = ? AND part = ?",
            (cut, *counted, thread_id, number),
        )
        more += repeated_turns.renew(db, thread_id, [number])
    thread_digest.forget(db, thread_id, number)
    row = (thread_id, number + 1, newest.rollout, newest.rollout_id, EVERYTHING)
    _insert_parts(db, [row])
    return more + repeated_turns.renew(db, thread_id, [number + 1])


def _put_parts(db: sqlite3.Connection, thread_id: ThreadId, found: Chain) -> int:
    """Write the parts of a thread; return how many more turns are repeated."""
    rows = [
        (
            thread_id,
            number,
            part.link.rollout,
            part.link.rollout_id,
            EVERYTHING
            if part.upto is None
            else _start_of(db, part.link.rollout) + max(0, part.upto),
        )
        for number, part in enumerate(found.parts)
    ]
    old = db.execute(
        "SELECT thread_id, part, rollout, rollout_id, upto FROM _thread_parts WHERE thread_id = ?"
        " ORDER BY part",
        (thread_id,),
    ).fetchall()
    if rows == old:
        return 0
    same = 0
    while same < min(len(rows), len(old)) and rows[same] == old[same]:
        same += 1
    made = [(*row, *_counted(db, row[2], row[4])) for row in rows[same:]]
    more = -_drop(db, thread_id, same)
    thread_digest.forget(db, thread_id, same)
    _insert_counted(db, made)
    return more + repeated_turns.renew(db, thread_id, range(same, len(rows)))


def _insert_parts(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    _insert_counted(db, [(*row, *_counted(db, row[2], row[4])) for row in rows])


def _insert_counted(db: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    db.executemany(
        "INSERT INTO _thread_parts (thread_id, part, rollout, rollout_id, upto, items, turns)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        rows,
    )


def _counted(db: sqlite3.Connection, rollout: int, upto: int) -> tuple[int, int]:
    """Return the number of living items and turns of a rollout before a position."""
    known = db.execute(
        "SELECT items, turns FROM _thread_parts WHERE rollout = ? AND upto = ? LIMIT 1",
        (rollout, upto),
    ).fetchone()
    if known:
        return int(known[0]), int(known[1])
    near = db.execute(
        "SELECT upto, items, turns FROM _thread_parts WHERE rollout = ? AND upto < ?"
        " ORDER BY upto DESC LIMIT 1",
        (rollout, upto),
    ).fetchone()
    if near is None:
        return counters.counts(db, rollout, -1, upto)
    more = counters.counts(db, rollout, near[0], upto)
    return near[1] + more[0], near[2] + more[1]


def _state(db: sqlite3.Connection, rollout: int, *, deleted: bool) -> ThreadFiles:
    (archived,) = db.execute(
        "SELECT archived FROM _rollouts WHERE rollout = ?", (rollout,)
    ).fetchone()
    return ThreadFiles(archived=bool(archived), deleted=deleted)


def _note_events(
    db: sqlite3.Connection, thread_id: ThreadId, rollout: int | None, now: ThreadFiles, now_ms: int
) -> None:
    """Insert the events of a thread's state that changes with this transaction."""
    row = db.execute(
        "SELECT archived, deleted FROM _thread_states WHERE thread_id = ?", (thread_id,)
    ).fetchone()
    before = ThreadFiles(*map(bool, row)) if row else told_files(db, thread_id)
    for kind in file_events(before, now):
        event(db, thread_id, rollout, kind, {}, now_ms=now_ms)


def tell_files(db: sqlite3.Connection, now_ms: int) -> None:
    """Insert the events that are missing for threads whose files differ from what events say."""
    for thread_id, rollout, *files in db.execute(
        "SELECT thread_id, rollout, archived, deleted FROM _thread_states"
    ).fetchall():
        for kind in file_events(told_files(db, thread_id), ThreadFiles(*map(bool, files))):
            event(db, thread_id, rollout, kind, {}, now_ms=now_ms)


def told_files(db: sqlite3.Connection, thread_id: ThreadId) -> ThreadFiles:
    """Return the state of its files that a thread's events imply."""
    counts = db.execute(
        "SELECT type, count(*) FROM _events WHERE thread_id = ? AND from_record = 0 GROUP BY type",
        (thread_id,),
    )
    return ThreadFiles.told(dict(counts))


def event(
    db: sqlite3.Connection,
    thread_id: ThreadId,
    rollout: int | None,
    kind: EventType,
    payload: dict[str, str | None],
    *,
    now_ms: int,
) -> None:
    """Insert a lifecycle event that no record reports, in the transaction of its change.

    Its uid is made from `["event", thread_id, type, "", n]`, where n is a string and counts the
    events of this kind that the thread had before: a thread may be archived again and again. It is
    idempotent because it is written only when the stored state changes, and with that change.
    """
    (n,) = db.execute(
        "SELECT count(*) FROM _events WHERE thread_id = ? AND type = ? AND from_record = 0",
        (thread_id, kind),
    ).fetchone()
    db.execute(
        "INSERT INTO _events"
        " (seq, uid, thread_id, rollout, from_record, type, payload, noted_at_ms)"
        f" VALUES ({NEXT.format(new='')}, ?, ?, ?, 0, ?, ?, ?)",
        (
            uid("event", thread_id, kind, "", str(n)),
            thread_id,
            rollout,
            kind,
            orjson.dumps(payload).decode(),
            now_ms,
        ),
    )
