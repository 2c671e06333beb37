"""Redaction by value: hide secrets that this process has learned in any text that leaves it.

URLs are always shown without their passwords (`model.database_url`); this module is for text by
others, mainly libpq and the operating system, and for passwords from `PGPASSWORD`, `~/.pgpass` and
service files. A value is found in each of its spellings: literal, percent-encoded, with
backslashes, JSON-escaped.

A short password is also an ordinary word: hidden everywhere, one letter would turn a log into
stars. So a value of at least `ANYWHERE` characters is hidden wherever it occurs, a shorter one
where it is a word of its own, and one below `WORD` characters only in messages of the database
driver (`redact_driver`).

Never applied to the content of a rollout: that is data, and printed unchanged.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from projector.model.database_url import HIDDEN

#: Minimum length, in characters, of a value that is hidden inside words too.
ANYWHERE: Final = 12
#: Minimum length, in characters, of a value that is hidden as a word in every message.
WORD: Final = 4

#: The last character of Unicode that is a blank: U+3000.
_LAST_BLANK: Final = 0x3000


class Redactor:
    """Hides a set of values in texts."""

    def __init__(self, values: Iterable[str]) -> None:
        """Create a redactor that searches for the longest values first."""
        ordered = sorted({value for value in values if value.strip()}, key=len, reverse=True)
        self._always = _pattern(value for value in ordered if len(value) >= WORD)
        self._driver = _pattern(ordered)

    def __call__(self, text: str) -> str:
        """Return `text` without the values, except very short ones."""
        return text if self._always is None else self._always.sub(HIDDEN, text)

    def driver(self, text: str) -> str:
        """Return `text` without any of the values."""
        return text if self._driver is None else self._driver.sub(HIDDEN, text)


def _pattern(values: Iterable[str]) -> re.Pattern[str] | None:
    found = [_spelled(value) for value in values]
    return re.compile("|".join(found)) if found else None


@functools.cache
def _blanks() -> str:
    """Return a regular expression for a run of blanks: messages often collapse it into one."""
    blanks = [one for one in map(chr, range(_LAST_BLANK + 1)) if one.isspace()]
    codes = [
        code
        for one in blanks
        for code in (
            "".join(f"%{byte:02x}" for byte in one.encode()),
            rf"\\u{ord(one):04x}",
            rf"\\x{ord(one):02x}",
        )
    ]
    return rf"(?:\s|\\[tnrvf]|(?i:{'|'.join(codes)}))+?"


def _spelled(value: str) -> str:
    """Return a regular expression for all spellings of a value."""
    words = ("".join(map(_character, word)) for word in value.split())
    whole = _blanks().join(words)
    if len(value) >= ANYWHERE:
        return whole
    before = r"(?<!\w)" if value[:1].isalnum() else ""
    behind = r"(?!\w)" if value[-1:].isalnum() else ""
    return before + whole + behind


def _character(one: str) -> str:
    """Return a regular expression for the spellings of one character, quoted in quotes too."""
    raw = one.encode(errors="surrogateescape")
    coded = "".join(f"%{byte:02X}" for byte in raw)
    spellings = [rf"(?i:{coded})", rf"(?i:\\u{ord(one):04x})", rf"(?i:\\x{ord(one):02x})"]
    spellings.append(re.escape(one) if one.isalnum() else rf"\\*{re.escape(one)}")
    return f"(?:{'|'.join(spellings)})"


class _Learned:
    """The secrets that this process has learned."""

    def __init__(self) -> None:
        self.values: frozenset[str] = frozenset()
        self.redactor = Redactor(())


_learned = _Learned()


def learn(values: Iterable[str]) -> None:
    """Hide these values from now on in all output of this process."""
    new = frozenset(values) - _learned.values
    if new:
        _learned.values |= new
        _learned.redactor = Redactor(_learned.values)


def forget() -> None:
    """Forget all secrets. For tests."""
    _learned.values, _learned.redactor = frozenset(), Redactor(())


def redact(text: str) -> str:
    """Return a message without the learned secrets."""
    return _learned.redactor(text)


def redact_driver(text: str) -> str:
    """Return a message of the database driver without secrets, however short they are."""
    return _learned.redactor.driver(text)


def redact_document(value: Any) -> Any:
    """Return a JSON document without secrets in its strings; keys are unchanged."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, Mapping):
        return {name: redact_document(one) for name, one in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, (bytes, bytearray)):
        return [redact_document(one) for one in value]
    return value
