"""What only the pages in a browser show: reverted turns, sums of tokens, newest anomalies."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NamedTuple

from projector.store.questions.history import Item, Part, Turn
from projector.store.reading import Connection, Sql, among
from projector.store.rules.feed import START, Cursor

_LATEST: Final = Sql(
    "SELECT cursor FROM changes ORDER BY seq DESC LIMIT 1",
    "SELECT cursor FROM changes WHERE source_id = :source ORDER BY seq DESC LIMIT 1",
)
_REVERTED: Final = (
    "SELECT position, rollout_id, turn_id, uid, status, error_json, started_at, completed_at,"
    " duration_ms, model, tombstone FROM all_turns WHERE thread_id = :thread"
    " AND tombstone IS NOT NULL AND tombstone <> 'replaced' ORDER BY position LIMIT :limit"
)
_REVERTED_ITEMS: Final = (
    f"SELECT {', '.join(Item._fields)} FROM all_items WHERE thread_id = :thread AND turn_id = :turn"
    " AND tombstone IS NOT NULL AND tombstone <> 'replaced' ORDER BY position LIMIT :limit"
)
_REVERTED_COUNT: Final = (
    "SELECT count(*) FROM all_turns WHERE thread_id = :thread AND tombstone IS NOT NULL"
    " AND tombstone <> 'replaced'"
)
_DAYS: Final = (
    "SELECT day, model, responses, input_tokens, cached_input_tokens, output_tokens, total_tokens"
    " FROM token_days WHERE day >= :since ORDER BY day DESC, model"
)
# By the half hour: the hours of a time zone begin there.
_TIMES: Final = (
    "SELECT CAST(recorded_at_ms / 1800000 AS bigint) * 1800000, count(*) FROM _read_responses"
    " WHERE recorded_at_ms >= :since_ms GROUP BY 1"
)
_TURN_COSTS: Final = Sql(
    *(
        "SELECT turn_id, currency, count(*), count(amount), sum(amount) FROM token_costs"
        f" WHERE rollout_id IN {rollouts} AND turn_id IN {turns} GROUP BY turn_id, currency"
        for rollouts, turns in zip(among("rollouts"), among("turns"), strict=True)
    )
)
_THREAD_COST: Final = (
    "SELECT currency, count(*), count(amount), sum(amount) FROM token_costs"
    " WHERE thread_id = :thread GROUP BY currency"
)
_KEYS: Final = (
    "SELECT turn_id, position FROM thread_turn_history WHERE thread_id = :thread ORDER BY position"
)
_SPANS: Final = (
    "SELECT turn_id, min(position), max(position), count(*) FROM thread_history"
    " WHERE thread_id = :thread GROUP BY turn_id"
)
_COUNT_OF: Final = (
    "SELECT count(*) FROM _read_items WHERE source_id = :part_source AND rollout_id = :rollout"
    " AND tombstone = 0 AND position >= :first AND position < :upto AND turn_id = :turn"
)
_RELATED: Final = (
    "SELECT DISTINCT thread_id, forked_from_id FROM _read_rollouts"
    " WHERE (forked_from_id = :thread OR parent_thread_id = :thread) AND thread_id <> :thread"
    " ORDER BY thread_id LIMIT :limit"
)
_NAMED: Final = "SELECT thread_id, name, preview FROM threads WHERE thread_id = :thread"
_ANOMALIES: Final = (
    "SELECT rollout_id, byte_offset, kind, detail, noted_at_ms FROM anomalies"
    " ORDER BY noted_at_ms DESC LIMIT :limit"
)


class TurnItems(NamedTuple):
    """Where the items of a turn are, and how many."""

    first: int
    last: int
    number: int


class Cost(NamedTuple):
    """What responses cost by list price, in one currency."""

    currency: str | None
    responses: int
    priced: int
    amount: float | None
    """None: none of them has a price."""


class Related(NamedTuple):
    """A thread that began in another one."""

    thread_id: str
    name: str | None
    preview: str | None
    fork: bool
    """False: an agent."""


class Reverted(NamedTuple):
    """A turn that is in no visible history any more."""

    turn: Turn
    why: str
    """`reverted` or `rolled back`."""


def latest(db: Connection) -> Cursor:
    """Return the cursor of the newest change of this connection's source."""
    for (text,) in db.rows(_LATEST):
        return Cursor.parse(text) or START
    return START


def reverted_count(db: Connection, thread_id: str) -> int:
    """Return the number of turns that a revert or rollback took out of a thread."""
    ((number,),) = db.rows(_REVERTED_COUNT, {"thread": thread_id})
    return int(number)


def reverted(db: Connection, thread_id: str, limit: int) -> list[Reverted]:
    """Return those turns by position."""
    rows = db.rows(_REVERTED, {"thread": thread_id, "limit": limit})
    return [
        Reverted(Turn(*row, *(None,) * (len(Turn._fields) - len(row))), str(why))
        for *row, why in rows
    ]


def reverted_items(db: Connection, thread_id: str, turn_id: str, limit: int) -> list[Item]:
    """Return the items of such a turn by position."""
    values = {"thread": thread_id, "turn": turn_id, "limit": limit}
    return [Item._make(row) for row in db.rows(_REVERTED_ITEMS, values)]


def days(db: Connection, since: str) -> list[dict[str, Any]]:
    """Return tokens by day and model since a day (`2026-01-31`), newest first."""
    return db.dicts(_DAYS, {"since": since})


def times(db: Connection, since_ms: int) -> list[tuple[int, int]]:
    """Return in which half hours since a time responses came: its begin, and their number."""
    return [(int(ms), int(number)) for ms, number in db.rows(_TIMES, {"since_ms": since_ms})]


def turn_keys(db: Connection, thread_id: str) -> list[tuple[str, int]]:
    """Return id and position of every turn that has a record, by position."""
    return [(turn_id, position) for turn_id, position in db.rows(_KEYS, {"thread": thread_id})]


def turn_items(db: Connection, thread_id: str) -> dict[str, TurnItems]:
    """Return where the items of every turn are that has some, by its id."""
    rows = db.rows(_SPANS, {"thread": thread_id})
    return {turn_id: TurnItems._make(rest) for turn_id, *rest in rows}


def count_items(db: Connection, parts: Iterable[Part], turn_id: str, first: int, last: int) -> int:
    """Return the number of a turn's items in a chain, at positions from `first` to `last`."""
    number = 0
    for part in parts:
        if part.start <= last and part.upto > first:
            values = {
                "part_source": part.source_id, "rollout": part.rollout_id, "first": first,
                "upto": min(part.upto, last + 1), "turn": turn_id,
            }  # fmt: skip
            number += int(db.rows(_COUNT_OF, values)[0][0])
    return number


def turn_costs(
    db: Connection, rollout_ids: Iterable[str], turn_ids: Iterable[str]
) -> dict[str, list[Cost]]:
    """Return what turns of some rollouts cost."""
    values = {"rollouts": json.dumps([*rollout_ids]), "turns": json.dumps([*turn_ids])}
    found: dict[str, list[Cost]] = {}
    for turn_id, *rest in db.rows(_TURN_COSTS, values):
        found.setdefault(turn_id, []).append(Cost._make(rest))
    return found


def thread_cost(db: Connection, thread_id: str) -> list[Cost]:
    """Return what the responses of a thread cost, reverted ones too, inherited ones not."""
    return [Cost._make(row) for row in db.rows(_THREAD_COST, {"thread": thread_id})]


def related(db: Connection, thread_id: str, limit: int) -> list[Related]:
    """Return forks and agents of a thread, oldest first."""
    rows = db.rows(_RELATED, {"thread": thread_id, "limit": limit})
    return [
        Related(one, name, preview, fork=base == thread_id)
        for one, base in dict(rows).items()
        for _, name, preview in db.rows(_NAMED, {"thread": one})
    ]


def anomalies(db: Connection, limit: int) -> list[Mapping[str, Any]]:
    """Return the newest anomalies."""
    return [*db.dicts(_ANOMALIES, {"limit": limit})]
