"""Columns of a rollout that make a thread another one for the feed."""

from __future__ import annotations

from projector.model.changes import SessionHeader
from projector.store.postgres import unit_of_work
from projector.store.sqlite import thread_digest

#: What of the header `threads` does not show as the current rollout says it.
OTHERS = {
    "thread_id",  # the thread itself
    "base",  # shown by the chain
    "subagent_start_ordinal",  # not shown
    "created_at_ms",  # of the thread's first rollout
}


def test_a_header_that_changes_changes_the_thread() -> None:
    """On both engines. PostgreSQL takes the id of the rollout from the thread's state."""
    header = set(SessionHeader.__struct_fields__) - OTHERS

    assert set(thread_digest._OWN) == header | {"rollout_id", "path", "updated_at_ms"}
    assert set(unit_of_work._OWN) == header | {"path", "updated_at_ms"}
