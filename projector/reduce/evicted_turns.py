"""Which turns of a rollout were in memory, and are only in the store now. Pure.

A turn that is neither in memory nor here is new: nothing has to be asked of the store. So a rollout
with many turns can be read far ahead of what is committed.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

#: Turns that are known by their hashes: some 10 MB. Of more, all have to be asked for.
_MOST: Final = 131_072


class EvictedTurns:
    """Turns that were evicted from memory, by their hashes."""

    def __init__(self, *, whole: bool) -> None:
        """`whole`: the rollout is read from its first byte, so that no turn was evicted yet."""
        self._hashes: set[int] | None = set() if whole else None
        """None: every turn that is not in memory may be in the store."""

    @property
    def is_empty(self) -> bool:
        """True if all turns are in memory."""
        return self._hashes is not None and not self._hashes

    def add(self, names: Iterable[str]) -> None:
        """Note turns that are evicted now."""
        if self._hashes is None:
            return
        self._hashes.update(map(hash, names))
        if len(self._hashes) > _MOST:
            self._hashes = None

    def __contains__(self, name: str) -> bool:
        """True if a turn that is not in memory may be in the store."""
        return self._hashes is None or hash(name) in self._hashes
