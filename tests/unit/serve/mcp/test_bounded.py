"""Answers of a bounded size, and places to read on."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.serve.mcp.bounded import Pieces, Place, fitting


@given(text=st.text(), most=st.integers(min_value=0, max_value=40))
def test_what_fits_is_the_longest_start_of_whole_characters(text: str, most: int) -> None:
    text = text.encode("utf-8", "replace").decode()
    some = fitting(text, most)

    assert text.startswith(some)
    assert len(some.encode()) <= most
    assert some == text or len(text[: len(some) + 1].encode()) > most


@given(texts=st.lists(st.text("aé中\ud800")), most=st.integers(min_value=1, max_value=40))
def test_pieces_never_exceed_their_bytes(texts: list[str], most: int) -> None:
    pieces = Pieces(most)
    for text in texts:
        pieces.add(text)
        pieces.add_start(text)

    assert len(pieces.text.encode()) <= most


def test_after_a_text_that_does_not_fit_none_is_added() -> None:
    pieces = Pieces(5)

    assert [pieces.add(text) for text in ("four", "too long", "s")] == [True, False, False]
    assert pieces.text == "four"


@given(place=st.builds(Place, *[st.integers(min_value=0, max_value=10**9 - 1)] * 3))
def test_a_place_is_read_as_it_was_written(place: Place) -> None:
    assert Place.parse(f" {place} ") == place


@pytest.mark.parametrize("text", ["", "1", "1.2", "1.2.x", "-1.0.0", "1.2.3.4", "9" * 40 + ".0.0"])
def test_what_is_no_place_is_none(text: str) -> None:
    assert Place.parse(text) is None
