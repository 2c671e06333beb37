"""Computes fingerprints of threads as shown, from the last part and stored values of older ones.

`_feed_parts` has, for a part, what those before it contribute to it (`rules/older_parts.py`). A
writer of a part deletes the values of later parts; they are computed again from what is left. So a
commit into a chain of any length reads its last part.
"""

from __future__ import annotations

import hashlib
import sqlite3
from typing import Any, Final

import orjson

from projector.store.rules.older_parts import NOTHING, Older, PartRow, fold
from projector.store.rules.shown_threads import INHERITED

#: Columns of the current rollout as the view `threads` shows them.
_OWN: Final = (
    "source", "source_kind", "source_json", "thread_source", "originator", "cli_version", "mode",
    "parent_thread_id", "forked_from_id", "agent_nickname", "agent_role", "agent_path",
    "agent_depth", "attached", "rollout_id", "path", "updated_at_ms",
)  # fmt: skip
_STATE: Final = (
    "SELECT s.rollout, s.archived, s.deleted, s.incomplete, s.repeated_turns,"
    " coalesce((SELECT n.name FROM _names AS n WHERE n.thread_id = s.thread_id), c.name),"
    " coalesce((SELECT f.created_at_ms FROM _rollouts AS f WHERE f.rollout_id = s.thread_id),"
    " c.created_at_ms), coalesce((SELECT u.total_tokens FROM _usage_threads AS u"
    " WHERE u.thread_id = s.thread_id), 0),"
    f" {', '.join(f'c.{name}' for name in (*_OWN, *INHERITED))}"
    " FROM _thread_states AS s JOIN _rollouts AS c ON c.rollout = s.rollout WHERE s.thread_id = ?"
)
_PARTS: Final = (
    "SELECT p.part, p.rollout, p.rollout_id, p.upto, p.items, p.turns,"
    " r.preview IS NOT NULL AND coalesce(r.start_position + r.preview_offset < p.upto, 0),"
    f" r.goal IS NOT NULL, {', '.join(f'r.{name} IS NOT NULL' for name in INHERITED)}"
    " FROM _thread_parts AS p LEFT JOIN _rollouts AS r ON r.rollout = p.rollout"
    " WHERE p.thread_id = ?"
)


def digest(db: sqlite3.Connection, thread_id: str) -> bytes | None:
    """Return a fingerprint of everything shown of a thread; None: it does not exist."""
    found = shown(db, thread_id)
    if found is None:
        return None
    return hashlib.blake2b(orjson.dumps(found), digest_size=16).digest()


def shown(db: sqlite3.Connection, thread_id: str) -> tuple[Any, ...] | None:
    """Return a thread's columns of the view `threads`, and the fingerprint of its chain."""
    state = db.execute(_STATE, (thread_id,)).fetchone()
    if state is None:
        return None
    _, archived, deleted, incomplete, repeated, name, created_at_ms, tokens, *values = state
    whole = _whole(db, thread_id)
    inherited = [
        _value(db, column, rollout) if own is None else own
        for column, own, rollout in zip(INHERITED, values[len(_OWN) :], whole.newest, strict=True)
    ]
    preview = _value(db, "preview", whole.preview)
    if preview is None:
        preview = _value(db, "goal", whole.goal)
    return (
        thread_id, name, preview, archived, deleted, incomplete, created_at_ms,
        whole.turns - repeated, whole.items, tokens, whole.chain, *values[: len(_OWN)], *inherited,
    )  # fmt: skip


def _value(db: sqlite3.Connection, column: str, rollout: int | None) -> Any:
    if rollout is None:
        return None
    found = db.execute(f"SELECT {column} FROM _rollouts WHERE rollout = ?", (rollout,)).fetchone()
    return found and found[0]


def _whole(db: sqlite3.Connection, thread_id: str) -> Older:
    """Accumulate a thread's parts, from the newest one with a stored value on."""
    older, first = NOTHING, 0
    # A chain of one part has no stored values.
    stored = db.execute(
        "SELECT part, older FROM _feed_parts WHERE thread_id = ? ORDER BY part DESC LIMIT 1",
        (thread_id,),
    ).fetchone()
    if stored is not None:
        first = stored[0]
        items, turns, chain, preview, goal, newest = orjson.loads(stored[1])
        older = Older(items, turns, chain, preview, goal, tuple(newest))
    made = []
    for part, *row in db.execute(f"{_PARTS} AND p.part >= ? ORDER BY p.part", (thread_id, first)):
        if part > first:
            made.append((thread_id, part, orjson.dumps(tuple(older)).decode()))
        older = fold(older, PartRow._make((*row[:7], row[7:])))
    db.executemany("INSERT INTO _feed_parts (thread_id, part, older) VALUES (?, ?, ?)", made)
    return older


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
