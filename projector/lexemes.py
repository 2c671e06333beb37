"""Words as PostgreSQL takes them: the same that SQLite's tokenizer makes of a text.

Pure. SQLite breaks text up by `unicode61 remove_diacritics 2`: a run of letters and digits is a
word, case and accents do not matter. PostgreSQL's own parser would find host names, paths and
numbers with signs, so that one search would give other items there than here. So the words are
made here, with their places, and PostgreSQL's dictionaries are asked for nothing.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Final

from projector.words import asked_parts

# Letters and digits, and accents that stand behind their letter.
_WORD: Final = re.compile("[^\\W_][^\\W_\u0300-\u036f]*(?:[\u0300-\u036f]+[^\\W_]*)*")
_ACCENT: Final = re.compile("[\u0300-\u036f]")
#: PostgreSQL's limits: places that are told apart, places of one word, bytes of a word and of all.
_PLACES: Final = 16383
_PLACES_OF_ONE: Final = 255
_WORD_BYTES: Final = 1000
_BYTES: Final = 900_000


def words(text: str) -> list[str]:
    """Give the words of a text, in their order, as they are compared."""
    if text.isascii():
        return _WORD.findall(text.lower())
    return [_folded(word) for word in _WORD.findall(text.lower())]


def _folded(word: str) -> str:
    if word.isascii():
        return word
    bare = _ACCENT.sub("", unicodedata.normalize("NFD", word))
    return _cut(unicodedata.normalize("NFC", bare))


def _cut(word: str) -> str:
    return word.encode("utf-8", "replace")[:_WORD_BYTES].decode("utf-8", "ignore")


def vector(text: str) -> str | None:
    """Write a text's words and places as a tsvector is written; None: it has no words.

    Of a text with too many words for one, the first ones.
    """
    places: dict[str, list[int]] = {}
    size = 0
    for place, word in enumerate(words(text), start=1):
        known = places.get(word)
        if known is None and len(word) > _WORD_BYTES:
            word = _cut(word)  # noqa: PLW2901 - ASCII: not cut yet
            known = places.get(word)
        if known is None:
            size += len(word if word.isascii() else word.encode()) + 8
            if size > _BYTES:
                break
            places[word] = [min(place, _PLACES)]
        elif len(known) < _PLACES_OF_ONE and known[-1] < _PLACES:
            size += 2
            known.append(min(place, _PLACES))
    if not places:
        return None
    return " ".join([f"'{word}':{','.join(map(str, at))}" for word, at in places.items()])


def query(asked: Sequence[str]) -> str:
    """Write what a person asks for as a tsquery is written; "": nothing that could be looked for.

    Words, "phrases in quotes" and beginnings* of words; all must be there. See `words.query`.
    """
    parts = []
    for text, beginning in asked_parts(asked):
        found = [f"'{_cut(word)}'" for word in words(text)]
        if found:
            parts.append(f"({' <-> '.join(found)}{':*' if beginning else ''})")
    return " & ".join(parts)
