"""Words for PostgreSQL's full-text search, equal to those of SQLite's tokenizer.

Pure. SQLite splits text by `text.TOKENIZER`: a run of letters, digits and marks is a word, case and
accents of Latin are ignored; those of other scripts are removed before (`diacritics`). PostgreSQL's
own parser recognises host names, paths and signed numbers, so the same search would find other
items than on SQLite. So words and positions are computed here, and no PostgreSQL dictionary is
used.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from itertools import chain, repeat
from typing import Final

from projector.search.diacritics import composed, folded, folded_latin
from projector.search.text import asked_parts

#: Blocks with marks that are part of a word: vowel signs, viramas, voicing marks. `re` treats none
#: of them as a letter.
_MARKED: Final = (
    (0x0700, 0x1AB0), (0x1B00, 0x1D00), (0x302A, 0x3030), (0x3099, 0x309B), (0xA66F, 0xABF0),
)  # fmt: skip
# Whole blocks of rare scripts beyond 16 bits: many single characters make a character class slow.
_MARKS: Final = "\u0653-\u0655\U00010a00-\U00011fff" + "".join(
    chr(one)
    for first, end in _MARKED
    for one in range(first, end)
    if unicodedata.category(chr(one)) in ("Mn", "Mc")
)
_ASCII_WORD: Final = re.compile("[a-z0-9]+")
_WORD: Final = re.compile(f"[\\w{_MARKS}]+")
#: PostgreSQL's limits: greatest position, positions per word, bytes of a word and of a vector.
_PLACES: Final = 16383
_PLACES_OF_ONE: Final = 255
_WORD_BYTES: Final = 1000
_BYTES: Final = 900_000
#: A text of at most this many characters never has too many words; a word of at most this many is
#: never too long.
_SURELY_FITS: Final = 100_000
_SURELY_SHORT: Final = _WORD_BYTES // 4
_NUMBERS: Final = tuple(map(str, range(1, _PLACES + 1)))


def words(text: str) -> list[str]:
    """Return the words of a text in order, folded for comparison."""
    text = text.lower()
    if text.isascii():
        return _ASCII_WORD.findall(text)
    # In lower case, some letters gain marks.
    return _WORD.findall(folded_latin(folded(composed(text.replace("_", " ")))))


def _cut(word: str) -> str:
    return word.encode("utf-8", "replace")[:_WORD_BYTES].decode("utf-8", "ignore")


def vector(text: str) -> str | None:
    """Return a text's words and positions in tsvector syntax; None if it has no words.

    A text with too many words for one vector is cut after the first ones.
    """
    found = words(text)
    if len(text) > _SURELY_FITS or max(map(len, found), default=0) > _SURELY_SHORT:
        found = _fitting(found)
    places: dict[str, list[str]] = {}
    for place, word in zip(chain(_NUMBERS, repeat(_NUMBERS[-1])), found, strict=False):
        if word in places:
            places[word].append(place)
        else:
            places[word] = [place]
    if not places:
        return None
    return " ".join([f"'{word}':{','.join(at[:_PLACES_OF_ONE])}" for word, at in places.items()])


def _fitting(found: list[str]) -> list[str]:
    """Return the words that fit into a vector, from the start of the text, the longest ones cut."""
    size = 0
    known: set[str] = set()
    fitting: list[str] = []
    for word in map(_cut, found):
        size += 2
        if word not in known:
            known.add(word)
            size += len(word.encode()) + 8
        if size > _BYTES:
            break
        fitting.append(word)
    # After the greatest possible position, each word is counted once.
    return [*fitting[:_PLACES], *dict.fromkeys(fitting[_PLACES:])]


def query(asked: Sequence[str]) -> str:
    """Translate a search into tsquery syntax; "" if it contains no words.

    Words, "quoted phrases" and prefixes*; all must match. See `text.query`.
    """
    parts = []
    for text, beginning in asked_parts(asked):
        found = [f"'{_cut(word)}'" for word in words(text)]
        if found:
            parts.append(f"({' <-> '.join(found)}{':*' if beginning else ''})")
    return " & ".join(parts)
