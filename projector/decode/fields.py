"""Read typed fields of a JSON object, as strictly as Codex's decoder. Pure.

Every function returns the field's value or raises `DecodeError` with the field's name. "opt" in a
name: absent and null give None.

Source: docs on paginated rollouts, 1.4 and 2.4.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from projector.decode.errors import DecodeError

I64_MIN: Final = -(1 << 63)
I64_MAX: Final = (1 << 63) - 1
U64_MAX: Final = (1 << 64) - 1
U32_MAX: Final = (1 << 32) - 1
I32_MIN: Final = -(1 << 31)
I32_MAX: Final = (1 << 31) - 1

_THREAD = re.compile(
    r"(?:urn:uuid:)?([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})"
    r"|\{([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})\}"
    r"|([0-9a-f]{8})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{4})([0-9a-f]{12})",
    re.IGNORECASE | re.ASCII,
).fullmatch
_AGENT_PATH = re.compile(r"/root(?:/(?!root(?:/|\Z))[a-z0-9_]+)*|/morpheus").fullmatch

Object = dict[str, Any]


def obj(value: Any, name: str) -> Object:
    """Return an object."""
    if type(value) is not dict:
        raise DecodeError(name)
    return value


def items(value: Any, name: str) -> list[Any]:
    """Return a list."""
    if type(value) is not list:
        raise DecodeError(name)
    return value


def text(fields: Object, name: str) -> str:
    """Return a string."""
    value = fields.get(name)
    if type(value) is not str:
        raise DecodeError(name)
    return value


def opt_text(fields: Object, name: str) -> str | None:
    """Return a string or None."""
    value = fields.get(name)
    if value is not None and type(value) is not str:
        raise DecodeError(name)
    return value


def texts(value: Any, name: str) -> list[str]:
    """Return a list of strings."""
    if type(value) is not list:
        raise DecodeError(name)
    for each in value:
        if type(each) is not str:
            raise DecodeError(name)
    return value


def opt_bool(fields: Object, name: str) -> bool | None:
    """Return a boolean or None."""
    value = fields.get(name)
    if value is not None and type(value) is not bool:
        raise DecodeError(name)
    return value


def integer(fields: Object, name: str, low: int, high: int) -> int:
    """Return an integer within bounds; never a float, a string or a boolean."""
    value = fields.get(name)
    if type(value) is not int or not low <= value <= high:
        raise DecodeError(name)
    return value


def opt_integer(fields: Object, name: str, low: int = I64_MIN, high: int = I64_MAX) -> int | None:
    """Return an integer within bounds or None."""
    if fields.get(name) is None:
        return None
    return integer(fields, name, low, high)


def choice(fields: Object, name: str, choices: Mapping[str, str]) -> str:
    """Return the value of a known word. `{"word": null}` is accepted too."""
    value = fields.get(name)
    if type(value) is str:
        chosen = choices.get(value)
        if chosen is not None:
            return chosen
    elif type(value) is dict and len(value) == 1:
        ((word, held),) = value.items()
        if held is None and word in choices:
            return choices[word]
    raise DecodeError(name)


def opt_choice(fields: Object, name: str, choices: Mapping[str, str]) -> str | None:
    """Return the value of a known word, or None."""
    if fields.get(name) is None:
        return None
    return choice(fields, name, choices)


def thread_id(value: Any, name: str) -> str:
    """Return a thread's id in lower case with dashes."""
    if type(value) is str:
        found = _THREAD(value)
        if found is not None:
            return "-".join(part for part in found.groups() if part is not None).lower()
    raise DecodeError(name)


def agent_path(fields: Object, name: str) -> str:
    """Return an agent's path: `/root`, a path below it, or `/morpheus`."""
    value = text(fields, name)
    if _AGENT_PATH(value) is None:
        raise DecodeError(name)
    return value


def opt_duration_ms(fields: Object, name: str) -> int | None:
    """Return a duration in whole milliseconds; None: absent, or more than 64 bits."""
    value = fields.get(name)
    if value is None:
        return None
    if type(value) is list and len(value) == 2:  # noqa: PLR2004 - its two fields by position
        value = {"secs": value[0], "nanos": value[1]}
    if type(value) is not dict or len(value) != 2:  # noqa: PLR2004 - its two fields, no other
        raise DecodeError(name)
    secs, nanos = value.get("secs"), value.get("nanos")
    if not (
        type(secs) is int
        and type(nanos) is int
        and 0 <= secs <= U64_MAX
        and 0 <= nanos <= U32_MAX
        and secs + nanos // 1_000_000_000 <= U64_MAX
    ):
        raise DecodeError(name)
    ms = secs * 1000 + nanos // 1_000_000
    return ms if ms <= I64_MAX else None


def words(*names: str) -> dict[str, str]:
    """Return a table from snake_case words to camelCase ones."""
    return {name: camel(name) for name in names}


def same(*names: str) -> dict[str, str]:
    """Return a table of words that stand for themselves."""
    return {name: name for name in names}


def camel(name: str) -> str:
    """Return a snake_case name in camelCase; other names unchanged."""
    if "_" not in name.strip("_"):
        return name
    head, *rest = name.split("_")
    return head + "".join(part[:1].upper() + part[1:] for part in rest)
