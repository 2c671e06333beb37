"""What every reducer shares, whatever its kind."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode import parse as parsing
from projector.model.changes import Anomaly, Change
from projector.model.ids import Line, Offset, RolloutId, ThreadId
from projector.reduce import detect as reducers
from tests.support.examples import examples

IDS = RolloutId("r"), ThreadId("t")
META = (
    b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":0,"type":"session_meta",'
    b'"payload":{"id":"t"}}'
)


def lines_of(texts: list[bytes]) -> list[Line]:
    ends = accumulate((len(text) + 1 for text in texts), initial=0)
    return [
        Line(Offset(start), Offset(end), text)
        for (start, end), text in zip(pairwise(ends), texts, strict=True)
    ]


@pytest.mark.parametrize("head", [b"", META, META.replace(b'"ordinal":0,', b"")])
@examples(30)
@given(
    runs=st.lists(
        st.tuples(st.sampled_from([b"x", b"{}", b"1", b"\0"]), st.integers(1, 40)), max_size=6
    ),
    cuts=st.lists(st.integers(0, 300), max_size=5),
)
def test_odd_lines_are_listed_up_to_a_bound(
    head: bytes, runs: list[tuple[bytes, int]], cuts: list[int]
) -> None:
    """The same ones however the lines are cut into calls; beyond it their number is told."""
    lines = lines_of([head, *(text for text, times in runs for _ in range(times))])
    places = sorted({0, len(lines), *(at % (len(lines) + 1) for at in cuts)})

    def taken(places: list[int]) -> list[Change]:
        reducer, made = reducers.start(*IDS), list[Change]()
        for begin, end in pairwise(places):
            made += reducer.apply(lines[begin:end])
            reducer = reducers.resume(*IDS, reducer.dump_state())
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reducers, "NOTES_MAX", 10**9)
        whole = [one for one in taken([0, len(lines)]) if isinstance(one, Anomaly)]
        patch.setattr(reducers, "NOTES_MAX", 3)
        some = [one for one in taken([0, len(lines)]) if isinstance(one, Anomaly)]

        assert [one for one in taken(places) if isinstance(one, Anomaly)] == some
    for kind in {one.kind for one in whole}:
        every = [one for one in whole if one.kind == kind]
        assert [one for one in some if one.kind == kind] == every[:3]
        told = [one for one in some if one.kind == "unlisted" and f" {kind} " in one.detail]
        assert [one.offset for one in told] == [
            every[number].offset for number in (3, 6, 12, 24, 48, 96, 192) if number < len(every)
        ]


PAGINATED = META.replace(b'"id":"t"', b'"id":"t","history_mode":"paginated"')
RECORD = b'{"timestamp":"2026-11-01T10:00:00.000Z","ordinal":%d,"type":"strange","payload":{}}'


@pytest.mark.parametrize("head", [b"", META, PAGINATED])
@examples(60)
@given(
    runs=st.lists(
        st.tuples(
            st.sampled_from([b"x", b"{", b'{"id"}', b"\0", b"\0x", b"\xff", b"1,2", b"{}", RECORD]),
            st.integers(1, 20),
        ),
        max_size=8,
    ),
    cuts=st.lists(st.integers(0, 200), max_size=4),
)
def test_garbage_that_is_passed_over_changes_what_it_would_if_it_were_read(
    head: bytes, runs: list[tuple[bytes, int]], cuts: list[int]
) -> None:
    """Gaps of ordinals behind it included, wherever the lines are cut."""
    texts = [head, *(text for text, times in runs for _ in range(times))]
    texts = [text % (at * 3) if text is RECORD else text for at, text in enumerate(texts)]
    lines = lines_of(texts)
    places = sorted({0, len(lines), *(at % (len(lines) + 1) for at in cuts)})

    def taken(places: list[int]) -> tuple[list[Change], bytes]:
        reducer, made = reducers.start(*IDS), list[Change]()
        for begin, end in pairwise(places):
            reducer.lookup(lines[begin:end])
            made += reducer.apply(lines[begin:end])
            reducer = reducers.resume(*IDS, reducer.dump_state())
        return made, reducer.dump_state()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reducers, "NOTES_MAX", 3)
        passed_over = taken(places)
        patch.setattr(reducers, "_SHORT", 0)

        assert passed_over == taken([0, len(lines)])


@pytest.mark.parametrize("head", [b"", META, PAGINATED])
@pytest.mark.parametrize("text", [b"{", b"x", b"\0", b'{"id"}'])
def test_garbage_is_read_leniently_as_long_as_it_is_listed(
    head: bytes, text: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not each of millions of lines of two bytes."""
    reads = 0
    recover = parsing.recover_line

    def counted(line: Line) -> parsing.Parsed:
        nonlocal reads
        reads += line.data == text
        return recover(line)

    monkeypatch.setattr(parsing, "recover_line", counted)
    lines = lines_of([head] + [text] * 40_000)
    reducer = reducers.start(*IDS)
    for at in range(0, len(lines), 10_000):
        reducer.lookup(lines[at : at + 10_000])
        reducer.apply(lines[at : at + 10_000])
        reducer = reducers.resume(*IDS, reducer.dump_state())

    assert reads <= 3 * reducers.NOTES_MAX + 100
