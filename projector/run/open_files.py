"""Number of rollouts that may be open at once: a share of the process's file limit.

The rest of the limit is left to the database (its files, its log, temporary files), to file events,
scans and the endpoint: if these cannot open a file, nothing works.
"""

from __future__ import annotations

import errno
import os
import resource
from contextlib import suppress
from typing import Final, NamedTuple

#: A lower soft limit is raised to this, as far as the hard one lets it.
WANTED: Final = 1024
#: Left to all that is no rollout. The daemon has 20 open at rest.
RESERVED: Final = 44
#: Rollouts that are read side by side; of a round, and so of one transaction, there are no more.
SIDE_BY_SIDE: Final = 64
#: Files that stay open meanwhile. To open one costs little, and wakes who watches it.
RESTING: Final = 256
#: What a database, its log and a temporary file take, and some more.
_ENOUGH: Final = 8


class OpenFiles(NamedTuple):
    """Limits on open rollouts."""

    side_by_side: int
    """Rollouts being read; at least one."""
    resting: int
    """Rollouts read to their ends, waiting for changes."""

    def halved(self) -> OpenFiles:
        """Return half of the limits, at least one."""
        return OpenFiles(max(1, self.side_by_side // 2), self.resting // 2)

    def grown(self, most: OpenFiles) -> OpenFiles:
        """Return one more of each, within `most`."""
        return OpenFiles(
            min(self.side_by_side + 1, most.side_by_side), min(self.resting + 1, most.resting)
        )


def share_of(limit: int) -> OpenFiles:
    """Return how many rollouts may be open in a process that may open `limit` files."""
    share = max(1, limit - RESERVED)
    side_by_side = min(SIDE_BY_SIDE, (share + 1) // 2)
    return OpenFiles(side_by_side, min(RESTING, share - side_by_side))


def raised_limit() -> int:
    """Raise the soft limit of open files to `WANTED`, where the hard limit allows it; return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, most = (WANTED if one == resource.RLIM_INFINITY else one for one in (soft, hard))
    if soft < (raised := min(WANTED, most)):
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (raised, hard))
            soft = raised
    return soft


def is_too_many(error: BaseException) -> bool:
    """True if the process or the system could open no more files."""
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def exhausted() -> bool:
    """True if the process could not open a few files more, by its own limit or the system's."""
    opened: list[int] = []
    try:
        while len(opened) < _ENOUGH:
            opened.append(os.open(os.sep, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as error:
        return is_too_many(error)
    finally:
        for descriptor in opened:
            os.close(descriptor)
    return False
