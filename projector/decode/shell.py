"""Join a command's arguments to one shell line, quoted as Codex does. Pure.

An argument is written in chunks, from the left. A chunk grows while one style can represent all of
it, and is written in the first style that can: bare, single quotes, double quotes. A caret is only
allowed in single quotes, and there only as the first character: a chunk that begins with one has no
other style.

Source: docs on paginated rollouts, 2.5, checked against Codex 0.169.0.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

#: Codex's text for a command that cannot be quoted for a shell.
WITH_NUL: Final = "<command included NUL byte>"

_BARE = re.compile(r"[A-Za-z0-9+\-./:@\]_]*")
_SINGLE = re.compile(r"[^'\\^]*")
_DOUBLE = re.compile(r"[^`$!^]*")
_CARET = re.compile(r"\^[^'\\^]*")
_ESCAPED = re.compile(r'(["\\])')

_only_bare = re.compile(r"[A-Za-z0-9+\-./:@\]_]+").fullmatch


def join(argv: Sequence[str]) -> str:
    """Return the line for these arguments; "" for none."""
    written: list[str] = []
    for argument in argv:
        if "\0" in argument:
            return WITH_NUL
        if "'" in argument or "\\" in argument or "^" in argument or not argument:
            written.append(quote(argument))
        elif _only_bare(argument):
            written.append(argument)
        else:
            written.append(f"'{argument}'")
    return " ".join(written)


def quote(argument: str) -> str:
    """Quote one argument that contains no NUL."""
    if not argument:
        return "''"
    written: list[str] = []
    at = 0
    while at < len(argument):
        if argument[at] == "^":
            end = _end(_CARET, argument, at)
            written.append(f"'{argument[at:end]}'")
        else:
            bare, single, double = (
                _end(style, argument, at) for style in (_BARE, _SINGLE, _DOUBLE)
            )
            end = max(single, double)  # whatever is bare can be quoted too
            chunk = argument[at:end]
            if bare == end:
                written.append(chunk)
            elif single == end:
                written.append(f"'{chunk}'")
            else:
                written.append('"' + _ESCAPED.sub(r"\\\1", chunk) + '"')
        at = end
    return "".join(written)


def _end(style: re.Pattern[str], argument: str, at: int) -> int:
    """Return the end of the longest run of this style that begins at `at`."""
    found = style.match(argument, at)
    assert found is not None, "every style matches nothing at all, and a caret is one"
    return found.end()
