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
#: For `bytes.translate`: ASCII letters in lower case, all that is no letter or digit as a blank.
_APART: Final = bytes(
    one if chr(one).isalnum() or one > 0x7F else 0x20  # noqa: PLR2004 - the end of ASCII
    for one in bytes(range(256)).lower()
)
_WORD: Final = re.compile(f"[\\w{_MARKS}]+")
#: PostgreSQL's limits: greatest position, positions per word, bytes of a word and of a vector.
_PLACES: Final = 16383
_PLACES_OF_ONE: Final = 255
_WORD_BYTES: Final = 1000
_BYTES: Final = 900_000
#: A text of at most this many characters never has too many words.
_SURELY_FITS: Final = 100_000
#: Positions, and what stands between a word and so many positions, in binary form.
_AT: Final = tuple(at.to_bytes(2, "big") for at in range(1, _PLACES + 1))
_MANY: Final = tuple(b"\0" + number.to_bytes(2, "big") for number in range(_PLACES_OF_ONE + 1))


def words(text: str) -> list[str]:
    """Return the words of a text in order, folded for comparison."""
    text = text.lower()
    if text.isascii():
        return _ASCII_WORD.findall(text)
    return _WORD.findall(_folded(text))


def _folded(text: str) -> str:
    # In lower case, some letters gain marks.
    return folded_latin(folded(composed(text.replace("_", " "))))


def _words(text: bytes) -> list[bytes]:
    """Return `words` in UTF-8, in half the time where most of a text is ASCII."""
    if text.isascii():
        return text.translate(_APART).split()
    found: list[bytes] = []
    for run in _folded(text.decode().lower()).encode().translate(_APART).split():
        if run.isascii():
            found.append(run)
        else:
            found += [word.encode() for word in _WORD.findall(run.decode())]
    return found


def _cut(word: bytes) -> bytes:
    if len(word) <= _WORD_BYTES:
        return word
    return word[:_WORD_BYTES].decode("utf-8", "ignore").encode()


def vector(text: bytes) -> bytes | None:
    """Return the words and positions of a text in UTF-8 as a tsvector in binary form.

    None if it has no words.

    A text with too many words for one vector is cut after the first ones.
    """
    found = _words(text)
    if len(text) > _SURELY_FITS or max(map(len, found), default=0) > _WORD_BYTES:
        found = _fitting(found)
    places: dict[bytes, bytes] = {}
    for place, word in zip(_AT, found, strict=False):
        if word in places:
            places[word] += place
        else:
            places[word] = place
    for word in found[_PLACES:]:
        if not places.get(word, b"").endswith(_AT[-1]):
            places[word] = places.get(word, b"") + _AT[-1]
    if not places:
        return None
    if len(found) > _PLACES_OF_ONE:
        places = {word: at[: 2 * _PLACES_OF_ONE] for word, at in places.items()}
    cells = [word + _MANY[len(at) >> 1] + at for word, at in places.items()]
    return len(places).to_bytes(4, "big") + b"".join(cells)


def _fitting(found: list[bytes]) -> list[bytes]:
    """Return the words that fit into a vector, from the start of the text, the longest ones cut."""
    size = 0
    known: set[bytes] = set()
    fitting: list[bytes] = []
    for word in map(_cut, found):
        size += 2
        if word not in known:
            known.add(word)
            size += len(word) + 8
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
        cut = [_cut(word.encode("utf-8", "replace")).decode() for word in words(text)]
        if cut:
            found = " <-> ".join(f"'{word}'" for word in cut)
            parts.append(f"({found}{':*' if beginning else ''})")
    return " & ".join(parts)
