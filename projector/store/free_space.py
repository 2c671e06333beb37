"""Free space on a file's disk."""

from __future__ import annotations

import os

from projector.store.reading import FULL_BYTES


def is_full(path: str) -> bool:
    """True if nothing more can be written on the file's disk."""
    free = free_bytes(path)
    return free is not None and free < FULL_BYTES


def free_bytes(path: str) -> int | None:
    """Return the free bytes on the file's disk; None: unknown."""
    folder = os.path.dirname(os.path.abspath(path))
    while not os.path.isdir(folder) and folder != "/":
        folder = os.path.dirname(folder)
    try:
        found = os.statvfs(folder)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
