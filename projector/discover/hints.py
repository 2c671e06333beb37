"""Schedule of what to scan, from file events and intervals. Pure: the time is a parameter.

1. File events are hints, scans are authoritative. Every home is due for a scan at its interval,
   however many events come.
2. A new folder is due at once and again shortly after, three times: files made together with
   their folder come before it is watched (a quarter of them is missed).
3. A hint is returned once and never lost: it stays until `due` returns it.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable
from typing import Final, NamedTuple

from projector.discover.scan import ARCHIVED, SESSION_INDEX, SESSIONS
from projector.model.ids import RolloutName

#: Seconds after its creation at which a folder is scanned again.
LOOK_AGAIN_S: Final = (0.05, 0.5, 2.0)


class HomePath(NamedTuple):
    """A path in a CODEX_HOME."""

    home: str
    path: str


class ChangeHints(NamedTuple):
    """Paths that may have changed: neither certain nor complete."""

    files: frozenset[HomePath] = frozenset()
    """Files with the name of a rollout: `stat_rollout`."""
    folders: frozenset[HomePath] = frozenset()
    """New folders: `scan_folder`."""
    homes: frozenset[str] = frozenset()
    """Homes due for a `scan`, changed or not."""
    names: frozenset[str] = frozenset()
    """Homes whose `session_index.jsonl` may have changed."""


class RescanSchedule:
    """Decides what is scanned and when."""

    def __init__(self, homes: Iterable[str], now: float) -> None:
        """Create a schedule with every home due."""
        self._due_at: dict[str, float] = dict.fromkeys(homes, now)
        self._every_s: dict[str, float] = dict.fromkeys(self._due_at, math.inf)
        self._again: list[tuple[float, HomePath]] = []
        self._files: set[HomePath] = set()
        self._folders: set[HomePath] = set()
        self._names: set[str] = set()

    def every(self, home: str, seconds: float, now: float) -> None:
        """Set the scan interval of a home, counted from now if the home is new."""
        if self._every_s[home] != seconds:
            self._every_s[home] = seconds
            self._due_at[home] = min(self._due_at[home], now + seconds)

    def rescan(self, home: str, now: float) -> None:
        """Make a home due as soon as possible."""
        self._due_at[home] = min(self._due_at[home], now)

    def changed(self, spot: HomePath, now: float, *, folder: bool, gone: bool) -> bool:
        """Record that a path was created, changed or removed; False if the path is irrelevant."""
        name = posixpath.basename(spot.path)
        if RolloutName.parse(name) is not None and not folder:
            self._files.add(spot)
        elif name == SESSION_INDEX:
            self._names.add(spot.home)
        elif folder and not gone:
            self._folders.add(spot)
            self._again += [(now + later, spot) for later in LOOK_AGAIN_S]
        elif gone and not name.startswith(".") and not name.endswith(".tmp"):
            self.rescan(spot.home, now)  # probably a folder with all its contents
        else:
            return False
        return True

    def due(self, now: float) -> ChangeHints | None:
        """Return what is due now; None: nothing."""
        homes = {home for home, at in self._due_at.items() if at <= now}
        for home in homes:
            self._due_at[home] = now + self._every_s[home]
        self._folders |= {spot for at, spot in self._again if at <= now}
        self._again = [(at, spot) for at, spot in self._again if at > now]
        hints = ChangeHints(
            frozenset(self._files),
            frozenset(spot for spot in self._folders if spot.home not in homes),
            frozenset(homes),
            frozenset(self._names | homes),
        )
        self._files, self._folders, self._names = set(), set(), set()
        return hints if any(hints) else None

    def next_at(self) -> float:
        """Return the time at which something is due next without further changes."""
        waiting = bool(self._files or self._folders or self._names)
        again = min((at for at, _ in self._again), default=math.inf)
        return -math.inf if waiting else min(again, *self._due_at.values(), math.inf)


def of_interest(path: str, base: str) -> bool:
    """True if a path directly in a home matters: one of its roots, or the index of names."""
    return path in (f"{base}/{SESSIONS}", f"{base}/{ARCHIVED}", f"{base}/{SESSION_INDEX}")
