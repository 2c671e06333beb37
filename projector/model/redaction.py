"""Redaction by value: secrets that this process has learned, hidden in any text that leaves it.

URLs are shown without their passwords to begin with (`model.database_url`); this is for what
others say, libpq and the operating system above all, and for passwords that stand elsewhere:
`PGPASSWORD`, `~/.pgpass`, service files. A value is found in each of its spellings: as it is,
percent-encoded, with backslashes, as JSON writes it.

A short password is also a word of the language: hidden wherever it occurs, one letter would turn a
log into stars. So a value of at least `ANYWHERE` characters is hidden wherever it occurs, a shorter
one where it stands as a word of its own, and one below `WORD` characters only in what the
database's driver said (`redact_driver`).

Never applied to what a rollout says: that is data, and printed as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from projector.model.database_url import HIDDEN

#: Characters from which on a value is hidden also inside a word.
ANYWHERE: Final = 12
#: Characters from which on a value is hidden in every message, as a word.
WORD: Final = 4


#: Blanks, however many there were: they are often made one.
_BLANKS: Final = r"(?:\s|\\[tnrvf]|\\[xu][0-9a-fA-F]+|%[0-9a-fA-F]{2})+"


class Redactor:
    """Hides some values in texts."""

    def __init__(self, values: Iterable[str]) -> None:
        """Create one; the longest value is looked for first."""
        ordered = sorted({value for value in values if value.strip()}, key=len, reverse=True)
        self._always = _pattern(value for value in ordered if len(value) >= WORD)
        self._driver = _pattern(ordered)

    def __call__(self, text: str) -> str:
        """Return `text` without the values, but for very short ones."""
        return text if self._always is None else self._always.sub(HIDDEN, text)

    def driver(self, text: str) -> str:
        """Return `text` without any of the values."""
        return text if self._driver is None else self._driver.sub(HIDDEN, text)


def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    found = [_spelled(value) for value in values]
    return re.compile("|".join(found)) if found else None


def _spelled(value: str) -> str:
    """Return a pattern for all spellings of a value."""
    words = ("".join(map(_character, word)) for word in value.split())
    whole = _BLANKS.join(words)
    if len(value) >= ANYWHERE:
        return whole
    before = r"(?<!\w)" if value[:1].isalnum() else ""
    behind = r"(?!\w)" if value[-1:].isalnum() else ""
    return before + whole + behind


def _character(one: str) -> str:
    """Return a pattern for the spellings of one character."""
    raw = one.encode(errors="surrogateescape")
    coded = "".join(f"%{byte:02X}" for byte in raw)
    spellings = [rf"(?i:{coded})", rf"(?i:\\u{ord(one):04x})", rf"(?i:\\x{ord(one):02x})"]
    spellings.append(re.escape(one) if one.isalnum() else rf"\\?{re.escape(one)}")
    return f"(?:{'|'.join(spellings)})"


class _Learned:
    """What the process knows to be secret."""

    def __init__(self) -> None:
        self.values: frozenset[str] = frozenset()
        self.redactor = Redactor(())


_learned = _Learned()


def learn(values: Iterable[str]) -> None:
    """Hide these values too, from now on, in all that this process says."""
    new = frozenset(values) - _learned.values
    if new:
        _learned.values |= new
        _learned.redactor = Redactor(_learned.values)


def forget() -> None:
    """Hide nothing any more. For tests."""
    _learned.values, _learned.redactor = frozenset(), Redactor(())


def redact(text: str) -> str:
    """Return a message without the secrets that were learned."""
    return _learned.redactor(text)


def redact_driver(text: str) -> str:
    """Return what the database's driver said without secrets, however short they are."""
    return _learned.redactor.driver(text)


def redact_document(value: Any) -> Any:
    """Return a JSON document without secrets: all strings in it, but for the keys."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: redact_document(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [redact_document(one) for one in value]
    return value
