"""Random pauses: the hosts of a fleet must not all do the same thing at one moment."""

from __future__ import annotations

import random
from typing import Final

#: A service waits for up to this long, in seconds, before it connects to a server.
START_S: Final = 5.0


def retry(seconds: float) -> float:
    """Return a random pause of half to all of a time."""
    return seconds * random.uniform(0.5, 1)  # noqa: S311 - no secret


def start() -> float:
    """Return a random pause before the first connection, at most `START_S`."""
    return random.uniform(0, START_S)  # noqa: S311 - no secret
