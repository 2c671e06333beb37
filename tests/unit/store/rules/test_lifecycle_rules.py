"""What scans find of a thread's files, as events."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.store.rules.lifecycle import ThreadFiles, file_events

NEW = ThreadFiles(archived=False, deleted=False)
ARCHIVED = NEW._replace(archived=True)
DELETED = NEW._replace(deleted=True)
BOTH = ThreadFiles(archived=True, deleted=True)

EVENTS = [
    (NEW, NEW, []),
    (NEW, ARCHIVED, ["thread.archived"]),
    (ARCHIVED, NEW, ["thread.unarchived"]),
    (NEW, DELETED, ["thread.deleted"]),
    (ARCHIVED, BOTH, ["thread.deleted"]),
    (DELETED, DELETED, []),
    (DELETED, NEW, ["thread.restored"]),
    (BOTH, ARCHIVED, ["thread.restored"]),
    (BOTH, NEW, ["thread.restored", "thread.unarchived"]),
    (DELETED, ARCHIVED, ["thread.restored", "thread.archived"]),
]


@pytest.mark.parametrize(("before", "now", "types"), EVENTS)
def test_events_between_two_states(before: ThreadFiles, now: ThreadFiles, types: list[str]) -> None:
    assert file_events(before, now) == types


@given(st.lists(st.sampled_from((NEW, ARCHIVED, DELETED)), min_size=1))
def test_events_tell_the_state(states: list[ThreadFiles]) -> None:
    """Whoever counts them knows where the files are, though all rows are gone."""
    # A thread keeps the place that it had when it was deleted.
    known = [NEW]
    for state in states:
        archived = known[-1].archived if state.deleted else state.archived
        known.append(state._replace(archived=archived))
    counts: dict[str, int] = {}
    for before, now in pairwise(known):
        for kind in file_events(before, now):
            counts[kind] = counts.get(kind, 0) + 1
        assert ThreadFiles.told(counts) == now
