"""Narrow threads by folder and repository. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from projector.serve.history.folders import is_within
from projector.serve.history.repositories import is_of


class Place(NamedTuple):
    """Folder and repository that threads are wanted from; None and empty: any."""

    folders: tuple[str, ...] = ()
    """Spellings of one folder: it, and what is below it."""
    repo: str | None = None
    """Name or URL of a repository; None: it has no origin, or is not asked for."""
    worktrees: tuple[str, ...] = ()
    """Folders of the repository, if it was named by one."""

    @property
    def everywhere(self) -> bool:
        """True if nothing is asked for."""
        return not (self.folders or self.repo or self.worktrees)

    def has(self, cwd: str | None, origin: str | None) -> bool:
        """True if a thread with this folder and git origin is wanted."""
        if self.folders and not is_within(cwd, self.folders):
            return False
        if not (self.repo or self.worktrees):
            return True
        return (self.repo is not None and is_of(self.repo, origin, cwd)) or (
            bool(self.worktrees) and is_within(cwd, self.worktrees)
        )


#: Not narrowed.
ANYWHERE: Final = Place()
