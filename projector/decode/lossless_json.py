"""Read and write JSON with every number as it was spelled. Pure.

orjson is fast, but turns integers beyond 64 bits into floats and `1.10` into `1.1`. Where that
matters, lines are read again here; numbers that a double or 64 bits would change become
`orjson.Fragment`, which orjson writes unchanged.

Source: docs on paginated rollouts, 1.4.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import orjson

#: Deeper nesting is skipped. Codex stops at 127, orjson at 1024, Python near 1000.
MAX_DEPTH: Final = 500
#: Nesting that Codex accepts, counting the line's own object as the first level.
CODEX_DEPTH: Final = 127
#: An integer beyond 64 bits has so many digits.
_DIGITS_64: Final = 19
_ZEROS: Final = _DIGITS_64 * b"0"
#: Makes one of all digits, and another byte of all else.
_AS_ZERO: Final = bytes(ord("0") if byte in b"0123456789" else ord(" ") for byte in range(256))
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[{"))
#: Bytes of a line that are looked at together.
_PIECE: Final = 1024 * 1024

_INT64: Final = -(1 << 63)
_UINT64: Final = (1 << 64) - 1
_INT128: Final = -(1 << 127)
_UINT128: Final = (1 << 128) - 1
#: Digits of the longest integer with less than 128 bits.
_DIGITS: Final = 40
_EXPONENT = re.compile(r"[eE]([+-]?)")


class TooDeep(ValueError):
    """The value is nested too deeply to be read."""


def spelled(number: str) -> str:
    """Return a number as Codex writes it back: `1E3` becomes `1e+3`, `-0` becomes `0`."""
    if number == "-0":
        return "0"
    return _EXPONENT.sub(lambda found: f"e{found[1] or '+'}", number)


def _float(number: str) -> orjson.Fragment:
    return orjson.Fragment(spelled(number))


def _int(number: str) -> int | orjson.Fragment:
    if len(number) <= _DIGITS:
        value = int(number)
        if _INT64 <= value <= _UINT64:
            return value
    return orjson.Fragment(number)


def _refuse_constant(_: str) -> None:
    raise ValueError


def _no_number(_: str) -> None:
    """Return None for NaN and infinities, which are not JSON."""


_strict = json.JSONDecoder(parse_float=_float, parse_int=_int, parse_constant=_refuse_constant)
_lenient = json.JSONDecoder(
    parse_float=_float, parse_int=_int, parse_constant=_no_number, strict=False
)


def read(text: str, at: int = 0, *, strict: bool = True) -> tuple[Any, int]:
    """Read the value at `at`; return it and the index of its end.

    Raises:
        ValueError: there is none. `TooDeep`: nested beyond `MAX_DEPTH`.
    """
    try:
        value, end = (_strict if strict else _lenient).raw_decode(text, at)
    except RecursionError:
        raise TooDeep from None
    if deeper(value, MAX_DEPTH):
        raise TooDeep
    return value, end


def loads(data: bytes) -> Any:
    """Read a line that orjson has read.

    Raises:
        ValueError: it is nested beyond `MAX_DEPTH`.
    """
    return read(data.decode().strip())[0]


def dumps(value: Any) -> str:
    """Write a value without spaces, at any depth."""
    try:
        return orjson.dumps(value).decode()
    except TypeError:  # deeper than orjson writes
        return "".join(_written(value))


def _written(value: Any) -> Iterator[str]:
    """Yield the pieces depth first, with a stack of pending values."""
    waiting: list[Any] = [value]
    as_is = _AsIs
    while waiting:
        held = waiting.pop()
        if type(held) is as_is:
            yield held.text
        elif type(held) is list:
            waiting.append(as_is("]"))
            for at in range(len(held) - 1, -1, -1):
                waiting.append(held[at])
                waiting.append(as_is("," if at else "["))
            if not held:
                waiting.append(as_is("["))
        elif type(held) is dict:
            waiting.append(as_is("}"))
            entries = list(held.items())
            for at in range(len(entries) - 1, -1, -1):
                key, inner = entries[at]
                waiting.append(inner)
                waiting.append(as_is(("," if at else "{") + orjson.dumps(key).decode() + ":"))
            if not entries:
                waiting.append(as_is("{"))
        else:
            yield orjson.dumps(held).decode()


class _AsIs:
    """Text between values."""

    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def any_of(value: Any, test: Callable[[Any], bool]) -> bool:
    """True if `test` holds for a leaf of `value`, at any depth."""
    waiting = [value]
    while waiting:
        held = waiting.pop()
        if type(held) is dict:
            waiting.extend(held.values())
        elif type(held) is list:
            waiting.extend(held)
        elif test(held):
            return True
    return False


def deeper(value: Any, limit: int) -> bool:
    """True if `value` has more than `limit` levels of arrays and objects."""
    level = [value]
    for _ in range(limit):
        level = [
            inner
            for held in level
            if type(held) in (dict, list)
            for inner in (held.values() if type(held) is dict else held)
            if type(inner) in (dict, list)
        ]
        if not level:
            return False
    return True


def has_float(value: Any) -> bool:
    """True if a number in `value` may have been spelled differently from orjson's output."""
    return any_of(value, lambda held: type(held) is float)


def refused_integer(data: bytes) -> bool:
    """True if a line contains an integer that Codex refuses: beyond 64, below 128 bits."""
    found = False

    def look(number: str) -> int:
        nonlocal found
        if len(number) <= _DIGITS:
            value = int(number)
            found |= not _INT64 <= value <= _UINT64 and _INT128 <= value <= _UINT128
        return 0

    try:
        json.loads(data.decode("utf-8", "replace"), parse_int=look, parse_float=lambda _: 0)
    except (ValueError, RecursionError):
        return True
    return found


# Both are a tenth of what an expression takes, and a half of `count`.


def _brackets(data: bytes) -> int:
    """Return how many objects and lists begin in a line, at most."""
    if len(data) <= _PIECE:
        return len(data.translate(None, _NO_BRACKETS))
    return sum(_brackets(data[at : at + _PIECE]) for at in range(0, len(data), _PIECE))


def _has_long_integer(data: bytes) -> bool:
    """True if a line may hold an integer beyond 64 bits."""
    if len(data) <= _PIECE + _DIGITS_64:
        return _ZEROS in data.translate(_AS_ZERO)
    return any(
        _has_long_integer(data[at : at + _PIECE + _DIGITS_64]) for at in range(0, len(data), _PIECE)
    )


def within_codex_bounds(value: Any, data: bytes) -> bool:
    """False if Codex refuses the line `data` for its nesting or for an integer in it.

    `value`: what the line as a whole holds, as orjson or `read` gives it.
    """
    if len(data) <= CODEX_DEPTH:
        return True
    if _brackets(data) > CODEX_DEPTH and deeper(value, CODEX_DEPTH):
        return False
    if not _has_long_integer(data):
        return True
    # Integers beyond 64 bits are floats or fragments.
    odd = any_of(value, lambda held: type(held) in (float, orjson.Fragment))
    return not (odd and refused_integer(data))
