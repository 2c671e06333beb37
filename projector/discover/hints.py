"""What may be news, and when to look even without any: pure, the time is handed in.

1. File events are hints: a scan is the truth. Every home is due for a scan at its interval,
   however many events come.
2. A new folder is due at once and again shortly after, three times: files made together with
   their folder come before anyone watches it (a quarter of them is missed).
3. A hint is given once, and none is lost: what is noted stays until `due` gives it.
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterable
from typing import Final, NamedTuple

from projector.discover.scan import ARCHIVED, SESSION_INDEX, SESSIONS
from projector.model.ids import RolloutName

#: Seconds after a folder was made at which it is looked into again.
LOOK_AGAIN_S: Final = (0.05, 0.5, 2.0)


class HomePath(NamedTuple):
    """A path in a home."""

    home: str
    path: str


class ChangeHints(NamedTuple):
    """Where there may be news. Nothing in it is certain, nor is it all."""

    files: frozenset[HomePath] = frozenset()
    """With the name of a rollout: `look`."""
    folders: frozenset[HomePath] = frozenset()
    """New ones: `scan_folder`."""
    homes: frozenset[str] = frozenset()
    """Due for a `scan`, with or without news."""
    names: frozenset[str] = frozenset()
    """Homes whose `session_index.jsonl` may have changed."""


class RescanSchedule:
    """What is to be looked at, and when."""

    def __init__(self, homes: Iterable[str], now: float) -> None:
        """Begin with every home due."""
        self._due_at: dict[str, float] = dict.fromkeys(homes, now)
        self._every_s: dict[str, float] = dict.fromkeys(self._due_at, math.inf)
        self._again: list[tuple[float, HomePath]] = []
        self._files: set[HomePath] = set()
        self._folders: set[HomePath] = set()
        self._names: set[str] = set()

    def every(self, home: str, seconds: float, now: float) -> None:
        """Have a home scanned at least this often, counted from now if it is new."""
        if self._every_s[home] != seconds:
            self._every_s[home] = seconds
            self._due_at[home] = min(self._due_at[home], now + seconds)

    def rescan(self, home: str, now: float) -> None:
        """Have a home scanned as soon as possible."""
        self._due_at[home] = min(self._due_at[home], now)

    def changed(self, spot: HomePath, now: float, *, folder: bool, gone: bool) -> bool:
        """Note that a path was made, changed or removed; false: it is no matter of ours."""
        name = posixpath.basename(spot.path)
        if RolloutName.parse(name) is not None and not folder:
            self._files.add(spot)
        elif name == SESSION_INDEX:
            self._names.add(spot.home)
        elif folder and not gone:
            self._folders.add(spot)
            self._again += [(now + later, spot) for later in LOOK_AGAIN_S]
        elif gone and not name.startswith(".") and not name.endswith(".tmp"):
            self.rescan(spot.home, now)  # a folder, as it seems, and all that was in it
        else:
            return False
        return True

    def due(self, now: float) -> ChangeHints | None:
        """Give what is to be looked at now; None: nothing."""
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
        """Tell when something is due next, if nothing changes before."""
        waiting = bool(self._files or self._folders or self._names)
        again = min((at for at, _ in self._again), default=math.inf)
        return -math.inf if waiting else min(again, *self._due_at.values(), math.inf)


def of_interest(path: str, base: str) -> bool:
    """Whether a path right in a home matters: one of its roots, or the index of names."""
    return path in (f"{base}/{SESSIONS}", f"{base}/{ARCHIVED}", f"{base}/{SESSION_INDEX}")
