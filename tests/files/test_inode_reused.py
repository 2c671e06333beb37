"""A deleted rollout's inode is given to the next one within a second."""

from pathlib import Path

from projector.model.ids import HEAD_BYTES
from projector.read.resume import Restart, UpToDate
from tests.support.homes import NAME, Follower, put, records


def test_the_same_name_and_inode_with_other_bytes_is_another_file(tmp_path: Path) -> None:
    """In place: what a reused inode under the same name looks like after a restart."""
    path = put(tmp_path, NAME, records(100, 30))
    before = path.stat()
    follower = Follower(path)
    follower.follow()
    follower.restart()
    path.write_bytes(records(200, 30))

    decision = follower.follow()

    assert path.stat().st_ino == before.st_ino
    assert path.stat().st_size == before.st_size
    assert decision == Restart("other bytes at its start")


def test_another_inode_with_the_same_bytes_is_the_same_rollout(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, records(0, 30))
    assert len(records(0, 30)) > HEAD_BYTES
    follower = Follower(path)
    follower.follow()
    put(tmp_path, "other", records(0, 30)).rename(path)

    assert follower.follow() == UpToDate()
