"""Other bytes in the same inode: `sed -i --copy`, a restore, a sync tool."""

import os
from pathlib import Path

import pytest

from projector.read.resume import Restart
from tests.support.homes import NAME, Follower, put, records


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("more", [0, 1, 1000])
def test_other_bytes_in_the_same_inode_are_read_anew(
    tmp_path: Path, more: int, *, restarted: bool
) -> None:
    path = put(tmp_path, NAME, records(100, 100))
    before = path.stat()
    follower = Follower(path)
    follower.follow()
    if restarted:
        follower.restart()
    path.write_bytes(records(200, 100 + more))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_ino == before.st_ino

    assert follower.follow() == Restart("other bytes at its start")
    assert follower.text == records(200, 100 + more)


def test_a_change_right_before_the_checkpoint_is_seen(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, records(0, 100))
    follower = Follower(path)
    follower.follow()
    path.write_bytes(records(0, 99) + records(99, 1).replace(b"line", b"LINE"))

    assert isinstance(follower.follow(), Restart)


def test_a_change_behind_an_end_that_many_records_have_is_seen(tmp_path: Path) -> None:
    """A line fell out, and another that ends alike now ends where the checkpoint stands."""
    end = b'"kind":"x","more":{%s}}\n' % (b" " * 100)
    lines = [b'{"ordinal":%04d,%s' % (n, end) for n in range(200)]
    path = put(tmp_path, NAME, b"".join(lines[:150]))
    follower = Follower(path)
    follower.follow()
    path.write_bytes(b"".join(lines[:70] + lines[71:]))

    assert isinstance(follower.follow(), Restart)
