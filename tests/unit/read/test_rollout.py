"""One rollout, from a checkpoint on. Programs of file actions are in `test_programs`."""

from pathlib import Path

import pytest

from projector.model.errors import RolloutUnreadable
from projector.model.ids import HEAD_BYTES, TAIL_BYTES, Checkpoint, Offset, Ordinal
from projector.read.resume import Restart, Resume, UpToDate
from projector.read.rollout import RolloutReader
from tests.support.homes import NAME, Follower, put, records
from tests.support.zst import NOISE, frame

DATA = records(0, 200)
VERIFIED = HEAD_BYTES + TAIL_BYTES


def checkpoint_at(path: Path, lines: int) -> Checkpoint:
    with RolloutReader(str(path), compressed=path.suffix == ".zst") as reader:
        reader.resume()
        reader.read(max_lines=lines)
        return Checkpoint(
            generation=0,
            offset=reader.offset,
            next_ordinal=Ordinal(0),
            fingerprint=reader.fingerprint(),
            state=b"",
        )


def test_no_call_gives_more_lines_than_it_was_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, (b"x" * 99 + b"\n") * 10_000)
    with RolloutReader(str(path), compressed=False) as reader:
        reader.resume()
        sizes = []
        while not reader.at_end:
            sizes.append(len(reader.read(max_lines=3000)))

    assert sizes == [3000, 3000, 3000, 1000]


def test_lines_that_wait_for_their_turn_are_not_forgotten(tmp_path: Path) -> None:
    """Looking again between two calls changes nothing."""
    path = put(tmp_path, NAME, DATA)
    with RolloutReader(str(path), compressed=False) as reader:
        reader.resume()
        lines = reader.read(max_lines=7)

        assert reader.resume() == Resume(lines[-1].end)
        assert len(lines + reader.read()) == 200


def test_no_call_reads_more_bytes_than_it_was_asked_for(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, DATA)
    with RolloutReader(str(path), compressed=False) as reader:
        reader.resume()
        reader.read(max_bytes=100)

        assert reader.bytes_read == 100


def test_in_a_long_line_nothing_is_given_and_it_is_not_the_end(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, b"x" * 1000 + b"\n")
    with RolloutReader(str(path), compressed=False) as reader:
        reader.resume()

        assert reader.read(max_bytes=600) == []
        assert not reader.at_end
        assert [line.end for line in reader.read(max_bytes=600)] == [1001]
        assert reader.at_end


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_of_a_rollout_read_to_its_end_only_the_fingerprint_is_read(
    tmp_path: Path, suffix: str
) -> None:
    path = put(tmp_path, NAME + suffix, DATA)
    there = checkpoint_at(path, 200)
    with RolloutReader(str(path), compressed=bool(suffix), at=there) as reader:
        assert reader.resume() == UpToDate()
        assert reader.at_end
        assert reader.read() == []
        assert reader.bytes_read <= VERIFIED
        assert reader.fingerprint() == there.fingerprint


@pytest.mark.parametrize("size", [True, False])
def test_a_compressed_rollout_goes_on_behind_its_checkpoint(tmp_path: Path, *, size: bool) -> None:
    there = checkpoint_at(put(tmp_path, NAME, DATA), 50)
    path = tmp_path / (NAME + ".zst")
    path.write_bytes(frame(DATA, size=size))
    with RolloutReader(str(path), compressed=True, at=there) as reader:
        assert reader.resume() == Resume(there.offset)
        assert b"".join(line.data + b"\n" for line in reader.read()) == DATA[there.offset :]


def test_a_compressed_rollout_of_another_tail_is_started_over(tmp_path: Path) -> None:
    """Its size is untold, its first bytes are the same: all before the checkpoint is unpacked."""
    data = records(0, 400)
    there = checkpoint_at(put(tmp_path, NAME, data), 350)
    path = tmp_path / (NAME + ".zst")
    path.write_bytes(frame(data[:1000] + b"#" + data[1001:], size=False))
    with RolloutReader(str(path), compressed=True, at=there) as reader:
        assert reader.resume() == Resume(there.offset)  # neither digest covers byte 1000
    path.write_bytes(frame(data[:1000] + b"##" + data[1001:], size=False))
    with RolloutReader(str(path), compressed=True, at=there) as reader:
        assert reader.resume() == Restart(f"other bytes before byte {there.offset}")


@pytest.mark.parametrize("left", [0.01, 0.5, 0.99])
def test_a_damaged_archive_does_not_cost_the_rows_projected_from_it(
    tmp_path: Path, left: float
) -> None:
    """Half a copy says nothing of the other half."""
    path = put(tmp_path, NAME + ".zst", NOISE + b"\n" + DATA)
    there = checkpoint_at(path, 200)
    packed = path.read_bytes()
    path.write_bytes(packed[: int(left * len(packed))])
    with (
        RolloutReader(str(path), compressed=True, at=there) as reader,
        pytest.raises(RolloutUnreadable, match=r"cut short: \d+ of the \d+ bytes projected"),
    ):
        reader.resume()


def test_what_can_be_read_of_a_damaged_archive_is_given(tmp_path: Path) -> None:
    path = tmp_path / (NAME + ".zst")
    path.write_bytes(frame(DATA) + frame(DATA)[:-5])
    follower = Follower(path)

    follower.follow()

    assert follower.text == DATA
    assert follower.reader is not None
    assert follower.reader.anomaly is not None
    assert follower.reader.anomaly.kind == "zst_truncated"
    assert follower.follow() == UpToDate()


def test_the_fingerprint_of_an_overlong_line_is_of_its_bytes(tmp_path: Path) -> None:
    """Not of the empty data it is given with."""
    path = put(tmp_path, NAME, b"{}\n" + b"x" * 900 + b"\n{}\n")
    with RolloutReader(str(path), compressed=False, max_line=100) as reader:
        reader.resume()
        lines = reader.read()
        overlong = [reader.fingerprint(line.end) for line in lines]
    with RolloutReader(str(path), compressed=False) as reader:
        reader.resume()
        kept = [reader.fingerprint(line.end) for line in reader.read()]

    assert [line.overlong for line in lines] == [False, True, False]
    assert overlong == kept


@pytest.mark.parametrize("lines", [1, 2, 7])
def test_the_fingerprint_before_the_last_lines_is_that_of_those_before(
    tmp_path: Path, lines: int
) -> None:
    path = put(tmp_path, NAME, DATA)
    with RolloutReader(str(path), compressed=False) as reader:
        reader.resume()
        reader.read(max_lines=lines)
        before, end = reader.fingerprint(), reader.offset
        reader.read(max_lines=lines)

        assert reader.fingerprint(end) == before


def test_of_a_line_never_given_there_is_no_fingerprint(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, DATA)
    with RolloutReader(str(path), compressed=False) as reader:
        reader.resume()
        reader.read(max_lines=2)
        with pytest.raises(AssertionError):
            reader.fingerprint(Offset(7))
