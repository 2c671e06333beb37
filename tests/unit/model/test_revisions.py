"""Which rollouts a change of the rules touches, by the kinds that were seen in them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model import revisions
from projector.model.revisions import (
    KINDS_MAX,
    REVISIONS,
    Mode,
    ProjectedBy,
    Revision,
    SeenKinds,
    is_newer,
    is_outdated,
)

KINDS = (
    "event_msg/item_completed event_msg/token_count item/Plan response_item/message session_meta"
)


def test_the_list_is_numbered_without_gaps() -> None:
    """A rollout's row has such a number, for good."""
    assert [one.number for one in REVISIONS] == [*range(1, len(REVISIONS) + 1)]
    assert revisions.current() == len(REVISIONS)


@pytest.mark.parametrize(
    ("touches", "modes", "kinds", "mode", "outdated"),
    [
        ({"item/Plan"}, ("paginated", "legacy"), KINDS, "paginated", True),
        ({"item/Plan"}, ("legacy",), KINDS, "paginated", False),
        ({"item/Plan"}, ("legacy",), KINDS, "legacy", True),
        ({"item/Pla"}, ("paginated",), KINDS, "paginated", False),
        ({"item/PlanX", "warning"}, ("paginated",), KINDS, "paginated", False),
        ({"event_msg"}, ("paginated",), KINDS, "paginated", True),
        ({"session_meta"}, ("paginated",), KINDS, "paginated", True),
        ({"turn_context", "event_msg/token_count"}, ("paginated",), KINDS, "paginated", True),
        (None, ("paginated",), "", "paginated", True),
        (None, ("legacy",), "", "paginated", False),
        (frozenset(), ("paginated",), KINDS, "paginated", False),
        # Nobody knows what was only counted.
        ({"item/Plan"}, ("paginated",), "+2 session_meta", "paginated", True),
        (frozenset(), ("paginated",), "+2 session_meta", "paginated", True),
        ({"item/Plan"}, ("paginated",), "", "paginated", False),
    ],
)
def test_a_rollout_is_outdated_that_holds_what_a_later_revision_touches(
    monkeypatch: pytest.MonkeyPatch,
    touches: set[str] | None,
    modes: tuple[Mode, ...],
    kinds: str,
    mode: str,
    *,
    outdated: bool,
) -> None:
    """And none that was projected by that revision, or a later one."""
    changed = None if touches is None else frozenset(touches)
    later = (
        Revision(1, "the first"),
        Revision(2, "nothing", frozenset()),
        Revision(3, "a test", changed, frozenset(modes)),
    )
    monkeypatch.setattr(revisions, "REVISIONS", later)

    assert is_outdated(ProjectedBy(1, mode, kinds)) == outdated
    assert is_outdated(ProjectedBy(2, mode, kinds)) == outdated
    assert not is_outdated(ProjectedBy(3, mode, kinds))
    assert not is_outdated(ProjectedBy(4, mode, kinds))
    assert [is_newer(one) for one in (1, 3, 4)] == [False, False, True]


NAMES = st.sampled_from(
    ["a", "event_msg", "x" * 64, "x" * 65, "ä", "a b", "", "+1", "a/b", "ü" * 999]
)


@given(
    pairs=st.lists(st.tuples(NAMES, st.none() | st.integers() | NAMES), max_size=30),
    saves=st.sets(st.integers(0, 30)),
)
def test_kinds_are_the_same_wherever_they_are_saved(
    pairs: list[tuple[str, object]], saves: set[int]
) -> None:
    """Names that are not plain are counted, each time that they come."""
    whole, parts = SeenKinds(), SeenKinds()
    for at, (kind, inner) in enumerate(pairs):
        whole.see(kind, inner)
        parts.see(kind, inner)
        if at in saves:
            parts = SeenKinds(parts.text)

    assert whole.text == parts.text
    assert whole.pairs == parts.pairs
    assert all(len(part) <= 2 * 64 + 1 and part.isascii() for part in whole.text.split())


def test_kinds_are_bounded() -> None:
    """A rollout with a new kind in each record: so many are kept, the others counted."""
    kinds = SeenKinds()
    for at in range(3 * KINDS_MAX):
        kinds.see("event_msg", f"kind_{at}")

    assert len(kinds.text.split()) == KINDS_MAX + 1
    assert kinds.text.startswith(f"+{2 * KINDS_MAX} ")
