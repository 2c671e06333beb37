"""What a transaction appends to the feed, and what a database makes of a consumer's cursor."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.store.rules import feed
from projector.store.rules.feed import Cursor, FeedState, op_of, rewound, verdict

MARKS = st.integers(0, (1 << feed.MARK_BITS) - 1)

OPS = [
    # before, now, what became of the row
    (None, None, None),
    (None, "a", feed.INSERT),
    ("a", None, feed.TOMBSTONE),
    ("a", "b", feed.UPDATE),
    ("a", "a", None),
]


@pytest.mark.parametrize(("before", "now", "op"), OPS)
def test_what_became_of_a_row(before: object, now: object, op: int | None) -> None:
    assert op_of(before, now) == op


@given(st.lists(st.text()), st.integers(0, 1 << 40))
def test_numbers_have_no_gaps(entries: list[str], last: int) -> None:
    found = [*feed.numbered(entries, last)]

    assert [entry for _, entry in found] == entries
    assert [seq for seq, _ in found] == [*range(last + 1, last + 1 + len(entries))]


@given(st.integers(1, (1 << 63) - 1), st.none() | MARKS)
def test_a_cursor_is_read_as_it_is_written(seq: int, mark: int | None) -> None:
    assert Cursor.parse(str(Cursor(seq, mark))) == Cursor(seq, mark)


@pytest.mark.parametrize(
    "text",
    ["", "-", "x", "-1", "+1", "1-", "1-2", " 1", "1 ", "1_0", "٣", "1-xxxxxxxxxxxxxxxx",
     "1-0123456789ABCDEF", "1-0123456789abcdef0", "1--0123456789abcde", f"{1 << 63}", "9" * 5000],
)  # fmt: skip
def test_what_is_no_cursor(text: str) -> None:
    assert Cursor.parse(text) is None


def test_the_beginning_has_no_mark() -> None:
    assert Cursor.parse("0") == Cursor.parse("0-00000000000000ff") == feed.START


#: The newest entry is 40; entries up to 10 were pruned; up to 7 all time lines agree, and another
#: one gave 8 to 33.
STATE = FeedState(last=40, pruned=10, rewound_after=7, rewound_upto=33)
NEVER = FeedState(last=40, pruned=0)

CURSORS = [
    # what                                        cursor          state  mark  only events  verdict
    ("the beginning",                             Cursor(0),      NEVER, None, False, "held"),
    ("the beginning of a pruned feed",            Cursor(0),      STATE, None, False, "pruned"),
    ("the beginning of the events",               Cursor(0),      STATE, None, True, "held"),
    ("its entry is there",                        Cursor(20, 5),  STATE, 5, False, "held"),
    ("the newest",                                Cursor(40, 5),  STATE, 5, False, "held"),
    ("a number behind the newest",                Cursor(41, 5),  STATE, None, False, "foreign"),
    ("a bare number behind the newest",           Cursor(41),     STATE, None, False, "foreign"),
    ("another entry has the number",              Cursor(20, 5),  STATE, 6, False, "foreign"),
    ("no entry has the number",                   Cursor(20, 5),  STATE, None, False, "foreign"),
    ("the last pruned entry",                     Cursor(10, 5),  STATE, 5, False, "held"),
    ("another last pruned entry",                 Cursor(10, 5),  STATE, 6, False, "foreign"),
    ("a pruned entry",                            Cursor(9, 5),   STATE, None, False, "pruned"),
    ("a pruned entry, for events",                Cursor(9, 5),   STATE, None, True, "foreign"),
    ("an event among pruned entries",             Cursor(9, 5),   STATE, 5, False, "pruned"),
    ("an event among pruned entries, for events", Cursor(9, 5),   STATE, 5, True, "held"),
    ("a bare number",                             Cursor(20),     NEVER, 5, False, "held"),
    ("a bare number that all time lines have",    Cursor(7),      STATE, 5, True, "held"),
    ("a bare number of two time lines",           Cursor(8),      STATE, 5, True, "rewound"),
    ("the last bare number of two time lines",    Cursor(33),     STATE, 5, False, "rewound"),
    ("a bare number of this time line only",      Cursor(34),     STATE, 5, False, "held"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("cursor", "state", "mark", "only_events", "expected"),
    [pytest.param(*case[1:], id=case[0]) for case in CURSORS],
)
def test_a_cursor(
    cursor: Cursor, state: FeedState, mark: int | None, *, only_events: bool, expected: str
) -> None:
    assert verdict(cursor, state, mark, only_events=only_events) == expected


PASTS = [
    # what                              known          last  mark  same  lost: after, up to
    ("all is there",                    Cursor(33, 5), 33,   5,    True, None),
    ("and more has come",               Cursor(33, 5), 40,   5,    True, None),
    ("nothing was known",               Cursor(0),     40,   None, True, None),
    ("restored just now",               Cursor(33, 5), 7,    None, True, (7, 33)),
    ("restored, and it has grown",      Cursor(33, 5), 40,   6,    True, (0, 33)),
    ("an empty one",                    Cursor(33, 5), 0,    None, True, (0, 33)),
    ("another feed",                    Cursor(33, 5), 7,    None, False, (0, 33)),
]  # fmt: skip


@pytest.mark.parametrize(
    ("known", "last", "mark", "same", "lost"),
    [pytest.param(*case[1:], id=case[0]) for case in PASTS],
)
def test_what_a_feed_has_lost(
    known: Cursor, last: int, mark: int | None, *, same: bool, lost: tuple[int, int] | None
) -> None:
    found = rewound(known, FeedState(last, 0), mark, same_feed=same)

    assert found == (lost and FeedState(last, 0, *lost))


def test_what_was_pruned_is_not_lost() -> None:
    assert rewound(Cursor(9, 5), FeedState(last=40, pruned=10), None) is None


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(1, 50)), min_size=1))
def test_time_lines_add_up(lost: list[tuple[int, int]]) -> None:
    """No bare number is taken that any lost time line gave, too."""
    state = NEVER
    for after, more in lost:
        state = state.rewound(after, after + more)

    for after, more in lost:
        for seq in range(after + 1, min(after + more, state.last) + 1):
            assert verdict(Cursor(seq), state, None) == "rewound"
    assert verdict(Cursor(min(after for after, _ in lost)), state, None) != "rewound"
