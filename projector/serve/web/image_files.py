"""Read images that items name: regular files of a bounded size that are images indeed."""

from __future__ import annotations

import os
from contextlib import suppress

from projector.model.regular_file import open_regular, pread_fully
from projector.serve.web.images import HEAD, MOST_BYTES, Image, decoded, kind_of


def drawable(image: Image) -> bool:
    """True if an image is there and a browser may draw it."""
    return kind_of(_bytes(image, HEAD)) is not None


def read(image: Image) -> tuple[str, bytes] | None:
    """Return media type and bytes of an image; None: it is gone, or none that is drawn."""
    body = _bytes(image, None)
    kind = kind_of(body[:HEAD])
    return None if kind is None else (kind, body)


def _bytes(image: Image, most: int | None) -> bytes:
    if not image.path:
        return decoded(image.data, most)
    if not os.path.isabs(image.path):
        return b""
    with suppress(OSError, ValueError):  # a path may hold NUL
        descriptor = open_regular(image.path)
        try:
            size = os.fstat(descriptor).st_size
            if size <= MOST_BYTES:
                return pread_fully(descriptor, size if most is None else most, 0)
        finally:
            os.close(descriptor)
    return b""
