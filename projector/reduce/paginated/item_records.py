"""Records about items, converted to rows. Pure."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import orjson

from projector.decode import known_members as members
from projector.decode import lifecycle
from projector.decode import lossless_json as exact
from projector.decode import realtime as voices
from projector.decode import thread_item as items
from projector.decode.errors import DecodeError
from projector.decode.fields import I64_MAX, I64_MIN, Object
from projector.decode.long_item import LongItem
from projector.decode.times import to_ms
from projector.model.changes import LONG, ItemRow, RealtimeRow, uid
from projector.model.ids import ItemId, Line, Ordinal, TurnId
from projector.reduce import thread
from projector.reduce.paginated import turns
from projector.reduce.paginated.context import Place, ReducerContext, ordinal_of

# ItemRow(...), in a third of the time.
_row = partial(tuple.__new__, ItemRow)
#: Of every item here: provenance, owner, completed_wins.
_SNAPSHOT: Final = ("snapshot", None, False)


def item(ctx: ReducerContext, payload: Object, record: Object, place: Place, index: int) -> None:
    """Apply an `item_completed`."""
    ctx.kinds.see_item(payload)
    if record.__class__ is LongItem:
        _put_long(ctx, payload, record, place, index)
        return
    try:
        lifecycle.check_item_completed(payload, ctx.thread)
        shown = items.to_thread_item(payload.get("item"))
    except DecodeError as error:
        _keep(ctx, payload, record, place, index, error=error)
        return
    unknown = members.keep_of_item(record, payload, shown)
    odd = shown["type"] in items.FREE and items.needs_exact(shown)
    if unknown:
        odd = odd or exact.has_float(shown)
        ctx.note_fields(unknown, place)
    if odd:
        shown = _exactly(ctx, shown, index)
        if exact.refused_integer(ctx.lines[index].data):
            why = "Codex refuses it: an integer too large"
            ctx.note("refused_item", place, why, undecoded=record)
    # What orjson did not read may hold numbers that it would read otherwise.
    plain = not odd and type(place) is Line
    times = payload.get("started_at_ms"), payload.get("completed_at_ms")  # as they were checked
    _put(ctx, payload, record, place, index, times=times, shown=shown, plain=plain)


def _put_long(
    ctx: ReducerContext, payload: Object, record: LongItem, place: Place, index: int
) -> None:
    ctx.note_fields(record.unknown, place)
    times = payload.get("started_at_ms"), payload.get("completed_at_ms")  # as they were checked
    _put(ctx, payload, record, place, index, times=times, shown=record.shown, text=record.json)


def _keep(
    ctx: ReducerContext,
    payload: Object,
    record: Object,
    place: Place,
    index: int,
    *,
    error: DecodeError,
) -> None:
    """Store an item that Codex's decoder refuses, if its id is readable."""
    body = payload.get("item")
    kept = items.to_partial_item(body)
    if kept is None or type(payload.get("turn_id")) is not str:
        ctx.note("lost_item", place, f"an item that cannot be told: {error}", undecoded=record)
        return
    shown = kept.shown
    if not kept.known:
        ctx.note_strange("item", shown["type"], place, record)
    else:
        ctx.note("refused_item", place, f"Codex refuses it: {error}", undecoded=record)
    ctx.note_fields(kept.unknown, place)
    ctx.note_fields(members.keep_around_item(record, payload, shown), place)
    if exact.has_float(shown):
        shown = _exactly(ctx, shown, index)
    times = _i64(payload.get("started_at_ms")), _i64(payload.get("completed_at_ms"))
    _put(ctx, payload, record, place, index, times=times, shown=shown)


def _exactly(ctx: ReducerContext, shown: Object, index: int) -> Object:
    """Return an item with all numbers spelled as in the file."""
    try:
        record = exact.loads(ctx.lines[index].data)
        payload = record["payload"]
        body = payload["item"]
    except (ValueError, KeyError, TypeError):  # from a damaged line: already exact
        return shown
    try:
        exactly = items.to_thread_item(body)
        members.keep_of_item(record, payload, exactly)
    except DecodeError:
        kept = items.to_partial_item(body)
        if kept is None:
            return shown
        exactly = kept.shown
        members.keep_around_item(record, payload, exactly)
    return exactly


def _put(
    ctx: ReducerContext,
    payload: Object,
    record: Object,
    place: Place,
    index: int,
    *,
    times: tuple[int | None, int | None],
    shown: Object,
    text: str | bytes = b"",
    plain: bool = False,
) -> None:
    """Append an item's row; update its turn and its thread.

    `times`: when it started and completed, as columns hold them; `shown`: its snapshot; `text`: its
    JSON, if already written; `plain`: parsing its JSON gives the same snapshot.
    """
    turn_id: TurnId = payload["turn_id"]
    item_id: ItemId = shown["id"]
    kind: str = shown["type"]
    started, completed = times
    created = started
    if created is None:
        created = to_ms(record.get("timestamp"))
        if created is None:
            created = ctx.some_time(record, place, index, completed)
    try:
        text = text or orjson.dumps(shown)
        plain = plain and len(text) < LONG
    except TypeError:
        text, plain = exact.dumps(shown), False
    ctx.changes.add(
        _row(
            (
                ctx.item_uid(turn_id, item_id),
                turn_id,
                item_id,
                place.offset,
                ordinal_of(record),
                created,
                started,
                completed or None,
                kind,
                text,
                *_SNAPSHOT,
                _status(shown) if kind == "commandExecution" else None,
                shown if plain else None,
                None,
            )
        )
    )
    meta = ctx.saved.meta
    if kind == "userMessage" and meta.preview is None:
        meta.preview = thread.preview(shown)
        if meta.preview is not None:
            meta.preview_offset = place.offset
    turn = ctx.turns.get(turn_id) or ctx.turn(turn_id)
    if turn.items is None:
        return
    if kind not in turns.COUNTED:
        turn.items[item_id] = ""
    elif turns.item_counts(turn, item_id, turns.counts_as(shown)):
        ctx.put(turn)


def _status(shown: Object) -> str | None:
    status = shown.get("status")
    return status if type(status) is str else None


def realtime(
    ctx: ReducerContext, payload: Object, record: Object, place: Place, index: int
) -> None:
    """Apply a `realtime_item`."""
    try:
        shown = voices.convert(payload)
    except DecodeError as error:
        shown = payload
        if type(shown.get("id")) is not str or type(shown.get("type")) is not str:
            why = f"a realtime item that cannot be told: {error}"
            ctx.note("lost_item", place, why, undecoded=record)
            return
        ctx.note("refused_item", place, f"Codex refuses it: {error}", undecoded=record)
    else:
        ctx.note_fields(members.keep_of_realtime(record, payload, shown), place)
    created = to_ms(record.get("timestamp"))
    if created is None:
        created = ctx.some_time(record, place, index, None)
    ordinal = ordinal_of(record)
    ctx.changes.add(
        RealtimeRow(
            uid("realtime", ctx.rollout, shown["id"]),
            ItemId(shown["id"]),
            place.offset,
            Ordinal(max(ctx.saved.seen, 0)) if ordinal is None else ordinal,
            created,
            shown["type"],
            exact.dumps(shown),
        )
    )


def _i64(value: Any) -> int | None:
    return value if type(value) is int and I64_MIN <= value <= I64_MAX else None
