"""Executes statements over many rows, and for many keys at once: each costs more than a row."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final, TypeVar, cast

T = TypeVar("T")

# sqlite3 looks for an adapter of each value that is None or bytes, and takes several times as long
# to find none as to bind the value. These return what they are given.
sqlite3.register_adapter(type(None), cast(Callable[[None], None], {}.get))
sqlite3.register_adapter(bytes, bytes.__bytes__)

#: How many keys `of_keys` looks up with one statement: few texts to prepare, whatever is asked.
_SIZES: Final = (1, 4, 16, 64)


def of_keys(
    db: sqlite3.Connection, sql: str, keys: Iterable[str | int]
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a query for keys, many at once.

    `sql`: the query, with `IN ({keys})`.
    """
    wanted = list(dict.fromkeys(keys))
    for some in chunks(wanted, _SIZES[-1]):
        size = next(size for size in _SIZES if len(some) <= size)
        values = some + some[:1] * (size - len(some))
        yield from db.execute(sql.format(keys=f"?{', ?' * (size - 1)}"), values).fetchall()


def chunks(values: Sequence[T], size: int) -> Iterator[list[T]]:
    """Yield values in order, `size` at a time."""
    for at in range(0, len(values), size):
        yield list(values[at : at + size])


def many(db: sqlite3.Connection, sql: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """Execute a statement over rows, whatever texts and numbers they contain.

    A rollout may name a turn with half a surrogate pair, or a time beyond 63 bits; SQLite accepts
    neither. Then the rows are written again with those replaced (`mended`): all statements here may
    be repeated.
    """
    try:
        db.executemany(sql, rows)
    except (OverflowError, UnicodeEncodeError):
        db.executemany(sql, [tuple(map(mended, row)) for row in rows])


def mended(value: object) -> object:
    """Return what SQLite can store: half a surrogate pair is U+FFFD, integers end at 63 bits."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int):
        return max(-(1 << 63), min(value, (1 << 63) - 1))
    return value
