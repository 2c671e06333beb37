"""Diacritics that search ignores: one table for indexed texts and for queries.

Pure. Removed are accents of Latin, Greek and Cyrillic, and the points of Hebrew and Arabic. Kept
are marks that make another letter or sound: Cyrillic й, ў and ї, Japanese voicing marks, vowel
signs of Indic scripts and of Thai. SQLite's tokenizer folds Latin itself for every client; the
other scripts are folded here, so a query from another program matches in them only if it is written
without diacritics.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Final

# Accents (including two blocks for phonetics), Cyrillic titlos, points of Hebrew and Arabic. Arabic
# hamza and madda are parts of letters, not points.
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8"
    "\u06ea-\u06ed\u08d3-\u08e1\u08e3-\u08ff"
)

#: Letters that SQLite's tokenizer keeps although they can be decomposed.
_AS_IN_SQLITE: Final = frozenset("ǠǡǢǣǮǯǼǽǾǿ")


def _bare(letters: Iterable[int]) -> dict[str, str]:
    """Return a map from letters with marks of `_MARKS` to the letters without them."""
    found = {}
    marks = re.compile(f"[{_MARKS}]")
    for letter in map(chr, letters):
        parts = unicodedata.normalize("NFD", letter)
        bare = marks.sub("", parts)
        if bare != parts and bare and letter not in _AS_IN_SQLITE:
            found[letter] = unicodedata.normalize("NFC", bare)
    return found


# Accents that mark pronunciation. A breve or diaeresis elsewhere makes another letter.
_CYRILLIC: Final = {"ё": "е", "Ё": "Е", "ѐ": "е", "Ѐ": "Е", "ѝ": "и", "Ѝ": "И"}  # noqa: RUF001 - Cyrillic is meant

Table = tuple[re.Pattern[str], Mapping[str, str]]
"""Letters and marks that are folded, and what the letters become."""


@functools.cache
def _table() -> Table:
    """Return the table of `folded`; most processes never need it."""
    letters = _bare((*range(0x0370, 0x0400), *range(0x1F00, 0x2000))) | {
        # Variant forms of one letter.
        "ς": "σ", "ϐ": "β", "ϑ": "θ", "ϕ": "φ", "ϖ": "π", "ϰ": "κ", "ϱ": "ρ", "ϵ": "ε",  # noqa: RUF001 - Greek is meant
    }  # fmt: skip
    return re.compile(f"[{_MARKS}{''.join(letters)}]"), letters


@functools.cache
def _latin_table() -> Table:
    """Return the table of `folded_latin`."""
    letters = _bare((*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00))) | {"ſ": "s", "ẛ": "s"}  # noqa: RUF001 - a long s
    return re.compile(f"[{''.join(letters)}]"), letters


#: UTF-8 bytes of characters below U+0300, and of those from U+2000 on: none of them is folded.
_UNMARKED: Final = bytes((*range(0xCC), *range(0xE2, 0x100)))


#: So many characters are encoded at a time, so that no text is copied whole.
_PIECE: Final = 256 * 1024


def has_other_bytes(text: str, known: bytes) -> bool:
    """True if a text has bytes in UTF-8 that are not among `known`."""
    if text.isascii():
        return False
    if len(text) <= _PIECE:
        return bool(text.encode("utf-8", "surrogatepass").translate(None, known))
    return any(has_other_bytes(text[at : at + _PIECE], known) for at in range(0, len(text), _PIECE))


def composed(text: str) -> str:
    """Return a text in Unicode normal form NFC."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return an NFC text without ignored diacritics, except those of Latin letters."""
    if not has_other_bytes(text, _UNMARKED):
        return text
    for letter, bare in _CYRILLIC.items():
        text = text.replace(letter, bare)
    odd, letters = _table()
    return odd.sub(lambda found: letters.get(found[0], ""), text)


def folded_latin(text: str) -> str:
    """Return a text as SQLite's tokenizer folds it: lower case, Latin letters without marks."""
    if text.isascii():
        return text
    marked, letters = _latin_table()
    return marked.sub(lambda found: letters[found[0]], text)
