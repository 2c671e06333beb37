"""What a person names → rollouts."""

import os
from pathlib import Path

import pytest

from projector.discover.paths import scan_path
from tests.support.homes import DAY, NAME, THREAD, name_of, put


@pytest.fixture
def home(tmp_path: Path) -> Path:
    put(tmp_path, f"home/{DAY}/{NAME}")
    put(tmp_path, f"home/{DAY}/{name_of(1, 5)}")
    put(tmp_path, f"home/archived_sessions/{name_of(2)}")
    return tmp_path / "home"


def found(named: str, home: Path) -> set[str]:
    scan = scan_path(named, [str(home)])
    assert scan.faults == ()
    assert {file.home for file in scan.files} == {str(home)}
    return {os.path.relpath(file.path, home) for file in scan.files}


def test_a_file_is_that_rollout(home: Path) -> None:
    assert found(str(home / DAY / NAME), home) == {f"{DAY}/{NAME}"}


def test_a_folder_is_all_rollouts_below(home: Path) -> None:
    assert found(str(home / "sessions"), home) == {f"{DAY}/{NAME}", f"{DAY}/{name_of(1, 5)}"}
    assert found(str(home / "archived_sessions"), home) == {f"archived_sessions/{name_of(2)}"}


def test_a_home_is_all_of_its_rollouts(home: Path) -> None:
    assert len(found(str(home), home)) == 3


def test_a_thread_is_all_of_its_rollouts(home: Path) -> None:
    assert found(THREAD, home) == {f"{DAY}/{NAME}", f"{DAY}/{name_of(1, 5)}"}
    assert found(THREAD.upper(), home) == found(THREAD, home)


def test_the_id_of_a_later_rollout_is_that_one(home: Path) -> None:
    assert found("0199f1b2-0000-7000-9000-000000000005", home) == {f"{DAY}/{name_of(1, 5)}"}


def test_a_path_may_be_relative(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(home / DAY)

    assert found(NAME, home) == {f"{DAY}/{NAME}"}


def test_a_rollout_elsewhere_belongs_to_the_home_it_lies_in(home: Path, tmp_path: Path) -> None:
    """Known by the folder that is named as Codex names it; without one, its own folder."""
    loose = put(tmp_path, f"loose/{name_of(3)}")

    (file,) = scan_path(str(home / "archived_sessions" / name_of(2)), ["/nowhere"]).files
    assert (file.home, file.archived) == (str(home), True)
    (file,) = scan_path(str(loose), [str(home)]).files
    assert file.home == str(tmp_path / "loose")
    (file,) = scan_path(str(tmp_path / "loose"), [str(home)]).files
    assert file.home == str(tmp_path / "loose")


UNKNOWN = "0199f1b2-0000-7000-8000-0000000000ff"
KINDS = "Name a rollout, a folder or a thread id"
LOOKED = "Looked in HOME; name another home with --codex-home DIR"
NAMED = "A rollout is named rollout-TIME-THREAD.jsonl, or .jsonl.zst"


@pytest.mark.parametrize(
    ("named", "line"),
    [
        ("no/such", f"no/such: no such file, folder or thread. {KINDS}"),
        (UNKNOWN, f"{UNKNOWN}: no rollout of this thread. {LOOKED}"),
        ("HOME/config.toml", f"HOME/config.toml: not the name of a rollout. {NAMED}"),
    ],
)
def test_what_stands_for_no_rollout_is_a_fault(home: Path, named: str, line: str) -> None:
    put(home, "config.toml")

    scan = scan_path(named.replace("HOME", str(home)), [str(home)])

    assert scan.files == ()
    assert [str(fault) for fault in scan.faults] == [line.replace("HOME", str(home))]
