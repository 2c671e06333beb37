"""A rollout is renamed into archived_sessions, and back with a new time."""

import os
from pathlib import Path

import pytest

from projector.discover.scan import scan
from projector.model.errors import RolloutMissing
from projector.model.ids import HEAD_BYTES, TAIL_BYTES
from projector.read.resume import UpToDate
from tests.support.homes import DAY, NAME, Follower, put, records


@pytest.mark.parametrize("suffix", ["", ".zst"])
def test_a_rollout_is_followed_where_it_goes(tmp_path: Path, suffix: str) -> None:
    path = put(tmp_path, f"{DAY}/{NAME}{suffix}", records(0, 100))
    archived = tmp_path / "archived_sessions" / path.name
    archived.parent.mkdir()
    follower = Follower(path)
    follower.follow()

    for source, target in ((path, archived), (archived, path)):
        source.rename(target)
        os.utime(target)
        with pytest.raises(RolloutMissing):
            follower.follow()
        (file,) = scan(str(tmp_path)).files
        assert file.archived == (target == archived)
        follower.restart(file)

        assert follower.follow() == UpToDate()
        assert follower.bytes_read <= HEAD_BYTES + TAIL_BYTES


def test_it_grows_after_its_return(tmp_path: Path) -> None:
    path = put(tmp_path, f"archived_sessions/{NAME}", records(0, 100))
    follower = Follower(path)
    follower.follow()
    back = put(tmp_path, f"{DAY}/{NAME}", b"")
    path.rename(back)
    with back.open("ab") as file:
        file.write(records(100, 5))
    follower.restart(back)

    follower.follow()

    assert follower.text == records(0, 105)
