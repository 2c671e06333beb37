"""Read the records on one line of a legacy rollout, in every format since 2025. Pure.

The format is detected per line: a record in its envelope, a bare header or bare response item of
the first months, or a line of the program's own state, which is ignored.

Lines that make no rows and can be large (the model's reasoning and answers, copies of history
written by compaction) are recognised by their first bytes and not parsed: Codex writes the keys of
an envelope in one order. Another order is parsed, and means the same.

Source: docs on legacy rollouts, a1 to a3.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any, Final, Literal, NamedTuple

import orjson

from projector.decode.legacy.fields import Json
from projector.decode.parse import BLANK, begins_object, parse
from projector.model.changes import Anomaly
from projector.model.ids import Line

Form = Literal["record", "bare header", "bare item", "nothing"]

#: Where the time of `{"timestamp":"2026-11-20T09:24:24.573Z","type":"` is, as Codex writes it.
_TIME: Final = slice(14, 38)
_AFTER_TIME: Final = 38
_ITEM: Final = b'","type":"response_item","payload":{"type":"'
_MESSAGE: Final = _ITEM + b'message"'
_ROLE: Final = slice(_AFTER_TIME + len(_ITEM), _AFTER_TIME + len(_ITEM) + 160)
_UNREAD_ROLES: Final = (b'"role":"assistant"', b'"role":"developer"')
_ENDS: Final = (b"}", b"}\r")

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


# Record(...), in a third of the time: called once per record.
_record = partial(tuple.__new__, Record)
_NO_PAYLOAD: Final[Json] = {}
#: What a line that is not read has behind its time: type of the record, and a payload with no more
#: than its type.
_UNREAD: Final[dict[bytes, tuple[str, Json]]] = {
    **{
        _ITEM + kind.encode() + b'"': ("response_item", {"type": kind})
        for kind in ("reasoning", "message", "compaction", "ghost_snapshot")
    },
    b'","type":"compacted"': ("compacted", _NO_PAYLOAD),
    b'","type":"world_state"': ("world_state", _NO_PAYLOAD),
}
_UNREAD_STARTS: Final = tuple(_UNREAD)


def read_records(lines: Sequence[Line]) -> list[Record | Anomaly]:
    """Return the records of lines, nearly always one of each, and their anomalies. Never raises."""
    records: list[Record | Anomaly] = []
    for line in lines:
        offset, end, data, _ = line
        if data.startswith(_UNREAD_STARTS, _AFTER_TIME) and (found := _unread(data)) is not None:
            time = data[_TIME].decode("ascii", "replace")
            records.append(_record(("nothing", *found, offset, end, time)))
            continue
        try:
            value = orjson.loads(data if begins_object(data) else b"")
        except orjson.JSONDecodeError:
            _add_damaged(records, line)
            continue
        record = record_of(value, offset, end) if type(value) is dict else None
        records.append(record or Anomaly("malformed", offset, len(data), "not a record"))
    return records


def _unread(data: bytes) -> tuple[str, Json] | None:
    """Return type and payload of the record if its line need not be read; None: it must be."""
    if not data.endswith(_ENDS):
        return None
    for start, found in _UNREAD.items():
        if data.startswith(start, _AFTER_TIME):
            return found if start != _MESSAGE or _is_of_no_user(data) else None
    return None


def _is_of_no_user(data: bytes) -> bool:
    """True if a message is the model's or Codex's own."""
    head = data[_ROLE]
    return _UNREAD_ROLES[0] in head or _UNREAD_ROLES[1] in head


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
    if "record_type" in value:
        return Record("nothing", "", _NO_PAYLOAD, offset, end, None)
    kind, time, payload = value.get("type"), value.get("timestamp"), value.get("payload")
    if type(payload) is dict and type(kind) is str and type(time) is str:
        return _record(("record", kind, payload, offset, end, time))
    if type(kind) is str:
        if "payload" in value:
            return None
        return Record("bare item", kind, value, offset, end, None)
    if "type" not in value and type(value.get("id")) is str and type(time) is str:
        return Record("bare header", "session_meta", value, offset, end, time)
    return None
