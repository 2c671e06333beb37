"""A rollout that is not what it was: made anew aside, then put in the place of the old one.

It is projected into a SQLite database of its own, in the folder for temporary files, by the code
that projects any rollout; so the server has nothing to do while it is read, nobody is locked out,
and nothing is left behind. Then, in one transaction, its rows are compared with the stored ones by
their uids, and the differences are written.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

from projector.model.changes import Anomaly, Event, ItemRow, TurnRow, UsageRow
from projector.model.ids import Offset, RolloutId
from projector.store.postgres import load, save
from projector.store.postgres import load_unit_of_work as load_world
from projector.store.postgres import ownership as claims
from projector.store.postgres import sanitize as mended
from projector.store.postgres import save_unit_of_work as save_world
from projector.store.postgres import text as escapes
from projector.store.postgres import usage as usages
from projector.store.postgres.apply import EventState, Item, Realtime, Rows, Turn, places
from projector.store.postgres.feed_entries import RowEntries, op_of
from projector.store.postgres.staging import Scratch
from projector.store.postgres.transaction import Transaction
from projector.store.postgres.unit_of_work import Rollout
from projector.store.postgres.write import at_start, other_thread, recount, values_of
from projector.store.rules.preserve import EVENTS, ITEMS, TURNS, Content, kept
from projector.store.schema_names import REPLACED


async def finish(tx: Transaction, start: Any, scratch: Scratch) -> None:
    """Put what was made aside in the place of the rollout's rows.

    Raises:
        CheckpointMoved: the rollout is no longer where it was. Nothing was written.
    """
    last = scratch.last
    assert last is not None, "there was a batch"
    one = last.file.name.rollout_id
    base = [last.header.base.rollout_id] if last.header.base else []
    _, own, related = await tx.begin(
        claims.claim((), [*base, last.thread_id], tx.source),
        load_world.own(tx.source, [one]),
        load_world.family([one], [last.thread_id], base),
    )
    row = load_world.rollout_of(own[0]) if own else None
    at_start(one, row, replace(last, start=start))
    assert row is not None, one
    migrated = row.now["mode"] == "legacy" and last.header.mode == "paginated"
    name = row.now["name"]
    values = values_of(last, row, tx.now_ms, elsewhere=row.now["elsewhere"], anew=True)
    values["records"] = scratch.records
    if row.now["elsewhere"]:
        row.now.update(values)
        tx.last += save_world.rollouts([row])
        await tx.commit()
        return
    old_thread = row.thread_id
    await tx.family([one], sorted({last.thread_id, old_thread}), base, related)
    world = tx.world
    world.rollouts[one] = row
    world.begin()
    row.now.update(values)
    world.relink([one], [old_thread])
    tx.events.extend(world.events)
    if row.thread_id != old_thread:
        await tx.wire.execute(
            *other_thread(tx.source, one, row.thread_id),
            *usages.rethread(tx.source, one, old_thread, row.thread_id),
        )
    # Its own rows at once, for they are compared now; those of what continues it at the end.
    by = world.moved.pop(one, 0)
    if by:
        await tx.wire.execute(*save_world.moved(world, {one: by}))
    await _keep(tx, scratch, row, migrated=migrated, name=name)
    await _Merge(tx, scratch, one, by, row.start - await scratch.start()).all()
    recount(tx, one)
    await tx.commit()


_WHOSE: Final = "source_id = %s AND rollout_id = %s"


async def _keep(
    tx: Transaction, scratch: Scratch, row: Rollout, *, migrated: bool, name: str | None
) -> None:
    """Put what was shown, and the new content does not show, over what was made aside.

    `migrated`: it may have been just now; `name`: as the old content said.
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
    if migrated and name is not None and (tx.source, row.thread_id) not in tx.world.names:
        tx.world.names[tx.source, row.thread_id] = name
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
    """Compares the rows that were made anew with the stored ones."""

    def __init__(
        self, tx: Transaction, scratch: Scratch, rollout_id: RolloutId, by: int, shift: int
    ) -> None:
        self._tx = tx
        self._scratch = scratch
        self._id = rollout_id
        self._thread = tx.world.rollouts[rollout_id].thread_id
        self._by = by
        """How far the stored rows were moved."""
        self._shift = shift
        """From a position aside to one among the others."""
        self._place = (tx.source, rollout_id)
        self._entries = RowEntries()
        self._items: list[tuple[int | None, int | None]] = []
        self._turns: list[tuple[int | None, int | None]] = []

    async def all(self) -> None:
        """Compare and write all kinds of rows."""
        await self._merge_turns()
        await self._merge_items()
        await self._merge_realtime()
        await self._merge_usage()
        await self._merge_events()
        await self._renew_frames()
        await self._renew_anomalies()
        self._tx.world.tally(self._id, self._items, self._turns)
        self._tx.row_entries.extend(self._entries)

    async def _write(self, rows: Rows) -> None:
        self._items += places(rows.items.values())
        self._turns += places(rows.turns.values())
        if self._by:  # all that is shown has moved
            shown: list[Item | Turn | Realtime] = [*rows.items.values(), *rows.turns.values()]
            shown += rows.realtime.values()
            for row in shown:
                if row.was is not None and not row.was[0] and op_of(row) is None:
                    row.was = (*row.was[:-1], None)
        self._entries.add(rows, self._thread)
        queries = [*save.rows([rows], self._tx.search)]
        if queries:
            await self._tx.wire.execute(*queries)

    def _json(self, value: str) -> str:
        return escapes.of_json(mended.of_json(value) if self._scratch.mended else value)

    def _rows(self) -> Rows:
        return Rows(self._tx.source, self._id)

    async def _merge_turns(self) -> None:
        (stored,) = await self._tx.wire.execute(load.turns(*self._place))
        old = {turn.uid: turn for turn in map(load.turn_of, stored)}
        columns = (
            "uid, turn_id, position, ordinal, status, error_json, started_at, completed_at,"
            " duration_ms, first_user_item_id, final_agent_item_id, end_ordinal, end_offset,"
            " root_turn_id, model, owner, end_owner, tombstone"
        )
        async for some in self._scratch.rows("_turns", "turn", columns):
            rows = self._rows()
            for uid, turn_id, position, ordinal, status, error, *rest in some:
                turn = Turn(
                    uid, escapes.text(turn_id), position + self._shift, ordinal, status,
                    None if error is None else self._json(error), *map(_held, rest),
                )  # fmt: skip
                if before := old.pop(uid, None):
                    turn.was = before.was
                rows.turns[uid] = turn
            await self._write(rows)
        rows = self._rows()
        for turn in old.values():
            if turn.tombstone != REPLACED:
                turn.tombstone = REPLACED
                rows.turns[turn.uid] = turn
        await self._write(rows)

    async def _merge_items(self) -> None:
        (stored,) = await self._tx.wire.execute(load.items(*self._place))
        # In the place of its JSON each has its digest.
        old = {item.uid: item for item in map(load.item_of, stored)}
        columns = (
            "uid, turn_id, item_id, position, ordinal, updated_ordinal, created_at_ms,"
            " started_at_ms, completed_at_ms, type, json, provenance, owner, tombstone"
        )
        async for some in self._scratch.rows("_items", "item", columns):
            rows = self._rows()
            for uid, turn_id, item_id, position, *between, kind, json, where, owner, grave in some:
                item = Item(*(
                    uid, escapes.text(turn_id), escapes.text(item_id), position + self._shift,
                    *between, escapes.text(kind), self._json(json), where, owner, grave,
                ))  # fmt: skip
                if before := old.pop(uid, None):
                    _compare(item, before)
                rows.items[uid] = item
            await self._write(rows)
        rows = self._rows()
        for item in old.values():
            item.json = None
            if item.tombstone != REPLACED:
                item.tombstone = REPLACED
                rows.items[item.uid] = item
        await self._write(rows)

    async def _merge_realtime(self) -> None:
        (stored,) = await self._tx.wire.execute(load.realtime(*self._place))
        old = {row.uid: row for row in map(load.realtime_of, stored)}
        columns = "uid, position, ordinal, created_at_ms, type, item_id, json"
        async for some in self._scratch.rows("_realtime_items", "realtime_item", columns):
            rows = self._rows()
            for uid, position, ordinal, created, kind, item_id, json in some:
                row = Realtime(
                    uid, position + self._shift, ordinal, created, escapes.text(kind),
                    escapes.text(item_id), self._json(json),
                )  # fmt: skip
                before = old.pop(uid, None)
                if before is not None and before.was is not None:
                    if _digest(row.json) == before.json:
                        before.json = row.json  # in the place of its digest
                    row.was = before.state()
                rows.realtime[uid] = row
            await self._write(rows)
        gone = [row for row in old.values() if not row.tombstone]
        rows = self._rows()
        for row in gone:
            row.tombstone = REPLACED
            rows.realtime[row.uid] = row
        self._entries.add(rows, self._thread)
        if gone:
            self._tx.first.append((
                f"UPDATE _realtime_items SET tombstone = {REPLACED} WHERE source_id = %s"
                " AND rollout_id = %s AND uid = ANY(%s::text[]::uuid[])",
                (*self._place, [row.uid.hex() for row in gone]),
            ))  # fmt: skip

    async def _merge_usage(self) -> None:
        *_, stored = await self._tx.wire.execute(*usages.of_rollouts(self._tx.source, [self._id]))
        old = {row.uid: row for row in map(usages.of_row, stored)}
        rows = self._rows()
        columns = (
            "uid, turn_id, position, ordinal, response_id, model, input_tokens,"
            " cached_input_tokens, output_tokens, reasoning_output_tokens, total_tokens,"
            " recorded_at_ms, cache_write_input_tokens, service_tier, tombstone"
        )
        async for some in self._scratch.rows("_usage", "usage", columns):
            for *values, tombstone in some:
                usage = usages.of_change(
                    self._tx.source, self._thread, self._id, UsageRow._make(values), self._shift
                )
                if before := old.pop(usage.uid, None):
                    usage.was = before.was
                if tombstone:
                    usage.bury(tombstone)
                rows.usage[usage.uid] = usage
        for usage in old.values():
            usage.bury(REPLACED)
            rows.usage[usage.uid] = usage
        responses = sorted(
            {
                usage.response_id for usage in rows.usage.values() if usage.response_id is not None
            }.union(usage.response_id for usage in map(usages.of_row, stored) if usage.response_id)
        )
        *_, first = await self._tx.wire.execute(
            *usages.first_of(responses, self._tx.source, [self._id])
        )
        self._tx.responses.extend(map(usages.of_row, first))
        self._tx.rows.append(rows)

    async def _merge_events(self) -> None:
        (stored,) = await self._tx.wire.execute(load.events(*self._place))
        old = {event.uid: event for event in map(load.event_of, stored)}
        new: list[EventState] = []
        missing = dict(old)
        columns = "uid, type, turn_id, payload, recorded_at_ms, from_record, tombstone"
        async for some in self._scratch.rows("_events", "seq", columns):
            for uid, kind, turn_id, payload, at_ms, from_record, _ in some:
                if not from_record:
                    continue
                missing.pop(uid, None)
                turn = None if turn_id is None else escapes.text(turn_id)
                event = old.get(uid)
                if event is None:
                    event = EventState(
                        uid, self._thread, kind, turn, "", at_ms, self._tx.now_ms, self._id
                    )
                    new.append(event)
                event.type, event.turn_id, event.recorded_at_ms = kind, turn, at_ms
                event.payload, event.tombstone = self._json(payload), 0
        for event in missing.values():
            event.tombstone = REPLACED
        self._tx.events.extend((*old.values(), *new))

    async def _renew_frames(self) -> None:
        self._tx.first.append(
            ("DELETE FROM _frames WHERE source_id = %s AND rollout_id = %s", self._place)
        )
        # Frames have no number aside; there are few.
        frames = await self._scratch.frames()
        self._tx.first += save.frames(
            [(self._id, key, bool(popped), turn, before) for key, popped, turn, before in frames],
            self._tx.source,
        )

    async def _renew_anomalies(self) -> None:
        self._tx.first.append((
            "DELETE FROM _anomaly_rows WHERE source_id = %s AND rollout_id = %s AND from_batch",
            self._place,
        ))  # fmt: skip
        columns = "kind, byte_offset, byte_length, detail"
        async for some in self._scratch.rows("_anomaly_rows", "anomaly", columns):
            for kind, offset, length, detail in some:
                odd = Anomaly(kind, Offset(offset), length, escapes.text(detail))
                self._tx.anomalies.append((self._id, odd, True))


def _digest(json: str) -> str:
    return hashlib.md5(json.encode(), usedforsecurity=False).hexdigest()


def _compare(new: Item, old: Item) -> None:
    """Let a row that comes again know what it was; `old` has the digest of its JSON."""
    assert new.json is not None, new.uid
    same = _digest(new.json) == old.json
    assert old.was is not None, new.uid
    old.json = new.json if same else None
    new.was = old.state()
    new.reworded = not same or bool(old.tombstone) or new.type != old.type


def _held(value: Any) -> Any:
    return escapes.text(value) if isinstance(value, str) else value


def _plain(row: Sequence[Any], json: int | None = None) -> Iterator[Any]:
    """Give a row of the server's as it was before it was escaped, its uid first.

    `json`: which of its values is JSON.
    """
    for at, value in enumerate(row):
        if isinstance(value, str):
            yield escapes.plain_json(value) if at == json else escapes.plain(value)
        else:
            yield value.bytes if at == 0 else value
