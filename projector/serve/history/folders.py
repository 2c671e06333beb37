"""Compare folders across their spellings: POSIX, Windows, WSL. Pure.

A thread's `cwd` is what its client wrote: with or without a trailing slash, and on Windows with
either slash, any case, and the verbatim prefix. Threads collected from several systems have all
spellings in one database.
"""

from __future__ import annotations

import ntpath
import posixpath
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Final

_DRIVE: Final = re.compile(r"[A-Za-z]:(?=[\\/]|$)")
#: A Windows drive as mounted by WSL.
_MOUNTED: Final = re.compile(r"/mnt/([A-Za-z])(?=/|$)")
#: Shares of a Linux under WSL: one is the older name of the other.
_WSL: Final = re.compile(r"\\\\wsl(?:\$|\.localhost)(?=\\)", re.IGNORECASE)
_VERBATIM_SHARE: Final = re.compile(r"\\\\[?.]\\UNC\\", re.IGNORECASE)
_VERBATIM: Final = re.compile(r"\\\\[?.]\\(?=[A-Za-z]:)")


def is_windows(folder: str) -> bool:
    """True if a folder has a Windows spelling: with a drive, or as a share."""
    return _DRIVE.match(folder) is not None or folder.startswith(("\\\\", "//?/", "//./"))


@lru_cache(maxsize=4096)
def folder_key(folder: str) -> str:
    """Return a key that is equal for all spellings of a folder, with a trailing separator.

    Windows ignores case. Links are not followed: that would need the original system.
    """
    mounted = _MOUNTED.match(folder)
    if mounted is not None:
        folder = f"{mounted[1]}:\\{folder[mounted.end() + 1 :]}"
    if not is_windows(folder):
        if not folder.startswith("/"):  # relative: not below an absolute folder
            return f"./{posixpath.normpath(folder)}/"
        # POSIX leaves two leading slashes to the system; on Linux they are one.
        return posixpath.normpath("/" + folder.lstrip("/")).rstrip("/") + "/"
    name = folder.replace("/", "\\")
    name = _VERBATIM.sub("", _VERBATIM_SHARE.sub(r"\\\\", name, count=1), count=1)
    name = _WSL.sub(r"\\\\wsl$", name, count=1)
    return ntpath.normpath(name).rstrip("\\").casefold() + "\\"


def is_within(folder: str | None, wanted: Iterable[str]) -> bool:
    """True if a folder is, or is below, one of the wanted folders, in any spelling."""
    if folder is None:
        return False
    key = folder_key(folder)
    return any(folder == one or key.startswith(folder_key(one)) for one in wanted)
