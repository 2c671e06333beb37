"""Read the records on one line of a legacy rollout, in every format since 2025. Pure.

The format is detected per line: a record in its envelope, a bare header or bare response item of
the first months, or a line of the program's own state, which is ignored.

Lines that make no rows and can be large (the model's reasoning and answers, copies of history
written by compaction) are recognised by their first bytes and not parsed: Codex writes the keys of
an envelope in one order. Another order is parsed, and means the same.

Source: docs on legacy rollouts, a1 to a3.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.decode.legacy.fields import Json
from projector.decode.parse import BLANK, begins_object, parse
from projector.model.changes import Anomaly
from projector.model.ids import Line

Form = Literal["record", "bare header", "bare item", "nothing"]

#: `{"timestamp":"2026-11-20T09:24:24.573Z","type":"` as Codex writes it.
_TIME: Final = slice(14, 38)
_TYPE: Final = 48
_BETWEEN: Final = b'","type":"'
_PAYLOAD: Final = b'response_item","payload":{"type":"'
_KIND: Final = _TYPE + len(_PAYLOAD)
_MESSAGE: Final = b'message"'
_ROLE: Final = slice(_KIND, _KIND + 160)
_UNREAD_ITEMS: Final = (b'reasoning"', b'compaction"', b'ghost_snapshot"')
_UNREAD_ROLES: Final = (b'"role":"assistant"', b'"role":"developer"')
_UNREAD_RECORDS: Final = (b'compacted"', b'world_state"')

#: Repairs by the reader of damaged lines that make legacy history skip the record (docs, a3): such
#: bytes are not JSON for Codex, and the rules say to skip the line.
_SKIPPED: Final = frozenset({"lone_surrogate", "not_utf8", "odd_json"})
_PIECES: Final = frozenset({"torn", "joined"})


class Record(NamedTuple):
    """One record of a legacy rollout."""

    form: Form
    type: str
    """Type of the record; of the response item, for a bare item."""
    payload: Json
    offset: int
    end: int
    time: str | None
    """From the envelope, as written."""


_NO_PAYLOAD: Final[Json] = {}
#: Payloads of the response items that are not read.
_TYPES: Final[dict[bytes, Json]] = {
    name: {"type": name[:-1].decode()} for name in (_MESSAGE, *_UNREAD_ITEMS)
}


def read_into(records: list[Record | Anomaly], line: Line) -> None:
    """Append the records of a line, nearly always one, and its anomalies. Never raises."""
    data = line.data
    if data[38:_TYPE] == _BETWEEN and _unread(data):
        time = data[_TIME].decode("ascii", "replace")
        records.append(Record("nothing", *_kind_of(data), line.offset, line.end, time))
        return
    try:
        value = orjson.loads(data if begins_object(data) else b"")
    except orjson.JSONDecodeError:
        _add_damaged(records, line)
        return
    record = record_of(value, line.offset, line.end) if type(value) is dict else None
    if record is None:
        records.append(Anomaly("malformed", line.offset, len(data), "not a record"))
    else:
        records.append(record)


def _unread(data: bytes) -> bool:
    if not data.endswith((b"}", b"}\r")):
        return False
    if not data.startswith(_PAYLOAD, _TYPE):
        return data.startswith(_UNREAD_RECORDS, _TYPE)
    if data.startswith(_MESSAGE, _KIND):
        head = data[_ROLE]
        return _UNREAD_ROLES[0] in head or _UNREAD_ROLES[1] in head
    return data.startswith(_UNREAD_ITEMS, _KIND)


def _kind_of(data: bytes) -> tuple[str, Json]:
    """Return the record's type of an unread line, and a payload that has no more than its type."""
    if data.startswith(_PAYLOAD, _TYPE):
        return "response_item", _TYPES[data[_KIND : data.index(b'"', _KIND) + 1]]
    return data[_TYPE : data.index(b'"', _TYPE)].decode(), _NO_PAYLOAD


def _add_damaged(records: list[Record | Anomaly], line: Line) -> None:
    if not line.overlong and not line.data.strip(BLANK):
        return
    parsed = parse(line)
    records.extend(parsed.anomalies)
    kinds = {note.kind for note in parsed.anomalies}
    if kinds & _SKIPPED and not kinds & _PIECES:
        return
    for found in parsed.objects:
        record = record_of(found.value, found.offset, found.end)
        if record is None:
            length = found.end - found.offset
            records.append(Anomaly("malformed", found.offset, length, "not a record"))
        else:
            records.append(record)


def record_of(value: dict[str, Any], offset: int, end: int) -> Record | None:
    """Return the record of an object; None if its format is unknown."""
    kind, time, payload = value.get("type"), value.get("timestamp"), value.get("payload")
    if "record_type" in value:
        return Record("nothing", "", _NO_PAYLOAD, offset, end, None)
    if type(payload) is dict and type(kind) is str and type(time) is str:
        return Record("record", kind, payload, offset, end, time)
    if type(kind) is str:
        if "payload" in value:
            return None
        return Record("bare item", kind, value, offset, end, None)
    if "type" not in value and type(value.get("id")) is str and type(time) is str:
        return Record("bare header", "session_meta", value, offset, end, time)
    return None
