"""Text without control sequences, safe to print on a terminal. Pure."""

from __future__ import annotations

import re
from typing import Final

#: Characters that control a terminal or disguise text: C0 except tab and newline, DEL, C1,
#: direction marks, invisible characters, surrogates (no encoding can write them).
_HARMFUL: Final = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180e\u200b\u200e\u200f"
    "\u2028-\u202e\u2060-\u206f\u3164\ud800-\udfff\ufeff\uffa0\ufff9-\ufffb"
    "\U000e0000-\U000e0fff]"
    # Joiners are part of emoji and of Indic and Arabic scripts; next to ASCII they only hide.
    "|[\u200c\u200d](?![^\x00-\x7f])|(?<![^\x00-\x7f])[\u200c\u200d]"
)
#: The same in UTF-8 JSON, where C0 is already escaped and surrogates cannot occur.
_HARMFUL_UTF8: Final = re.compile(
    rb"\x7f|\xc2[\x80-\x9f\xad]|\xcd\x8f|\xd8\x9c|\xe1(?:\x85[\x9f\xa0]|\x9e[\xb4\xb5]|\xa0\x8e)"
    rb"|\xe2(?:\x80[\x8b-\x8f\xa8-\xae]|\x81[\xa0-\xaf])|\xe3\x85\xa4|\xef(?:\xbb\xbf|\xbe\xa0"
    rb"|\xbf[\xb9-\xbb])|\xf3\xa0[\x80-\xbf][\x80-\xbf]"
)
_PICTURES: Final = 0x2400
_DELETE: Final = 0x7F
#: Longest word shown to people in a message, in characters: an id can be a megabyte.
LONGEST_WORD: Final = 512
_LONG_WORD: Final = re.compile(rf"\S{{{LONGEST_WORD + 1},}}")


def terminal_safe(text: str) -> str:
    """Return `text` with control characters as pictures or numbers: an escape becomes `␛`.

    Tabs and line ends stay; a carriage return before a line end is removed. Idempotent.
    """
    if text.isascii() and text.isprintable():
        return text
    return _HARMFUL.sub(_picture, text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """Return `text` on one line, without control characters."""
    return terminal_safe(" ".join(text.split()))


def brief(text: str) -> str:
    """Return `text` with words of more than `LONGEST_WORD` characters cut.

    The length is appended.
    """
    if len(text) <= LONGEST_WORD:
        return text
    return _LONG_WORD.sub(
        lambda found: f"{found[0][:LONGEST_WORD]}...({len(found[0]):,} characters)", text
    )


def json_safe(document: bytes) -> bytes:
    """Return an equal JSON text in UTF-8 with all terminal control characters escaped."""
    if document.isascii() and b"\x7f" not in document:
        return document
    return _HARMFUL_UTF8.sub(lambda found: _escaped(found[0].decode()), document)


def json_ascii(document: bytes) -> bytes:
    """Return an equal JSON text with all non-ASCII characters escaped."""
    if document.isascii():
        return json_safe(document)
    return b"".join(_escaped(one) if one >= "\x7f" else one.encode() for one in document.decode())


def _escaped(character: str) -> bytes:
    units = character.encode("utf-16-be").hex()
    return b"".join(f"\\u{units[at : at + 4]}".encode() for at in range(0, len(units), 4))


def _picture(found: re.Match[str]) -> str:
    code = ord(found[0])
    if code < 0x20:  # noqa: PLR2004 - the first printable character
        return chr(_PICTURES + code)
    if code == _DELETE:
        return "\u2421"
    if 0xD800 <= code <= 0xDFFF:  # noqa: PLR2004 - surrogates
        return "\ufffd"
    return f"<U+{code:04X}>"
