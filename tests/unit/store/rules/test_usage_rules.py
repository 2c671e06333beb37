"""Which row of a response counts: the rules of `store/rules/usage.py`, against what they mean."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from projector.store.rules.usage import Countable, changes, choose_counted, settle

ROWS = st.builds(
    Countable,
    thread_id=st.sampled_from("ab"),
    rollout_id=st.sampled_from("pqr"),
    position=st.integers(0, 3),
    uid=st.binary(min_size=1, max_size=2),
    response_id=st.sampled_from(["r", "s", None]),
    day=st.sampled_from(["", "2026-01-05"]),
    model=st.sampled_from(["", "m"]),
    tokens=st.tuples(*[st.integers(0, 9)] * 5),
    living=st.booleans(),
    counted=st.just(False),
)


def test_the_lowest_living_row_counts() -> None:
    row = Countable(
        thread_id="a", rollout_id="q", position=1, uid=b"2", response_id="r", day="", model="",
        tokens=(1, 0, 0, 0, 1), living=True, counted=False,
    )  # fmt: skip
    dead = replace(row, rollout_id="p", living=False)
    later = replace(row, position=2, uid=b"1")
    twin = replace(row, uid=b"3")

    assert choose_counted([later, twin, row, dead]) is row
    assert choose_counted([dead]) is None


@given(steps=st.lists(st.tuples(st.lists(ROWS, max_size=4), st.sets(st.integers(0, 9)))))
def test_told_of_what_changes_alone_each_response_counts_once_and_sums_hold(
    steps: list[tuple[list[Countable], set[int]]],
) -> None:
    """As engines do: new rows, those that die, the one that counted, the first of the others."""
    stored: list[Countable] = []
    sums: Counter[str] = Counter()
    for number, (drawn, dying) in enumerate(steps):
        new = [replace(row, uid=row.uid + bytes([number, at])) for at, row in enumerate(drawn)]
        changed = [*new]
        for at in dying:
            if at < len(stored) and stored[at].living:
                stored[at].living = False
                changed.append(stored[at])
        others = [row for row in stored if not any(row is one for one in changed)]
        told = [*changed]
        for response in {row.response_id for row in changed} - {None}:
            same = [row for row in others if row.response_id == response]
            told += [row for row in same if row.counted]
            first = choose_counted(same)
            if first is not None and not any(row is first for row in told):
                told.append(first)

        settle(told)
        for (_, thread), amounts in changes(told).threads.items():
            sums[thread] += amounts[0]
        stored += new
        for row in stored:
            row.was = row.share

        for response in ("r", "s"):
            same = [row for row in stored if row.response_id == response]
            first = choose_counted(same)
            assert [row for row in same if row.counted] == ([] if first is None else [first])
        living = Counter(row.thread_id for row in stored if row.share is not None)
        assert +sums == living
