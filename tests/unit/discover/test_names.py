"""session_index.jsonl → names of threads."""

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.discover import names
from projector.discover.names import read_names
from projector.model.ids import ThreadId

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

    assert read_names(here).names == {ONE: "last", TWO: "other"}


@pytest.mark.parametrize("order", [("a", "b"), ("b", "a")])
def test_of_several_homes_the_name_that_was_given_last_counts(
    tmp_path: Path, order: tuple[str, str]
) -> None:
    home(tmp_path / "a", named(ONE, "newer", JUNE))
    home(tmp_path / "b", named(ONE, "older", JANUARY), named(TWO, "only here"))

    assert read_names(*(str(tmp_path / one) for one in order)).names == {
        ONE: "newer",
        TWO: "only here",
    }


def test_of_names_given_at_once_the_first_homes_counts(tmp_path: Path) -> None:
    homes = [home(tmp_path / "a", named(ONE, "a")), home(tmp_path / "b", named(ONE, "b"))]

    assert read_names(*homes).names == {ONE: "a"}


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

    assert read_names(here).names == {ONE: "one"}


# fmt: off
COUNTED = [
    # given, in this order          the name, as Codex lists it
    (["first", ""],                  "first"),
    (["good", "   "],                "good"),
    (["was", None],                  "was"),
    (["was", 7, True, ["x"], {}],    "was"),
    (["  padded\t\n"],               "padded"),
    (["line\nbreak"],                "line\nbreak"),
    (["\u00a0\u2003wide\u3000"],     "wide"),
    (["\x1funit separator"],         "\x1funit separator"),
    ([""],                           None),
    ([None],                         None),
    ([7],                            None),
    (["old", "new", " "],            "new"),
]
# fmt: on


@pytest.mark.parametrize(("given", "name"), COUNTED)
def test_the_last_string_that_is_not_blank_counts_trimmed(
    tmp_path: Path, given: list[object], name: str | None
) -> None:
    here = home(tmp_path / "a", *(named(ONE, one) for one in given))

    assert read_names(here).names.get(ONE) == name


def test_a_blank_name_of_one_home_does_not_hide_anothers(tmp_path: Path) -> None:
    homes = [home(tmp_path / "a", named(ONE, "a")), home(tmp_path / "b", named(ONE, " ", JUNE))]

    assert read_names(*homes).names == {ONE: "a"}


LINES = st.lists(
    st.one_of(
        st.builds(named, st.sampled_from([ONE, TWO]), st.sampled_from(["a", "bb", "", "c" * 60])),
        st.sampled_from([b"\n", b"\n\n\n", b"x\n", b"x" * 300 + b"\n", b"{\n"]),
    ),
    max_size=20,
)


@given(lines=LINES, newline=st.booleans(), chunk=st.integers(1, 200))
def test_wherever_the_pieces_are_cut_the_names_are_those_of_all_lines(
    lines: list[bytes], *, newline: bool, chunk: int
) -> None:
    """It is read from its end, a piece at a time; overlong lines are passed over."""
    text = b"".join(lines).removesuffix(b"" if newline else b"\n")
    expected: dict[str, str] = {}
    for line in text.split(b"\n"):
        with suppress(ValueError):
            entry = json.loads(line)
            if entry["thread_name"] and len(line) <= 150:
                expected[entry["id"]] = entry["thread_name"]
    with pytest.MonkeyPatch.context() as patch, TemporaryDirectory() as folder:
        patch.setattr(names, "_CHUNK", chunk)
        patch.setattr(names, "MAX_LINE", 150)
        Path(folder, "session_index.jsonl").write_bytes(text)

        assert read_names(folder).names == expected


@pytest.mark.parametrize("at", [None, 7, "yesterday"])
def test_a_name_without_a_time_counts_where_nothing_is_newer(tmp_path: Path, at: object) -> None:
    here = home(tmp_path / "a", named(ONE, "one", at))

    assert read_names(here).names == {ONE: "one"}
    assert read_names(here, home(tmp_path / "b", named(ONE, "dated"))).names == {ONE: "dated"}


def test_a_home_without_the_file_has_no_names(tmp_path: Path) -> None:
    assert read_names(str(tmp_path)).names == {}
