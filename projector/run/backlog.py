"""Since when the database is behind the disk, and as of when it is known to be current."""

from __future__ import annotations

from collections.abc import Callable

from projector.model.ids import RolloutId


class Backlog:
    """How long work has been waiting, by what is queued from turn to turn of the loop."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        """Create it with nothing waiting. `now_ms`: returns the time in milliseconds since 1970."""
        self._now_ms = now_ms
        self.since_ms: int | None = None
        """Since when something waits to be projected; None: nothing does."""
        self.current_as_of_ms: int | None = None
        """The latest moment as of which all that was on disk is known to have been committed."""
        self._marked: list[RolloutId] = []
        """Of the rollouts that were queued at `_marked_ms`, those that may still be."""
        self._marked_ms: int | None = None

    def note(
        self,
        queued: Callable[[], list[RolloutId]],
        is_queued: Callable[[RolloutId], bool],
        *,
        is_behind: bool,
        has_hints: bool,
        has_caught_up: bool,
        scan_began_ms: int | None,
    ) -> None:
        """Record the current state of the backlog.

        Args:
            queued: returns the rollouts that are queued.
            is_queued: True if a rollout is queued.
            is_behind: True if something waits to be projected.
            has_hints: True if changes were reported and are not queued yet.
            has_caught_up: True once everything found at the start was projected.
            scan_began_ms: start of the last scan; None: file events report changes.
        """
        if is_behind:
            if self.since_ms is None:
                # What a scan finds may have come right after the one before.
                before = None if scan_began_ms is None else self.current_as_of_ms
                self.since_ms = before or self._now_ms()
            elif has_caught_up:
                # Those that were marked are done: whatever waits now came after it.
                while self._marked and not is_queued(self._marked[-1]):
                    self._marked.pop()
                if not self._marked and not has_hints:
                    self.since_ms = self._marked_ms or self.since_ms
                    self._marked, self._marked_ms = queued(), self._now_ms()
            return
        self.since_ms = self._marked_ms = None
        self._marked.clear()
        if has_caught_up:
            self.current_as_of_ms = self._now_ms() if scan_began_ms is None else scan_began_ms
