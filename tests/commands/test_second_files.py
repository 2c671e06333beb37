"""Further files of a rollout: what is said of them, and taken back when they are gone."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from projector.serve.doctor.duplicates import copied_name
from tests.support import paginated
from tests.support.stage import asked, projector

NAME = f"rollout-2026-11-01T10-00-00-{paginated.THREAD}.jsonl"
RECORDS = (
    paginated.meta(),
    paginated.started("t"),
    paginated.item("t", paginated.user("u")),
    paginated.complete("t"),
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A rollout of four records."""
    day = tmp_path / "home/sessions/2026/11/01"
    day.mkdir(parents=True)
    (day / NAME).write_bytes(paginated.text(*RECORDS))
    return day / NAME


def second_files(folder: Path) -> object:
    (count,) = asked(folder, "SELECT count(*) FROM anomalies WHERE kind = 'second_file'")
    return count


def test_a_second_file_that_was_taken_away_is_warned_of_no_longer(
    tmp_path: Path, path: Path
) -> None:
    archive = tmp_path / "home/archived_sessions"
    archive.mkdir()
    shutil.copy2(path, archive)
    projector(tmp_path, "backfill")
    assert second_files(tmp_path) == 1
    assert "anomalies: second_file" in projector(tmp_path, "doctor").output
    projector(tmp_path, "backfill")
    assert second_files(tmp_path) == 1  # noted once, and kept

    (archive / NAME).unlink()
    projector(tmp_path, "backfill")

    assert second_files(tmp_path) == 0
    assert "anomalies: second_file" not in projector(tmp_path, "doctor").output


def test_of_two_the_other_one_may_go(tmp_path: Path, path: Path) -> None:
    """The one that was passed over is the only one then."""
    archive = tmp_path / "home/archived_sessions"
    archive.mkdir()
    shutil.copy2(path, archive)
    projector(tmp_path, "backfill")
    path.unlink()
    projector(tmp_path, "backfill")

    assert second_files(tmp_path) == 0
    assert asked(tmp_path, "SELECT archived, deleted FROM threads") == (1, 0)


NAMES = [
    f"{NAME[:-6]}.sync-conflict-20261101-101010-ABCDEFG.jsonl",
    f"{NAME[:-6]} (Robin's conflicted copy 2026-11-01).jsonl",
    f"{NAME[:-6]} 2.jsonl",
    f"{NAME[:-6]} (1).jsonl",
    f"{NAME}.bak",
    f"{NAME}~",
    f"Copy of {NAME}",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_copy_with_records_of_its_own_is_told(tmp_path: Path, path: Path, name: str) -> None:
    """One that holds nothing else is not."""
    path.with_name(name).write_bytes(paginated.text(*RECORDS[:-1]))
    projector(tmp_path, "backfill")
    assert "copies" not in projector(tmp_path, "doctor").output

    other = paginated.item("t", paginated.user("another"))
    path.with_name(name).write_bytes(paginated.text(other))

    assert f"{name}: a copy by its name, with records" in projector(tmp_path, "doctor").output


@pytest.mark.parametrize("name", [NAME, f"{NAME}.zst", "notes.jsonl", f"{NAME[:-6]}.txt"])
def test_other_files_are_no_copies(name: str) -> None:
    assert copied_name(name) is None
