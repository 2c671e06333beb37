"""session_index.jsonl → names of threads."""

import json
from pathlib import Path

import pytest

from projector.discover.names import read_names
from projector.place import ThreadId

ONE = ThreadId("0199f1b2-0000-7000-8000-000000000001")
TWO = ThreadId("0199f1b2-0000-7000-8000-000000000002")
JANUARY, JUNE = "2026-01-01T00:00:00Z", "2026-06-01T00:00:00.5Z"


def named(thread: str, name: object, at: object = JANUARY) -> bytes:
    return json.dumps({"id": thread, "thread_name": name, "updated_at": at}).encode() + b"\n"


def home(folder: Path, *lines: bytes) -> str:
    folder.mkdir()
    (folder / "session_index.jsonl").write_bytes(b"".join(lines))
    return str(folder)


def test_the_last_line_of_a_thread_counts_whatever_its_time(tmp_path: Path) -> None:
    here = home(tmp_path / "a", named(ONE, "first", JUNE), named(TWO, "other"), named(ONE, "last"))

    assert read_names(here) == {ONE: "last", TWO: "other"}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_several_homes_the_name_that_was_given_last_counts(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    home(tmp_path / "a", named(ONE, "newer", JUNE))
    home(tmp_path / "b", named(ONE, "older", JANUARY), named(TWO, "only here"))

    assert read_names(*(str(tmp_path / one) for one in order)) == {ONE: "newer", TWO: "only here"}


def test_of_names_given_at_once_the_first_homes_counts(tmp_path: Path) -> None:
    homes = [home(tmp_path / "a", named(ONE, "a")), home(tmp_path / "b", named(ONE, "b"))]

    assert read_names(*homes) == {ONE: "a"}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(b"{\n", id="a line that is torn"),
        pytest.param(b"[1]\n", id="a line that is no object"),
        pytest.param(b'{"thread_name":"x"}\n', id="a name of no thread"),
        pytest.param(named("no id", "x"), id="an id that is none"),
        pytest.param(b'{"id":"%s"}\n' % TWO.encode(), id="a thread without a name"),
    ],
)
def test_what_is_no_name_is_passed_over(tmp_path: Path, line: bytes) -> None:
    here = home(tmp_path / "a", named(ONE, "one"), line)

    assert read_names(here) == {ONE: "one"}


@pytest.mark.parametrize("at", [None, 7, "yesterday"])
def test_a_name_without_a_time_counts_where_nothing_is_newer(tmp_path: Path, at: object) -> None:
    here = home(tmp_path / "a", named(ONE, "one", at))

    assert read_names(here) == {ONE: "one"}
    assert read_names(here, home(tmp_path / "b", named(ONE, "dated"))) == {ONE: "dated"}


def test_a_home_without_the_file_has_no_names(tmp_path: Path) -> None:
    assert read_names(str(tmp_path)) == {}
