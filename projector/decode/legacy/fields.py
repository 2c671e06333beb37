"""Read fields of legacy records as strictly as Codex does. Pure.

In addition to `decode.fields`, which apply here too. Each function returns a field's value or
raises `DecodeError`: the record is then skipped (docs on legacy rollouts, a3: a required field
missing or of the wrong type).
"""

from __future__ import annotations

from typing import Any, Final

from projector.decode.errors import DecodeError
from projector.decode.fields import text

_I64: Final = 2**63
_I32: Final = 2**31
_MS: Final = 1000
_NANOS_PER_MS: Final = 1_000_000

Json = dict[str, Any]


def flag(source: Json, key: str) -> bool:
    """Return a required boolean."""
    value = source.get(key)
    if type(value) is not bool:
        raise DecodeError(key)
    return value


def small_integer(source: Json, key: str) -> int:
    """Return a required 32-bit integer."""
    value = source.get(key)
    if type(value) is not int or not -_I32 <= value < _I32:
        raise DecodeError(key)
    return value


def unsigned(source: Json, key: str) -> int:
    """Return a required integer that is not negative."""
    value = source.get(key)
    if type(value) is not int or value < 0:
        raise DecodeError(key)
    return value


def mapping(source: Json, key: str) -> Json:
    """Return a required object."""
    value = source.get(key)
    if type(value) is not dict:
        raise DecodeError(key)
    return value


def entries(source: Json, key: str) -> list[Any]:
    """Return a list; [] if it is absent or null."""
    value = source.get(key)
    if value is None:
        return []
    if type(value) is not list:
        raise DecodeError(key)
    return value


def texts(source: Json, key: str) -> list[str]:
    """Return a list of strings; [] if it is absent or null."""
    value = entries(source, key)
    for each in value:
        if type(each) is not str:
            raise DecodeError(key)
    return value


def required_texts(source: Json, key: str) -> list[str]:
    """Return a required list of strings."""
    if type(source.get(key)) is not list:
        raise DecodeError(key)
    return texts(source, key)


def duration_ms(source: Json, key: str) -> int | None:
    """Return a required duration `{secs, nanos}` in milliseconds, floored; None: more than i64."""
    value = mapping(source, key)
    if len(value) != 2:  # noqa: PLR2004 - seconds and nanoseconds, and nothing else
        raise DecodeError(key)
    ms = unsigned(value, "secs") * _MS + unsigned(value, "nanos") // _NANOS_PER_MS
    return ms if ms < _I64 else None


def one_of(source: Json, key: str, names: dict[str, str]) -> str:
    """Return the value that one of these names maps to; other names are refused."""
    found = names.get(text(source, key))
    if found is None:
        raise DecodeError(key)
    return found
