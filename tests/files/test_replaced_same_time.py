"""Another file renamed over it, with the old time: what a migration does."""

import os
from pathlib import Path

import pytest

from projector.discover.scan import scan
from projector.model.ids import HEAD_BYTES, TAIL_BYTES
from projector.read.resume import Restart
from tests.support.homes import DAY, NAME, Follower, put, records


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("longer", [False, True])
def test_a_migrated_rollout_is_read_anew(tmp_path: Path, *, restarted: bool, longer: bool) -> None:
    old = records(0, 100) if longer else records(0, 100).replace(b'"text"', b'"longer text"')
    new = b'{"mode":"paginated"}\n' + records(0, 100)
    path = put(tmp_path, f"{DAY}/{NAME}", old)
    follower = Follower(path)
    follower.follow()
    (before,) = scan(str(tmp_path)).files
    if restarted:
        follower.restart()
    fresh = put(tmp_path, f"{DAY}/.{NAME[:-6]}.paginated.tmp", new, mtime_ns=before.mtime_ns)
    fresh.rename(path)

    (after,) = scan(str(tmp_path)).files
    decision = follower.follow()

    assert after != before
    assert after.mtime_ns == before.mtime_ns
    assert isinstance(decision, Restart)
    assert follower.text == new


def test_a_replacement_with_the_same_bytes_changes_nothing(tmp_path: Path) -> None:
    """Copied back from a backup: another inode, and nothing is read again."""
    path = put(tmp_path, NAME, records(0, 100))
    follower = Follower(path)
    follower.follow()
    put(tmp_path, "copy", records(0, 101)).rename(path)

    follower.follow()

    assert follower.text == records(0, 101)
    assert follower.bytes_read <= HEAD_BYTES + TAIL_BYTES + len(records(100, 1))
    assert os.listdir(tmp_path) == [NAME]
