"""Read and write a very long `item_completed` without decoding its long strings. Pure.

Decoded, a string takes up to four bytes per character, and orjson keeps a copy in UTF-8 while it
writes: an output of 100 MB would be in memory five times. Nearly always such a string is written
exactly as it was read. So short placeholders are parsed instead of long strings, and replaced by
them in the snapshot's JSON.

In all other cases the caller decodes the whole line, so rows are the same either way: a string that
orjson would write differently, or that is processed further (a path, a command line), an item or
record that Codex refuses, numbers whose spelling matters.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec
import orjson

from projector.decode import lossless_json as exact
from projector.decode import thread_item as items
from projector.decode.errors import DecodeError
from projector.decode.fields import Object
from projector.decode.known_members import keep_of_item
from projector.decode.lifecycle import check_item_completed

#: Lines of at least this many bytes may be read this way.
LONG_LINE: Final = 16 * 1024 * 1024
#: Shorter strings, in bytes, are decoded as usual.
_LONG_STRING: Final = 1024 * 1024
#: Bytes of a string checked at once.
_PIECE: Final = 1024 * 1024

#: Escapes as written by orjson, the frequent ones first; and all of them.
_FREQUENT: Final = (b"\\n", b'\\"', b"\\t", b"\\r", b"\\b", b"\\f")
_ESCAPE = re.compile(rb'\\(?:["\\bfnrt]|u00(?:0[0-7be-f]|1[0-9a-f]))')
_ESCAPE_LENGTH: Final = 6
_BACKSLASH: Final = b"\\"

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class LongItem(Object):
    """The record, with placeholders for long strings."""

    shown: Object
    """The item's snapshot, with placeholders."""
    unknown: Sequence[str]
    """Names of members of it that are not known."""
    json: bytes
    """The snapshot's JSON, with the strings themselves."""


def long_item(data: bytes) -> LongItem | None:
    """Read a line; None: decode it as a whole."""
    strings = _Strings(data)
    try:
        record = LongItem(strings.read(data))
        payload = record["payload"]
        if record["type"] != "event_msg" or payload["type"] != "item_completed":
            return None
        if exact.has_float(record):
            return None
        check_item_completed(payload)
        record.shown = items.to_thread_item(payload["item"])
        record.unknown = keep_of_item(record, payload, record.shown)
        if record.shown["type"] == "userMessage" and strings.said_in(record.shown):
            return None
        record.json = strings.put_into(orjson.dumps(record.shown))
    except (ValueError, KeyError, TypeError, DecodeError, msgspec.MsgspecError):
        return None
    return record


class _Strings:
    """The long strings of a line, and their placeholders."""

    def __init__(self, data: bytes) -> None:
        # No line can contain its own digest. The surrounding and inner spaces reveal code that
        # strips, quotes or joins it.
        self._name = f" Long string of {hashlib.blake2b(data, digest_size=16).hexdigest()} "
        self._strings: list[memoryview] = []

    def read(self, value: msgspec.Raw | bytes) -> Any:
        """Parse JSON.

        Raises:
            ValueError: it cannot be read this way.
        """
        held = memoryview(value)
        if len(held) < _LONG_STRING:
            return orjson.loads(held)
        match held[:1].tobytes():
            case b"{":
                return {key: self.read(each) for key, each in _fields(value).items()}
            case b"[":
                return [self.read(each) for each in _elements(value)]
            case b'"' if spelled_as_written(held[1:-1]):
                self._strings.append(held)
                return f"{self._name}{len(self._strings) - 1} "
        raise ValueError

    def said_in(self, message: Object) -> bool:
        """True if a message contains a long string: the first one becomes the thread's preview."""
        return any(self._name in part.get("text", "") for part in message["content"])

    def put_into(self, json: bytes) -> bytes:
        """Replace the placeholders in JSON by their strings.

        Raises:
            ValueError: a placeholder was changed.
        """
        name = self._name.encode()
        first, *others = json.split(b'"' + name)
        parts: list[bytes | memoryview] = [first]
        left = [first]
        for other in others:
            number, _, behind = other.partition(b' "')
            parts += (self._strings[int(number)], behind)
            left.append(behind)
        if any(name.strip() in part for part in left):
            raise ValueError
        return b"".join(parts)


def spelled_as_written(text: memoryview) -> bool:
    """True if a JSON string, without its quotes, would be written back unchanged."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    at = 0
    try:
        while at < len(text):
            piece = text[at : at + _PIECE].tobytes()
            if at + len(piece) < len(text) and _BACKSLASH in piece[-_ESCAPE_LENGTH:]:
                last = piece.rindex(_BACKSLASH)
                before = piece[: last + 1]
                if (len(before) - len(before.rstrip(_BACKSLASH))) % 2:
                    piece = piece[:last]  # the start of an escape, which may be cut
            decode(piece)
            if not _are_all_plain(piece):
                return False
            at += len(piece)
        decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _are_all_plain(piece: bytes) -> bool:
    """True if all escapes in a piece of a JSON string are as orjson writes them.

    Counting finds that out in a quarter of the time that an expression takes.
    """
    rest = piece.replace(b"\\\\", b"")  # what follows a pair of them begins no escape
    left = rest.count(_BACKSLASH)
    for escape in _FREQUENT:
        if not left:
            return True
        left -= rest.count(escape)
    return not left or _BACKSLASH not in _ESCAPE.sub(b"", rest)
