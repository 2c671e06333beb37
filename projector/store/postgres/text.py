r"""Text that PostgreSQL cannot hold, kept all the same: escaped on the way in, whole when read.

Pure. PostgreSQL's text has no NUL; its JSON functions refuse `\u0000` and half surrogate pairs, so
that one item with such text would make a view unreadable. SQLite holds all of it, and Codex writes
it. Here each is written as a character that nobody uses and the four hex digits of what it stands
for. The character itself is written in the same way where it comes: so each text has one escaped
form, and reading needs no mark. Rows are marked `escaped` nevertheless, for people.

JSON that PostgreSQL does not take for JSON (a bare NaN, a raw control character) becomes one JSON
string that holds it, behind the same character.
"""

from __future__ import annotations

import json
import re
from typing import Final

#: Begins what is escaped: of the private use area, without a meaning to anyone.
LEAD: Final = "\uf8f0"
_LEAD_BYTES: Final = LEAD.encode()
#: Begins JSON that is none.
_WHOLE: Final = '"' + LEAD + "json:"

_TEXT: Final = re.compile("[\0\uf8f0]")
_ESCAPED: Final = re.compile("\uf8f0([0-9a-fA-F]{4})")
# An escape in JSON, where the backslash is no escaped one itself: pairs of backslashes are passed.
_JSON: Final = re.compile(
    r"(?P<other>\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})"
    r"|\\u(?P<hex>0000|[dD][89a-fA-F][0-9a-fA-F]{2})|" + LEAD
)
_JSON_HINT: Final = re.compile(r"\\u(?:0000|[dD][89a-fA-F])|" + LEAD)


def text(value: str) -> str:
    """Escape a text; one without NUL is as it was."""
    if "\0" in value or LEAD in value:
        return _TEXT.sub(lambda found: f"{LEAD}{ord(found[0]):04x}", value)
    return value


def opt_text(value: str | None) -> str | None:
    """Escape a text; None stays."""
    return None if value is None else text(value)


def of_json(value: str) -> str:
    """Escape JSON that is valid; `value` itself where nothing is to be escaped."""
    if ("\\u" in value or LEAD in value) and _JSON_HINT.search(value):
        return _JSON.sub(_escape, value)
    return value


def _escape(found: re.Match[str]) -> str:
    if found["other"] is not None:
        return found[0]
    return f"{LEAD}{found['hex'] or 'f8f0'}"


def of_no_json(value: str) -> str:
    """Put what is no valid JSON into a JSON string."""
    return f"{_WHOLE}{json.dumps(text(value))[1:]}"


def plain(value: str) -> str:
    """Give a text as it was before `text`."""
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value) if LEAD in value else value


def plain_json(value: str) -> str:
    """Give JSON as it was before `of_json` or `of_no_json`."""
    if LEAD not in value:
        return value
    if value.startswith(_WHOLE):
        inner = json.loads('"' + value[len(_WHOLE) :])
        assert isinstance(inner, str)
        return plain(inner)
    return _ESCAPED.sub(_unescape, value)


def _unescape(found: re.Match[str]) -> str:
    return LEAD if found[1] == "f8f0" else f"\\u{found[1]}"
