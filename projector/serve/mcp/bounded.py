"""Texts of a bounded size that say how to get the rest. Pure."""

from __future__ import annotations

import re
from typing import Final, NamedTuple, Self

#: Bytes of an answer. Codex cuts the middle out of results of more than 10,000: an answer that
#: ends by itself can say how to go on.
MOST_BYTES: Final = 8_000

_PLACE: Final = re.compile(r"(\d{1,19})\.(\d{1,9})\.(\d{1,12})")


class Answer(NamedTuple):
    """What a tool says."""

    text: str
    """Of the database: written by people, models and programs."""
    more: str = ""
    """How to get what the text leaves out; "": nothing is left out."""


class Place(NamedTuple):
    """Where to read on in a thread."""

    position: int = 0
    items: int = 0
    """Items at this position that were read."""
    characters: int = 0
    """Of the next item, what was read."""

    @classmethod
    def parse(cls, text: str) -> Self | None:
        """Return a place as written by `str()`; None: it is none."""
        found = _PLACE.fullmatch(text.strip())
        return None if found is None else cls(*map(int, found.groups()))

    def __str__(self) -> str:
        """Return it as a parameter."""
        return f"{self.position}.{self.items}.{self.characters}"


class Pieces:
    """Collects texts up to a number of bytes."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        """Begin with no text."""
        self._left = most
        self._texts: list[str] = []

    def add(self, text: str) -> bool:
        """Add a whole text; False: it does not fit, and the first text that does not is the last.

        A first text is cut to what fits.
        """
        size = len(_bytes(text))
        if size > self._left and self._texts:
            self._left = 0
            return False
        self._texts.append(fitting(text, self._left))
        self._left -= min(size, self._left)
        return True

    def add_start(self, text: str, least: int = 0) -> int:
        """Add as much of a text as fits; return the number of its characters that were added.

        Nothing is added where less than `least` bytes are left.
        """
        if self._left < least:
            return 0
        some = fitting(text, self._left)
        self._texts.append(some)
        self._left -= len(_bytes(some))
        return len(some)

    @property
    def text(self) -> str:
        """Return what was added."""
        return "".join(self._texts)


def fitting(text: str, most: int) -> str:
    """Return the start of a text that has at most so many bytes in UTF-8."""
    return text[:most].encode("utf-8", "replace")[:most].decode("utf-8", "ignore")


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "replace")
