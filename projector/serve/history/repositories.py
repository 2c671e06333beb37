"""Name repositories by the URLs of their remotes. Pure."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_URL: Final = re.compile(r"\w[\w+.-]*://(?:[^/@]*@)?(?P<host>[^/:]+)(?::\d+)?/(?P<path>.+)")
#: As ssh has it: `git@github.com:owner/name.git`.
_SHORT: Final = re.compile(r"(?:[^/@:]*@)?(?P<host>[^/:@]+):(?!/)(?P<path>.+)")


@lru_cache(maxsize=4096)
def repository(url: str) -> str:
    """Return host and path of a remote, the same for all its URLs; never with a password.

    `https://github.com/o/r.git` and `git@github.com:o/r` both give `github.com/o/r`. What is no
    such URL, as the path of a folder, is returned as it is.
    """
    found = _URL.fullmatch(url.strip()) or _SHORT.fullmatch(url.strip())
    if found is None:
        return url.strip().rstrip("/")
    path = found["path"].strip("/").removesuffix(".git").rstrip("/")
    return f"{found['host'].lower()}/{path}"


def is_of(wanted: str, url: str | None, folder: str | None) -> bool:
    """True if a thread is of a repository: by its origin, or by the name of its folder.

    `wanted` is the name of the repository, `owner/name`, `host/owner/name` or a URL of it; case
    is ignored. A folder is taken for a worktree of the repository of its name.
    """
    sought = repository(wanted).casefold().strip("/")
    if url:
        known = repository(url).casefold()
        return known == sought or known.endswith(f"/{sought}")
    return folder is not None and folder.rstrip("/\\").casefold().endswith(
        (f"/{sought}", f"\\{sought}")
    )
