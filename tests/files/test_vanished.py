"""A rollout goes: between listing and reading, or while it is open."""

from pathlib import Path

import pytest

from projector.discover.scan import scan, stat_rollout
from projector.model.errors import RolloutMissing
from projector.read.resume import Restart
from tests.support.homes import DAY, NAME, Follower, put, records


def test_between_listing_and_reading(tmp_path: Path) -> None:
    path = put(tmp_path, f"{DAY}/{NAME}")
    (file,) = scan(str(tmp_path)).files
    path.unlink()

    with pytest.raises(RolloutMissing, match="not there any more"):
        Follower(Path(file.path)).follow()
    assert stat_rollout(file.path, str(tmp_path)) is None
    assert scan(str(tmp_path)).confirms_missing(file)


def test_while_it_is_open(tmp_path: Path) -> None:
    """The open file would still give its bytes; they are nobody's."""
    path = put(tmp_path, NAME, records(0, 3))
    follower = Follower(path)
    follower.follow()
    path.unlink()

    with pytest.raises(RolloutMissing):
        follower.follow()


def test_another_file_under_its_name_is_seen(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, records(0, 3))
    follower = Follower(path)
    follower.follow()
    path.unlink()
    put(tmp_path, NAME, records(7, 9))

    assert isinstance(follower.follow(), Restart)
    assert follower.text == records(7, 9)


def test_it_comes_back_as_it_was(tmp_path: Path) -> None:
    path = put(tmp_path, NAME, records(0, 30))
    follower = Follower(path)
    follower.follow()
    path.unlink()
    with pytest.raises(RolloutMissing):
        follower.follow()
    put(tmp_path, NAME, records(0, 31))

    follower.follow()

    assert follower.text == records(0, 31)
