"""Parse one line into JSON objects and anomalies. Pure.

Nearly every line is one object that orjson reads; callers try that themselves and come here with
the others (`parse` does both). Steps for those, in this order:

1. A byte order mark at the start of the file is removed; so are NULs, which file systems leave
   after a crash; bytes that are not UTF-8 are replaced.
2. The text is read leniently: raw control characters and lone surrogates (replaced) in strings,
   numbers that no double holds; NaN and infinities become null.
3. If it is still not JSON, records are searched from each `{"timestamp":` on: two records on
   one line are both read, and so is a complete one after a truncated one.

Work on a hostile line is bounded: attempts are counted, and so are the characters they cost.

Anomalies contain positions and lengths and never quote content.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final, NamedTuple

import orjson

from projector.decode import lossless_json as exact
from projector.model.changes import Anomaly
from projector.model.ids import Line, Offset

#: Start of a record as written by Codex.
RECORD_START: Final = '{"timestamp":'
#: Invalid lines of at least this many bytes are not read leniently.
_LONG: Final = 16 * 1024 * 1024
_RECORD: Final = RECORD_START.encode()
#: Bytes of a blank line. U+000B is not one of them.
BLANK: Final = b" \t\r\x0c"
_BLANK_OR_NUL: Final = b" \t\r\0"
#: Space around a value in JSON.
_SPACE: Final = " \t\r\n"
#: Characters that can start a JSON value, for a lenient reader too.
_VALUE_STARTS: Final = '{["-0123456789tfnNI'
_BOM: Final = b"\xef\xbb\xbf"

#: Failed attempts on a line before the rest of it is given up.
_ATTEMPTS: Final = 256
#: Characters that may be read in vain, per character of the line.
_IN_VAIN: Final = 8

#: Longest line whose kinds of anomalies are remembered, and how many of them.
_SHORT: Final = 64
_REMEMBERED: Final = 4096
#: A line that no lenient reader takes either: an object without a key, or a number and more.
_never_json: Final = re.compile(
    rb"[ \t\r]*(?:\{[ \t\r]*(?![ \t\r\"}])|-?[0-9][-+.0-9eE]*[ \t\r]*[^-+.0-9eE \t\r])"
).match
_SURROGATE = re.compile("[\ud800-\udfff]")


class Found(NamedTuple):
    """An object on a line, and its position in the file."""

    value: dict[str, Any]
    offset: Offset
    end: Offset
    """Byte offset after it; after the newline for the last one of a line."""


class Parsed(NamedTuple):
    """The contents of a line."""

    objects: tuple[Found, ...]
    anomalies: tuple[Anomaly, ...]
    clean: bool
    """The line is blank, or one object that orjson reads."""


_NOTHING: Final = Parsed((), (), clean=True)


def parse(line: Line) -> Parsed:
    """Read one line. Never raises.

    Kinds of anomalies: overlong, byte_order_mark, nul_bytes, not_utf8, lone_surrogate,
    odd_json (read, but no strict reader would), torn (lost, or the part of a line that is lost),
    joined (several records on a line), not_object, too_deep.
    """
    try:
        # Nothing of a long line that is not an object is copied.
        value = orjson.loads(line.data if begins_object(line.data) else b"")
    except orjson.JSONDecodeError:
        return recover_line(line)
    if type(value) is dict:
        return Parsed((Found(value, line.offset, line.end),), (), clean=True)
    return Parsed((), (_note("not_object", line, f"a JSON {_kind(value)}"),), clean=False)


def begins_object(data: bytes) -> bool:
    """False if a line is long and does not begin with an object: then reading it is useless."""
    return len(data) < _LONG or data[:1] == b"{"


def recover_line(line: Line) -> Parsed:
    """Read a line that orjson rejects."""
    if line.overlong:
        length = line.end - line.offset
        note = Anomaly("overlong", line.offset, length, "longer than the limit; passed over")
        if line.data == b"\0":
            note = Anomaly("nul_bytes", line.offset, length, "NUL bytes left out")
        elif line.data:
            note = Anomaly("torn", line.offset, length, "no whole record")
        return Parsed((), (note,), clean=False)
    if not line.data.strip(BLANK):
        return _NOTHING
    if len(line.data) >= _LONG:
        return _salvage_long(line)
    notes: list[Anomaly] = []
    text = _text(line, notes)
    if not text.strip(" \t\r\x0c"):  # what remained besides NULs
        return Parsed((), tuple(notes), clean=False)
    objects = _lenient(line, text, notes)
    return Parsed(tuple(objects), tuple(notes), clean=False)


def garbage_kinds(data: bytes) -> tuple[str, ...]:
    """Return the kinds of anomalies of a short line that holds no JSON value; else none.

    They are those that `parse` notes of it anywhere but at the start of a file. None, too: the
    line is blank or long, or notes one kind twice.
    """
    return _garbage_kinds(data) if len(data) <= _SHORT else ()


@lru_cache(_REMEMBERED)
def _garbage_kinds(data: bytes) -> tuple[str, ...]:
    if _RECORD not in data and b"\0" not in data and data.isascii() and _never_json(data):
        return ("torn",)
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        parsed = recover_line(Line(Offset(1), Offset(len(data) + 2), data))
        kinds = tuple(note.kind for note in parsed.anomalies)
        return () if parsed.objects or len(set(kinds)) < len(kinds) else kinds
    return ()


def _salvage_long(line: Line) -> Parsed:
    """Read a long line that orjson rejects, within bounded memory.

    NULs are removed; otherwise only the last record on it is searched.
    """
    notes: list[Anomaly] = []
    data = line.data
    nuls = data.count(b"\0")
    if nuls:
        first = line.offset + data.index(b"\0")
        notes.append(Anomaly("nul_bytes", Offset(first), nuls, f"{nuls} NUL bytes left out"))
        if len(data.strip(_BLANK_OR_NUL)) == 0:
            return Parsed((), tuple(notes), clean=False)
    start = 0 if nuls else max(0, data.rfind(_RECORD))
    try:
        value = orjson.loads(data.replace(b"\0", b"") if nuls else data[start:])
    except orjson.JSONDecodeError:
        value = None
    if type(value) is not dict:
        return Parsed((), (*notes, _note("torn", line, "not JSON")), clean=False)
    at = Offset(line.offset + start)
    if start:
        notes.append(Anomaly("torn", line.offset, start, "no whole record"))
    return Parsed((Found(value, at, line.end),), tuple(notes), clean=False)


def _text(line: Line, notes: list[Anomaly]) -> str:
    """Return the line as text, without invalid bytes."""
    data = line.data
    if line.offset == 0 and data.startswith(_BOM):
        notes.append(Anomaly("byte_order_mark", line.offset, len(_BOM), "before the first record"))
        data = data[len(_BOM) :]
    nuls = data.count(b"\0")
    if nuls:
        first = line.offset + line.data.index(b"\0")
        notes.append(Anomaly("nul_bytes", Offset(first), nuls, f"{nuls} NUL bytes left out"))
        data = data.replace(b"\0", b"")
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        at = line.offset + len(line.data) - len(data) + error.start
        length = error.end - error.start
        notes.append(Anomaly("not_utf8", Offset(at), length, "bytes that are not UTF-8 replaced"))
        return data.decode("utf-8", "replace")


def _lenient(line: Line, text: str, notes: list[Anomaly]) -> list[Found]:
    start = len(text) - len(text.lstrip(_SPACE))
    if text[start : start + 1] not in _VALUE_STARTS:
        return _pieces(line, notes)
    strict = True
    try:
        try:
            value, end = exact.read(text, start)
        except exact.TooDeep:
            raise
        except ValueError:
            strict = False
            value, end = exact.read(text, start, strict=False)
    except exact.TooDeep:
        notes.append(_note("too_deep", line, f"nested deeper than {exact.MAX_DEPTH} levels"))
        return []
    except ValueError:
        return _pieces(line, notes)
    if text[end:].strip(_SPACE):
        return _pieces(line, notes)
    if type(value) is not dict:
        notes.append(_note("not_object", line, f"a JSON {_kind(value)}"))
        return []
    value, replaced = without_surrogates(value)
    if replaced:
        notes.append(_note("lone_surrogate", line, "lone surrogates replaced"))
    elif not strict and not notes:
        notes.append(_note("odd_json", line, "not strict JSON; read leniently"))
    return [Found(value, line.offset, line.end)]


def _pieces(line: Line, notes: list[Anomaly]) -> list[Found]:
    """Search for complete records on an invalid line."""
    if _RECORD not in line.data and line.data.strip(_BLANK_OR_NUL):
        notes.append(_note("torn", line, "not JSON"))
        return []
    data = line.data.replace(b"\0", b" ")
    if line.offset == 0 and data.startswith(_BOM):
        data = data.replace(_BOM, b" " * len(_BOM), 1)
    text = data.decode("utf-8", "surrogateescape")  # so every index is a byte offset
    pieces, lost = _search(text)
    places = _Places(line, text)
    for start, stop in lost:
        first, last = places.of(start), places.of(stop)
        what = "no whole record" if pieces or start else "not JSON"
        notes.append(Anomaly("torn", first, last - first, what))
    if len(pieces) > 1:
        notes.append(_note("joined", line, f"{len(pieces)} records on one line"))
    found = [Found(value, places.of(start), places.of(stop)) for value, start, stop in pieces]
    if found and found[-1].end == line.offset + len(line.data):
        found[-1] = found[-1]._replace(end=line.end)
    return found


def _search(text: str) -> tuple[list[tuple[dict[str, Any], int, int]], list[tuple[int, int]]]:
    """Return the records in a text, and the ranges between them."""
    pieces: list[tuple[dict[str, Any], int, int]] = []
    lost: list[tuple[int, int]] = []
    behind = at = attempts = 0
    budget = _IN_VAIN * len(text) + 65_536
    while attempts < _ATTEMPTS and budget > 0 and (at := text.find(RECORD_START, at)) >= 0:
        try:
            value, end = exact.read(text, at, strict=False)
        except ValueError as error:
            read_to = error.pos if isinstance(error, json.JSONDecodeError) else len(text)
            budget -= read_to - at
            value, end = None, at + 1
        if not (type(value) is dict and "type" in value and "payload" in value):
            attempts += 1
            at += 1
            continue
        if text[behind:at].strip(_SPACE):
            lost.append((behind, at))
        pieces.append((without_surrogates(value)[0], at, end))
        behind = at = end
    if text[behind:].strip(_SPACE):
        lost.append((behind, len(text)))
    return pieces, lost


class _Places:
    """Converts character indexes of a line's text to byte offsets in the file.

    In ascending order.
    """

    def __init__(self, line: Line, text: str) -> None:
        self._text = text
        self._line = line
        self._at = self._bytes = 0

    def of(self, at: int) -> Offset:
        if at < self._at:
            self._at = self._bytes = 0
        self._bytes += len(self._text[self._at : at].encode("utf-8", "surrogateescape"))
        self._at = at
        return Offset(self._line.offset + self._bytes)


def without_surrogates(value: Any) -> tuple[Any, bool]:
    """Replace lone surrogates in every string of `value`, in place where possible.

    Returns the value, and True if there were any.
    """
    root: list[Any] = [value]
    found = False
    waiting: list[Any] = [root]
    while waiting:
        box = waiting.pop()
        if type(box) is dict and any(_SURROGATE.search(key) for key in box):
            found = True
            renamed = {_SURROGATE.sub("\ufffd", key): held for key, held in box.items()}
            box.clear()
            box.update(renamed)
        entries: Sequence[tuple[Any, Any]] = (
            list(box.items()) if type(box) is dict else list(enumerate(box))
        )
        for key, held in entries:
            if type(held) is str:
                if _SURROGATE.search(held) is not None:
                    found = True
                    box[key] = _SURROGATE.sub("\ufffd", held)
            elif type(held) in (dict, list):
                waiting.append(held)
    return root[0], found


def _kind(value: Any) -> str:
    if type(value) is list:
        return "array"
    return "string" if type(value) is str else "scalar"


def _note(kind: str, line: Line, detail: str) -> Anomaly:
    return Anomaly(kind, line.offset, len(line.data), detail)
