"""A very long `item_completed`, read and written without text made of its long strings. Pure.

As text, a string takes up to four bytes a character, and orjson keeps a copy in UTF-8 beside it
while it writes: an output of 100 MB would be in memory five times over. Nearly always such a string
is written as it was read, to the byte. So short stand-ins are read in place of long strings, and
give way to them again in the snapshot's JSON.

Whatever is not as plain as that is read whole by the caller, so rows are the same either way: a
string that is spelled otherwise than orjson would spell it, or of which something is made (a path,
a command line), an item or record that Codex refuses, numbers whose spelling counts.
"""

from __future__ import annotations

import codecs
import hashlib
import re
from typing import Any, Final

import msgspec
import orjson

from projector.decode import lossless_json as exact
from projector.decode import thread_item as items
from projector.decode.errors import DecodeError
from projector.decode.fields import Object
from projector.decode.lifecycle import check_item_completed

#: From this many bytes on, a line may be read so.
LONG_LINE: Final = 16 * 1024 * 1024
#: Strings with fewer bytes are read as ever.
_LONG_STRING: Final = 1024 * 1024
#: How much of a string is looked at, at a time.
_PIECE: Final = 1024 * 1024

#: Escapes as orjson writes them.
_ESCAPE = re.compile(rb'\\(?:["\\bfnrt]|u00(?:0[0-7be-f]|1[0-9a-f]))')
_ESCAPE_LENGTH: Final = 6
_BACKSLASH: Final = b"\\"

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_elements = msgspec.json.Decoder(list[msgspec.Raw]).decode


class LongItem(Object):
    """The record, with stand-ins for long strings."""

    shown: Object
    """The item's snapshot, with stand-ins."""
    json: bytes
    """The snapshot, with the strings themselves."""


def long_item(data: bytes) -> LongItem | None:
    """Read a line; None: it is to be read whole."""
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
        if record.shown["type"] == "userMessage" and strings.said_in(record.shown):
            return None
        record.json = strings.put_into(orjson.dumps(record.shown))
    except (ValueError, KeyError, TypeError, DecodeError, msgspec.MsgspecError):
        return None
    return record


class _Strings:
    """Long strings of a line, and what stands in for them."""

    def __init__(self, data: bytes) -> None:
        # No line can hold its own digest. Spaces around it, and between: so it shows where someone
        # strips, quotes or joins it.
        self._name = f" Long string of {hashlib.blake2b(data, digest_size=16).hexdigest()} "
        self._strings: list[memoryview] = []

    def read(self, value: msgspec.Raw | bytes) -> Any:
        """Read JSON.

        Raises:
            ValueError: it is none that can be read so.
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
        """Tell whether a message says a long string: the first one makes the thread's preview."""
        return any(self._name in part.get("text", "") for part in message["content"])

    def put_into(self, json: bytes) -> bytes:
        """Put the strings into JSON in which their stand-ins are.

        Raises:
            ValueError: something else was made of one.
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
    """Tell whether a JSON string, without its quotes, is written as it would be written again."""
    decode = codecs.getincrementaldecoder("utf-8")().decode
    at = 0
    try:
        while at < len(text):
            piece = text[at : at + _PIECE].tobytes()
            if at + len(piece) < len(text) and _BACKSLASH in piece[-_ESCAPE_LENGTH:]:
                last = piece.rindex(_BACKSLASH)
                before = piece[: last + 1]
                if (len(before) - len(before.rstrip(_BACKSLASH))) % 2:
                    piece = piece[:last]  # it begins an escape, which may be cut in two
            decode(piece)
            if _BACKSLASH in _ESCAPE.sub(b"", piece):
                return False
            at += len(piece)
        decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True
