"""Bytes in pieces → whole lines at their places."""

import zlib
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projector.model.errors import RolloutUnreadable
from projector.model.ids import TAIL_BYTES, Line, Offset
from projector.read import lines as lines_module
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
    assert splitter.offset + splitter.partial_bytes == start + len(data)
    assert splitter.partial_bytes == len(data) - (data.rfind(b"\n") + 1)


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
    assert splitter.offset + splitter.partial_bytes == len(data)


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


RECORD = b'{"timestamp":"2026-11-01T10:00:00.000Z","type":"t","payload":{}}'


@given(
    runs=st.lists(
        st.tuples(
            st.lists(
                st.tuples(st.sampled_from([b"\0", b" ", b"x", b"{"]), st.integers(0, 300)),
                max_size=3,
            ),
            st.sampled_from([b"", RECORD]),
        ),
        max_size=4,
    ),
    cuts=st.lists(st.integers(min_value=0)),
    again=st.booleans(),
)
@example(runs=[([(b"x", 500)], b"")], cuts=list(range(600)), again=False)
@example(runs=[([(b"\0", 500)], RECORD)], cuts=[499, 501], again=True)
def test_a_long_line_that_does_not_begin_as_a_record_is_passed_over(
    runs: list[tuple[list[tuple[bytes, int]], bytes]],
    cuts: list[int],
    again: bool,  # noqa: FBT001 - given by name
) -> None:
    """The same however it is cut; a record behind it is found in its end."""
    texts = [b"".join(unit * times for unit, times in parts) + last for parts, last in runs]
    data = b"".join(text + b"\n" for text in texts)
    with pytest.MonkeyPatch.context() as patch:
        bounds = {"HELD_BYTES": 100, "PASSED_BYTES": 250, "WINDOW_BYTES": 200, "TAIL_BYTES": 64}
        for name, value in bounds.items():
            patch.setattr(lines_module, name, value)

        def split(cuts: list[int]) -> tuple[list[Line], dict[int, bytes], int | None]:
            fetch = (lambda length, at: data[at : at + length]) if again else None
            splitter = Splitter(Offset(0), fetch=fetch)
            lines = [line for piece in cut(data, cuts) for line in splitter.feed(piece)]
            return lines, splitter.tails, splitter.checksum

        lines, tails, checksum = split(cuts)
        assert (lines, checksum) == split([])[::2]

    assert checksum == zlib.crc32(data)
    assert [line.offset for line in lines] == [0, *(line.end for line in lines)][: len(lines)]
    for line in lines:
        whole = data[line.offset : line.end]
        first = whole.lstrip(b" \t\r\0")[:1]
        if line.overlong:
            assert tails[line.end] == whole[-64:]
            assert first != b"{" or len(whole) - len(whole.lstrip(b" \0")) >= 250
            assert (line.data == b"\0") == (not whole.strip(b" \0\n"))
        elif line.data:
            assert line.data == whole[:-1]
            assert len(line.data) <= 250 or first == b"{"
    whole_records = [line for line in lines if line.data.endswith(RECORD)]
    assert len(whole_records) == sum(text.endswith(RECORD) for text in texts)


short_lines = st.lists(
    st.tuples(
        st.sampled_from(
            [b"\n", b"\r\n", b" \t\n", b"\0\n", b"{}\n", b"  {} \n", b"\x0b\n", b"x" * 99]
        ),
        st.integers(1, 40),
    ).map(lambda one: one[0] * one[1]),
    max_size=8,
).map(b"".join)


@given(
    data=short_lines,
    cuts=st.lists(st.integers(min_value=0)),
    most=st.integers(-1, 50).filter(bool),
)
def test_blank_lines_come_as_one_and_nothing_is_lost(
    data: bytes, cuts: list[int], most: int
) -> None:
    """Of short lines only blank ones are not given one by one; every place has its last bytes."""
    splitter = Splitter(Offset(0))
    found: list[Line] = []
    for piece in cut(data, cuts):
        left = piece
        while left:
            found += splitter.feed(left, most)
            left = splitter.left

    def told(lines: list[Line]) -> list[Line]:
        return [line for line in lines if data[line.offset : line.end].strip(b" \t\r\x0c\n")]

    assert [line.offset for line in found] == [0, *(line.end for line in found)][: len(found)]
    assert told(found) == told(expected_lines(data))
    for line in found:
        if line.end - line.offset != len(line.data) + 1:
            assert splitter.tails[line.end] == data[line.offset : line.end][-TAIL_BYTES:]
    assert splitter.checksum == zlib.crc32(data[: splitter.offset])
    assert splitter.offset == data.rfind(b"\n") + 1


def test_a_file_of_newlines_is_few_lines() -> None:
    splitter = Splitter(Offset(0))

    lines = splitter.feed(b"\n" * (1 << 20))

    assert lines == [Line(Offset(0), Offset(1 << 20), b"")]


@given(data=jsonl_bytes, cuts=st.lists(st.integers(min_value=0)), held=st.integers(0, 80))
def test_a_long_line_is_fetched_and_not_held(data: bytes, cuts: list[int], held: int) -> None:
    """The same lines come out, and the same checksum; what can be read again takes no memory."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "HELD_BYTES", held)
        splitter = Splitter(Offset(0), fetch=lambda length, at: data[at : at + length])
        found: list[Line] = []
        for number, piece in enumerate(cut(data, cuts)):
            found += splitter.feed(piece)
            if number % 2:
                splitter.release()
            assert splitter.partial_bytes <= held or len(splitter._kept) <= TAIL_BYTES

    assert found == expected_lines(data)
    assert splitter.checksum == zlib.crc32(data[: splitter.offset])


@pytest.mark.parametrize("now", [b"xxxYxx", b"xxx", b"xx\nxxx"])
def test_a_long_line_that_is_another_one_when_it_is_fetched_is_refused(
    monkeypatch: pytest.MonkeyPatch, now: bytes
) -> None:
    monkeypatch.setattr(lines_module, "HELD_BYTES", 2)
    splitter = Splitter(Offset(0), fetch=lambda length, at: now[at : at + length])
    splitter.feed(b"xxxxxx")

    with pytest.raises(RolloutUnreadable):
        splitter.feed(b"\n")


def test_of_a_line_that_never_ends_only_its_last_bytes_are_kept() -> None:
    splitter = Splitter(Offset(0), max_line=1000)

    for _ in range(1000):
        splitter.feed(b"x" * 1000)

    assert splitter.partial_bytes == 1_000_000
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
