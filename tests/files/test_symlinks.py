"""A home, its folders or a rollout itself by way of links."""

from pathlib import Path

from projector.discover.duplicates import choose
from projector.discover.scan import joined, scan
from projector.read.compare_files import Agreements
from tests.support.homes import DAY, NAME, Follower, put, records


def test_a_linked_rollout_is_followed(tmp_path: Path) -> None:
    target = put(tmp_path, "elsewhere", records(0, 3))
    (tmp_path / DAY).mkdir(parents=True)
    (tmp_path / DAY / NAME).symlink_to(target)
    (file,) = scan(str(tmp_path)).files
    follower = Follower(Path(file.path))
    follower.follow()
    with target.open("ab") as growing:
        growing.write(records(3, 2))

    follower.follow()

    assert file.size == len(records(0, 3))
    assert follower.text == records(0, 5)


def test_a_link_that_leads_elsewhere_now_is_another_file(tmp_path: Path) -> None:
    (tmp_path / NAME).symlink_to(put(tmp_path, "one", records(0, 3)))
    follower = Follower(tmp_path / NAME)
    follower.follow()
    (tmp_path / NAME).unlink()
    (tmp_path / NAME).symlink_to(put(tmp_path, "other", records(5, 3)))

    follower.follow()

    assert follower.text == records(5, 3)


def test_one_home_by_two_names_is_read_once(tmp_path: Path) -> None:
    put(tmp_path, f"home/{DAY}/{NAME}")
    (tmp_path / "link").symlink_to(tmp_path / "home")
    found = joined([scan(str(tmp_path / name)) for name in ("home", "link")])

    (choice,) = choose(found.files, Agreements().compare).values()

    assert choice.file.home == str(tmp_path / "home")
    assert [(over.passing, over.reason) for over in choice.passed_over] == [
        (True, f"the same file as {tmp_path}/home/{DAY}/{NAME}")
    ]
