"""Which thread a text stands for."""

from __future__ import annotations

import pytest

from projector.serve.history.resolve import resolve
from projector.serve.history.table import title
from projector.store.questions.history import Titled


def thread(thread_id: str, name: str | None = None, preview: str | None = None) -> Titled:
    return Titled(thread_id, name, preview, 0)


ONE, TWO = thread("019b-1111", "ab"), thread("019b-1112", "019b-1111")
THREE = thread("019c-1111")
KETTLE = thread("019d", "A faster kettle")
CUPS = thread("019e", None, "How many\n  cups are there?")
LONG = thread("019f", "faster " * 50)
ALL = [ONE, TWO, THREE, KETTLE, CUPS, LONG]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        pytest.param("019c-1111", [THREE], id="a whole id"),
        pytest.param("019b-1111", [ONE], id="a whole id, before a name that reads the same"),
        pytest.param("019C", [THREE], id="the start of an id, in any case"),
        pytest.param("019b", [ONE, TWO], id="a start that two have"),
        pytest.param("01", [], id="too short a start"),
        pytest.param("ab", [ONE], id="a name, however short"),
        pytest.param("AB", [ONE], id="a name in another case"),
        pytest.param("A faster kettle", [KETTLE], id="a name before those that it is a part of"),
        pytest.param("how many cups are there?", [CUPS], id="a preview as it is shown"),
        pytest.param("A fast…", [KETTLE], id="a name as it is cut"),
        pytest.param("cups", [CUPS], id="a part of a preview"),
        pytest.param("faster", [KETTLE, LONG], id="a part that two have"),
        pytest.param("…", [], id="nothing but a cut"),
        pytest.param(" ", [], id="nothing"),
        pytest.param("nowhere", [], id="none"),
    ],
)
def test_what_a_text_stands_for(text: str, found: list[Titled]) -> None:
    assert found == resolve(text, ALL)


@pytest.mark.parametrize("one", [KETTLE, CUPS, LONG])
def test_whatever_threads_shows_names_the_thread(one: Titled) -> None:
    said = title({"name": one.name, "preview": one.preview})

    assert [one] == resolve(said, ALL)
    assert [one] == resolve(f"{said[:9]}…", ALL)
