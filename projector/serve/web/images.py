"""Which images an item has, and whether bytes are one that a browser may draw. Pure.

An image is in the item itself, or a file that it names. Only formats that cannot hold a script are
drawn, by what the bytes are, never by a name or a declared type.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

#: Bytes of an image that is sent, at most.
MOST_BYTES: Final = 32 << 20
#: Bytes from which the format can be told.
HEAD: Final = 16
#: Images of one item.
_MOST: Final = 20

_DATA: Final = re.compile(r"data:image/[a-z+.-]+;base64,")
_FORMATS: Final = (
    (re.compile(rb"\x89PNG\r\n\x1a\n"), "image/png"),
    (re.compile(rb"\xff\xd8\xff"), "image/jpeg"),
    (re.compile(rb"GIF8[79]a"), "image/gif"),
    (re.compile(rb"RIFF....WEBP", re.DOTALL), "image/webp"),
)


class Image(NamedTuple):
    """An image of an item: a file, or its bytes in base64."""

    path: str = ""
    data: str = ""


def images_of(item_json: str) -> list[Image]:
    """Return the images of an item, in its order; none of one that cannot be read."""
    if '"image' not in item_json and "data:image/" not in item_json and "Image" not in item_json:
        return []
    try:
        item = json.loads(item_json)
        return [one for one, _ in zip(_found(item), range(_MOST), strict=False)]
    except (ValueError, RecursionError):
        return []


def _found(item: Any) -> Iterator[Image]:
    match item:
        case {"type": "imageView", "path": str(path)}:
            yield Image(path=path)
        case {"type": "imageGeneration", "savedPath": str(path)} if path:
            yield Image(path=path)
        case {"type": "imageGeneration", "result": str(data)}:
            yield Image(data=data)
        case _:
            yield from _within(item)


def _within(value: Any) -> Iterator[Image]:
    """Find images anywhere: data URLs, files of the user's, contents of tools' results."""
    if isinstance(value, str):
        if found := _DATA.match(value):
            yield Image(data=value[found.end() :])
    elif isinstance(value, list):
        for one in value:
            yield from _within(one)
    elif isinstance(value, dict):
        match value:
            case {"type": "localImage", "path": str(path)}:
                yield Image(path=path)
            case {"type": "image", "data": str(data)}:
                yield Image(data=data)
            case _:
                for one in value.values():
                    yield from _within(one)


def kind_of(head: bytes) -> str | None:
    """Return the media type of an image by its first bytes; None: none that is drawn."""
    return next((kind for known, kind in _FORMATS if known.match(head)), None)


def decoded(data: str, most: int | None = None) -> bytes:
    """Return the bytes of an embedded image, or its first ones; empty: it is none."""
    some = data if most is None else data[: 4 * -(-most // 3)]
    if len(some) > 2 * MOST_BYTES:
        return b""
    try:
        return base64.b64decode(some, validate=most is not None)
    except (binascii.Error, ValueError):
        return b""
