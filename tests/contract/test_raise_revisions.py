"""Rollouts of older rules: which are to be projected again, and which are as new as can be."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from projector.model.errors import CheckpointMoved
from projector.model.revisions import ProjectedBy
from projector.store.postgres import revisions as on_server
from projector.store.sqlite import revisions as in_file
from tests.contract.backends import Queried, Run
from tests.support.makers import at, batch, file_of, rollout_id

OLD, NEW = 3, 5


def test_those_that_nothing_touches_are_raised(
    store: Queried, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Promise: set the revision of older rollouts if no later revision touches them."""
    for module in (in_file, on_server):
        monkeypatch.setattr(module, "_CHUNK", 2)  # several transactions
    kinds = ["a", "b", "a", "b", "a", "b", "b"]
    for number, kind in enumerate(kinds, 1):
        revision = NEW + 1 if number == len(kinds) else NEW if number == 1 else OLD
        end = replace(at(1000), revision=revision, kinds=kind)
        run(store.commit([batch(file_of(number), end=end)]))
    run(store.mark_missing([rollout_id(4)], purge=False))
    asked: list[ProjectedBy] = []

    def is_outdated(one: ProjectedBy) -> bool:
        asked.append(one)
        return one.kinds == "b"

    found = run(store.raise_revisions(NEW, is_outdated))

    assert set(asked) == {ProjectedBy(OLD, "paginated", kind) for kind in "ab"}
    assert found.rollouts == [rollout_id(2), rollout_id(6)]
    assert found.gone == [rollout_id(4)]
    assert found.newer == 1
    stored = [run(store.checkpoint(rollout_id(number))) for number in range(1, 8)]
    assert [one and one.revision for one in stored] == [NEW, OLD, NEW, OLD, NEW, OLD, NEW + 1]
    assert [one and one.kinds for one in stored] == kinds
    again = run(store.raise_revisions(NEW, is_outdated))
    assert again == found


def test_older_rules_write_nothing_into_a_rollout_of_newer_ones(store: Queried, run: Run) -> None:
    """Also where neither generation nor offset moved: only the revision was raised."""
    old = replace(at(1000), revision=OLD)
    run(store.commit([batch(file_of(1), end=old)]))
    run(store.raise_revisions(NEW, lambda _: False))

    with pytest.raises(CheckpointMoved, match="newer program"):
        run(store.commit([batch(file_of(1), start=old, end=replace(at(2000), revision=OLD))]))

    raised = run(store.checkpoint(rollout_id(1)))
    assert raised == replace(old, revision=NEW)
    end = replace(at(2000), revision=NEW)
    run(store.commit([batch(file_of(1), start=raised, end=end)]))
    assert run(store.checkpoint(rollout_id(1))) == end
