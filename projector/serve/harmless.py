"""Text from a rollout → text that a terminal shows and does not obey. Pure."""

from __future__ import annotations

import re
from typing import Final

# C0 but tab and newline, DEL and C1; what turns the direction of text around (it can make code
# read as other code); surrogates, which no encoding can write.
_HARMFUL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
_PICTURES: Final = 0x2400
_DELETE: Final = 0x7F


def harmless(text: str) -> str:
    """Show control characters as pictures or numbers: an escape becomes `␛`.

    Tabs and line ends stay; a carriage return before a line end goes.
    """
    return _HARMFUL.sub(_shown, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Give text on one line, without what a terminal would obey."""
    return harmless(" ".join(text.split()))


def _shown(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:  # noqa: PLR2004 - the first printable character
        return chr(_PICTURES + code)
    if code == _DELETE:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - surrogates
        return "\ufffd"
    return f"<U+{code:04X}>"
