"""Bytes in pieces → whole lines at their places."""

from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projector.place import TAIL_BYTES, Line, Offset
from projector.read.lines import Splitter

jsonl_bytes = st.lists(
    st.one_of(
        st.just(b"\n"),
        st.just(b"{}\n"),
        st.just("{\u2028\u0085}\r\n".encode()),
        st.binary(max_size=90),
    ),
    max_size=12,
).map(b"".join)


def expected_lines(data: bytes, start: int = 0, max_line: int = 10**9) -> list[Line]:
    """Say it again the slow way: byte by byte."""
    lines: list[Line] = []
    begin = 0
    for at, byte in enumerate(data):
        if byte == 10:
            text = data[begin:at]
            overlong = len(text) > max_line
            lines.append(
                Line(
                    Offset(start + begin),
                    Offset(start + at + 1),
                    b"" if overlong else text,
                    overlong,
                )
            )
            begin = at + 1
    return lines


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    places = sorted({0, len(data), *(at % (len(data) + 1) for at in cuts)})
    return [data[a:b] for a, b in pairwise(places)]


@given(data=jsonl_bytes, cuts=st.lists(st.integers(min_value=0)), start=st.integers(0, 10**12))
def test_cuts_are_invisible(data: bytes, cuts: list[int], start: int) -> None:
    """However the bytes arrive, the same lines come out, at the same places."""
    splitter = Splitter(Offset(start))

    lines = [line for piece in cut(data, cuts) for line in splitter.feed(piece)]

    assert lines == expected_lines(data, start)
    assert splitter.offset + splitter.torn == start + len(data)
    assert splitter.torn == len(data) - (data.rfind(b"\n") + 1)


@given(data=jsonl_bytes, cuts=st.lists(st.integers(min_value=0)), most=st.integers(1, 4))
def test_lines_come_a_few_at_a_time(data: bytes, cuts: list[int], most: int) -> None:
    """What of a piece has not been looked at is given again, and nothing else is different."""
    splitter = Splitter(Offset(0))
    lines: list[Line] = []

    for piece in cut(data, cuts):
        left = piece
        while left:
            some = splitter.feed(left, most)
            assert len(some) <= most
            lines += some
            left = splitter.left

    assert lines == expected_lines(data)
    assert splitter.offset + splitter.torn == len(data)


@given(
    data=jsonl_bytes,
    cuts=st.lists(st.integers(min_value=0)),
    max_line=st.integers(min_value=0, max_value=80),
)
@example(data=b"x" * 70 + b"\n", cuts=list(range(71)), max_line=69)
@example(data=b"x" * 70 + b"\n", cuts=[], max_line=70)
def test_a_line_too_long_is_passed_over_in_its_place(
    data: bytes, cuts: list[int], max_line: int
) -> None:
    """It keeps its offset and end, and its last bytes for the fingerprint; its bytes are gone."""
    splitter = Splitter(Offset(0), max_line=max_line)

    lines = [line for piece in cut(data, cuts) for line in splitter.feed(piece)]

    assert lines == expected_lines(data, max_line=max_line)
    assert splitter.tails == {
        line.end: data[line.offset : line.end][-TAIL_BYTES:] for line in lines if line.overlong
    }


def test_of_a_line_that_never_ends_only_its_last_bytes_are_kept() -> None:
    splitter = Splitter(Offset(0), max_line=1000)

    for _ in range(1000):
        splitter.feed(b"x" * 1000)

    assert splitter.torn == 1_000_000
    assert len(splitter._kept) <= 1000 + TAIL_BYTES


def test_tails_of_lines_behind_are_forgotten() -> None:
    splitter = Splitter(Offset(0), max_line=0)
    splitter.feed(b"a\nb\n")

    splitter.forget(Offset(2))

    assert splitter.tails == {4: b"b\n"}


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\u0085", "\r", "\v", "\f", "\x1c"])
def test_only_a_newline_ends_a_line(separator: str) -> None:
    line = f'{{"text":"a{separator}b"}}'.encode()

    assert Splitter(Offset(0)).feed(line + b"\n") == [Line(Offset(0), Offset(len(line) + 1), line)]
