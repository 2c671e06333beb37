"""What the fuzzer does to lines and bytes. The same `Random`, the same mutations."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import orjson

from tests.faults.corpus import HOSTILE, dumped, strings

#: Stand for JSON that no writer of ours would write; they are put in as text.
_RAW: tuple[bytes, ...] = (
    b"18446744073709551616",
    b"-9223372036854775809",
    b"9" * 400,
    b"1" * 5_000,
    b"1e999",
    b"-0.0",
    b"1.0",
    b"0.1e-400",
    b"NaN",
    b"-Infinity",
    b'"\\ud800"',
    b'"\\udc00\\ud800x"',
    b'"\\u0000"',
    b'"\x00"',
    b'"\x01\x1f"',
    b'"\xff\xfe"',
    b'"\xed\xa0\x80"',
    b"[" * 260 + b"]" * 260,
    b'{"a":' * 300 + b"1" + b"}" * 300,
    b"[" * 1_030 + b"]" * 1_030,
    b"[" * 3_000,
    b'"' + b"x" * 9_000 + b'"',
)
_VALUES: tuple[Any, ...] = (
    None,
    True,
    False,
    0,
    -1,
    1,
    (1 << 31),
    (1 << 53) + 1,
    (1 << 63) - 1,
    1 << 63,
    (1 << 64) - 1,
    -(1 << 63),
    0.5,
    1e300,
    "",
    " ",
    "\n",
    "/",
    "file:///",
    "file://%ff",
    "\u2028",
    "\U0001f30d",
    "e\u0301" * 40,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"type": None},
    {"type": "text", "text": None},
    "2026-11-01T10:00:00.000Z",
    "2026-02-30T25:61:61.999999999Z",
    "01a40000-0000-7000-8000-000000000001",
)
_MARK = "@raw %d@"
_MARKS = re.compile(rb'"@raw (\d+)@"')

#: Deeper than this nothing is changed.
_DEEP = 40

Path = tuple[Any, ...]


def _paths(value: Any, at: Path = ()) -> list[Path]:
    """Give the places of all values within one."""
    found = [at]
    if len(at) == _DEEP:
        return found
    if isinstance(value, dict):
        for key, held in value.items():
            found += _paths(held, (*at, key))
    elif isinstance(value, list):
        for index, held in enumerate(value):
            found += _paths(held, (*at, index))
    return found


def _held(value: Any, path: Path) -> Any:
    for key in path:
        value = value[key]
    return value


def _something(chance: Random) -> Any:
    roll = chance.random()
    if roll < 0.4:
        return copy.deepcopy(chance.choice(_VALUES))
    if roll < 0.7:
        return chance.choice(strings())
    return _MARK % chance.randrange(len(_RAW))


def _change_field(record: Any, other: Any, chance: Random) -> None:
    """Do one thing to one field."""
    paths = [path for path in _paths(record) if path]
    if not paths:
        return
    path = chance.choice(paths)
    box, key = _held(record, path[:-1]), path[-1]
    match chance.randrange(8):
        case 0 | 1 | 2:
            box[key] = _something(chance)
        case 3:
            del box[key]
        case 4 if isinstance(box, dict):
            box[chance.choice(strings())] = box.pop(key)
        case 5 if isinstance(box, dict):
            box[chance.choice(strings())] = _something(chance)
        case 6:
            places = _paths(other)
            box[key] = copy.deepcopy(_held(other, chance.choice(places)))
        case _:
            box[key] = [box[key]] if chance.random() < 0.5 else {"type": box[key]}


def _structured(line: bytes, other: bytes, chance: Random) -> bytes:
    try:
        record, second = orjson.loads(line), orjson.loads(other)
    except orjson.JSONDecodeError:
        return _torn(line, other, chance)
    box = [record]
    for _ in range(chance.choice((1, 1, 1, 2, 4, 9))):
        _change_field(box, second, chance)
        if not box:
            return b""
    data = dumped(box[0])
    if b"@raw " in data:
        data = _put_raw(data)
    return data


def _put_raw(data: bytes) -> bytes:
    return _MARKS.sub(lambda found: _RAW[int(found[1])], data)


def _twice(line: bytes, other: bytes, chance: Random) -> bytes:
    """Repeat a key: `"type":...,` before or behind the one that is there."""
    keys = re.findall(rb'"[a-z_]{2,30}":', line)
    if not keys:
        return other
    key: bytes = chance.choice(keys)
    value = dumped(_something(chance))
    value = _put_raw(value)
    braces = [at for at, byte in enumerate(line[:4_000]) if byte == 0x7B]
    at = chance.choice(braces) + 1
    return line[:at] + key + value + b"," + line[at:]


def _flipped(line: bytes, other: bytes, chance: Random) -> bytes:  # noqa: ARG001 - of one form
    data = bytearray(line or b"{")
    for _ in range(chance.choice((1, 1, 2, 8))):
        at = chance.randrange(len(data))
        match chance.randrange(4):
            case 0:
                data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at] = chance.choice(b'\0\xff\x80"\\{}[]:,0\r')
            case 2:
                del data[at]
                data = data or bytearray(b"x")
            case _:
                data.insert(at, chance.randrange(256))
    return bytes(data)


def _torn(line: bytes, other: bytes, chance: Random) -> bytes:
    """Cut one short and glue another to it, perhaps one cut short as well."""
    head = line[: chance.randrange(len(line) + 1)]
    tail = other[chance.randrange(len(other) + 1) :] if chance.random() < 0.3 else other
    return head + (b"" if chance.random() < 0.3 else tail)


def _padded(line: bytes, other: bytes, chance: Random) -> bytes:  # noqa: ARG001 - of one form
    pad = chance.choice((b"\0" * 40, b" " * 40, b"\r", b"\xef\xbb\xbf", b"}", b"\xff", b"]" * 9))
    return pad + line if chance.random() < 0.5 else line + pad


def _hostile(line: bytes, other: bytes, chance: Random) -> bytes:  # noqa: ARG001 - of one form
    return chance.choice(HOSTILE)


_WAYS: tuple[Callable[[bytes, bytes, Random], bytes], ...] = (
    *(_structured,) * 10,
    *(_twice,) * 2,
    *(_flipped,) * 3,
    *(_torn,) * 3,
    _padded,
    _hostile,
)


def mutated(lines: Sequence[bytes], chance: Random) -> bytes:
    """Give one line made of two of `lines`, as no writer would write it; no newline in it."""
    line, other = chance.choice(lines), chance.choice(lines)
    made = chance.choice(_WAYS)(line, other, chance)
    if chance.random() < 0.05:
        made = _flipped(made, other, chance)
    return made.replace(b"\n", b" ")


def garbled(data: bytes, chance: Random) -> bytes:
    """Give bytes with some changed, lost, doubled or moved."""
    made = bytearray(data)
    for _ in range(chance.choice((0, 1, 1, 2, 5, 30))):
        if not made:
            break
        at = chance.randrange(len(made))
        length = chance.choice((1, 2, 40, 500))
        match chance.randrange(6):
            case 0:
                made[at] ^= 1 << chance.randrange(8)
            case 1:
                made[at : at + length] = chance.randbytes(length)
            case 2:
                del made[at : at + length]
            case 3:
                made[at:at] = made[at : at + length]
            case 4:
                made[at : at + length] = bytes(min(length, len(made) - at))
            case _:
                del made[at:]
    return bytes(made)
