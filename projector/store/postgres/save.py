"""Writes what a transaction made of its rows: a statement a table, whatever the number of rows."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import orjson

from projector import escapes, lexemes
from projector.place import RolloutId, ThreadId
from projector.rows import Anomaly
from projector.store.postgres.fold import EventState, Item, Rows, Told, Turn, Usage, share
from projector.store.postgres.load import day_of
from projector.store.postgres.wire import Query
from projector.store.postgres.world import Rollout, State, Thread, World
from projector.words import Indexing, indexed

#: So many buckets spread claims over machines.
_BUCKETS: Final = 256

Columns = Mapping[str, str]
"""Names of columns and their types."""


class Search:
    """What is indexed of a source's items."""

    def __init__(self, what: str, text_bytes: int, number: int) -> None:
        self.indexing = Indexing(what, text_bytes)
        self.number = number
        """Of the settings: `words_round`."""

    def words(self, item: Item, indexing: Indexing | None) -> str | None:
        """Give an item's words as a tsvector is written; None: it has none.

        `indexing`: how its text was made, if it was.
        """
        if self.indexing.extent == "off" or item.json is None:
            return None
        text = item.text
        if text is None or indexing != self.indexing:
            text = indexed(escapes.plain(item.type), escapes.plain_json(item.json), *self.indexing)
        return lexemes.vector(text) if text else None


def put(
    table: str,
    columns: Columns,
    key: Sequence[str],
    rows: Sequence[Sequence[Any]],
    source: str,
    *,
    changing: str | None = None,
) -> list[Query]:
    """Insert rows of a source, or replace those of the same key.

    `changing`: what to do with those instead of replacing all their columns.
    """
    if not rows:
        return []
    if changing is None:
        changing = "DO UPDATE SET " + ", ".join(
            f"{name} = excluded.{name}" for name in columns if name not in key
        )
    # Texts go as they are, in binary form: to quote them takes longer than all else here.
    given = ", ".join(
        f"%{'b' if _given(kind) == 'text' else 's'}::{_given(kind)}[]" for kind in columns.values()
    )
    taken = ", ".join(
        name if _given(kind) == kind else f"{name}::{kind}" for name, kind in columns.items()
    )
    text = (
        f"INSERT INTO {table} (source_id, {', '.join(columns)}) SELECT %s::uuid, {taken}"
        f" FROM unnest({given}) AS k ({', '.join(columns)})"
        f" ON CONFLICT (source_id, {', '.join(key)}) {changing}"
    )
    return [(text, (source, *map(list, zip(*rows, strict=True))))]


def _given(kind: str) -> str:
    """Give the type that values are sent as."""
    return kind if kind in ("text", "bigint", "integer", "smallint", "boolean") else "text"


_ITEM: Final = {
    "rollout_id": "text", "uid": "uuid", "turn_id": "text", "item_id": "text",
    "position": "bigint", "ordinal": "bigint", "updated_ordinal": "bigint",
    "created_at_ms": "bigint", "started_at_ms": "bigint", "completed_at_ms": "bigint",
    "type": "text", "json": "json", "provenance": "text", "owner": "bigint",
    "tombstone": "smallint", "escaped": "boolean", "words": "tsvector", "words_round": "integer",
}  # fmt: skip
_ITEM_AGAIN: Final = (
    "DO UPDATE SET "
    + ", ".join(
        f"{name} = excluded.{name}"
        for name in _ITEM
        if name not in ("rollout_id", "uid", "turn_id", "item_id", "words", "words_round")
    )
    + ", words = CASE WHEN excluded.words_round IS NULL THEN items.words ELSE excluded.words END,"
    " words_round = coalesce(excluded.words_round, items.words_round)"
)
_TURN: Final = {
    "rollout_id": "text", "uid": "uuid", "turn_id": "text", "position": "bigint",
    "ordinal": "bigint", "status": "text", "error_json": "json", "started_at": "bigint",
    "completed_at": "bigint", "duration_ms": "bigint", "first_user_item_id": "text",
    "final_agent_item_id": "text", "end_ordinal": "bigint", "end_offset": "bigint",
    "root_turn_id": "text", "model": "text", "owner": "bigint", "end_owner": "bigint",
    "tombstone": "smallint", "escaped": "boolean",
}  # fmt: skip
_REALTIME: Final = {
    "rollout_id": "text", "uid": "uuid", "position": "bigint", "ordinal": "bigint",
    "created_at_ms": "bigint", "type": "text", "item_id": "text", "json": "json",
    "tombstone": "smallint", "escaped": "boolean",
}  # fmt: skip
_USAGE: Final = {
    "rollout_id": "text", "uid": "uuid", "position": "bigint", "turn_id": "text",
    "ordinal": "bigint", "response_id": "text", "model": "text", "input_tokens": "bigint",
    "cached_input_tokens": "bigint", "output_tokens": "bigint",
    "reasoning_output_tokens": "bigint", "total_tokens": "bigint", "recorded_at_ms": "bigint",
    "tombstone": "smallint", "counted": "boolean",
}  # fmt: skip
_EVENT: Final = {
    "thread_id": "text", "uid": "uuid", "seq": "bigint", "rollout_id": "text",
    "from_record": "boolean", "recorded_at_ms": "bigint", "noted_at_ms": "bigint",
    "tombstone": "smallint", "escaped": "boolean", "type": "text", "turn_id": "text",
    "payload": "json",
}  # fmt: skip
_EVENT_AGAIN: Final = (
    "DO UPDATE SET tombstone = excluded.tombstone, escaped = excluded.escaped,"
    " type = excluded.type, turn_id = excluded.turn_id, payload = excluded.payload,"
    " recorded_at_ms = excluded.recorded_at_ms"
)
_ANOMALY: Final = {
    "rollout_id": "text", "byte_offset": "bigint", "byte_length": "bigint", "kind": "text",
    "digest": "uuid", "from_batch": "boolean", "noted_at_ms": "bigint", "detail": "text",
}  # fmt: skip
_ANOMALY_AGAIN: Final = (
    "DO UPDATE SET from_batch = anomaly_rows.from_batch AND excluded.from_batch"
    " WHERE anomaly_rows.from_batch AND NOT excluded.from_batch"
)
_FRAME: Final = {
    "rollout_id": "text", "key": "bigint", "popped": "boolean", "turn_id": "text",
    "before": "text",
}  # fmt: skip
_KEPT: Final = {"rollout_id": "text", "uid": "uuid", "kind": "text", "alone": "boolean"}
_FILE: Final = {
    "rollout_id": "text", "uid": "uuid", "number": "integer", "path": "text", "kind": "text",
    "move_path": "text",
}  # fmt: skip
_KEY: Final = ("rollout_id", "uid")
_KEYS: Final = "unnest(%s::text[], %s::text[]::uuid[])"


def rows(all_rows: Iterable[Rows], search: Search) -> Iterator[Query]:
    """Write items, turns, realtime items and frames, and what hangs on them."""
    touched = list(all_rows)
    for each in touched:
        if each.popped_from is not None:
            yield (
                "UPDATE frames SET popped = true WHERE source_id = %s AND rollout_id = %s"
                " AND key >= %s",
                (each.source, each.rollout_id, each.popped_from),
            )
    source = touched[0].source if touched else ""
    yield from put("turns", _TURN, _KEY, [*_turns(touched)], source)
    yield from _items(touched, source, search)
    yield from put("realtime_items", _REALTIME, _KEY, [*_realtime(touched)], source)
    yield from put("frames", _FRAME, ("rollout_id", "key"), [*_frames(touched)], source)


def _turns(touched: Iterable[Rows]) -> Iterator[tuple[Any, ...]]:
    for each in touched:
        for row in each.turns.values():
            if row.was != row.state():
                yield turn_row(each.rollout_id, row)


def turn_row(rollout_id: str, row: Turn) -> tuple[Any, ...]:
    """Give a turn's columns."""
    return (
        rollout_id, row.uid.hex(), row.turn_id, row.position, row.ordinal, row.status,
        row.error_json, row.started_at, row.completed_at, row.duration_ms,
        row.first_user_item_id, row.final_agent_item_id, row.end_ordinal, row.end_offset,
        row.root_turn_id, row.model, row.owner, row.end_owner, row.tombstone,
        row.error_json is not None and escapes.LEAD in row.error_json,
    )  # fmt: skip


def _items(touched: Sequence[Rows], source: str, search: Search) -> Iterator[Query]:
    whole: list[tuple[Any, ...]] = []
    buried: list[tuple[str, str, int, int | None]] = []
    reworded: list[tuple[str, Item]] = []
    for each in touched:
        for row in each.items.values():
            if row.was == row.state():
                continue
            if row.json is None:
                buried.append((each.rollout_id, row.uid.hex(), row.tombstone, row.owner))
            else:
                whole.append(item_row(each, row, search))
                if row.reworded:
                    reworded.append((each.rollout_id, row))
    yield from put("items", _ITEM, _KEY, whole, source, changing=_ITEM_AGAIN)
    if buried:
        yield (
            "UPDATE items AS i SET tombstone = k.tombstone, owner = k.owner FROM unnest("
            "%s::text[], %s::text[]::uuid[], %s::smallint[], %s::bigint[])"
            " AS k (rollout_id, uid, tombstone, owner) WHERE i.source_id = %s"
            " AND i.rollout_id = k.rollout_id AND i.uid = k.uid",
            (*map(list, zip(*buried, strict=True)), source),
        )
    yield from files(reworded, source)


def item_row(rows: Rows, row: Item, search: Search) -> tuple[Any, ...]:
    """Give an item's columns."""
    assert row.json is not None, row.uid
    words = search.words(row, rows.indexing) if row.reworded else None
    return (
        rows.rollout_id, row.uid.hex(), row.turn_id, row.item_id, row.position, row.ordinal,
        row.updated_ordinal, row.created_at_ms, row.started_at_ms, row.completed_at_ms, row.type,
        row.json, row.provenance, row.owner, row.tombstone, escapes.LEAD in row.json, words,
        search.number if row.reworded else None,
    )  # fmt: skip


_CHANGES_FILES: Final = "fileChange"


def files(reworded: Iterable[tuple[str, Item]], source: str) -> Iterator[Query]:
    """Write which files items changed."""
    stale: list[tuple[str, str]] = []
    changed: list[tuple[Any, ...]] = []
    for rollout_id, row in reworded:
        if row.was is not None and _CHANGES_FILES in (row.type, row.was[4]):
            stale.append((rollout_id, row.uid.hex()))
        if row.type == _CHANGES_FILES and row.json is not None:
            changed += [(rollout_id, row.uid.hex(), *file) for file in changed_files(row.json)]
    if stale:
        yield (
            f"DELETE FROM changed_files AS c USING {_KEYS} AS k (rollout_id, uid)"
            " WHERE c.source_id = %s AND c.rollout_id = k.rollout_id AND c.uid = k.uid",
            (*map(list, zip(*stale, strict=True)), source),
        )
    yield from put("changed_files", _FILE, ("rollout_id", "uid", "number"), changed, source)


def changed_files(json: str) -> Iterator[tuple[int, str | None, str | None, str | None]]:
    """Give the files that an item of type fileChange changed: number, path, kind, where to."""
    try:
        item = orjson.loads(json)
    except ValueError:
        return
    changes = item.get("changes") if isinstance(item, dict) else None
    if not isinstance(changes, list):
        return
    for number, change in enumerate(changes):
        one = change if isinstance(change, dict) else {}
        kind = one.get("kind")
        inner = kind if isinstance(kind, dict) else {}
        yield number, _string(one, "path"), _string(inner, "type"), _string(inner, "move_path")


def _string(values: dict[str, Any], name: str) -> str | None:
    value = values.get(name)
    if value is None or isinstance(value, str):
        return None if value is None else escapes.text(value)
    return orjson.dumps(value).decode()


def _realtime(touched: Iterable[Rows]) -> Iterator[tuple[Any, ...]]:
    for each in touched:
        for row in each.realtime.values():
            if row.was == row.state():
                continue
            yield (
                each.rollout_id, row.uid.hex(), row.position, row.ordinal, row.created_at_ms,
                row.type, row.item_id, row.json, row.tombstone, escapes.LEAD in row.json,
            )  # fmt: skip


def _frames(touched: Iterable[Rows]) -> Iterator[tuple[Any, ...]]:
    for each in touched:
        for frame in each.frames.values():
            yield frame_row(each.rollout_id, frame)


def frame_row(rollout_id: str, frame: Any) -> tuple[Any, ...]:
    """Give a frame's columns."""
    turn = None if frame.turn_id is None else escapes.text(frame.turn_id)
    before = None if frame.before is None else escapes.of_json(frame.before)
    return rollout_id, frame.key, frame.popped, turn, before


def frames(all_frames: Sequence[tuple[Any, ...]], source: str) -> list[Query]:
    """Write frames."""
    return put("frames", _FRAME, ("rollout_id", "key"), all_frames, source)


def kept(rollout_id: str, marks: Iterable[tuple[bytes, str, bool]], source: str) -> list[Query]:
    """Note rows with content that their file does not have."""
    rows = [(rollout_id, uid.hex(), kind, alone) for uid, kind, alone in marks]
    return put("kept_rows", _KEPT, ("rollout_id", "uid"), rows, source)


def anomalies(noted: Iterable[tuple[str, Anomaly, bool]], source: str, now_ms: int) -> list[Query]:
    """Write anomalies: of which rollout, which, and whether a batch tells of it."""
    found: dict[tuple[Any, ...], bool] = {}
    for rollout_id, one, from_batch in noted:
        key = (rollout_id, one.offset, one.length, one.kind, one.detail)
        found[key] = found.get(key, True) and from_batch
    return put(
        "anomaly_rows", _ANOMALY,
        ("rollout_id", "byte_offset", "byte_length", "kind", "digest"),
        [
            (*key[:4], hashlib.md5(key[4].encode("utf-8", "replace"), usedforsecurity=False)
             .hexdigest(), from_batch, now_ms, key[4])
            for key, from_batch in found.items()
        ],
        source, changing=_ANOMALY_AGAIN,
    )  # fmt: skip


# Usage --------------------------------------------------------------------------------------------


def usage(put_rows: Iterable[Usage], settled: Iterable[Usage], source: str) -> Iterator[Query]:
    """Write usage, which rows of responses count, and the sums by day.

    `settled`: rows of the same responses; those of `put_rows` may be among them.
    """
    written = {(row.source, row.rollout_id, row.uid): row for row in put_rows}
    others = [
        row
        for row in settled
        if (row.source, row.rollout_id, row.uid) not in written
        and row.was != share(row, day_of(row.recorded_at_ms))
    ]
    yield from put(
        "usage", _USAGE, _KEY, [_usage_row(row) for row in written.values() if row.put], source
    )
    others += [row for row in written.values() if not row.put]
    if others:
        yield (
            "UPDATE usage AS u SET counted = k.counted, tombstone = k.tombstone FROM unnest("
            "%s::text[]::uuid[], %s::text[], %s::text[]::uuid[], %s::boolean[], %s::smallint[])"
            " AS k (source_id, rollout_id, uid, counted, tombstone) WHERE u.source_id = k.source_id"
            " AND u.rollout_id = k.rollout_id AND u.uid = k.uid",
            [
                [row.source for row in others],
                [row.rollout_id for row in others],
                [row.uid.hex() for row in others],
                [row.counted for row in others],
                [row.tombstone for row in others],
            ],
        )
    yield from days([*written.values(), *others])


def _usage_row(row: Usage) -> tuple[Any, ...]:
    return (
        row.rollout_id, row.uid.hex(), row.position, row.turn_id, row.ordinal, row.response_id,
        row.model, *row.tokens, row.recorded_at_ms, row.tombstone, row.counted,
    )  # fmt: skip


def days(changed: Iterable[Usage]) -> Iterator[Query]:
    """Bring the sums by day up to date with rows that changed."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    unique = {(row.source, row.rollout_id, row.uid): row for row in changed}
    for row in unique.values():
        for sign, gives in ((-1, row.was or ()), (1, share(row, day_of(row.recorded_at_ms)))):
            if gives:
                total = sums.setdefault(gives[:3], [0] * 6)
                for place, value in enumerate((1, *gives[3:])):
                    assert isinstance(value, int)
                    total[place] += sign * value
    by_source: dict[str, list[tuple[Any, ...]]] = {}
    for (source, day, model), values in sorted(sums.items()):
        if any(values):
            by_source.setdefault(source, []).append((day, model, *values))
    counted = ("responses", "input_tokens", "cached_input_tokens", "output_tokens",
               "reasoning_output_tokens", "total_tokens")  # fmt: skip
    columns = {"day": "text", "model": "text", **dict.fromkeys(counted, "bigint")}
    adding = "DO UPDATE SET " + ", ".join(
        f"{name} = usage_days.{name} + excluded.{name}" for name in counted
    )
    for source, values_of in by_source.items():
        yield from put("usage_days", columns, ("day", "model"), values_of, source, changing=adding)


# Events and the feed ------------------------------------------------------------------------------


def events(written: Iterable[EventState], source: str) -> list[Query]:
    """Write events; their numbers are set."""
    return put(
        "events", _EVENT, ("thread_id", "uid"),
        [
            (row.thread_id, row.uid.hex(), row.seq, row.rollout_id, row.from_record,
             row.recorded_at_ms, row.noted_at_ms, row.tombstone, escapes.LEAD in row.payload,
             row.type, row.turn_id, row.payload)
            for row in written
        ],
        source, changing=_EVENT_AGAIN,
    )  # fmt: skip


_FEED: Final = {
    "seq": "bigint", "kind": "smallint", "op": "smallint", "committed_at_ms": "bigint",
    "row_source": "uuid", "thread_id": "text", "rollout_id": "text", "turn_id": "text",
    "item_id": "text", "uid": "uuid", "type": "text",
}  # fmt: skip


def feed(told: Sequence[Told], first_seq: int, source: str, now_ms: int) -> list[Query]:
    """Write changes, numbered from `first_seq` on, and set the last number."""
    if not told:
        return []
    numbered = [
        (seq, one.kind, one.op, now_ms, one.source, one.thread_id, one.rollout_id, one.turn_id,
         one.item_id, one.uid and one.uid.hex(), one.type)
        for seq, one in enumerate(told, first_seq)
    ]  # fmt: skip
    return [
        *put("feed", _FEED, ("seq",), numbered, source),
        (
            "UPDATE sources SET last_seq = %s WHERE source_id = %s",
            (first_seq + len(told) - 1, source),
        ),
    ]


def names(given: Mapping[ThreadId, str], source: str) -> list[Query]:
    """Write names of threads."""
    return put(
        "names", {"thread_id": "text", "name": "text"}, ("thread_id",), [*given.items()], source
    )


# Rollouts and threads -----------------------------------------------------------------------------


def bucket(rollout_id: str) -> int:
    """Give the bucket of a claim; how it is made never changes."""
    return zlib.crc32(rollout_id.encode("utf-8", "replace")) % _BUCKETS


_CLAIM: Final = (
    "INSERT INTO claims (bucket, rollout_id, source_id)"
    " SELECT bucket, rollout_id, source_id::uuid"
    " FROM unnest(%s::smallint[], %s::text[], %s::text[]) AS k (bucket, rollout_id, source_id)"
    " ON CONFLICT (bucket, rollout_id) DO UPDATE"
    " SET source_id = coalesce(claims.source_id, excluded.source_id)"
    " RETURNING rollout_id, source_id"
)


def claim(own: Iterable[str], others: Iterable[str], source: str) -> Query:
    """Claim rollouts, and lock the claims of others; gives whose each is.

    In one order, so that two who do so never wait for each other.
    """
    wanted: dict[str, str | None] = dict.fromkeys(others)
    wanted.update(dict.fromkeys(own, source))
    ordered = sorted((bucket(one), one, whose) for one, whose in wanted.items())
    return _CLAIM, [list(column) for column in zip(*ordered, strict=True)]


def rollouts(changed: Iterable[Rollout]) -> Iterator[Query]:
    """Write rollouts that are new, and the columns of others that changed."""
    for row in changed:
        values = row.changed()
        if row.was is None:
            names = ("source_id", "rollout_id", *values)
            yield (
                f"INSERT INTO rollouts ({', '.join(names)}) VALUES"
                f" ({', '.join('%s' for _ in names)})",
                (row.source, row.rollout_id, *values.values()),
            )
        elif values:
            yield (
                f"UPDATE rollouts SET {', '.join(f'{name} = %s' for name in values)}"
                " WHERE source_id = %s AND rollout_id = %s",
                (*values.values(), row.source, row.rollout_id),
            )


def moved(world: World, moves: Mapping[RolloutId, int]) -> Iterator[Query]:
    """Move the stored rows of rollouts that begin elsewhere now, each by so much."""
    for rollout_id, by in moves.items():
        source = world.rollouts[rollout_id].source
        for table in ("items", "turns", "realtime_items", "usage"):
            yield (
                f"UPDATE {table} SET position = position + %s WHERE source_id = %s"
                " AND rollout_id = %s",
                (by, source, rollout_id),
            )


def threads(world: World) -> Iterator[Query]:
    """Write the states and parts of threads that changed."""
    for thread_id, thread in world.threads.items():
        state, parts = world.stored(thread_id)
        gone = state is not None and (thread.state is None or thread.state.source != state.source)
        if gone and state is not None:
            for table in ("thread_parts", "thread_states"):
                yield (
                    f"DELETE FROM {table} WHERE source_id = %s AND thread_id = %s",
                    (state.source, thread_id),
                )
        if thread.state is None:
            continue
        yield from _state(thread_id, thread.state, None if gone else state)
        yield from _parts(thread_id, thread, thread.state.source, [] if gone else parts)


def _state(thread_id: ThreadId, state: State, stored: State | None) -> Iterator[Query]:
    if state == stored:
        return
    yield (
        "INSERT INTO thread_states (source_id, thread_id, rollout_id, archived, deleted,"
        " incomplete, repeated_turns) VALUES (%s, %s, %s, %s, %s, %s, %s)"
        " ON CONFLICT (source_id, thread_id) DO UPDATE SET rollout_id = excluded.rollout_id,"
        " archived = excluded.archived, deleted = excluded.deleted,"
        " incomplete = excluded.incomplete, repeated_turns = excluded.repeated_turns",
        (state.source, thread_id, state.rollout_id, state.archived, state.deleted,
         state.incomplete, state.repeated),
    )  # fmt: skip


def _parts(
    thread_id: ThreadId, thread: Thread, source: str, stored: list[tuple[Any, ...]]
) -> Iterator[Query]:
    for number, part in enumerate(thread.parts):
        if number < len(stored) and stored[number] == part.row():
            continue
        yield (
            "INSERT INTO thread_parts (source_id, thread_id, part, part_source, rollout_id, upto,"
            " items, turns) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"
            " ON CONFLICT (source_id, thread_id, part) DO UPDATE SET"
            " part_source = excluded.part_source, rollout_id = excluded.rollout_id,"
            " upto = excluded.upto, items = excluded.items, turns = excluded.turns",
            (source, thread_id, number, *part.row()),
        )
    if len(stored) > len(thread.parts):
        yield (
            "DELETE FROM thread_parts WHERE source_id = %s AND thread_id = %s AND part >= %s",
            (source, thread_id, len(thread.parts)),
        )


def counts(world: World) -> list[Query]:
    """Count what can be counted by rows alone: parts, and turns that several parts have.

    Comes after the rows were written. Two queries, or none.
    """
    parts = world.uncounted()
    several = world.several()
    if not parts and not several:
        return []
    chains = [
        (number, part.source, part.rollout_id, part.upto)
        for number, thread_id in enumerate(several)
        for part in world.threads[thread_id].parts
    ]
    return [
        (
            "SELECT (SELECT count(*) FROM items AS i WHERE i.source_id = k.source_id"
            " AND i.rollout_id = k.rollout_id AND i.position < k.upto AND i.tombstone = 0),"
            " (SELECT count(*) FROM turns AS t WHERE t.source_id = k.source_id"
            " AND t.rollout_id = k.rollout_id AND t.position < k.upto AND t.tombstone = 0)"
            " FROM unnest(%s::text[]::uuid[], %s::text[], %s::bigint[]) WITH ORDINALITY"
            " AS k (source_id, rollout_id, upto, number) ORDER BY k.number",
            [[part.place[column] for part in parts] for column in range(3)],
        ),
        (
            "SELECT k.number, count(*) - count(DISTINCT t.turn_id)"
            " FROM unnest(%s::integer[], %s::text[]::uuid[], %s::text[], %s::bigint[])"
            " AS k (number, source_id, rollout_id, upto) JOIN turns AS t"
            " ON t.source_id = k.source_id AND t.rollout_id = k.rollout_id AND t.position < k.upto"
            " WHERE t.tombstone = 0 GROUP BY k.number",
            [[one[column] for one in chains] for column in range(4)],
        ),
    ]


def take_counts(world: World, answers: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    """Take what `counts` found."""
    parts, several = world.uncounted(), world.several()
    for part, (items, turns) in zip(parts, answers[0], strict=True):
        part.items, part.turns, part.counted = items, turns, True
    repeated = dict(answers[1])
    for number, thread_id in enumerate(several):
        state = world.threads[thread_id].state
        assert state is not None, thread_id
        state.repeated = repeated.get(number, 0)
