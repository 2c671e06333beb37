"""A rollout is compressed: both files for an instant, then another inode with the old time."""

from pathlib import Path

from projector.discover.duplicates import choose
from projector.discover.scan import scan
from projector.model.ids import HEAD_BYTES, TAIL_BYTES
from projector.read.compare_files import Agreements
from projector.read.resume import Resume, UpToDate
from tests.support.homes import DAY, NAME, Follower, put, records
from tests.support.zst import zstd


def test_nothing_is_read_again(tmp_path: Path) -> None:
    path = put(tmp_path, f"{DAY}/{NAME}", records(0, 5000))
    follower = Follower(path)
    follower.follow()
    packed = put(tmp_path, f"{DAY}/{NAME}.zst", records(0, 5000))
    path.unlink()

    follower.restart(packed)

    assert follower.follow() == UpToDate()
    assert follower.bytes_read <= HEAD_BYTES
    assert follower.checkpoint is not None
    assert follower.checkpoint.offset == len(records(0, 5000))


def test_what_was_not_read_before_is_read_from_the_compressed_one(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, records(0, 50))
    follower = Follower(path)
    follower.follow()
    follower.restart(put(tmp_path, f"{NAME}.zst", records(0, 80)))
    path.unlink()

    assert isinstance(follower.follow(), Resume)
    assert follower.text == records(0, 80)


def test_while_both_are_there_the_plain_one_is_it(tmp_path: Path) -> None:
    """And nobody is told of the other: it passes."""
    path = put(tmp_path, f"{DAY}/{NAME}", records(0, 5), mtime_ns=5)
    put(tmp_path, f"{DAY}/{NAME}.zst", records(0, 5), mtime_ns=5)

    (choice,) = choose(scan(str(tmp_path)).files, Agreements().compare).values()

    assert choice.file.path == str(path)
    assert [over.passing for over in choice.passed_over] == [True]


def test_a_checkpoint_of_the_compressed_one_holds_for_the_plain_one(tmp_path: Path) -> None:
    follower = Follower(put(tmp_path, f"{NAME}.zst", records(0, 50)))
    follower.follow()
    follower.restart(put(tmp_path, NAME, records(0, 60)))

    follower.follow()

    assert follower.text == records(0, 60)
    assert follower.bytes_read <= HEAD_BYTES + TAIL_BYTES + len(records(50, 10))


def test_a_frame_may_ask_for_a_window_of_32_mib(tmp_path: Path) -> None:
    """What long-range compression of long rollouts writes."""
    data = records(0, 60)
    parameters: dict[int, int] = {
        zstd.CompressionParameter.window_log: 25,
        zstd.CompressionParameter.enable_long_distance_matching: 1,
    }
    packer = zstd.ZstdCompressor(options=parameters)
    cut = data.index(b"\n", len(data) // 2) + 1
    packed = packer.compress(data[:cut], mode=packer.FLUSH_BLOCK)
    path = tmp_path / f"{NAME}.zst"
    path.write_bytes(packed)
    assert zstd.get_frame_info(packed).decompressed_size is None  # else the window is cut to it

    follower = Follower(path)
    follower.follow()
    path.write_bytes(packed + packer.compress(data[cut:]) + packer.flush())
    follower.restart(path)
    follower.follow()

    assert packed[5] == (25 - 10) << 3  # the descriptor of the window
    assert follower.text == data
