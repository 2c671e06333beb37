"""Apply lines and records that the hot loop of `reducer.py` does not handle. Pure."""

from __future__ import annotations

from typing import Any

from projector.decode.fields import Object
from projector.decode.parse import parse
from projector.decode.times import to_ms
from projector.model.ids import Line
from projector.reduce.paginated.context import Place, ReducerContext, is_unlike_a_stamp
from projector.reduce.paginated.handlers import EVENTS, RECORDS
from projector.reduce.paginated.thread_records import begin


def apply(ctx: ReducerContext, line: Line, record: Any, index: int) -> None:
    """Apply a line. `record`: its JSON value; None: the line as a whole is not JSON."""
    if isinstance(record, dict):
        _apply(ctx, record, line, index)
        return
    parsed = parse(line)
    ctx.changes.extend(parsed.anomalies)
    for note in parsed.anomalies:
        if note.kind == "torn":
            ctx.numbers.lose()
    for found in parsed.objects:
        _apply(ctx, found.value, found, index)


def _apply(ctx: ReducerContext, record: Object, place: Place, index: int) -> None:
    kind, payload = record.get("type"), record.get("payload")
    if type(kind) is str:
        ctx.kinds.see(kind, payload.get("type") if type(payload) is dict else None)
    if not ctx.saved.headed:
        payload = record.get("payload")
        is_meta = record.get("type") == "session_meta" and type(payload) is dict
        begin(ctx, record, payload if is_meta else None, place)
        if is_meta and record.get("ordinal") is None:
            return
    _number(ctx, record, place)
    if is_unlike_a_stamp(record.get("timestamp")) and to_ms(record.get("timestamp")) is None:
        ctx.note("bad_time", place, "a record whose time cannot be read")
    if not _is_inherited(ctx, record.get("ordinal")):
        _dispatch(ctx, record, place, index)
    elif type(payload) is dict:
        ctx.kinds.see_item(payload)


def apply_again(ctx: ReducerContext, line: Line, index: int) -> None:
    """Apply the records of a line that was counted before, as a copy."""
    parsed = parse(line)
    for found in parsed.objects:
        _dispatch(ctx, found.value, line if parsed.clean else found, index)


def _dispatch(ctx: ReducerContext, record: Object, place: Place, index: int) -> None:
    kind, payload = record.get("type"), record.get("payload")
    if type(kind) is not str or "payload" not in record:
        why = "an object without type or payload"
        ctx.note("not_record", place, why, undecoded=record)
        return
    event = payload.get("type") if kind == "event_msg" and type(payload) is dict else None
    if kind not in RECORDS and kind != "event_msg":
        ctx.note_strange("record", kind, place, record)
    elif type(payload) is not dict or (kind == "event_msg" and type(event) is not str):
        why = "a record whose payload is of no form that is known"
        ctx.note("not_record", place, why, undecoded=record)
    elif kind == "event_msg" and event not in EVENTS:
        ctx.note_strange("event", str(event), place, record)
    else:
        handle = EVENTS[event] if type(event) is str else RECORDS[kind]
        if handle is not None:
            handle(ctx, payload, record, place, index)


def _number(ctx: ReducerContext, record: Object, place: Place) -> None:
    ordinal, numbers = record.get("ordinal"), ctx.numbers
    if type(ordinal) is int and ordinal == numbers.due:
        numbers.due += 1
        return
    note = numbers.odd(ordinal, place.offset, place.end - place.offset)
    if note is not None:
        ctx.changes.add(note)


def _is_inherited(ctx: ReducerContext, ordinal: Any) -> bool:
    """True if a record belongs to the copy of its parent's records that an agent begins with."""
    saved = ctx.saved
    first = saved.header.subagent_start_ordinal
    if first is None or not saved.inherited:
        return False
    if type(ordinal) is int and ordinal >= first:
        saved.inherited = False
    return saved.inherited
