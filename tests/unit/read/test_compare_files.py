"""Whether two files of one rollout hold the same bytes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from projector.discover.scan import stat_rollout
from projector.model.errors import TooManyOpenFiles
from projector.model.ids import RolloutFile
from projector.read.compare_files import Agreements
from projector.read.file_reader import OpenFile
from tests.support.homes import NAME, put, records

LONG = records(0, 60_000)


def found(path: Path) -> RolloutFile:
    file = stat_rollout(str(path), str(path.parent))
    assert isinstance(file, RolloutFile)
    return file


@pytest.mark.parametrize("suffixes", [("", ""), ("", ".zst"), (".zst", ".zst")])
@pytest.mark.parametrize(
    ("one", "other", "verdict"),
    [
        pytest.param(LONG, LONG, "same", id="the same bytes"),
        pytest.param(b"", b"", "same", id="both are empty"),
        pytest.param(LONG + b"x", LONG, "longer", id="one more byte"),
        pytest.param(LONG, LONG + b"x", "shorter", id="one byte less"),
        pytest.param(b"", LONG, "shorter", id="one is empty"),
        pytest.param(LONG + b"x", LONG + b"y", "differ", id="the last byte differs"),
        pytest.param(b"x" + LONG, LONG, "differ", id="the first byte differs"),
    ],
)
def test_compare(
    tmp_path: Path, suffixes: tuple[str, str], one: bytes, other: bytes, verdict: str
) -> None:
    first = found(put(tmp_path / "a", NAME + suffixes[0], one))
    second = found(put(tmp_path / "b", NAME + suffixes[1], other))

    assert Agreements().compare(first, second) == verdict


def test_of_files_that_grew_only_the_growth_is_compared(tmp_path: Path) -> None:
    agreements = Agreements()
    first, second = put(tmp_path / "a", NAME, LONG), put(tmp_path / "b", NAME, LONG)
    agreements.compare(found(first), found(second))
    before = agreements.bytes_read
    with first.open("ab") as file:
        file.write(b"more\n")

    assert agreements.compare(found(first), found(second)) == "longer"
    assert agreements.bytes_read - before < len(LONG) / 10


def test_of_files_that_did_not_change_nothing_is_read(tmp_path: Path) -> None:
    agreements = Agreements()
    first, second = found(put(tmp_path / "a", NAME)), found(put(tmp_path / "b", NAME))
    agreements.compare(first, second)
    before = agreements.bytes_read

    assert agreements.compare(first, second) == "same"
    assert agreements.bytes_read == before


def test_a_file_that_was_replaced_is_compared_from_its_start(tmp_path: Path) -> None:
    agreements = Agreements()
    first, second = put(tmp_path / "a", NAME, LONG), put(tmp_path / "b", NAME, LONG)
    agreements.compare(found(first), found(second))
    put(tmp_path / "c", NAME, b"x" + LONG[1:] + b"y").rename(first)

    assert agreements.compare(found(first), found(second)) == "differ"


def _gone(path: Path) -> None:
    path.unlink()


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_gone, _folder])
def test_a_file_that_cannot_be_read_is_told_from_one_that_differs(
    tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    first, second = put(tmp_path / "a", NAME), put(tmp_path / "b", NAME)
    one, other = found(first), found(second)
    spoil(first)

    assert Agreements().compare(one, other) == "unreadable"
    assert Agreements().compare(other, one) == "other unreadable"


def test_of_files_that_cannot_be_opened_for_now_nothing_new_is_said(tmp_path: Path) -> None:
    """Without descriptors; and what was found before holds."""
    starved = False

    def open_file(path: str) -> OpenFile:
        if starved:
            raise TooManyOpenFiles.at(path)
        return OpenFile(path)

    agreements = Agreements(open_file)
    first, second = put(tmp_path / "a", NAME, LONG + b"x"), put(tmp_path / "b", NAME, LONG)
    third = put(tmp_path / "c", NAME, LONG)
    assert agreements.compare(found(first), found(second)) == "longer"
    with first.open("ab") as file:
        file.write(b"more\n")
    starved = True

    assert agreements.compare(found(first), found(second)) == "longer"
    assert agreements.compare(found(first), found(third)) == "unreadable"
