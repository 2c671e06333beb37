"""Replaces a rollout whose file has another content by its new content.

The new content is projected into a SQLite database of its own, in the folder for temporary files,
by the code that projects any rollout; so the server has nothing to do while the file is read,
nobody is locked out, and nothing is left behind. Then one transaction writes it as a batch, with
one more rule: all stored rows of the rollout become tombstones before its changes are applied. What
is written becomes living again, as if it were new; what is not written stays a tombstone. Rows are
compared with what they were, so only differences are written and get feed entries.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from msgspec.structs import replace

from projector.model.changes import Anomaly, Event, ItemRow, RealtimeRow, TurnRow, UsageRow
from projector.model.ids import Offset, RolloutId
from projector.store.postgres import load, load_unit_of_work, sanitize, save, save_unit_of_work
from projector.store.postgres import text as escapes
from projector.store.postgres import usage as usages
from projector.store.postgres.apply import Item, Realtime, Rows, Turn, apply, places
from projector.store.postgres.feed_entries import RowEntries, op_of
from projector.store.postgres.pipeline import Query, Row
from projector.store.postgres.staging import Scratch, Staged
from projector.store.postgres.transaction import Transaction
from projector.store.postgres.unit_of_work import Rollout
from projector.store.postgres.write import (
    at_start,
    other_thread,
    read_unit,
    repeat_turns,
    values_of,
)
from projector.store.rules.preserve import EVENTS, ITEMS, TURNS, Content, kept
from projector.store.schema_names import REPLACED


async def finish(tx: Transaction, start: Any, scratch: Scratch) -> None:
    """Write the staged content over the rollout's rows.

    Raises:
        CheckpointMoved: the rollout is not at `start` any more. Nothing was written.
    """
    last = scratch.last
    assert last is not None, "there was a batch"
    one = last.file.name.rollout_id
    own, *rest = await tx.begin(
        load_unit_of_work.own(tx.source, [one]),
        *load_unit_of_work.ends_of_threads({one: load_unit_of_work.ALL}),
        load_unit_of_work.continued([one]),
    )
    row = load_unit_of_work.rollout_of(own[0]) if own else None
    at_start(one, row, replace(last, start=start))
    assert row is not None, one
    migrated = row.now["mode"] == "legacy" and last.header.mode == "paginated"
    name = row.now["name"]
    values = values_of(last, row, tx.now_ms, elsewhere=row.now["elsewhere"], anew=True)
    values["records"] = scratch.records
    if row.now["elsewhere"]:
        row.now.update(values)
        tx.last += save_unit_of_work.rollouts([row])
        await tx.commit()
        return
    old_thread = row.thread_id
    await read_unit(tx, {one: last}, {one: row}, {one: values}, rest)
    unit = tx.unit
    row.now.update(values)
    if row.relinked:
        unit.relink([one], [old_thread])
        tx.events.extend(unit.events)
    if row.thread_id != old_thread:
        await tx.wire.execute(
            *other_thread(tx.source, one, row.thread_id),
            *usages.rethread(tx.source, one, old_thread, row.thread_id),
        )
    # The rollout's own rows at once, because they are compared now; those of its children at the
    # end.
    by = unit.moved.pop(one, 0)
    if by:
        await tx.wire.execute(*save_unit_of_work.moved(unit, {one: by}))
    await _keep(tx, scratch, row, migrated=migrated, name=name)
    await _Merge(tx, scratch, one, by).all()
    await tx.commit()


_WHOSE: Final = "source_id = %s AND rollout_id = %s"


async def _keep(
    tx: Transaction, scratch: Scratch, row: Rollout, *, migrated: bool, name: str | None
) -> None:
    """Write rows that were shown and that the new content lacks over the staged content.

    `migrated`: True if Codex may have migrated it since; `name`: from the old content.
    """
    place = (tx.source, row.rollout_id)
    (marked,) = await tx.wire.execute(
        (f"DELETE FROM _kept_rows WHERE {_WHOSE} RETURNING uid", place)
    )
    before = frozenset(uid.bytes for (uid,) in marked)
    if not (migrated or before):
        return
    asked = {"start": row.start, "whose": _WHOSE}
    turns, items, events = await tx.wire.execute(
        (TURNS.format(table="_turns", **asked), place),
        (ITEMS.format(table="_items", **asked), place),
        (EVENTS.format(table="_events", **asked), place),
    )
    old = Content(
        [TurnRow(*_plain(found, json=5)) for found in turns],
        [ItemRow(*_plain(found)) for found in items],
        [Event(*_plain(found, json=3)) for found in events],
    )
    stays = kept(old, await scratch.content(), None if migrated else before)
    if stays is None:
        return
    if migrated and name is not None and (tx.source, row.thread_id) not in tx.unit.names:
        tx.unit.names[tx.source, row.thread_id] = name
        tx.last += save.names({row.thread_id: name}, tx.source)
    (texts,) = await tx.wire.execute((
        f"SELECT uid, json::text FROM _items WHERE {_WHOSE} AND uid = ANY(%s::text[]::uuid[])",
        (*place, [item.uid.hex() for item in stays.items]),
    ))  # fmt: skip
    jsons = {uid.bytes: escapes.plain_json(json) for uid, json in texts}
    whole = [item._replace(json=jsons[item.uid]) for item in stays.items]
    await scratch.put([*stays.turns, *stays.moved(), *whole, *stays.events], stays.unsaid)
    tx.first += save.kept(row.rollout_id, stays.marks(), tx.source)


class _Merge:
    """Writes staged rows over the stored ones."""

    def __init__(self, tx: Transaction, scratch: Scratch, rollout_id: RolloutId, by: int) -> None:
        self._tx = tx
        self._scratch = scratch
        self._id = rollout_id
        self._thread = tx.unit.rollouts[rollout_id].thread_id
        self._by = by
        """Shift of the stored rows' positions."""
        self._start = tx.unit.rollouts[rollout_id].start
        self._place = (tx.source, rollout_id)
        self._entries = RowEntries()
        self._items: list[tuple[int | None, int | None]] = []
        self._turns: list[tuple[int | None, int | None]] = []
        self._renamed: dict[str, None] = {}
        """Turns that were inserted, deleted or moved."""

    async def all(self) -> None:
        """Write all kinds of rows."""
        await self._merge(TurnRow, "turns", load.turns, load.turn_of)
        await self._merge(ItemRow, "items", load.items, load.item_of)
        await self._merge(RealtimeRow, "realtime", load.realtime, load.realtime_of)
        await self._merge_usage()
        await self._merge_events()
        await self._renew_frames()
        await self._renew_anomalies()
        await self._renew_limits()
        self._tx.unit.tally(self._id, self._items, self._turns)
        self._tx.row_entries.extend(self._entries)
        await repeat_turns(
            self._tx, [(self._id, turn, load_unit_of_work.ALL) for turn in self._renamed]
        )

    async def _write(self, rows: Rows) -> None:
        self._items += places(rows.items.values())
        for turn in rows.turns.values():
            if moved := [*places([turn])]:
                self._turns += moved
                self._renamed[turn.turn_id] = None
        if self._by:  # everything shown has moved
            shown: list[Item | Turn | Realtime] = [*rows.items.values(), *rows.turns.values()]
            shown += rows.realtime.values()
            for row in shown:
                if row.was is not None and not row.was[0] and op_of(row) is None:
                    row.was = (*row.was[:-1], None)
        self._entries.add(rows, self._thread)
        queries = [*save.rows([rows], self._tx.search)]
        if queries:
            await self._tx.wire.execute(*queries)

    def _rows(self) -> Rows:
        return Rows(self._tx.source, self._id)

    async def _merge(
        self,
        kind: type,
        name: str,
        stored: Callable[[str, str], Query],
        row_of: Callable[[Row], Turn | Item | Realtime],
    ) -> None:
        """Write a kind's rows, and tombstones of all others; `name`: its member of `Rows`."""
        (answer,) = await self._tx.wire.execute(stored(*self._place))
        old = {row.uid: row for row in map(row_of, answer)}
        for row in old.values():
            row.tombstone = REPLACED
        async for some in self._scratch.changes(kind):
            rows = self._rows()
            mine: dict[bytes, Turn | Item | Realtime] = getattr(rows, name)
            uids = [one.change.uid for one in some]
            mine.update({uid: old.pop(uid) for uid in uids if uid in old})
            digests = {
                uid: row.json for uid, row in mine.items() if isinstance(row, (Item, Realtime))
            }
            self._put(rows, some)
            for one in some:
                row = mine[one.change.uid]
                row.tombstone = one.tombstone
                if isinstance(row, Item):
                    row.updated_ordinal = one.updated_ordinal
                if isinstance(row, (Item, Realtime)) and row.uid in digests:
                    _compare(row, digests[row.uid])
            await self._write(rows)
        rows = self._rows()
        mine = getattr(rows, name)
        for row in old.values():
            if row.was is not None and row.was[0] != REPLACED:
                mine[row.uid] = row
                if isinstance(row, (Item, Realtime)):
                    row.json = None  # read as a digest, and unchanged
        await self._write(rows)

    def _put(self, rows: Rows, some: Iterable[Staged]) -> None:
        """Apply changes as a batch's: a tombstone becomes living again, as if it were new."""
        changes = [one.change for one in some]
        if self._scratch.mended:
            changes = [sanitize.change(one) for one in changes]
        apply(rows, changes, start=self._start, thread_id=self._thread, now_ms=self._tx.now_ms)

    async def _merge_usage(self) -> None:
        *_, stored = await self._tx.wire.execute(*usages.of_rollouts(self._tx.source, [self._id]))
        rows = self._rows()
        rows.usage = {row.uid: row for row in map(usages.of_row, stored)}
        responses = {row.response_id for row in rows.usage.values()}
        for row in rows.usage.values():
            row.mark_tombstone(REPLACED)
        async for some in self._scratch.changes(UsageRow):
            self._put(rows, some)
            for one in some:
                if one.tombstone:
                    rows.usage[one.change.uid].mark_tombstone(one.tombstone)
        responses |= {row.response_id for row in rows.usage.values()}
        *_, first = await self._tx.wire.execute(
            *usages.first_of(sorted(filter(None, responses)), self._tx.source, [self._id])
        )
        self._tx.responses.extend(map(usages.of_row, first))
        self._tx.rows.append(rows)

    async def _merge_events(self) -> None:
        (stored,) = await self._tx.wire.execute(load.events(*self._place))
        rows = self._rows()
        rows.events = {event.uid: event for event in map(load.event_of, stored)}
        for event in rows.events.values():
            event.tombstone = REPLACED
        async for some in self._scratch.changes(Event):
            self._put(rows, some)
        self._tx.events.extend(rows.events.values())

    async def _renew_frames(self) -> None:
        self._tx.first.append(
            ("DELETE FROM _frames WHERE source_id = %s AND rollout_id = %s", self._place)
        )
        # Staged frames have no number; there are few.
        frames = await self._scratch.frames()
        self._tx.first += save.frames(
            [(self._id, key, bool(popped), turn, before) for key, popped, turn, before in frames],
            self._tx.source,
        )

    async def _renew_anomalies(self) -> None:
        columns = "kind, byte_offset, byte_length, detail"
        noted = [
            Anomaly(kind, Offset(offset), length, escapes.text(detail))
            async for some in self._scratch.rows("_anomaly_rows", "anomaly", columns)
            for kind, offset, length, detail in some
        ]
        self._tx.anomalies.extend((self._id, odd, True) for odd in noted)
        # When one was first noted here stays true; that its bytes were replaced once, too.
        self._tx.first.append((
            "DELETE FROM _anomaly_rows AS a WHERE a.source_id = %s AND a.rollout_id = %s"
            " AND a.from_batch AND (a.kind <> 'replaced' OR %s) AND NOT EXISTS (SELECT 1 FROM"
            " unnest(%s::bigint[], %s::bigint[], %s::text[], %s::text[]::uuid[])"
            " AS n (byte_offset, byte_length, kind, digest) WHERE n.byte_offset = a.byte_offset"
            " AND n.byte_length = a.byte_length AND n.kind = a.kind AND n.digest = a.digest)",
            (
                *self._place,
                any(odd.kind == "replaced" for odd in noted),
                [odd.offset for odd in noted],
                [odd.length for odd in noted],
                [odd.kind for odd in noted],
                [save.digest_of(odd.detail) for odd in noted],
            ),
        ))  # fmt: skip

    async def _renew_limits(self) -> None:
        self._tx.first.append(
            ("DELETE FROM _limit_rows WHERE source_id = %s AND rollout_id = %s", self._place)
        )
        self._tx.limits.extend((self._id, row) for row in await self._scratch.limits())


def _digest(json: str) -> str:
    return hashlib.md5(json.encode(), usedforsecurity=False).hexdigest()


#: Index of the JSON in `state`.
_JSON: Final = {Item: 3, Realtime: 1}


def _compare(row: Item | Realtime, digest: str | None) -> None:
    """Put the JSON into the `was` of a row that was read with a digest."""
    assert row.json is not None, row.uid
    assert row.was is not None, row.uid
    at = _JSON[type(row)]
    same = _digest(row.json) == digest
    row.was = (*row.was[:at], row.json if same else None, *row.was[at + 1 :])
    if isinstance(row, Item):
        row.reworded = not same or bool(row.was[0]) or row.type != row.was[at + 1]


def _plain(row: Sequence[Any], json: int | None = None) -> Iterator[Any]:
    """Yield the values of a stored row unescaped, its uid first.

    `json`: index of the value that is JSON.
    """
    for at, value in enumerate(row):
        if isinstance(value, str):
            yield escapes.plain_json(value) if at == json else escapes.plain(value)
        else:
            yield value.bytes if at == 0 else value
