"""Builds the statements that write a transaction's rows: one per table, however many rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from projector.model.changes import Anomaly, LimitRow
from projector.model.ids import ThreadId
from projector.search import tsvector as lexemes
from projector.search.text import Indexing, indexed
from projector.store.postgres import text as escapes
from projector.store.postgres.apply import EventState, Item, Rows, Turn
from projector.store.postgres.arrays import arrays
from projector.store.postgres.feed_entries import FeedEntry
from projector.store.postgres.pipeline import Query
from projector.store.postgres.upsert import put
from projector.store.rules.changed_files import changed_files, relists
from projector.store.rules.feed import Cursor, numbered


class Search:
    """The settings of a source's full-text index."""

    def __init__(self, what: str, text_bytes: int, number: int) -> None:
        self.indexing = Indexing(what, text_bytes, as_vector=True)
        self.number = number
        """Number of these settings: `words_round`."""

    def words(self, item: Item, indexing: Indexing | None) -> bytes | None:
        """Return an item's words as `tsvector.vector` does; None: it has none.

        `indexing`: how they were extracted, if they were.
        """
        if self.indexing.extent == "off" or item.json is None:
            return None
        if item.words is not None and indexing == self.indexing:
            return item.words or None
        return self.words_of(item.type, item.json)

    def words_of(self, kind: str, json: str) -> bytes | None:
        """Return the words of an item by its type and JSON, both escaped."""
        text = indexed(escapes.plain(kind), escapes.plain_json(json), *self.indexing[:2])
        return lexemes.vector(text.encode("utf-8", "replace")) if text else None


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
    + ", words = CASE WHEN excluded.words_round IS NULL THEN _items.words ELSE excluded.words END,"
    " words_round = coalesce(excluded.words_round, _items.words_round)"
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
    "DO UPDATE SET from_batch = _anomaly_rows.from_batch AND excluded.from_batch"
    " WHERE _anomaly_rows.from_batch AND NOT excluded.from_batch"
)
_FRAME: Final = {
    "rollout_id": "text", "key": "bigint", "popped": "boolean", "turn_id": "text",
    "before": "text",
}  # fmt: skip
_LIMIT: Final = {
    "rollout_id": "text", "byte_offset": "bigint", "slot": "text", "limit_id": "text",
    "window_minutes": "bigint", "used_percent": "double precision", "resets_at_ms": "bigint",
    "plan_type": "text", "recorded_at_ms": "bigint",
}  # fmt: skip
_KEPT: Final = {"rollout_id": "text", "uid": "uuid", "kind": "text", "alone": "boolean"}
_FILE: Final = {
    "rollout_id": "text", "uid": "uuid", "number": "integer", "path": "text", "kind": "text",
    "move_path": "text",
}  # fmt: skip
_KEY: Final = ("rollout_id", "uid")
_KEYS: Final = "unnest(%b::text[], %b::uuid[])"


def rows(all_rows: Iterable[Rows], search: Search) -> Iterator[Query]:
    """Write items, turns, realtime items and frames, and the rows that depend on them."""
    touched = list(all_rows)
    for each in touched:
        if each.popped_from is not None:
            yield (
                "UPDATE _frames SET popped = true WHERE source_id = %s AND rollout_id = %s"
                " AND key >= %s",
                (each.source, each.rollout_id, each.popped_from),
            )
    source = touched[0].source if touched else ""
    yield from put("_turns", _TURN, _KEY, [*_turns(touched)], source)
    yield from _items(touched, source, search)
    yield from _realtime(touched, source)
    yield from put("_frames", _FRAME, ("rollout_id", "key"), [*_frames(touched)], source)


def _turns(touched: Iterable[Rows]) -> Iterator[tuple[Any, ...]]:
    for each in touched:
        for row in each.turns.values():
            if row.was != row.state():
                yield turn_row(each.rollout_id, row)


def turn_row(rollout_id: str, row: Turn) -> tuple[Any, ...]:
    """Return a turn's columns."""
    return (
        rollout_id, row.uid, row.turn_id, row.position, row.ordinal, row.status,
        row.error_json, row.started_at, row.completed_at, row.duration_ms,
        row.first_user_item_id, row.final_agent_item_id, row.end_ordinal, row.end_offset,
        row.root_turn_id, row.model, row.owner, row.end_owner, row.tombstone,
        row.error_json is not None and escapes.LEAD in row.error_json,
    )  # fmt: skip


def _items(touched: Sequence[Rows], source: str, search: Search) -> Iterator[Query]:
    whole: list[tuple[Any, ...]] = []
    tombstoned: list[tuple[str, bytes, int, int | None]] = []
    reworded: list[tuple[str, Item]] = []
    for each in touched:
        for row in each.items.values():
            if row.was == row.state():
                continue
            if row.json is None:
                tombstoned.append((each.rollout_id, row.uid, row.tombstone, row.owner))
            else:
                whole.append(item_row(each, row, search))
                if row.reworded:
                    reworded.append((each.rollout_id, row))
    yield from put("_items", _ITEM, _KEY, whole, source, changing=_ITEM_AGAIN)
    yield from _tombstoned(
        "_items", {"tombstone": "smallint", "owner": "bigint"}, tombstoned, source
    )
    yield from files(reworded, source)


def item_row(rows: Rows, row: Item, search: Search) -> tuple[Any, ...]:
    """Return an item's columns."""
    assert row.json is not None, row.uid
    words = search.words(row, rows.indexing) if row.reworded else None
    return (
        rows.rollout_id, row.uid, row.turn_id, row.item_id, row.position, row.ordinal,
        row.updated_ordinal, row.created_at_ms, row.started_at_ms, row.completed_at_ms, row.type,
        row.json, row.provenance, row.owner, row.tombstone, escapes.LEAD in row.json, words,
        search.number if row.reworded else None,
    )  # fmt: skip


def files(reworded: Iterable[tuple[str, Item]], source: str) -> Iterator[Query]:
    """Write which files items changed."""
    stale: list[tuple[str, bytes]] = []
    changed: list[tuple[Any, ...]] = []
    for rollout_id, row in reworded:
        if row.was is not None and relists(str(row.was[4]), row.type):
            stale.append((rollout_id, row.uid))
        if row.json is not None:
            changed += [(rollout_id, row.uid, *file) for file in listed_files(row.type, row.json)]
    if stale:
        yield (
            f"DELETE FROM _changed_files AS c USING {_KEYS} AS k (rollout_id, uid)"
            " WHERE c.source_id = %s AND c.rollout_id = k.rollout_id AND c.uid = k.uid",
            (*arrays(("text", "uuid"), stale), source),
        )
    yield from put("_changed_files", _FILE, ("rollout_id", "uid", "number"), changed, source)


def listed_files(kind: str, json: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of `_changed_files` for an item, from their number on."""
    for number, *values in changed_files(kind, json):
        yield number, *(None if one is None else escapes.text(str(one)) for one in values)


def _realtime(touched: Iterable[Rows], source: str) -> Iterator[Query]:
    whole: list[tuple[Any, ...]] = []
    tombstoned: list[tuple[Any, ...]] = []
    for each in touched:
        for row in each.realtime.values():
            key = (each.rollout_id, row.uid)
            if row.was == row.state():
                continue
            if row.json is None:
                tombstoned.append((*key, row.tombstone))
            else:
                whole.append((
                    *key, row.position, row.ordinal, row.created_at_ms, row.type, row.item_id,
                    row.json, row.tombstone, escapes.LEAD in row.json,
                ))  # fmt: skip
    yield from put("_realtime_items", _REALTIME, _KEY, whole, source)
    yield from _tombstoned("_realtime_items", {"tombstone": "smallint"}, tombstoned, source)


def _tombstoned(
    table: str, columns: Mapping[str, str], rows: Sequence[tuple[Any, ...]], source: str
) -> Iterator[Query]:
    """Write some columns of rows whose JSON was not read."""
    if rows:
        kinds = ("text", "uuid", *columns.values())
        given = ", ".join(f"%b::{kind}[]" for kind in kinds)
        names = ", ".join(("rollout_id", "uid", *columns))
        yield (
            f"UPDATE {table} AS x SET {', '.join(f'{name} = k.{name}' for name in columns)}"
            f" FROM unnest({given}) AS k ({names})"
            " WHERE x.source_id = %s AND x.rollout_id = k.rollout_id AND x.uid = k.uid",
            (*arrays(kinds, rows), source),
        )


def _frames(touched: Iterable[Rows]) -> Iterator[tuple[Any, ...]]:
    for each in touched:
        for frame in each.frames.values():
            yield frame_row(each.rollout_id, frame)


def frame_row(rollout_id: str, frame: Any) -> tuple[Any, ...]:
    """Return a frame's columns."""
    turn = None if frame.turn_id is None else escapes.text(frame.turn_id)
    before = None if frame.before is None else escapes.of_json(frame.before)
    return rollout_id, frame.key, frame.popped, turn, before


def frames(all_frames: Sequence[tuple[Any, ...]], source: str) -> list[Query]:
    """Write frames."""
    return put("_frames", _FRAME, ("rollout_id", "key"), all_frames, source)


def kept(rollout_id: str, marks: Iterable[tuple[bytes, str, bool]], source: str) -> list[Query]:
    """Mark rows whose content is not in their file."""
    rows = [(rollout_id, uid, kind, alone) for uid, kind, alone in marks]
    return put("_kept_rows", _KEPT, ("rollout_id", "uid"), rows, source)


def digest_of(detail: str) -> str:
    """Return the digest of an anomaly's detail, which is part of its key."""
    return hashlib.md5(detail.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def anomalies(noted: Iterable[tuple[str, Anomaly, bool]], source: str, now_ms: int) -> list[Query]:
    """Write anomalies: rollout, anomaly, and whether it is from a batch."""
    found: dict[tuple[Any, ...], bool] = {}
    for rollout_id, one, from_batch in noted:
        key = (rollout_id, one.offset, one.length, one.kind, one.detail)
        found[key] = found.get(key, True) and from_batch
    return put(
        "_anomaly_rows", _ANOMALY,
        ("rollout_id", "byte_offset", "byte_length", "kind", "digest"),
        [
            (*key[:4], digest_of(key[4]), from_batch, now_ms, key[4])
            for key, from_batch in found.items()
        ],
        source, changing=_ANOMALY_AGAIN,
    )  # fmt: skip


def limits(told: Iterable[tuple[str, LimitRow]], source: str) -> list[Query]:
    """Write rate limits, each with its rollout."""
    rows = [(rollout_id, *row) for rollout_id, row in told]
    return put("_limit_rows", _LIMIT, ("rollout_id", "byte_offset", "slot"), rows, source)


# Events and the feed ------------------------------------------------------------------------------


def events(written: Iterable[EventState], source: str) -> list[Query]:
    """Write events; their numbers are set."""
    return put(
        "_events", _EVENT, ("thread_id", "uid"),
        [
            (row.thread_id, row.uid, row.seq, row.rollout_id, row.from_record,
             row.recorded_at_ms, row.noted_at_ms, row.tombstone, escapes.LEAD in row.payload,
             row.type, row.turn_id, row.payload)
            for row in written
        ],
        source, changing=_EVENT_AGAIN,
    )  # fmt: skip


_FEED: Final = {
    "seq": "bigint", "kind": "smallint", "op": "smallint", "committed_at_ms": "bigint",
    "mark": "bigint", "row_source": "uuid", "thread_id": "text", "rollout_id": "text",
    "turn_id": "text", "item_id": "text", "uid": "uuid", "type": "text",
}  # fmt: skip


def feed(entries: Sequence[FeedEntry], newest: Cursor, source: str, now_ms: int) -> list[Query]:
    """Append the entries of a commit; `newest`: cursor of the last one, with their mark."""
    if not entries:
        return []
    rows = [
        (seq, one.kind, one.op, now_ms, newest.mark, one.source, one.thread_id, one.rollout_id,
         one.turn_id, one.item_id, one.uid, one.type)
        for seq, one in numbered(entries, newest.seq - len(entries))
    ]  # fmt: skip
    return [
        *put("_feed", _FEED, ("seq",), rows, source),
        (
            "UPDATE _sources SET last_seq = %s, last_mark = %s WHERE source_id = %s",
            (*newest, source),
        ),
    ]


def names(given: Mapping[ThreadId, str], source: str) -> list[Query]:
    """Write names of threads."""
    return put(
        "_names", {"thread_id": "text", "name": "text"}, ("thread_id",), [*given.items()], source
    )
