"""Shapes of JSON values as predicates: true if Codex's decoder takes the value. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from projector.decode import fields
from projector.decode.errors import DecodeError

Shape = Callable[[Any], bool]


def string(value: Any) -> bool:
    """Take a string."""
    return type(value) is str


def boolean(value: Any) -> bool:
    """Take true and false."""
    return type(value) is bool


def mapping(value: Any) -> bool:
    """Take any object."""
    return type(value) is dict


def thread_id(value: Any) -> bool:
    """Take a thread's id."""
    try:
        fields.thread_id(value, "")
    except DecodeError:
        return False
    return True


def agent_path(value: Any) -> bool:
    """Take an agent's path."""
    try:
        fields.agent_path({"path": value}, "path")
    except DecodeError:
        return False
    return True


def within(low: int, high: int) -> Shape:
    """Take integers within bounds."""

    def shape(value: Any) -> bool:
        return type(value) is int and low <= value <= high

    return shape


i32 = within(fields.I32_MIN, fields.I32_MAX)
u64 = within(0, fields.U64_MAX)


def word(*words: str) -> Shape:
    """Take one of these words, also as `{"word": null}`."""
    known = frozenset(words)

    def shape(value: Any) -> bool:
        if type(value) is dict and len(value) == 1:
            ((value, held),) = value.items()
            return held is None and value in known
        return type(value) is str and value in known

    return shape


def either(*shapes: Shape) -> Shape:
    """Take what one of these takes."""

    def shape(value: Any) -> bool:
        return any(each(value) for each in shapes)

    return shape


def each(of: Shape) -> Shape:
    """Take lists whose every entry is taken."""

    def shape(value: Any) -> bool:
        return type(value) is list and all(map(of, value))

    return shape


def obj(
    must: Mapping[str, Shape],
    may: Mapping[str, Shape] | None = None,
    if_there: Mapping[str, Shape] | None = None,
) -> Shape:
    """Take objects with these keys; others are ignored.

    `must` are required, `may` are absent or null or taken, `if_there` are absent or taken.
    """
    required = tuple(must.items())
    optional = tuple((may or {}).items())
    present = tuple((if_there or {}).items())

    def shape(value: Any) -> bool:
        return (
            type(value) is dict
            and all(name in value and of(value[name]) for name, of in required)
            and all(value.get(name) is None or of(value[name]) for name, of in optional)
            and all(name not in value or of(value[name]) for name, of in present)
        )

    return shape


def tagged(**kinds: Shape) -> Shape:
    """Take objects whose `type` is one of these and whose fields fit it."""

    def shape(value: Any) -> bool:
        kind = value.get("type") if type(value) is dict else None
        return type(kind) is str and kind in kinds and kinds[kind](value)

    return shape
