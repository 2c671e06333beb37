"""A folder with the name of a rollout."""

from pathlib import Path

import pytest

from projector.discover.scan import scan, stat_rollout
from projector.model.errors import RolloutUnreadable
from tests.support.homes import DAY, NAME, Follower, name_of, put


def test_it_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    put(tmp_path, f"{DAY}/{NAME}/{name_of(7)}")
    put(tmp_path, f"{DAY}/{name_of(2)}")

    found = scan(str(tmp_path))

    assert [file.path for file in found.files] == [str(tmp_path / DAY / name_of(2))]
    assert [str(fault) for fault in found.faults] == [
        f"{tmp_path}/{DAY}/{NAME}: is a folder. Move it away: its name is a rollout's"
    ]
    assert stat_rollout(str(tmp_path / DAY / NAME), str(tmp_path)) == found.faults[0]


def test_it_comes_between_listing_and_reading(tmp_path: Path) -> None:
    path = put(tmp_path, NAME)
    follower = Follower(path)
    follower.follow()
    path.unlink()
    path.mkdir()

    with pytest.raises(RolloutUnreadable, match="is a folder"):
        follower.follow()
