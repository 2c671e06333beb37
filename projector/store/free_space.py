"""How much may still be written beside a file."""

from __future__ import annotations

import os

from projector.store.reading import FULL_BYTES


def is_full(path: str) -> bool:
    """True if nothing more can be written beside a file."""
    free = free_bytes(path)
    return free is not None and free < FULL_BYTES


def free_bytes(path: str) -> int | None:
    """Return the bytes that may still be written beside a file; None: that cannot be told."""
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(folder) and folder != "/":
        folder = os.path.dirname(folder)
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
