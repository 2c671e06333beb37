"""Encodes columns of rows as arrays in PostgreSQL's binary form. Pure.

Rows are inserted from one array a column. The driver asks each value of a list for its type, or
quotes it as text, which the server parses: a third of what a row costs. Here a column is encoded by
its type, and the server copies it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from struct import Struct, error
from typing import Any, Final, NamedTuple
from uuid import UUID

#: Element instead of a value.
_NULL: Final = b"\xff\xff\xff\xff"
#: Dimensions, whether there are NULLs, type of the elements, their number, index of the first one.
_HEAD: Final = Struct(">iiIii")
_LENGTH: Final = Struct(">i").pack
_UUID: Final = _LENGTH(16)


class Array(NamedTuple):
    """An array as it is sent."""

    oid: int
    """Type of the array."""
    data: bytes


def _texts(values: Sequence[Any]) -> list[bytes]:
    # Most columns of ids and words have few values, each in many rows.
    cells = {}
    for value in set(values):
        data = value.encode() if value is not None else b""
        cells[value] = _LENGTH(len(data)) + data
    if None in cells:
        cells[None] = _NULL
    return [cells[value] for value in values]


def _long(values: Sequence[Any]) -> list[bytes]:
    parts: list[bytes] = []
    for value in values:
        if value is None:
            parts.append(_NULL)
            continue
        data = value.encode() if isinstance(value, str) else value
        parts += (_LENGTH(len(data)), data)
    return parts


def _uuids(values: Sequence[Any]) -> list[bytes]:
    return [_NULL if value is None else _UUID + _sixteen(value) for value in values]


@lru_cache(maxsize=512)
def _of_text(value: str) -> bytes:
    return UUID(value).bytes


def _sixteen(value: bytes | str) -> bytes:
    return value if isinstance(value, bytes) else _of_text(value)


def _numbers(form: str) -> Callable[[Sequence[Any]], list[bytes]]:
    one = Struct(f">i{form}")
    size, pack = one.size - 4, one.pack

    def encode(values: Sequence[Any]) -> list[bytes]:
        try:
            return [_NULL if value is None else pack(size, value) for value in values]
        except error as fault:
            raise OverflowError(str(fault)) from fault

    return encode


#: By type: that of the array, that of its elements, and how values are encoded: as bytes or str for
#: `json`, bytes for `tsvector`, either for `uuid`.
_KINDS: Final[dict[str, tuple[int, int, Callable[[Sequence[Any]], list[bytes]]]]] = {
    "text": (1009, 25, _texts),
    "json": (199, 114, _long),
    "tsvector": (3643, 3614, _long),
    "uuid": (2951, 2950, _uuids),
    "bigint": (1016, 20, _numbers("q")),
    "integer": (1007, 23, _numbers("i")),
    "smallint": (1005, 21, _numbers("h")),
    "boolean": (1000, 16, _numbers("?")),
    "double precision": (1022, 701, _numbers("d")),
}


def array(kind: str, values: Sequence[Any]) -> Array:
    """Encode a column of values of a type; None is NULL.

    Raises:
        OverflowError: a number is none of the type.
        UnicodeEncodeError: a text has half a surrogate pair.
    """
    oid, element, encode = _KINDS[kind]
    if not values:
        return Array(oid, _HEAD.pack(0, 0, element, 0, 0)[:12])
    cells = encode(values)
    head = _HEAD.pack(1, 1, element, len(values), 1)  # that there may be NULLs costs nothing
    return Array(oid, head + b"".join(cells))


def arrays(kinds: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[Array]:
    """Encode rows as one array a column."""
    columns = zip(*rows, strict=True) if rows else ((),) * len(kinds)
    return [array(kind, column) for kind, column in zip(kinds, columns, strict=True)]
