"""Which rollouts there are, by a look at the folders."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from projector.discover.scan import (
    MAX_DEPTH,
    Fault,
    Scan,
    joined,
    scan,
    scan_folder,
    scan_homes,
    stat_rollout,
    walk,
)
from projector.model.file_index import FileIndex, id_of, key_of
from projector.model.ids import RolloutFile
from tests.support.homes import DAY, NAME, name_of, put


def paths(found: Scan, home: Path) -> set[str]:
    return {os.path.relpath(file.path, home) for file in found.files}


# fmt: off
PLACES = [
    ("in the folder of a day",              f"{DAY}/{NAME}"),
    ("compressed",                          f"{DAY}/{NAME}.zst"),
    ("of a revert",                         f"{DAY}/{name_of(1, 2)}"),
    ("of mid 2025, without a time",         "sessions/" + NAME.replace("T10-00-00", "")),
    ("right under sessions",                f"sessions/{NAME}"),
    ("deep under sessions",                 "sessions/" + "a/" * MAX_DEPTH + NAME),
    ("archived",                            f"archived_sessions/{NAME}"),
    ("archived and compressed",             f"archived_sessions/{NAME}.zst"),
    ("in a folder of an odd name",     f"sessions/ÄÖ \u2028/{NAME}"),
]
PASSED_OVER = [
    ("a migration's temporary file",        f"{DAY}/.{NAME[:-6]}.paginated.tmp"),
    ("an unpacking's temporary file",       f"{DAY}/.{NAME[:-6]}.decompressed.tmp"),
    ("a compression's temporary file",      f"{DAY}/rollout-compress-aB3dEf.tmp"),
    ("a materialisation's temporary file",  f"{DAY}/.rollout-materialize-aB3dEf"),
    ("a backup",                            f"{DAY}/{NAME}.bak"),
    ("another suffix",                      f"{DAY}/{NAME}.gz"),
    ("no id",                               f"{DAY}/rollout-2026-11-20T10-00-00.jsonl"),
    ("another folder of the home",          f"worktrees/{NAME}"),
    ("the home itself",                     NAME),
]
# fmt: on


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in PLACES])
def test_a_rollout_is_found(tmp_path: Path, path: str) -> None:
    put(tmp_path, path)

    found = scan(str(tmp_path))

    assert paths(found, tmp_path) == {path}
    assert found.faults == ()
    assert found.files[0].archived == path.startswith("archived_sessions/")
    assert found.files[0].name.compressed == path.endswith(".zst")


@pytest.mark.parametrize("path", [pytest.param(path, id=name) for name, path in PASSED_OVER])
def test_anything_else_is_passed_over(tmp_path: Path, path: str) -> None:
    put(tmp_path, path)

    assert scan(str(tmp_path)).files == ()
    assert scan(str(tmp_path)).faults == ()


def test_a_rollout_is_described_as_it_is(tmp_path: Path) -> None:
    path = put(tmp_path, f"{DAY}/{NAME}", b"12345", mtime_ns=77)

    (file,) = scan(str(tmp_path)).files

    assert (file.size, file.mtime_ns) == (5, 77)
    assert (file.device, file.inode) == (path.stat().st_dev, path.stat().st_ino)
    assert (file.home, file.path) == (str(tmp_path), str(path))
    assert stat_rollout(str(path), str(tmp_path)) == file


def test_a_rollout_that_did_not_change_is_the_same_bytes_again(tmp_path: Path) -> None:
    put(tmp_path, f"{DAY}/{name_of(1)}")
    grown = put(tmp_path, f"{DAY}/{name_of(2)}")
    before, _ = scan_homes([str(tmp_path)], FileIndex(), lambda mine, _: mine, {})
    with grown.open("ab") as file:
        file.write(b"{}\n")

    after, _ = scan_homes([str(tmp_path)], before, lambda mine, _: mine, {})

    assert [after[id_of(one)].path for one in after.unlike(before)] == [str(grown)]
    keys = list(map(key_of, sorted(after)))
    assert [after.record(key) is before.record(key) for key in keys] == [True, False]
    assert set(after.values()) == set(scan(str(tmp_path)).files)


def test_a_missing_home_is_a_fault_that_says_what_to_do(tmp_path: Path) -> None:
    found = scan(str(tmp_path / "none"))

    assert found.files == ()
    assert [str(fault) for fault in found.faults] == [
        f"{tmp_path}/none: not there. Name Codex's home with --codex-home DIR or CODEX_HOME"
    ]


def test_a_home_that_was_removed_and_is_still_mounted_vouches_for_nothing(tmp_path: Path) -> None:
    """A sandbox keeps the folder that it was shown, empty; what is there by now it cannot see."""
    file = put(tmp_path, f"sessions/2026/01/05/{NAME}")
    (known,) = scan(str(tmp_path)).files
    shown = os.open(tmp_path, os.O_PATH)
    try:
        home = f"/proc/self/fd/{shown}"
        shutil.rmtree(tmp_path)
        found = scan(home)
    finally:
        os.close(shown)

    (fault,) = found.faults
    assert str(fault).startswith(f"{home}: was removed. If it is there again: restart the daemon")
    assert not file.exists()
    assert not found.confirms_missing(structs.replace(known, home=home, path=f"{home}/{NAME}"))


def test_a_home_that_codex_has_not_used_yet_is_no_fault(tmp_path: Path) -> None:
    assert scan(str(tmp_path)).faults == ()


def test_a_file_where_a_folder_is_expected_is_a_fault(tmp_path: Path) -> None:
    put(tmp_path, "sessions")
    put(tmp_path, f"archived_sessions/{NAME}")

    found = scan(str(tmp_path))

    assert len(found.files) == 1
    assert found.faults == (Fault(f"{tmp_path}/sessions", "unreadable", "not a folder"),)


def test_a_folder_where_a_file_is_expected_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / DAY / NAME).mkdir(parents=True)
    put(tmp_path, f"{DAY}/{name_of(2)}")

    found = scan(str(tmp_path))

    assert len(found.files) == 1
    assert [(fault.kind, fault.reason) for fault in found.faults] == [("not a file", "is a folder")]


def test_linked_homes_and_folders_are_followed(tmp_path: Path) -> None:
    put(tmp_path, f"elsewhere/{DAY}/{NAME}")
    (tmp_path / "home").mkdir()
    (tmp_path / "home/sessions").symlink_to(tmp_path / "elsewhere/sessions")
    (tmp_path / "link").symlink_to(tmp_path / "home")

    found = scan(str(tmp_path / "link"))

    assert paths(found, tmp_path) == {f"link/{DAY}/{NAME}"}


def test_a_circle_of_links_ends_and_nothing_is_found_twice(tmp_path: Path) -> None:
    put(tmp_path, f"{DAY}/{NAME}")
    (tmp_path / "sessions/0000").symlink_to(tmp_path / "sessions")
    (tmp_path / "sessions/0001").symlink_to(tmp_path / "sessions/2026/11")
    (tmp_path / DAY / "up").symlink_to(tmp_path)

    found = scan(str(tmp_path))

    assert paths(found, tmp_path) == {f"{DAY}/{NAME}"}
    assert found.faults == ()


@pytest.mark.parametrize("link", ["sessions", "sessions/2026", f"{DAY}/{NAME}"])
def test_what_lies_behind_a_link_to_nothing_is_not_gone(tmp_path: Path, link: str) -> None:
    """It may be a disk that is not mounted."""
    put(tmp_path, "config.toml")
    put(tmp_path, f"{DAY}/{NAME}")
    (file,) = scan(str(tmp_path)).files
    (tmp_path / link).rename(tmp_path / "elsewhere")
    (tmp_path / link).symlink_to(tmp_path / "nothing")

    found = scan(str(tmp_path))

    assert [(fault.path, fault.reason) for fault in found.faults] == [
        (f"{tmp_path}/{link}", "a link to nothing")
    ]
    assert not found.confirms_missing(file)


def test_a_link_to_itself_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / DAY).mkdir(parents=True)
    (tmp_path / DAY / "self").symlink_to(tmp_path / DAY / "self")

    assert [fault.reason for fault in scan(str(tmp_path)).faults] == ["a link to nothing"]


def test_folders_that_are_too_deep_are_named(tmp_path: Path) -> None:
    put(tmp_path, "sessions/" + "a/" * (MAX_DEPTH + 1) + NAME)

    found = scan(str(tmp_path))

    assert found.files == ()
    assert [fault.kind for fault in found.faults] == ["too deep"]


@contextmanager
def denied(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Refuse one folder, for root as well."""
    really_scan = os.scandir

    def scandir(folder: str) -> object:
        if folder == str(path):
            raise PermissionError(13, "Permission denied")
        return really_scan(folder)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", scandir)
        yield


def test_an_unreadable_folder_is_a_fault_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, f"{DAY}/{NAME}")
    put(tmp_path, f"sessions/2026/12/01/{name_of(2)}")

    with denied(tmp_path / DAY, monkeypatch):
        found = scan(str(tmp_path))

    assert paths(found, tmp_path) == {f"sessions/2026/12/01/{name_of(2)}"}
    day = tmp_path / DAY
    assert [str(fault) for fault in found.faults] == [
        f"{day}: permission denied. Fix: chmod u+rx {day}, or run as its owner"
    ]


def test_rollouts_come_one_by_one(tmp_path: Path) -> None:
    for number in range(50):
        put(tmp_path, f"{DAY}/{name_of(number)}")

    stream = walk(str(tmp_path))
    first = next(stream)
    for path in (tmp_path / DAY).iterdir():
        if not isinstance(first, Fault) and str(path) != first.path:
            path.unlink()

    assert list(stream) == []  # none of them had been looked at


def test_one_folder_can_be_looked_into_again(tmp_path: Path) -> None:
    put(tmp_path, f"{DAY}/{name_of(1)}")
    put(tmp_path, f"sessions/2026/12/{name_of(2)}")

    found = scan_folder(str(tmp_path / "sessions/2026/12"), str(tmp_path))

    assert paths(found, tmp_path) == {f"sessions/2026/12/{name_of(2)}"}


def test_what_is_no_rollout_is_not_looked_at(tmp_path: Path) -> None:
    put(tmp_path, f"{DAY}/notes.txt")

    assert stat_rollout(str(tmp_path / DAY / "notes.txt"), str(tmp_path)) is None
    assert stat_rollout(str(tmp_path / DAY / NAME), str(tmp_path)) is None


def test_scans_of_several_homes_are_one(tmp_path: Path) -> None:
    put(tmp_path, f"a/{DAY}/{NAME}")
    put(tmp_path, f"b/{DAY}/{NAME}")
    homes = [str(tmp_path / "a"), str(tmp_path / "b"), str(tmp_path / "c")]

    found = joined([scan(home) for home in homes])

    assert paths(found, tmp_path) == {f"a/{DAY}/{NAME}", f"b/{DAY}/{NAME}"}
    assert [fault.path for fault in found.faults] == [str(tmp_path / "c")]


# What a scan can vouch for


@pytest.fixture
def file(tmp_path: Path) -> RolloutFile:
    put(tmp_path, f"{DAY}/{NAME}")
    put(tmp_path, "config.toml")
    return scan(str(tmp_path)).files[0]


def test_a_file_that_was_deleted_is_gone(tmp_path: Path, file: RolloutFile) -> None:
    (tmp_path / DAY / NAME).unlink()

    assert scan(str(tmp_path)).confirms_missing(file)


def test_a_folder_that_was_deleted_takes_its_files_along(tmp_path: Path, file: RolloutFile) -> None:
    shutil.rmtree(tmp_path / "sessions")

    assert scan(str(tmp_path)).confirms_missing(file)


def test_what_a_missing_home_held_is_not_gone(tmp_path: Path, file: RolloutFile) -> None:
    shutil.rmtree(tmp_path)

    assert not scan(str(tmp_path)).confirms_missing(file)


def test_what_an_unreadable_folder_holds_is_not_gone(
    tmp_path: Path, file: RolloutFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    with denied(tmp_path / DAY, monkeypatch):
        assert not scan(str(tmp_path)).confirms_missing(file)
    with denied(tmp_path / "sessions", monkeypatch):
        assert not scan(str(tmp_path)).confirms_missing(file)


def test_what_a_home_held_that_is_not_mounted_is_not_gone(
    tmp_path: Path, file: RolloutFile
) -> None:
    """An empty folder on another device than the file was on: a mount point without its mount."""
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    mounted = RolloutFile(
        name=file.name, home=file.home, path=file.path, archived=False, size=file.size,
        mtime_ns=file.mtime_ns, inode=file.inode, device=file.device + 1,
    )  # fmt: skip

    assert not scan(str(tmp_path)).confirms_missing(mounted)
    assert scan(str(tmp_path)).confirms_missing(file)


def test_a_scan_does_not_vouch_for_other_homes(tmp_path: Path, file: RolloutFile) -> None:
    put(tmp_path, f"other/{DAY}/{NAME}")

    assert not scan(str(tmp_path / "other")).confirms_missing(file)


# What is not listed again


class Again:
    """A home that is looked over again and again, as the daemon does it."""

    def __init__(self, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.home, self._patch = home, monkeypatch
        self._known, self._listings = FileIndex(), dict[str, Any]()
        self.listed: list[str] = []
        self._now = time.time_ns
        self.settle()

    def settle(self) -> None:
        """Let time pass: what was changed by now was changed long ago."""
        now = self._now() + 10_000_000_000
        self._patch.setattr(time, "time_ns", lambda: now)

    def look(self) -> dict[str, RolloutFile]:
        """Give what was found, by path; `listed` tells which folders were listed for it."""
        really_scan, self.listed = os.scandir, []

        def scandir(folder: str) -> object:
            self.listed.append(os.path.relpath(folder, self.home))
            return really_scan(folder)

        with self._patch.context() as patch:
            patch.setattr(os, "scandir", scandir)
            self._known, found = scan_homes(
                [str(self.home)], self._known, lambda mine, _: mine, self._listings
            )
        whole = scan(str(self.home))
        assert set(self._known.values()) == set(whole.files)
        assert (found.folders, found.faults) == (whole.folders, whole.faults)
        assert found.devices == whole.devices
        return {file.path: file for file in self._known.values()}


@pytest.fixture
def again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Again:
    put(tmp_path, f"{DAY}/{name_of(1)}")
    put(tmp_path, f"{DAY}/{name_of(2)}")
    put(tmp_path, f"{DAY}/notes.txt")
    return Again(tmp_path, monkeypatch)


def test_a_folder_that_is_as_it_was_is_not_listed_again(again: Again) -> None:
    again.look()
    assert DAY in again.listed

    assert len(again.look()) == 2
    assert again.listed == ["."]


def test_a_folder_that_has_changed_just_now_is_listed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its times may be the same after one more change."""
    put(tmp_path, f"{DAY}/{name_of(1)}")
    again = Again(tmp_path, monkeypatch)
    monkeypatch.undo()
    again.look()
    again.look()

    assert DAY in again.listed


@pytest.mark.parametrize(
    "change",
    [
        lambda day: put(day, name_of(3)),
        lambda day: (day / name_of(1)).unlink(),
        lambda day: (day / name_of(1)).write_bytes(b"{}\n{}\n"),
        lambda day: (day / name_of(1)).rename(day / name_of(4)),
        lambda day: (day / name_of(1)).rename(put(day.parent / "other", "x").with_name(name_of(1))),
        lambda day: put(day / "deeper", name_of(5)),
        shutil.rmtree,
        lambda day: (day / name_of(6)).mkdir(),
        lambda day: (day / name_of(7)).symlink_to(day / name_of(1)),
        lambda day: (day / "linked").symlink_to(put(day.parent / "far", name_of(8)).parent),
        lambda day: (day / "dead").symlink_to(day / "nothing"),
        lambda day: os.utime(day / name_of(1), (5, 5)),
    ],
)
def test_whatever_changes_in_a_folder_is_seen(
    again: Again, change: Callable[[Path], object]
) -> None:
    """Each look is held against one that knows nothing before."""
    again.look()
    change(again.home / DAY)
    again.look()
    again.settle()
    again.look()
    again.look()


def test_what_a_link_leads_to_is_looked_at_again(again: Again) -> None:
    far = put(again.home, f"far/{name_of(9)}")
    (again.home / DAY / "linked").symlink_to(far.parent)
    (again.home / DAY / name_of(3)).symlink_to(put(again.home, f"file/{name_of(3)}"))
    again.settle()
    again.look()
    far.with_name(name_of(10)).write_bytes(b"{}\n")
    shutil.rmtree(again.home / "file")

    again.look()


def test_a_second_file_is_chosen_against_one_in_a_folder_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    homes = [str(tmp_path / "a"), str(tmp_path / "b")]
    put(tmp_path, f"b/{DAY}/{NAME}")
    monkeypatch.setattr(time, "time_ns", lambda: time.time() * 1e9 + 1e10)
    asked: list[str] = []

    def other(mine: RolloutFile, file: RolloutFile) -> RolloutFile:
        asked.append(file.path)
        return mine

    listings: dict[str, Any] = {}
    before, _ = scan_homes(homes, FileIndex(), other, listings)
    assert str(tmp_path / "b" / DAY) in listings
    added = put(tmp_path, f"a/{DAY}/{NAME}")
    after, _ = scan_homes(homes, before, other, listings)

    assert [file.path for file in after.values()] == [str(added)]
    assert asked == [str(tmp_path / "b" / DAY / NAME)]
