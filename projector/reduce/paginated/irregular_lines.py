"""Lines and records that need more thought than the hot loop gives them. Pure."""

from __future__ import annotations

from typing import Any

from projector.decode.fields import Object
from projector.decode.parse import parse
from projector.decode.times import to_ms
from projector.model.ids import Line
from projector.reduce.paginated.context import Place, ReducerContext, is_unlike_a_stamp
from projector.reduce.paginated.handlers import EVENTS, RECORDS
from projector.reduce.paginated.thread_records import begin


def take(desk: ReducerContext, line: Line, record: Any, index: int) -> None:
    """Take a line that the loop in `reducer.py` passes on.

    `record`: what the line holds; None: it is no JSON as a whole.
    """
    if isinstance(record, dict):
        _take(desk, record, line, index)
        return
    parsed = parse(line)
    desk.changes.extend(parsed.anomalies)
    for note in parsed.anomalies:
        if note.kind == "torn":
            desk.numbers.lose()
    for found in parsed.objects:
        _take(desk, found.value, found, index)


def _take(desk: ReducerContext, record: Object, place: Place, index: int) -> None:
    kind, payload = record.get("type"), record.get("payload")
    if type(kind) is str:
        desk.kinds.see(kind, payload.get("type") if type(payload) is dict else None)
    if not desk.saved.headed:
        payload = record.get("payload")
        is_meta = record.get("type") == "session_meta" and type(payload) is dict
        begin(desk, record, payload if is_meta else None, place)
        if is_meta and record.get("ordinal") is None:
            return
    _number(desk, record, place)
    if is_unlike_a_stamp(record.get("timestamp")) and to_ms(record.get("timestamp")) is None:
        desk.note("bad_time", place, "a record whose time cannot be read")
    if not _is_inherited(desk, record.get("ordinal")):
        _do(desk, record, place, index)
    elif type(payload) is dict:
        desk.kinds.see_item(payload)


def take_again(desk: ReducerContext, line: Line, index: int) -> None:
    """Take a line once more, of which all was noted but what its records do."""
    parsed = parse(line)
    for found in parsed.objects:
        _do(desk, found.value, line if parsed.clean else found, index)


def _do(desk: ReducerContext, record: Object, place: Place, index: int) -> None:
    kind, payload = record.get("type"), record.get("payload")
    if type(kind) is not str or "payload" not in record:
        why = "an object without type or payload"
        desk.note("not_record", place, why, undecoded=record)
        return
    event = payload.get("type") if kind == "event_msg" and type(payload) is dict else None
    if kind not in RECORDS and kind != "event_msg":
        desk.note_strange("record", kind, place, record)
    elif type(payload) is not dict or (kind == "event_msg" and type(event) is not str):
        why = "a record whose payload is of no form that is known"
        desk.note("not_record", place, why, undecoded=record)
    elif kind == "event_msg" and event not in EVENTS:
        desk.note_strange("event", str(event), place, record)
    else:
        handle = EVENTS[event] if type(event) is str else RECORDS[kind]
        if handle is not None:
            handle(desk, payload, record, place, index)


def _number(desk: ReducerContext, record: Object, place: Place) -> None:
    ordinal, numbers = record.get("ordinal"), desk.numbers
    if type(ordinal) is int and ordinal == numbers.due:
        numbers.due += 1
        return
    note = numbers.odd(ordinal, place.offset, place.end - place.offset)
    if note is not None:
        desk.changes.add(note)


def _is_inherited(desk: ReducerContext, ordinal: Any) -> bool:
    """True if a record is of the copy of the parent's with which agents begin."""
    saved = desk.saved
    first = saved.header.subagent_start_ordinal
    if first is None or not saved.inherited:
        return False
    if type(ordinal) is int and ordinal >= first:
        saved.inherited = False
    return saved.inherited
