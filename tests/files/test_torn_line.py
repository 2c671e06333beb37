"""A last line without its newline: cut by a crash, or still being written."""

from pathlib import Path

from projector.model.ids import HEAD_BYTES, TAIL_BYTES
from projector.read.resume import UpToDate
from tests.support.homes import NAME, Follower, put, records


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def test_a_torn_line_waits_for_its_newline(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, records(0, 3)[:-1])
    follower = Follower(path)
    follower.follow()
    assert follower.text == records(0, 2)

    append(path, b"\n")
    follower.follow()

    assert follower.text == records(0, 3)


def test_a_line_that_comes_byte_by_byte_is_read_once(tmp_path: Path) -> None:
    """Each byte by itself; what is verified at each look is bounded."""
    path = put(tmp_path, NAME, records(0, 3))
    follower = Follower(path)
    follower.follow()
    for byte in b"x" * 2000:
        append(path, bytes([byte]))
        follower.follow()

        assert follower.bytes_read <= HEAD_BYTES + 2 * TAIL_BYTES + 1

    append(path, b"\n")
    follower.follow()

    assert follower.text == records(0, 3) + b"x" * 2000 + b"\n"


def test_nothing_new_behind_a_torn_line_is_nothing_new(tmp_path: Path) -> None:
    follower = Follower(put(tmp_path, NAME, records(0, 3) + b'{"torn'))
    follower.follow()

    assert follower.follow() == UpToDate()
    assert follower.reader is not None
    assert follower.reader.partial_bytes == len(b'{"torn')


def test_a_torn_line_cut_away_and_written_anew_is_read_as_it_is_now(tmp_path: Path) -> None:
    """Its first bytes were read already, and are dropped; the lines before it stay."""
    path = put(tmp_path, NAME, records(0, 3) + b'{"torn')
    follower = Follower(path)
    follower.follow()
    with path.open("r+b") as file:
        file.truncate(len(records(0, 3)))
        file.seek(0, 2)
        file.write(b'{"whole":1}\n')

    follower.follow()

    assert follower.text == records(0, 3) + b'{"whole":1}\n'


def test_a_torn_line_is_read_again_after_a_restart(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, records(0, 3) + b'{"torn')
    follower = Follower(path)
    follower.follow()
    follower.restart()
    append(path, b'":1}\n')

    follower.follow()

    assert follower.text == records(0, 3) + b'{"torn":1}\n'
