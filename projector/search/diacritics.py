"""Marks on letters that search does not tell apart: one table for indexed texts and for queries.

Pure. Folded are accents of Latin, Greek and Cyrillic, and the points of Hebrew and Arabic. Not
folded is what makes another letter or another sound: Cyrillic й, ў and ї, Japanese voicing marks,
vowel signs of Indic scripts and of Thai. SQLite's tokenizer folds Latin by itself, whoever asks;
the other scripts are folded here, so that a query that is not made by this program finds what it
asks for in them only where it writes no marks.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

# Accents (two blocks for phoneticians among them), Cyrillic titlos, points of Hebrew and Arabic.
# Arabic's hamza and madda are letters' parts, not points.
_MARKS: Final = (
    "\u0300-\u036f\u0483-\u0487\u1ab0-\u1aff\u1dc0-\u1dff"
    "\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7"
    "\u0610-\u061a\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8"
    "\u06ea-\u06ed\u08d3-\u08e1\u08e3-\u08ff"
)
_MARK: Final = re.compile(f"[{_MARKS}]")

#: Letters that SQLite's tokenizer leaves as they are, though they can be taken apart.
_AS_IN_SQLITE: Final = frozenset("ǠǡǢǣǮǯǼǽǾǿ")


def _bare(letters: Iterable[int]) -> dict[str, str]:
    """Return the letters that have marks of `_MARKS`, with what they are without."""
    found = {}
    for letter in map(chr, letters):
        parts = unicodedata.normalize("NFD", letter)
        bare = _MARK.sub("", parts)
        if bare != parts and bare and letter not in _AS_IN_SQLITE:
            found[letter] = unicodedata.normalize("NFC", bare)
    return found


_LETTERS: Final = _bare((*range(0x0370, 0x0400), *range(0x1F00, 0x2000))) | {
    # Other forms of one letter.
    "ς": "σ", "ϐ": "β", "ϑ": "θ", "ϕ": "φ", "ϖ": "π", "ϰ": "κ", "ϱ": "ρ", "ϵ": "ε",  # noqa: RUF001 - Greek is meant
}  # fmt: skip
# Accents that tell how a word is said. A breve or diaeresis elsewhere makes another letter.
_CYRILLIC: Final = {"ё": "е", "Ё": "Е", "ѐ": "е", "Ѐ": "Е", "ѝ": "и", "Ѝ": "И"}  # noqa: RUF001 - Cyrillic is meant
_FOLDED: Final = re.compile(f"[{_MARKS}{''.join(_LETTERS)}]")

_LATIN: Final = _bare((*range(0x00C0, 0x0250), *range(0x1E00, 0x1F00))) | {"ſ": "s", "ẛ": "s"}  # noqa: RUF001 - a long s
_LATIN_FOLDED: Final = re.compile(f"[{''.join(_LATIN)}]")

#: Bytes that UTF-8 has in characters below U+0300, and of those from U+2000 to U+3FFF.
_UNMARKED: Final = bytes((*range(0xCC), 0xE2, 0xE3))


def composed(text: str) -> str:
    """Return a text in Unicode's normal form NFC."""
    if text.isascii() or unicodedata.is_normalized("NFC", text):
        return text
    return unicodedata.normalize("NFC", text)


def folded(text: str) -> str:
    """Return a text that is in NFC without marks that do not matter, but for those of Latin."""
    if text.isascii() or not text.encode("utf-8", "surrogatepass").translate(None, _UNMARKED):
        return text
    for letter, bare in _CYRILLIC.items():
        text = text.replace(letter, bare)
    return _FOLDED.sub(lambda found: _LETTERS.get(found[0], ""), text)


def folded_latin(text: str) -> str:
    """Return a text in lower case without marks on Latin letters: as SQLite's tokenizer."""
    return text if text.isascii() else _LATIN_FOLDED.sub(lambda found: _LATIN[found[0]], text)
