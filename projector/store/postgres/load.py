"""Reads what a transaction must know, by as few statements as can be."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from projector.place import RolloutId, ThreadId
from projector.store.columns import HEADER, META
from projector.store.postgres.fold import (
    EventState,
    Item,
    Realtime,
    Rows,
    Turn,
    Usage,
    Wanted,
    share,
)
from projector.store.postgres.wire import Query, Row
from projector.store.postgres.world import Part, Rollout, State, Thread, World

#: Columns of a rollout that are read; fingerprints and state are only written.
COLUMNS: Final = tuple(
    dict.fromkeys((
        "thread_id", "base_rollout_id", "base_end_ordinal", "base_end_offset", "start_position",
        "elsewhere", "home", "path", "archived", "compressed", "size", "mtime_ns", "device",
        "inode", "gone_at_ms", "generation", "next_offset", "next_ordinal", "read_at_ms",
        "records", "items", "turns", *HEADER, *META,
    ))
)  # fmt: skip
_ROLLOUT: Final = ", ".join(f"r.{name}" for name in ("source_id", "rollout_id", *COLUMNS))

LOCK: Final = (
    "SELECT last_seq, search_what, search_text_bytes, search_round, pruned FROM sources"
    " WHERE source_id = %s FOR UPDATE"
)

_OWN: Final = (
    f"SELECT {_ROLLOUT} FROM rollouts AS r WHERE r.source_id = %s AND r.rollout_id = ANY(%s)"
    " ORDER BY r.rollout_id FOR UPDATE"
)


def own(source: str, rollout_ids: Sequence[str]) -> Query:
    """Read rollouts of this source, and lock them."""
    return _OWN, (source, list(rollout_ids))


def locked(rollout_ids: Sequence[str]) -> Query:
    """Lock rollouts, whose ever they are."""
    return (
        "SELECT rollout_id FROM rollouts WHERE rollout_id = ANY(%s) AND NOT elsewhere"
        " ORDER BY rollout_id FOR UPDATE",
        (list(rollout_ids),),
    )


def rollout_of(row: Row) -> Rollout:
    """Make a rollout of a row of `own` and its like."""
    values = dict(zip(COLUMNS, row[2:], strict=True))
    values["device"], values["inode"] = int(values["device"]), int(values["inode"])
    return Rollout(str(row[0]), RolloutId(row[1]), dict(values), values)


# A rollout continues another one; a thread has several. All that a change of some rollouts can
# touch: what continues them (down), the threads of all these, the rollouts of those threads, and
# what all of them continue (up).
_FAMILY: Final = f"""
WITH RECURSIVE down (rollout_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C"
  UNION SELECT c.rollout_id FROM down AS d JOIN rollouts AS c ON c.base_rollout_id = d.rollout_id
  WHERE NOT c.elsewhere),
of_threads (thread_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C"
  UNION SELECT r.thread_id FROM down AS d JOIN rollouts AS r ON r.rollout_id = d.rollout_id
  WHERE NOT r.elsewhere),
up (rollout_id) AS (
  SELECT unnest(%s::text[]) COLLATE "C"
  UNION SELECT d.rollout_id FROM down AS d
  UNION SELECT t.thread_id FROM of_threads AS t
  UNION SELECT r.rollout_id FROM of_threads AS t JOIN rollouts AS r ON r.thread_id = t.thread_id),
line (rollout_id) AS (
  SELECT rollout_id FROM up
  UNION SELECT b.base_rollout_id FROM line AS l JOIN rollouts AS b ON b.rollout_id = l.rollout_id
  WHERE b.base_rollout_id IS NOT NULL AND NOT b.elsewhere)
SELECT {_ROLLOUT} FROM line AS l JOIN rollouts AS r ON r.rollout_id = l.rollout_id
WHERE NOT r.elsewhere
"""


def family(rollout_ids: Sequence[str], thread_ids: Sequence[str], bases: Sequence[str]) -> Query:
    """Read all rollouts that a change of some can touch; the last: what they will continue."""
    return _FAMILY, (list(rollout_ids), list(thread_ids), list(bases))


_PARTS: Final = (
    "SELECT p.source_id, p.thread_id, p.part_source, p.rollout_id, p.upto, p.items, p.turns"
    " FROM thread_parts AS p WHERE p.thread_id = ANY({threads}) ORDER BY p.thread_id, p.part"
)
_STATES: Final = (
    "SELECT s.source_id, s.thread_id, s.rollout_id, s.archived, s.deleted, s.incomplete,"
    " s.repeated_turns FROM thread_states AS s WHERE s.thread_id = ANY({threads})"
)
_NAMES: Final = (
    "SELECT n.source_id, n.thread_id, n.name FROM names AS n WHERE n.thread_id = ANY({threads})"
)
_COUNTS: Final = (
    "SELECT thread_id, type, count(*) FROM events WHERE thread_id = ANY({threads})"
    " AND NOT from_record GROUP BY 1, 2"
)
_OF_PARTS: Final = (
    f"SELECT {_ROLLOUT} FROM rollouts AS r WHERE NOT r.elsewhere AND r.rollout_id = ANY(ARRAY("
    "SELECT p.rollout_id FROM thread_parts AS p WHERE p.thread_id = ANY({threads})"
    " UNION SELECT p.thread_id FROM thread_parts AS p WHERE p.thread_id = ANY({threads})))"
)
_THREADS_WITH: Final = (
    "ARRAY(SELECT w.thread_id FROM unnest(%s::text[]) AS k (rollout_id)"
    " JOIN thread_parts AS w ON w.rollout_id = k.rollout_id"
    " UNION SELECT w.thread_id FROM unnest(%s::text[]) AS k (rollout_id)"
    " JOIN rollouts AS w ON w.rollout_id = k.rollout_id WHERE NOT w.elsewhere)"
)


def threads(thread_ids: Sequence[str]) -> list[Query]:
    """Read what is stored of threads: see `take_threads`."""
    return [
        (text.format(threads="%s::text[]"), (list(thread_ids),))
        for text in (_STATES, _PARTS, _NAMES, _COUNTS)
    ]


def threads_with(rollout_ids: Sequence[str]) -> list[Query]:
    """Read what is stored of the threads that have one of these rollouts as a part.

    The last query gives the rollouts of all their parts.
    """
    ids = list(rollout_ids)
    found: list[Query] = [
        (text.format(threads=_THREADS_WITH), (ids, ids)) for text in (_STATES, _PARTS, _NAMES)
    ]
    return [*found, (_OF_PARTS.format(threads=_THREADS_WITH), (ids, ids, ids, ids))]


def take_threads(
    world: World, states: Iterable[Row], parts: Iterable[Row], names: Iterable[Row]
) -> None:
    """Put what was read of threads into the world."""
    for source, thread_id, rollout_id, archived, deleted, incomplete, repeated in states:
        thread = world.threads.setdefault(ThreadId(thread_id), Thread())
        thread.state = State(
            str(source), RolloutId(rollout_id), archived, deleted, incomplete, repeated
        )
    for _, thread_id, source, rollout_id, upto, items, turns in parts:
        thread = world.threads.setdefault(ThreadId(thread_id), Thread())
        thread.parts.append(Part(str(source), RolloutId(rollout_id), upto, items, turns))
    for source, thread_id, name in names:
        world.names[str(source), ThreadId(thread_id)] = name


# Rows ---------------------------------------------------------------------------------------------

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
_USAGE: Final = (
    "u.source_id, u.rollout_id, u.uid, u.position, u.turn_id, u.ordinal, u.response_id, u.model,"
    " u.input_tokens, u.cached_input_tokens, u.output_tokens, u.reasoning_output_tokens,"
    " u.total_tokens, u.recorded_at_ms, u.tombstone, u.counted"
)
_EVENT: Final = (
    "e.rollout_id, e.uid, e.thread_id, e.type, e.turn_id, e.payload::text, e.recorded_at_ms,"
    " e.noted_at_ms, e.tombstone, e.seq"
)
_KEYS: Final = "unnest(%s::text[], %s::text[]::uuid[]) AS k (rollout_id, uid)"


def _keyed(table: str, short: str, columns: str) -> str:
    return (
        f"SELECT {columns} FROM {_KEYS} JOIN {table} AS {short} ON {short}.source_id = %s"
        f" AND {short}.rollout_id = k.rollout_id AND {short}.uid = k.uid ORDER BY {short}.position"
    )


_ITEMS: Final = _keyed("items", "i", _ITEM.format(json="i.json::text"))
_TURNS: Final = _keyed("turns", "t", _TURN)
_USAGES: Final = _keyed("usage", "u", _USAGE)
_REALTIMES: Final = _keyed("realtime_items", "x", _REALTIME.format(json="x.json::text"))
_EVENTS: Final = (
    f"SELECT {_EVENT} FROM unnest(%s::text[], %s::text[], %s::text[]::uuid[])"
    " AS k (rollout_id, thread_id, uid) JOIN events AS e ON e.source_id = %s AND e.uid = k.uid"
    " AND (e.thread_id = k.thread_id OR e.thread_id = (SELECT r.thread_id FROM rollouts AS r"
    " WHERE r.source_id = %s AND r.rollout_id = k.rollout_id)) ORDER BY e.seq"
)
_BURIED_ITEMS: Final = (
    f"SELECT {_ITEM.format(json='NULL')} FROM unnest(%s::text[], %s::bigint[])"
    " AS k (rollout_id, owner) JOIN items AS i ON i.source_id = %s"
    " AND i.rollout_id = k.rollout_id AND i.owner >= k.owner"
    " AND i.owner IS NOT NULL WHERE i.tombstone = 0 ORDER BY i.position"
)
_BURIED_TURNS: Final = (
    f"SELECT {_TURN} FROM unnest(%s::text[], %s::bigint[]) AS k (rollout_id, owner)"
    " JOIN turns AS t ON t.source_id = %s AND t.rollout_id = k.rollout_id AND t.tombstone = 0"
    " AND (t.owner >= k.owner AND t.owner IS NOT NULL"
    " OR t.end_owner >= k.owner AND t.end_owner IS NOT NULL) ORDER BY t.position"
)
#: The rows of the responses that are told of, whose ever they are.
_RESPONSES: Final = (
    f"SELECT {_USAGE} FROM usage AS u WHERE left(u.response_id, 64) = ANY(%s)"
    " AND u.response_id = ANY(%s)"
)
#: Wait for those who choose a row of one of these responses just now, and let others wait for us.
#: Read committed: what is read next holds what they wrote.
_SETTLE: Final = (
    "INSERT INTO settling SELECT DISTINCT hashtextextended(k.response_id, 0) AS response"
    " FROM ({}) AS k (response_id) WHERE k.response_id IS NOT NULL ORDER BY response"
)
_SETTLE_NAMED: Final = _SETTLE.format("SELECT unnest(%s::text[])")
_SETTLE_ALL: Final = _SETTLE.format("SELECT u.response_id FROM usage AS u WHERE u.source_id = %s")
_SETTLE_OF: Final = _SETTLE.format(
    "SELECT u.response_id FROM usage AS u WHERE u.source_id = %s AND u.rollout_id = ANY(%s)"
)
#: Rows of others are never seen.
_SETTLE_UNSEEN: Final = "DELETE FROM settling"
#: Threads of several parts of which another part has one of these turns.
_REPEATS: Final = """
SELECT DISTINCT p.thread_id FROM unnest(%s::text[], %s::text[]) AS k (rollout_id, turn_id)
JOIN thread_parts AS p ON p.rollout_id = k.rollout_id AND p.part_source = %s
JOIN thread_parts AS q ON q.source_id = p.source_id AND q.thread_id = p.thread_id
  AND q.rollout_id <> p.rollout_id
JOIN turns AS t ON t.source_id = q.part_source AND t.rollout_id = q.rollout_id
  AND left(t.turn_id, 64) = left(k.turn_id, 64) AND t.turn_id = k.turn_id
"""


def turns(source: str, rollout_id: str) -> Query:
    """Read all turns of a rollout."""
    return (
        f"SELECT {_TURN} FROM turns AS t WHERE t.source_id = %s AND t.rollout_id = %s"
        " ORDER BY t.position",
        (source, rollout_id),
    )


def items(source: str, rollout_id: str) -> Query:
    """Read all items of a rollout, with the digest of their JSON in its place."""
    return (
        f"SELECT {_ITEM.format(json='md5(i.json::text)')} FROM items AS i WHERE i.source_id = %s"
        " AND i.rollout_id = %s ORDER BY i.position",
        (source, rollout_id),
    )


def realtime(source: str, rollout_id: str) -> Query:
    """Read all realtime items of a rollout, with the digest of their JSON in its place."""
    return (
        f"SELECT {_REALTIME.format(json='md5(x.json::text)')} FROM realtime_items AS x"
        " WHERE x.source_id = %s AND x.rollout_id = %s ORDER BY x.position",
        (source, rollout_id),
    )


def events(source: str, rollout_id: str) -> Query:
    """Read the events that a rollout's records tell of."""
    return (
        f"SELECT {_EVENT} FROM events AS e WHERE e.source_id = %s AND e.rollout_id = %s"
        " AND e.from_record ORDER BY e.seq",
        (source, rollout_id),
    )


def responses(response_ids: Sequence[str]) -> list[Query]:
    """Read the rows of responses, whose ever they are, in the last of some statements.

    Until the end of the transaction nobody else chooses which of them counts.
    """
    return [
        (_SETTLE_NAMED, (list(response_ids),)),
        (_SETTLE_UNSEEN, ()),
        (_RESPONSES, ([one[:64] for one in response_ids], list(response_ids))),
    ]


def usages(source: str, rollout_ids: Sequence[str]) -> list[Query]:
    """Read all usage of rollouts, and of the responses that it tells of, whose ever it is.

    As `responses`.
    """
    rows = (
        f"SELECT {_USAGE} FROM usage AS u WHERE u.source_id = %s AND u.rollout_id = ANY(%s)"
        f" UNION SELECT {_USAGE} FROM usage AS o JOIN usage AS u"
        " ON left(u.response_id, 64) = left(o.response_id, 64) AND u.response_id = o.response_id"
        " WHERE o.source_id = %s AND o.rollout_id = ANY(%s)",
        (source, list(rollout_ids)) * 2,
    )
    return [(_SETTLE_OF, (source, list(rollout_ids))), (_SETTLE_UNSEEN, ()), rows]


def settling(source: str) -> list[Query]:
    """Until the end of the transaction, let nobody else choose what counts of a source's usage."""
    return [(_SETTLE_ALL, (source,)), (_SETTLE_UNSEEN, ())]


class RowsOf:
    """The rows that the batches of a transaction touch: which queries, and what came of them."""

    def __init__(self, source: str, asked: dict[RolloutId, tuple[Wanted, str, bool]]) -> None:
        """Ask for the rows of rollouts: what is wanted, its thread, whether it is new."""
        self._source = source
        self.rows = {rollout_id: Rows(source, rollout_id) for rollout_id in asked}
        self.responses: list[Usage] = []
        """All rows of the responses that are told of, those of `rows` too."""
        self.repeats: set[ThreadId] = set()
        self.queries: list[Query] = []
        self._takers: list[Any] = []
        # Before the rollouts' own usage is read: from here on, what counts stays as it is.
        told_of = sorted({one for wanted, _, _ in asked.values() for one in wanted.responses})
        if told_of:
            for text, values in responses(told_of):
                self._add(text, values, self._response)
        old = {one: wanted for one, (wanted, _, new) in asked.items() if not new}
        self._ask(_ITEMS, _pairs(old, "items"), self._item)
        self._ask(_TURNS, _pairs(old, "turns"), self._turn)
        self._ask(_REALTIMES, _pairs(old, "realtime"), self._realtime)
        self._ask(_USAGES, _pairs(old, "usage"), self._usage)
        events = [
            (one, asked[one][1], uid.hex()) for one, wanted in old.items() for uid in wanted.events
        ]
        if events:
            self._add(_EVENTS, (*_columns(events), source, source), self._event)
        buried = [
            (one, wanted.buried_from)
            for one, wanted in old.items()
            if wanted.buried_from is not None
        ]
        if buried:
            # Behind those that are read whole: these lack their JSON.
            self._add(_BURIED_ITEMS, (*_columns(buried), source), self._buried_item)
            self._add(_BURIED_TURNS, (*_columns(buried), source), self._turn)
        turns = [(one, turn) for one, wanted in old.items() for turn in wanted.turn_ids]
        turns += [
            (one, turn) for one, (wanted, _, new) in asked.items() if new
            for turn in wanted.turn_ids
        ]  # fmt: skip
        if turns:
            self._add(_REPEATS, (*_columns(turns), source), self._repeat)

    def _ask(self, text: str, keys: list[tuple[str, str]], taker: Any) -> None:
        if keys:
            self._add(text, (*_columns(keys), self._source), taker)

    def _add(self, text: str, values: Sequence[Any], taker: Any) -> None:
        self.queries.append((text, values))
        self._takers.append(taker)

    def take(self, answers: Sequence[list[Row]]) -> None:
        """Take what the queries gave."""
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

    def _buried_item(self, row: Row) -> None:
        self.rows[row[0]].items.setdefault(row[1].bytes, item_of(row))

    def _turn(self, row: Row) -> None:
        self.rows[row[0]].turns.setdefault(row[1].bytes, turn_of(row))

    def _realtime(self, row: Row) -> None:
        self.rows[row[0]].realtime[row[1].bytes] = realtime_of(row)

    def _usage(self, row: Row) -> None:
        self.rows[row[1]].usage[row[2].bytes] = usage_of(row)

    def _event(self, row: Row) -> None:
        self.rows[row[0]].events[row[1].bytes] = event_of(row)

    def _response(self, row: Row) -> None:
        self.responses.append(usage_of(row))

    def _repeat(self, row: Row) -> None:
        self.repeats.add(ThreadId(row[0]))


def _pairs(asked: dict[RolloutId, Wanted], name: str) -> list[tuple[str, str]]:
    return [(one, uid.hex()) for one, wanted in asked.items() for uid in getattr(wanted, name)]


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _first_bytes(row: Row) -> Row:
    return (row[0].bytes, *row[1:])


def item_of(row: Row) -> Item:
    """Make an item of a row."""
    item = Item(*_first_bytes(row[1:15]))
    item.reworded = False
    item.was = item.state()
    return item


def turn_of(row: Row) -> Turn:
    """Make a turn of a row."""
    turn = Turn(*_first_bytes(row[1:19]))
    turn.was = turn.state()
    return turn


def realtime_of(row: Row) -> Realtime:
    """Make a realtime item of a row."""
    item = Realtime(*_first_bytes(row[1:9]))
    item.was = item.state()
    return item


def usage_of(row: Row) -> Usage:
    """Make a usage of a row."""
    tokens = (row[8], row[9], row[10], row[11], row[12])
    usage = Usage(
        str(row[0]), row[1], row[2].bytes, row[3], row[4], row[5], row[6], row[7], tokens,
        row[13], row[14], row[15], False,
    )  # fmt: skip
    usage.was = share(usage, day_of(usage.recorded_at_ms))
    return usage


def event_of(row: Row) -> EventState:
    """Make an event of a row."""
    event = EventState(
        row[1].bytes, row[2], row[3], row[4], row[5], row[6], row[7], row[0],
        tombstone=row[8], seq=row[9],
    )  # fmt: skip
    event.was = event.state()
    return event


def day_of(at_ms: int | None) -> str:
    """Give the day of a time (UTC); "" where it is none that a calendar has."""
    if at_ms is None:
        return ""
    try:
        return datetime.fromtimestamp(int(at_ms / 1000), tz=UTC).strftime("%Y-%m-%d")
    except (OverflowError, ValueError, OSError):
        return ""


def uuids(values: Iterable[bytes]) -> list[uuid.UUID]:
    """Give ids as the driver takes them."""
    return [uuid.UUID(bytes=value) for value in values]
