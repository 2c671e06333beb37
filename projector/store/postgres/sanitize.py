"""Replaces values that no server accepts, as SQLite's store does, so that rows are the same. Pure.

Half a surrogate pair is U+FFFD, integers end at 63 bits, and JSON that PostgreSQL does not accept
becomes a JSON string (`text.of_no_json`).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn, TypeVar

from msgspec import Struct
from msgspec.structs import asdict, replace

from projector.model.changes import Anomaly, Lookup, LookupResult
from projector.model.ids import RolloutFile
from projector.store.postgres import text as escapes
from projector.store.protocol import Batch

S = TypeVar("S", bound=Struct)
T = TypeVar("T")
Id = TypeVar("Id", bound=str)
_JSON: Final = frozenset({"json", "error_json", "payload"})


def text(value: object) -> object:
    """Return a value that the server accepts."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, int) and not isinstance(value, bool):
        return max(-(1 << 63), min(value, (1 << 63) - 1))
    return value


def name(value: Id) -> Id:
    """Return an id that the server accepts."""
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")  # type: ignore[return-value] # as the one that was given


def of_json(value: str) -> str:
    """Return JSON that the server accepts; invalid JSON becomes a JSON string."""
    whole = str(text(value))
    try:
        json.loads(whole, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return escapes.of_no_json(whole)
    return whole


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)


def batch(given: Batch) -> Batch:
    """Return a batch with all its values sanitized."""
    return replace(
        given,
        file=file(given.file),
        header=_fields(given.header),
        meta=_fields(given.meta),
        changes=[change(one) for one in given.changes],
    )


def change(row: Any) -> Any:
    """Return a change with its values sanitized."""
    return row._make(_value(one, value) for one, value in zip(row._fields, row, strict=True))


def _value(column: str, value: Any) -> Any:
    if column in _JSON and value is not None:
        return of_json(value if isinstance(value, str) else value.decode())
    if isinstance(value, tuple):
        return value
    return text(value)


def _fields(given: S) -> S:
    changed = {}
    for column, value in asdict(given).items():
        if isinstance(value, (str, int)) and not isinstance(value, bool):
            changed[column] = text(value)
        elif column == "base" and value is not None:
            changed[column] = _fields(value)
    return replace(given, **changed)


def file(given: RolloutFile) -> RolloutFile:
    """Return a file with paths that the server accepts: file names are bytes."""
    return replace(given, home=str(text(given.home)), path=str(text(given.path)))


def anomaly(given: Anomaly) -> Anomaly:
    """Return an anomaly with its values sanitized."""
    return Anomaly._make(map(text, given))


def wants(given: Lookup) -> Lookup:
    """Return a lookup by ids that the server accepts; `given` itself if all are."""
    ids = (*given.turns, *given.items, *given.frames_of)
    try:
        "".join(ids).encode()
    except UnicodeEncodeError:
        return replace(
            given,
            turns=frozenset(map(name, given.turns)),
            items=frozenset(map(name, given.items)),
            frames_of=frozenset(map(name, given.frames_of)),
        )
    return given


def found(given: LookupResult, wanted: Lookup) -> LookupResult:
    """Return a result under the ids that were asked for."""
    return replace(
        given,
        turns=_under(given.turns, wanted.turns),
        items=_under(given.items, wanted.items),
        frames_of=_under(given.frames_of, wanted.frames_of),
    )


def _under(given: Mapping[Id, T], ids: Iterable[Id]) -> dict[Id, T]:
    return {one: given[mended] for one in ids if (mended := name(one)) in given}
