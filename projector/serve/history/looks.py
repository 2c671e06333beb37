"""How text for people looks: the width of lines, and styles by meaning. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from typing import Final, Literal

from msgspec import Struct

Style = Literal[
    "heading", "bad", "warning", "good", "quiet", "user", "agent", "work", "code", "hunk", "hit",
    "id",
]  # fmt: skip

#: Columns that a line has at least, however narrow the terminal and deep the indent.
_LEAST: Final = 8
#: Characters of scripts without spaces, as Chinese.
_WIDE: Final = r"\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60"
#: A word with the blanks before it; a wide character is a word of its own.
_WORDS: Final = re.compile(rf"\s*(?:[{_WIDE}]|[^\s{_WIDE}]+)|\s+$")
#: What a line begins with, as a point of a list: further lines are indented behind it.
_HANGING: Final = re.compile(r"\s*(?:[-*+•] |\d{1,3}[.)] |> )?\s*")


def _plain(text: str, _style: Style) -> str:
    return text


class Looks(Struct, frozen=True, kw_only=True):
    """How text looks where it is shown."""

    width: int | None = None
    """Columns of a line; None: lines are not wrapped."""
    paint: Callable[[str, Style], str] = _plain
    """Gives a safe text a style."""


PLAIN: Final = Looks()


def wrapped(line: str, first: str, then: str, width: int | None, *, cut: bool = False) -> list[str]:
    """Wrap a line by words; the first begins with `first`, the others with `then`.

    `cut`: words that are wider than a line are cut; else they stay whole, so that an address can be
    copied.
    """
    if width is None or cells(first) + cells(line) <= width:
        return [first + line]
    hanging = "" if cut else " " * min(_HANGING.match(line).end(), 8)  # type: ignore[union-attr]
    rooms = (max(width - cells(first), _LEAST), max(width - cells(then + hanging), _LEAST))
    made = [*_filled(line, rooms, cut=cut)]
    return [first + made[0], *(then + hanging + one for one in made[1:])]


def _filled(line: str, rooms: tuple[int, int], *, cut: bool) -> Iterator[str]:
    room, current, taken = rooms[0], "", 0
    for found in _WORDS.finditer(line):
        word = found[0]
        size = cells(word)
        if current and taken + size > room:
            yield current.rstrip()
            room, current, taken = rooms[1], "", 0
            word = word.lstrip()
            size = cells(word)
        while cut and size > room:
            piece = _head(word, room)
            yield piece
            room, word = rooms[1], word[len(piece) :]
            size = cells(word)
        current += word
        taken += size
    yield current.rstrip()


def _head(word: str, room: int) -> str:
    """Return the start of a word that fits, at least one character."""
    taken = 0
    for at, character in enumerate(word):
        taken += _cell(character)
        if taken > room and at:
            return word[:at]
    return word


def cells(text: str) -> int:
    """Return the width of a text in terminal columns."""
    if text.isascii():
        return len(text)
    return sum(map(_cell, text))


def _cell(character: str) -> int:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Me", "Cf"}:
        return 0
    return 2 if unicodedata.east_asian_width(character) in {"W", "F"} else 1


def fitting(text: str, room: int) -> str:
    """Cut the end of a text so that it takes at most `room` columns."""
    if cells(text) <= room:
        return text
    taken = 0
    for at, character in enumerate(text):
        taken += _cell(character)
        if taken > room - 1:
            return text[:at].rstrip() + CUT
    return text


#: Ends a text of which more is known.
CUT: Final = "…"
