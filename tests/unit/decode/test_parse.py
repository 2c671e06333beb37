"""Lines that hold one record, and those that do not."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode.parse import garbage_kinds, parse
from projector.model.ids import Line, Offset

RECORD = b'{"timestamp":"t","type":"a","payload":{"n":1}}'
OTHER = b'{"timestamp":"t","type":"b","payload":{"n":2}}'
A, B = orjson.loads(RECORD), orjson.loads(OTHER)


def line(data: bytes, offset: int = 100) -> Line:
    return Line(offset=Offset(offset), end=Offset(offset + len(data) + 1), data=data)


# fmt: off
CASES = [
    # what                                       bytes                          objects   notes
    ("one record",                               RECORD,                        [A],      []),
    ("space around it",                          b" \t" + RECORD + b"\r",       [A],      []),
    ("nothing",                                  b"",                           [],       []),
    ("blank",                                    b" \t\r\x0c",                  [],       []),
    ("a vertical tab is not blank",              b"\x0b",                       [],       ["torn"]),
    ("garbage",                                  b"garbage",                    [],       ["torn"]),
    ("a torn record",                            RECORD[:20],                   [],       ["torn"]),
    ("a whole record behind a torn one",         RECORD[:20] + OTHER,           [B],      ["torn"]),
    ("a whole record before a torn one",         RECORD + OTHER[:20],           [A],      ["torn"]),
    ("two records", RECORD + OTHER, [A, B], ["joined"]),
    ("two with a carriage return between", RECORD + b"\r" + OTHER, [A, B], ["joined"]),
    ("two around a torn one", RECORD + RECORD[:9] + OTHER, [A, B], ["torn", "joined"]),
    ("NULs before a record", b"\0" * 9 + RECORD, [A], ["nul_bytes"]),
    ("NULs only", b"\0" * 9, [], ["nul_bytes"]),
    ("an array", b"[1]", [], ["not_object"]),
    ("a number", b"7", [], ["not_object"]),
    ("a lone surrogate", b'{"a":"\\ud800"}', [{"a": "\ufffd"}], ["lone_surrogate"]),
    ("bytes that are not UTF-8", b'{"a":"\xff"}', [{"a": "\ufffd"}], ["not_utf8"]),
    ("a raw control character", b'{"a":"\x01"}', [{"a": "\x01"}], ["odd_json"]),
    ("no number", b'{"a":NaN}', [{"a": None}], ["odd_json"]),
    ("too deep", b'{"a":' + b"[" * 2000 + b"]" * 2000 + b"}", [], ["too_deep"]),
    ("a mark in the middle of the file",         b"\xef\xbb\xbf" + RECORD,      [A],      ["torn"]),
]
# fmt: on


@pytest.mark.parametrize(
    ("data", "objects", "notes"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_parse(data: bytes, objects: list[Any], notes: list[str]) -> None:
    parsed = parse(line(data))

    assert objects == [found.value for found in parsed.objects]
    assert notes == [note.kind for note in parsed.anomalies]


def test_a_byte_order_mark_begins_a_file() -> None:
    parsed = parse(line(b"\xef\xbb\xbf" + RECORD, offset=0))

    assert [found.value for found in parsed.objects] == [A]
    assert [note[:3] for note in parsed.anomalies] == [("byte_order_mark", 0, 3)]


def test_places_are_bytes_of_the_file() -> None:
    """What is torn, and what stands behind it, are found by their offsets."""
    torn = '{"timestamp":"é","type'.encode()
    parsed = parse(line(torn + OTHER, offset=1000))

    assert [note[:3] for note in parsed.anomalies] == [("torn", 1000, len(torn))]
    (found,) = parsed.objects
    assert (1000 + len(torn), 1000 + len(torn) + len(OTHER) + 1) == (found.offset, found.end)


def test_an_overlong_line_is_noted_with_its_length() -> None:
    parsed = parse(Line(offset=Offset(5), end=Offset(905), data=b"", overlong=True))

    assert [note[:3] for note in parsed.anomalies] == [("overlong", 5, 900)]


def test_a_number_that_no_double_holds_is_no_fault() -> None:
    parsed = parse(line(b'{"a":1e400}'))

    assert not parsed.anomalies
    assert orjson.dumps(parsed.objects[0].value) == b'{"a":1e+400}'


def test_a_hostile_line_costs_no_more_than_its_length() -> None:
    """Torn beginnings without end are given up, not tried each against the whole rest."""
    parsed = parse(line(b'{"timestamp":{"timestamp":[' * 20_000))

    assert not parsed.objects
    assert parsed.anomalies


PIECES = [RECORD, OTHER, b"\0", b"{", b'"', b"\xff", RECORD[:25], b"\xed\xa0\x80"]


@given(st.binary() | st.lists(st.sampled_from(PIECES)).map(b"".join))
def test_no_bytes_make_it_raise_and_notes_stay_within_the_line(data: bytes) -> None:
    parsed = parse(line(data.replace(b"\n", b"")))

    for found in parsed.objects:
        assert 100 <= found.offset < found.end <= 100 + len(data) + 1
        orjson.dumps(found.value)
    for note in parsed.anomalies:
        assert 100 <= note.offset <= note.offset + note.length <= 100 + len(data) + 1


@given(st.text(alphabet='{}[]":,x1e.-NI\t \0\ud800', max_size=12) | st.binary(max_size=12))
def test_garbage_is_told_without_reading_it(text: str | bytes) -> None:
    """Of the same kinds as its anomalies; nothing that may be a value is garbage."""
    data = text if type(text) is bytes else str(text).encode("utf-8", "surrogatepass")
    kinds = garbage_kinds(data)
    parsed = parse(Line(Offset(100), Offset(101 + len(data)), data))

    if kinds:
        assert not parsed.objects
        assert kinds == tuple(note.kind for note in parsed.anomalies)
    elif parsed.anomalies and not parsed.objects:
        assert {note.kind for note in parsed.anomalies} <= {"not_object"}
