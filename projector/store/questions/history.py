"""Threads and their visible histories: rows of `threads`, `thread_turn_history`, `thread_history`.

A history is asked for in pages by position. Rows can share a position: a page begins at the last
one of the page before.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from projector.model.ids import RolloutId
from projector.store.reading import Connection, Sql, Values, among
from projector.store.rules.lineage import EVERYTHING as EVERYTHING  # noqa: PLC0414 - the end of all


class Titled(NamedTuple):
    """Id of a thread, and what lists show of it."""

    thread_id: str
    name: str | None
    preview: str | None
    updated_at_ms: int | None


class Part(NamedTuple):
    """A part of a thread's chain of rollouts. Positions grow from part to part."""

    source_id: str
    """Source that has its rows."""
    rollout_id: RolloutId
    start: int
    """Position of the rollout's first byte."""
    upto: int
    """The thread shows rows before this position; EVERYTHING: all."""
    generation: int
    """Number of the rollout's projection: another one has other rows."""


class Turn(NamedTuple):
    """A turn as shown in its thread. Times are seconds; positions sort."""

    position: int
    rollout_id: str
    turn_id: str
    uid: str | None
    """None: the turn has no record, only items that name it."""
    status: str | None
    error_json: str | None
    started_at: int | None
    completed_at: int | None
    duration_ms: int | None
    model: str | None
    input_tokens: int | None
    cached_input_tokens: int | None
    output_tokens: int | None
    reasoning_output_tokens: int | None
    total_tokens: int | None
    root_turn_id: str | None
    end_position: int | None
    """Position after the record that ended it; None: not ended, or not by a record of its own."""


class Item(NamedTuple):
    """An item as shown in its thread. Times are milliseconds; positions sort."""

    position: int
    rollout_id: str
    turn_id: str
    item_id: str
    uid: str
    type: str
    item_json: str
    """The snapshot, exactly as stored."""
    created_at_ms: int
    started_at_ms: int | None
    completed_at_ms: int | None


class Span(NamedTuple):
    """Positions of a turn's first and last item."""

    rollout_id: str
    """Rollout of the first item."""
    first: int
    last: int


_SHOWN_ITEM: Final = (
    f"SELECT {', '.join(Item._fields)} FROM thread_history WHERE thread_id = :thread"
)
_FOUND_ITEMS: Final = (
    f"{_SHOWN_ITEM} AND (CAST(uid AS text) LIKE :prefix OR item_id = :id) ORDER BY position LIMIT 2"
)
_NO_THREAD: Final = "SELECT * FROM threads LIMIT 0"
_TITLES: Final = f"SELECT {', '.join(Titled._fields)} FROM threads"
_TITLES_OF: Final = Sql(
    *(f"{_TITLES} WHERE thread_id IN {threads}" for threads in among("threads"))
)
_NAMED: Final = (
    "SELECT DISTINCT thread_id FROM _read_named"
    " WHERE beginning = substr(CAST(:name AS text), 1, 200) AND name = :name"
)
_THREAD: Final = "SELECT * FROM threads WHERE thread_id = :thread"
_ROLLOUTS: Final = (
    "SELECT rollout_id, path FROM _read_rollouts WHERE source_id = :source AND thread_id = :thread"
)
_CHAIN: Final = (
    "SELECT CAST(p.part_source AS text), p.rollout_id, r.start_position, p.upto, r.generation"
    " FROM _read_parts AS p JOIN _read_rollouts AS r"
    " ON r.source_id = p.part_source AND r.rollout_id = p.rollout_id"
    " WHERE p.thread_id = :thread ORDER BY p.part"
)
_TURN: Final = (
    f"SELECT {', '.join(Turn._fields)} FROM thread_turn_history WHERE thread_id = :thread"
)
_TURNS: Final = f"{_TURN} AND position >= :position ORDER BY position LIMIT :limit"
_ONE_TURN: Final = f"{_TURN} AND turn_id = :turn"
_SPANS: Final = (
    "SELECT turn_id, rollout_id, min(position), max(position) FROM thread_history"
    " WHERE thread_id = :thread GROUP BY turn_id, rollout_id ORDER BY 3"
)
_LIVING_ITEMS: Final = (
    f"SELECT {', '.join(Item._fields)} FROM _read_items"
    " WHERE source_id = :part_source AND rollout_id = :rollout AND tombstone = 0"
    " AND position >= :position AND position < :upto"
)
_PAGE: Final = "ORDER BY position LIMIT :limit"
_ITEMS: Final = f"{_LIVING_ITEMS} {_PAGE}"
_ITEMS_BEFORE: Final = (
    f"SELECT {', '.join(Item._fields)} FROM _read_items"
    " WHERE source_id = :part_source AND rollout_id = :rollout AND tombstone = 0"
    " AND position < :upto ORDER BY position DESC LIMIT :limit"
)
# By position and not by turn: there is no index on a turn's items in file order.
_ITEMS_OF: Final = f"{_LIVING_ITEMS} AND turn_id = :turn {_PAGE}"


def thread_columns(db: Connection) -> list[str]:
    """Return the columns that `thread` has, in their order."""
    return [name for name in db.answer(_NO_THREAD).names if name != "source_id"]


def thread(db: Connection, thread_id: str) -> dict[str, Any] | None:
    """Return a thread's row of the view `threads`; None: it does not exist."""
    return next(map(for_people, db.dicts(_THREAD, {"thread": thread_id})), None)


def for_people(row: dict[str, Any]) -> dict[str, Any]:
    """Return a thread's row without columns that mean nothing to people; `host` stays."""
    row.pop("source_id", None)
    return row


def titles(db: Connection, prefix: str = "") -> list[Titled]:
    """Return threads whose ids begin with `prefix`, by default all, and what lists show of them."""
    if not prefix:
        return [Titled._make(row) for row in db.rows(_TITLES)]
    # A range, which an index answers; ids are in ASCII.
    text = f"{_TITLES} WHERE thread_id >= :prefix AND thread_id < :behind"
    values = {"prefix": prefix, "behind": f"{prefix}~"}
    return [Titled._make(row) for row in db.rows(text, values)]


def titles_of_name(db: Connection, name: str) -> list[Titled]:
    """Return the threads with exactly this name, by an index, and what lists show of them."""
    rows = db.rows(_NAMED, {"name": name})
    ids = {"threads": json.dumps([thread_id for (thread_id,) in rows])}
    found = map(Titled._make, db.rows(_TITLES_OF, ids)) if rows else ()
    return [one for one in found if one.name == name]


def rollouts(db: Connection, thread_id: str) -> dict[RolloutId, str]:
    """Return the rollouts of a thread, and the last known path of each."""
    return dict(db.rows(_ROLLOUTS, {"thread": thread_id}))


def chain(db: Connection, thread_id: str) -> list[Part]:
    """Return a thread's chain of rollouts, oldest part first."""
    return [Part._make(row) for row in db.rows(_CHAIN, {"thread": thread_id})]


def turns(db: Connection, thread_id: str, position: int, limit: int) -> list[Turn]:
    """Return a page of turns, by position from `position` on."""
    values = {"thread": thread_id, "position": position, "limit": limit}
    return [Turn._make(row) for row in db.rows(_TURNS, values)]


def turn(db: Connection, thread_id: str, turn_id: str) -> Turn | None:
    """Return one turn; None if it has no record."""
    rows = db.rows(_ONE_TURN, {"thread": thread_id, "turn": turn_id})
    return Turn._make(rows[0]) if rows else None


def items(db: Connection, parts: Iterable[Part], position: int, limit: int) -> list[Item]:
    """Return a page of a chain's items, by position from `position` on."""
    return _page(db, _ITEMS, parts, position, limit, {})


def items_before(db: Connection, parts: Iterable[Part], position: int, limit: int) -> list[Item]:
    """Return the last items of a chain before a position, oldest first."""
    found: list[Item] = []
    for part in reversed([*parts]):
        if part.start <= position and len(found) < limit:
            values = {
                "part_source": part.source_id,
                "rollout": part.rollout_id,
                "upto": min(part.upto, position),
                "limit": limit - len(found),
            }
            found += map(Item._make, db.rows(_ITEMS_BEFORE, values))
    return found[::-1]


def items_of(
    db: Connection, parts: Iterable[Part], position: int, limit: int, *, turn_id: str, last: int
) -> list[Item]:
    """Return a page of one turn's items in a chain, by position from `position` to `last`."""
    until = (part._replace(upto=min(part.upto, last + 1)) for part in parts if part.start <= last)
    return _page(db, _ITEMS_OF, until, position, limit, {"turn": turn_id})


def found_items(db: Connection, thread_id: str, wanted: str) -> list[Item]:
    """Return visible items whose uid begins with a text, or whose id is the text; two at most."""
    values = {"thread": thread_id, "id": wanted, "prefix": f"{wanted.lower()}%"}
    return [Item._make(row) for row in db.rows(_FOUND_ITEMS, values)]


def items_around(
    db: Connection, thread_id: str, position: int, limit: int, *, reasoning: bool
) -> tuple[list[Item], list[Item]]:
    """Return up to `limit` visible items before a position, and as many after it, in order.

    `reasoning`: with the model's reasoning.
    """
    parts = chain(db, thread_id)
    asked = 3 * limit + 1 if limit else 0  # reasoning is left out of them
    before = items_before(db, parts, position, asked)
    after = items(db, parts, position + 1, asked)
    if not reasoning:
        before = [one for one in before if one.type != "reasoning"]
        after = [one for one in after if one.type != "reasoning"]
    return before[len(before) - limit :] if len(before) > limit else before, after[:limit]


def _page(  # noqa: PLR0917
    db: Connection, sql: str, parts: Iterable[Part], position: int, limit: int, values: Values
) -> list[Item]:
    """Read part by part: each is one range of an index. An engine asked for all would sort them."""
    found: list[Item] = []
    for part in parts:
        if part.upto > position and len(found) < limit:
            rows = db.rows(
                sql,
                {
                    **values,
                    "part_source": part.source_id,
                    "rollout": part.rollout_id,
                    "upto": part.upto,
                    "position": position,
                    "limit": limit - len(found),
                },
            )
            found += map(Item._make, rows)
    return found


def spans(db: Connection, thread_id: str) -> dict[str, Span]:
    """Return the span of every turn that has items, by id."""
    found: dict[str, Span] = {}
    for turn_id, rollout_id, first, last in db.rows(_SPANS, {"thread": thread_id}):
        known = found.get(turn_id)
        found[turn_id] = (
            Span(rollout_id, first, last)
            if known is None
            else known._replace(last=max(known.last, last))
        )
    return found
