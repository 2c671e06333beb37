r"""Escapes text that PostgreSQL cannot store, and restores it when it is read. Pure.

PostgreSQL's text has no NUL; its JSON functions refuse `\u0000` and half surrogate pairs, so that
one item with such text would make a view unreadable. SQLite stores all of it, and Codex writes it.
Here each is written as a character that nobody uses and the four hex digits of what it stands for.
The character itself is escaped in the same way: so each text has one escaped form, and reading
needs no mark. Rows are marked `escaped` nevertheless, for people.

JSON that PostgreSQL does not accept (a bare NaN, a raw control character) becomes one JSON string
that contains it, after the same character.
"""

from __future__ import annotations

import json
import re
from typing import Final

#: Begins an escape: of the private use area, without a meaning.
LEAD: Final = "\uf8f0"
_LEAD_BYTES: Final = LEAD.encode()
#: Begins text that is not valid JSON.
_WHOLE: Final = '"' + LEAD + "json:"

_TEXT: Final = re.compile("[\0\uf8f0]")
_ESCAPED: Final = re.compile("\uf8f0([0-9a-fA-F]{4})")
# An escape in JSON whose backslash is not escaped itself: pairs of backslashes are skipped.
_JSON: Final = re.compile(
    r"(?P<other>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u(?P<hex>0000|[dD][89a-fA-F][0-9a-fA-F]{2})|" + LEAD
)
_JSON_HINT: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|" + LEAD)


def text(value: str) -> str:
    """Escape a text; one without NUL is returned unchanged."""
    if "\0" in value or LEAD in value:
        return _TEXT.sub(lambda found: f"{LEAD}{ord(found[0]):04x}", value)
    return value


def opt_text(value: str | None) -> str | None:
    """Escape a text; None stays."""
    return None if value is None else text(value)


def of_json(value: str) -> str:
    """Escape valid JSON; returns `value` itself if there is nothing to escape."""
    if ("\\u" in value or LEAD in value) and _JSON_HINT.search(value):
        return _JSON.sub(_escape, value)
    return value


def _escape(found: re.Match[str]) -> str:
    if found["other"] is not None:
        return found[0]
    return f"{LEAD}{found['hex'] or 'f8f0'}"


def of_no_json(value: str) -> str:
    """Return invalid JSON as a JSON string."""
    return f"{_WHOLE}{json.dumps(text(value))[1:]}"


def plain(value: str) -> str:
    """Return a text as it was before `text`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value) if LEAD in value else value


def plain_json(value: str) -> str:
    """Return JSON as it was before `of_json` or `of_no_json`."""
    if LEAD not in value:
        return value
    if value.startswith(_WHOLE):
        inner = json.loads('"' + value[len(_WHOLE) :])
        assert isinstance(inner, str)
        return plain(inner)
    return _ESCAPED.sub(_unescape, value)


def _unescape(found: re.Match[str]) -> str:
    return LEAD if found[1] == "f8f0" else f"\\u{found[1]}"
