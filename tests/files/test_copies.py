"""Several files of one rollout: backups, copies between homes, hard links."""

import os
from pathlib import Path

from projector.discover.duplicates import SelectedFile, choose
from projector.discover.scan import joined, scan
from projector.read.compare_files import Agreements
from tests.support.homes import DAY, NAME, put, records


def chosen(*homes: Path) -> SelectedFile:
    files = joined([scan(str(home)) for home in homes]).files
    (choice,) = choose(files, Agreements().compare).values()
    return choice


def test_of_a_backup_and_what_grew_since_the_longer_is_it(tmp_path: Path) -> None:
    put(tmp_path / "a", f"{DAY}/{NAME}", records(0, 3), mtime_ns=9)
    longer = put(tmp_path / "b", f"{DAY}/{NAME}", records(0, 4), mtime_ns=5)

    assert chosen(tmp_path / "a", tmp_path / "b").file.path == str(longer)
    assert chosen(tmp_path / "b", tmp_path / "a").file.path == str(longer)


def test_of_two_that_went_different_ways_the_newer_is_it(tmp_path: Path) -> None:
    newer = put(tmp_path / "a", f"{DAY}/{NAME}", records(0, 3), mtime_ns=9)
    put(tmp_path / "b", f"{DAY}/{NAME}", records(0, 2) + records(7, 5), mtime_ns=5)

    choice = chosen(tmp_path / "a", tmp_path / "b")

    assert choice.file.path == str(newer)
    assert [over.reason for over in choice.passed_over] == [
        f"older than, and different from, {newer}"
    ]


def test_a_hard_link_between_homes_is_one_file(tmp_path: Path) -> None:
    path = put(tmp_path / "a", f"{DAY}/{NAME}")
    (tmp_path / "b" / DAY).mkdir(parents=True)
    os.link(path, tmp_path / "b" / DAY / NAME)

    choice = chosen(tmp_path / "a", tmp_path / "b")

    assert choice.file.path == str(path)
    assert [over.passing for over in choice.passed_over] == [True]


def test_a_copy_in_the_archive_falls_behind_the_one_in_sessions(tmp_path: Path) -> None:
    put(tmp_path, f"archived_sessions/{NAME}", records(0, 3))
    path = put(tmp_path, f"{DAY}/{NAME}", records(0, 3))

    assert chosen(tmp_path).file.path == str(path)
