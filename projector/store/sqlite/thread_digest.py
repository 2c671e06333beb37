"""Computes fingerprints of threads as shown, from the last part and stored values of older ones.

`_feed_parts` has, for a part, what those before it contribute to it (`rules/older_parts.py`). A
writer of a part deletes the values of later parts; they are computed again from what is left. So a
commit into a chain of any length reads its last part.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection
from operator import itemgetter
from typing import Any, Final

import orjson

from projector.store.rules.older_parts import NOTHING, Older, PartRow, fold
from projector.store.rules.shown_threads import INHERITED
from projector.store.sqlite.execute import of_keys

#: Threads that are compared with their last feed entries together: so many are in memory.
THREADS_AT_ONCE: Final = 512

#: Columns of the current rollout as the view `threads` shows them.
_OWN: Final = (
    "source", "source_kind", "source_json", "thread_source", "originator", "cli_version", "mode",
    "parent_thread_id", "forked_from_id", "agent_nickname", "agent_role", "agent_path",
    "agent_depth", "attached", "rollout_id", "path", "updated_at_ms",
)  # fmt: skip
_STATE: Final = (
    "SELECT s.thread_id, s.rollout, c.preview, c.goal, s.archived, s.deleted, s.incomplete,"
    " s.repeated_turns,"
    " coalesce((SELECT n.name FROM _names AS n WHERE n.thread_id = s.thread_id), c.name),"
    " coalesce((SELECT f.created_at_ms FROM _rollouts AS f WHERE f.rollout_id = s.thread_id),"
    " c.created_at_ms), coalesce((SELECT u.total_tokens FROM _usage_threads AS u"
    " WHERE u.thread_id = s.thread_id), 0),"
    f" {', '.join(f'c.{name}' for name in (*_OWN, *INHERITED))}"
    " FROM _thread_states AS s JOIN _rollouts AS c ON c.rollout = s.rollout"
    " WHERE s.thread_id IN ({keys})"
)
_PARTS: Final = (
    "SELECT p.thread_id, p.part, p.rollout, p.rollout_id, p.upto, p.items, p.turns,"
    " r.preview IS NOT NULL AND coalesce(r.start_position + r.preview_offset < p.upto, 0),"
    f" r.goal IS NOT NULL, {', '.join(f'r.{name} IS NOT NULL' for name in INHERITED)}"
    " FROM _thread_parts AS p LEFT JOIN _rollouts AS r ON r.rollout = p.rollout"
    " WHERE p.thread_id IN ({keys})"
    " AND p.part >= coalesce((SELECT max(o.part) FROM _feed_parts AS o WHERE o.thread_id"
    " = p.thread_id), 0)"
)
#: What the parts before the newest one with a stored value contribute; a chain of one has none.
_STORED: Final = (
    "SELECT o.thread_id, o.older FROM _feed_parts AS o WHERE o.thread_id IN ({keys})"
    " AND o.part = (SELECT max(n.part) FROM _feed_parts AS n WHERE n.thread_id = o.thread_id)"
)


def digests(db: sqlite3.Connection, thread_ids: Collection[str]) -> dict[str, bytes]:
    """Return fingerprints of everything shown of threads; of those that exist."""
    return {
        thread_id: hashlib.blake2b(orjson.dumps(row), digest_size=16).digest()
        for thread_id, row in shown(db, thread_ids).items()
    }


def shown(db: sqlite3.Connection, thread_ids: Collection[str]) -> dict[str, tuple[Any, ...]]:
    """Return columns of the view `threads`, and fingerprints of chains, of threads that exist."""
    whole = _whole(db, thread_ids)
    return {
        row[0]: _shown(db, row, whole.get(row[0], NOTHING))
        for row in of_keys(db, _STATE, thread_ids)
    }


def _shown(db: sqlite3.Connection, state: tuple[Any, ...], whole: Older) -> tuple[Any, ...]:
    """Return a thread's columns of the view `threads`, and the fingerprint of its chain."""
    thread_id, current, preview, goal, archived, deleted, incomplete, *rest = state
    repeated, name, created_at_ms, tokens, *values = rest
    inherited = [
        _value(db, column, rollout) if own is None else own
        for column, own, rollout in zip(INHERITED, values[len(_OWN) :], whole.newest, strict=True)
    ]
    if whole.preview != current:
        preview = _value(db, "preview", whole.preview)
    if preview is None:
        preview = goal if whole.goal == current else _value(db, "goal", whole.goal)
    return (
        thread_id, name, preview, archived, deleted, incomplete, created_at_ms,
        whole.turns - repeated, whole.items, tokens, whole.chain, *values[: len(_OWN)], *inherited,
    )  # fmt: skip


def _value(db: sqlite3.Connection, column: str, rollout: int | None) -> Any:
    if rollout is None:
        return None
    found = db.execute(f"SELECT {column} FROM _rollouts WHERE rollout = ?", (rollout,)).fetchone()
    return found and found[0]


def _whole(db: sqlite3.Connection, thread_ids: Collection[str]) -> dict[str, Older]:
    """Accumulate the parts of threads, each from the newest one with a stored value on."""
    found: dict[str, Older] = {}
    for thread_id, stored in of_keys(db, _STORED, thread_ids):
        items, turns, chain, preview, goal, newest = orjson.loads(stored)
        found[thread_id] = Older(items, turns, chain, preview, goal, tuple(newest))
    made = []
    begun = set[str]()
    for thread_id, part, *row in sorted(of_keys(db, _PARTS, thread_ids), key=itemgetter(0, 1)):
        older = found.get(thread_id, NOTHING)
        if thread_id in begun:  # else the value is stored already, or is that of the first part
            made.append((thread_id, part, orjson.dumps(tuple(older)).decode()))
        begun.add(thread_id)
        found[thread_id] = fold(older, PartRow._make((*row[:7], row[7:])))
    db.executemany("INSERT INTO _feed_parts (thread_id, part, older) VALUES (?, ?, ?)", made)
    return found


def forget(db: sqlite3.Connection, thread_id: str, part: int) -> None:
    """Delete the stored values of a part that changes, and so of those before it."""
    db.execute("DELETE FROM _feed_parts WHERE thread_id = ? AND part > ?", (thread_id, part))


def forget_behind(db: sqlite3.Connection, rollout: int) -> None:
    """Delete what the parts of a rollout contribute, in all threads."""
    db.execute(
        "DELETE FROM _feed_parts WHERE (thread_id, part) IN (SELECT o.thread_id, o.part"
        " FROM _thread_parts AS p JOIN _feed_parts AS o ON o.thread_id = p.thread_id"
        " AND o.part > p.part WHERE p.rollout = ?)",
        (rollout,),
    )
