"""Which threads a change of a rollout may show differently."""

from __future__ import annotations

from collections.abc import Collection

import pytest

from projector.model.changes import ThreadMetadata
from projector.store.rules.shown_threads import (
    INHERITED,
    OPENING,
    PASSED_ON,
    bits,
    lacking,
    passed_on,
)

NOTHING = dict.fromkeys(PASSED_ON)
ALL = dict.fromkeys(PASSED_ON, "said")


def test_what_records_say_of_a_thread_is_passed_on() -> None:
    """All but the name that old rollouts hold, and its time: they are the current rollout's."""
    own = {"name", "updated_at_ms"}
    assert set(PASSED_ON) == set(ThreadMetadata.__struct_fields__) - own


@pytest.mark.parametrize("column", PASSED_ON)
def test_every_column_that_is_passed_on_is_compared(column: str) -> None:
    """One that came, went or is another."""
    for before, now in ((None, "a"), ("a", None), ("a", "b")):
        assert passed_on({**NOTHING, column: before}, {**NOTHING, column: now}) == {column}
    assert passed_on(ALL, {**ALL, "name": "of no other thread"}) == frozenset()


@pytest.mark.parametrize(
    ("changed", "missing", "expected"),
    [
        *[pytest.param({column}, PASSED_ON, False, id=f"{column}, no bit") for column in OPENING],
        *[pytest.param({column}, {column}, True, id=f"{column}, not said") for column in INHERITED],
        *[pytest.param({column}, (), False, id=f"{column}, said") for column in INHERITED],
        pytest.param({"cwd", "model"}, {"model"}, True, id="one of two"),
        pytest.param((), PASSED_ON, False, id="nothing changed"),
    ],
)
def test_a_thread_is_shown_by_its_current_rollout_first(
    changed: Collection[str],
    missing: Collection[str],
    expected: bool,  # noqa: FBT001 - of the table
) -> None:
    """Older parts count where that says nothing."""
    current = {name: None if name in missing else "said" for name in PASSED_ON}
    assert bool(bits(changed) & lacking(current)) is expected
