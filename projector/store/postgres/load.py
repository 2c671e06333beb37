"""Reads the rows that a transaction needs, in few statements."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from projector.model.ids import RolloutId
from projector.store.postgres import usage as usages
from projector.store.postgres.apply import (
    EventState,
    Item,
    Realtime,
    Rows,
    Turn,
    Wanted,
)
from projector.store.postgres.arrays import arrays
from projector.store.postgres.load_unit_of_work import PART
from projector.store.postgres.pipeline import Query, Row
from projector.store.postgres.usage import Usage

_ITEM: Final = (
    "i.rollout_id, i.uid, i.turn_id, i.item_id, i.position, i.ordinal, i.updated_ordinal,"
    " i.created_at_ms, i.started_at_ms, i.completed_at_ms, i.type, {json}, i.provenance, i.owner,"
    " i.tombstone"
)
_TURN: Final = (
    "t.rollout_id, t.uid, t.turn_id, t.position, t.ordinal, t.status, t.error_json::text,"
    " t.started_at, t.completed_at, t.duration_ms, t.first_user_item_id, t.final_agent_item_id,"
    " t.end_ordinal, t.end_offset, t.root_turn_id, t.model, t.owner, t.end_owner, t.tombstone"
)
_REALTIME: Final = (
    "x.rollout_id, x.uid, x.position, x.ordinal, x.created_at_ms, x.type, x.item_id,"
    " {json}, x.tombstone"
)
_EVENT: Final = (
    "e.rollout_id, e.uid, e.thread_id, e.type, e.turn_id, e.payload::text, e.recorded_at_ms,"
    " e.noted_at_ms, e.tombstone, e.seq"
)
_KEYS: Final = "unnest(%b::text[], %b::uuid[]) AS k (rollout_id, uid)"


def _keyed(table: str, short: str, columns: str) -> str:
    # OFFSET: a row is looked up for each key. A plan that was made when a table had three rows, and
    # is kept, would read all rows of the source instead.
    names = dict.fromkeys(re.findall(rf"\b{short}\.(\w+)", f"{columns} {short}.position"))
    held = ", ".join(f"x.{name}" for name in names)
    return (
        f"SELECT {columns} FROM {_KEYS} CROSS JOIN LATERAL (SELECT {held} FROM {table} AS x"
        " WHERE x.source_id = %s AND x.rollout_id = k.rollout_id AND x.uid = k.uid OFFSET 0)"
        f" AS {short} ORDER BY {short}.position"
    )


_ITEMS: Final = _keyed("_items", "i", _ITEM.format(json="i.json::text"))
_TURNS: Final = _keyed("_turns", "t", _TURN)
_REALTIMES: Final = _keyed("_realtime_items", "x", _REALTIME.format(json="x.json::text"))
_EVENTS: Final = (
    f"SELECT {_EVENT} FROM unnest(%b::text[], %b::text[], %b::uuid[])"
    " AS k (rollout_id, thread_id, uid) JOIN _events AS e ON e.source_id = %s AND e.uid = k.uid"
    " AND (e.thread_id = k.thread_id OR e.thread_id = (SELECT r.thread_id FROM _rollouts AS r"
    " WHERE r.source_id = %s AND r.rollout_id = k.rollout_id)) ORDER BY e.seq"
)
_TOMBSTONED_ITEMS: Final = (
    f"SELECT {_ITEM.format(json='NULL')} FROM unnest(%s::text[], %s::bigint[])"
    " AS k (rollout_id, owner) JOIN _items AS i ON i.source_id = %s"
    " AND i.rollout_id = k.rollout_id AND i.owner >= k.owner"
    " AND i.owner IS NOT NULL WHERE i.tombstone = 0 ORDER BY i.position"
)
_TOMBSTONED_TURNS: Final = (
    f"SELECT {_TURN} FROM unnest(%s::text[], %s::bigint[]) AS k (rollout_id, owner)"
    " JOIN _turns AS t ON t.source_id = %s AND t.rollout_id = k.rollout_id AND t.tombstone = 0"
    " AND (t.owner >= k.owner AND t.owner IS NOT NULL"
    " OR t.end_owner >= k.owner AND t.end_owner IS NOT NULL) ORDER BY t.position"
)
#: Parts of chains whose turns may be repeated: of a rollout and another part that has one of its
#: turns, the later one. In a long chain, the rows of the turn are looked up in the parts instead.
_REPEATS: Final = f"""
SELECT DISTINCT {PART.format("z")}
FROM unnest(%s::text[], %s::text[], %s::bigint[]) AS k (rollout_id, turn_id, since)
JOIN _rollouts AS r ON r.source_id = %s AND r.rollout_id = k.rollout_id
JOIN _thread_parts AS p ON p.rollout_id = k.rollout_id AND p.part_source = r.source_id
  AND p.upto > r.start_position + k.since
CROSS JOIN LATERAL (
  SELECT l.part FROM _thread_parts AS l WHERE l.source_id = p.source_id
    AND l.thread_id = p.thread_id ORDER BY l.part DESC LIMIT 1) AS l
CROSS JOIN LATERAL (
  SELECT q.part FROM _thread_parts AS q WHERE l.part BETWEEN 1 AND 15
    AND q.source_id = p.source_id AND q.thread_id = p.thread_id AND q.part <> p.part
    AND EXISTS (
      SELECT 1 FROM _turns AS t WHERE t.source_id = q.part_source AND t.rollout_id = q.rollout_id
        AND left(t.turn_id, 64) = left(k.turn_id, 64) AND t.turn_id = k.turn_id)
  UNION ALL
  SELECT q.part FROM (
    SELECT t.source_id, t.rollout_id FROM _turns AS t WHERE l.part > 15
      AND left(t.turn_id, 64) = left(k.turn_id, 64) AND t.turn_id = k.turn_id
      AND t.rollout_id <> k.rollout_id OFFSET 0) AS o
  JOIN _thread_parts AS q ON q.thread_id = p.thread_id AND q.rollout_id = o.rollout_id
    AND q.part_source = o.source_id AND q.source_id = p.source_id) AS q
JOIN _thread_parts AS z ON z.source_id = p.source_id AND z.thread_id = p.thread_id
  AND z.part = greatest(p.part, q.part)
"""


def repeats(source: str, turns: Sequence[tuple[str, str, int]]) -> Query:
    """Read the parts that may repeat turns: given are rollout, turn, and from which byte on.

    A thread that shows nothing of the rollout from there on is skipped.
    """
    return _REPEATS, (*_columns(turns), source)


def turns(source: str, rollout_id: str) -> Query:
    """Read all turns of a rollout."""
    return (
        f"SELECT {_TURN} FROM _turns AS t WHERE t.source_id = %s AND t.rollout_id = %s"
        " ORDER BY t.position",
        (source, rollout_id),
    )


def items(source: str, rollout_id: str) -> Query:
    """Read all items of a rollout, with the digest of their JSON instead of it."""
    return (
        f"SELECT {_ITEM.format(json='md5(i.json::text)')} FROM _items AS i WHERE i.source_id = %s"
        " AND i.rollout_id = %s ORDER BY i.position",
        (source, rollout_id),
    )


def realtime(source: str, rollout_id: str) -> Query:
    """Read all realtime items of a rollout, with the digest of their JSON instead of it."""
    return (
        f"SELECT {_REALTIME.format(json='md5(x.json::text)')} FROM _realtime_items AS x"
        " WHERE x.source_id = %s AND x.rollout_id = %s ORDER BY x.position",
        (source, rollout_id),
    )


def events(source: str, rollout_id: str) -> Query:
    """Read the events that a rollout's records report."""
    return (
        f"SELECT {_EVENT} FROM _events AS e WHERE e.source_id = %s AND e.rollout_id = %s"
        " AND e.from_record ORDER BY e.seq",
        (source, rollout_id),
    )


class RowLoader:
    """Reads the rows that a transaction's batches touch: queries, and their results."""

    def __init__(
        self,
        source: str,
        asked: Mapping[RolloutId, tuple[Wanted, str, bool]],
        since: Mapping[RolloutId, int],
    ) -> None:
        """Build the queries for rollouts: what is wanted, its thread, whether it is new.

        `since`: for those that are not new, from which byte on rows may be written or deleted.
        """
        self._source = source
        self.rows = {rollout_id: Rows(source, rollout_id) for rollout_id in asked}
        self.responses: list[Usage] = []
        """The first living row of each reported response; it may be one of `rows`."""
        self.repeats: list[Row] = []
        """Parts whose repeated turns are to be counted."""
        self.queries: list[Query] = []
        self._takers: list[Any] = []
        # Before the rollouts' own usage is read: from here on, no other transaction changes what
        # counts.
        told_of = sorted({one for wanted, _, _ in asked.values() for one in wanted.responses})
        if told_of:
            for text, values in usages.first_of(told_of, source):
                self._add(text, values, self._response)
        old = {one: wanted for one, (wanted, _, new) in asked.items() if not new}
        self._ask(_ITEMS, _pairs(old, "items"), self._item)
        self._ask(_TURNS, _pairs(old, "turns"), self._turn)
        self._ask(_REALTIMES, _pairs(old, "realtime"), self._realtime)
        self._ask(usages.BY_UID, _pairs(old, "usage"), self._usage)
        retracted = [(one, *what) for one, wanted in old.items() for what in wanted.retracted]
        if retracted:
            self._add(usages.RETRACTED, (*_columns(retracted), source), self._usage)
        nameless = [
            (one, wanted.nameless_before)
            for one, wanted in old.items()
            if wanted.nameless_before is not None
        ]
        if nameless:
            self._add(usages.NAMELESS, (*_columns(nameless), source), self._usage)
        events = [(one, asked[one][1], uid) for one, wanted in old.items() for uid in wanted.events]
        if events:
            kinds = ("text", "text", "uuid")
            self._add(_EVENTS, (*arrays(kinds, events), source, source), self._event)
        tombstoned = [
            (one, wanted.tombstoned_from)
            for one, wanted in old.items()
            if wanted.tombstoned_from is not None
        ]
        if tombstoned:
            # After those that are read completely: these lack their JSON.
            self._add(_TOMBSTONED_ITEMS, (*_columns(tombstoned), source), self._tombstoned_item)
            self._add(_TOMBSTONED_TURNS, (*_columns(tombstoned), source), self._turn)
        turns = [(one, turn, since[one]) for one, wanted in old.items() for turn in wanted.turn_ids]
        if turns:
            self._add(*repeats(source, turns), self.repeats.append)

    def _ask(self, text: str, keys: list[tuple[str, bytes]], taker: Any) -> None:
        if keys:
            self._add(text, (*arrays(("text", "uuid"), keys), self._source), taker)

    def _add(self, text: str, values: Sequence[Any], taker: Any) -> None:
        self.queries.append((text, values))
        self._takers.append(taker)

    def take(self, answers: Sequence[list[Row]]) -> None:
        """Take the results of the queries."""
        for taker, answer in zip(self._takers, answers, strict=True):
            for row in answer:
                taker(row)
        known = {
            (self._source, rows.rollout_id, uid): usage
            for rows in self.rows.values()
            for uid, usage in rows.usage.items()
        }
        self.responses = [
            known.get((one.source, one.rollout_id, one.uid), one) for one in self.responses
        ]

    def _item(self, row: Row) -> None:
        self.rows[row[0]].items[row[1].bytes] = item_of(row)

    def _tombstoned_item(self, row: Row) -> None:
        self.rows[row[0]].items.setdefault(row[1].bytes, item_of(row))

    def _turn(self, row: Row) -> None:
        self.rows[row[0]].turns.setdefault(row[1].bytes, turn_of(row))

    def _realtime(self, row: Row) -> None:
        self.rows[row[0]].realtime[row[1].bytes] = realtime_of(row)

    def _usage(self, row: Row) -> None:
        self.rows[row[1]].usage.setdefault(row[2].bytes, usages.of_row(row))

    def _event(self, row: Row) -> None:
        self.rows[row[0]].events[row[1].bytes] = event_of(row)

    def _response(self, row: Row) -> None:
        self.responses.append(usages.of_row(row))


def _pairs(asked: Mapping[RolloutId, Wanted], name: str) -> list[tuple[str, bytes]]:
    return [(one, uid) for one, wanted in asked.items() for uid in getattr(wanted, name)]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _first_bytes(row: Row) -> Row:
    return (row[0].bytes, *row[1:])


def item_of(row: Row) -> Item:
    """Create an item from a stored row."""
    item = Item(*_first_bytes(row[1:15]))
    item.reworded = False
    item.was = item.state()
    return item


def turn_of(row: Row) -> Turn:
    """Create a turn from a stored row."""
    turn = Turn(*_first_bytes(row[1:19]))
    turn.was = turn.state()
    return turn


def realtime_of(row: Row) -> Realtime:
    """Create a realtime item from a stored row."""
    item = Realtime(*_first_bytes(row[1:9]))
    item.was = item.state()
    return item


def event_of(row: Row) -> EventState:
    """Create an event from a stored row."""
    event = EventState(
        row[1].bytes, row[2], row[3], row[4], row[5], row[6], row[7], row[0],
        tombstone=row[8], seq=row[9],
    )  # fmt: skip
    event.was = event.state()
    return event
