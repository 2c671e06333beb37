"""Permission lost and regained; a disk that fails in the middle."""

from pathlib import Path

import pytest

from projector.model.errors import RolloutUnreadable
from projector.read.file_reader import File, Identity, OpenFile
from tests.support.homes import NAME, Follower, put, records


class Failing:
    """A file whose disk fails as told."""

    def __init__(self, file: File) -> None:
        self.file, self.reads_left = file, 10**9

    def pread(self, length: int, offset: int) -> bytes:
        self.reads_left -= 1
        if self.reads_left < 0:
            raise RolloutUnreadable(f"the disk fails at byte {offset}")
        return self.file.pread(length, offset)

    def identity(self) -> Identity:
        return self.file.identity()

    def close(self) -> None:
        self.file.close()


def test_permission_lost_and_regained(tmp_path: Path) -> None:
    """Set aside meanwhile; then it goes on, and nothing is lost."""
    denied = False

    def open_file(path: str) -> File:
        if denied:
            raise RolloutUnreadable(f"{path}: permission denied")
        return OpenFile(path)

    path = put(tmp_path, NAME, records(0, 10))
    follower = Follower(path, open_file)
    follower.follow()
    put(tmp_path, NAME, records(0, 20))
    follower.restart()
    denied = True
    with pytest.raises(RolloutUnreadable, match="permission denied"):
        follower.follow()
    denied = False

    follower.follow()

    assert follower.text == records(0, 20)


@pytest.mark.parametrize("suffix", ["", ".zst"])
@pytest.mark.parametrize("reads", range(6))
def test_a_disk_that_fails_at_any_read_costs_nothing(
    tmp_path: Path, suffix: str, reads: int
) -> None:
    """The error is raised; asked again, the reader goes on where it stood."""
    opened: list[Failing] = []

    def open_file(path: str) -> File:
        opened.append(Failing(OpenFile(path)))
        opened[-1].reads_left = reads if len(opened) == 1 else 10**9
        return opened[-1]

    follower = Follower(put(tmp_path, NAME + suffix, records(0, 90_000)), open_file)
    failed = False
    for _ in range(2):
        try:
            follower.follow()
        except RolloutUnreadable:
            failed = True
            opened[0].reads_left = 10**9

    assert follower.text == records(0, 90_000)
    assert failed or reads > 2
