"""Lifecycle events that no record reports: changes of a thread's files. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Self

from projector.model.changes import EventType


class ThreadFiles(NamedTuple):
    """State of a thread's files, as its lifecycle events have it."""

    archived: bool
    """True if its current rollout is under `archived_sessions`."""
    deleted: bool
    """True if none of its rollouts is on disk."""

    @classmethod
    def told(cls, counts: Mapping[str, int]) -> Self:
        """Return the state that a thread's events imply, for a thread without rows.

        `counts`: number of its events by type, of those that no record reports. Rows of a deleted
        thread may have been purged; its events stay.
        """

        def more(one: EventType, other: EventType) -> bool:
            return counts.get(one, 0) > counts.get(other, 0)

        return cls(
            archived=more("thread.archived", "thread.unarchived"),
            deleted=more("thread.deleted", "thread.restored"),
        )


def file_events(before: ThreadFiles, now: ThreadFiles) -> list[EventType]:
    """Return the types of the events between two states of a thread's files, in their order."""
    if now.deleted:
        return [] if before.deleted else ["thread.deleted"]
    found: list[EventType] = ["thread.restored"] if before.deleted else []
    if now.archived != before.archived:
        found.append("thread.archived" if now.archived else "thread.unarchived")
    return found
