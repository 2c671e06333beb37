"""How the turns of a thread are cut into pages."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from projector.serve.web import pages
from projector.serve.web.thread_page import page_starts


@given(sizes=st.lists(st.integers(min_value=0, max_value=3 * pages.ITEMS)))
def test_pages_are_whole_turns_up_to_a_number_of_items(sizes: list[int]) -> None:
    starts = page_starts(sizes)

    assert starts == sorted({0, *starts})
    for begin, behind in zip(starts, (*starts[1:], len(sizes)), strict=True):
        page = sizes[begin:behind]
        assert page or not sizes
        assert len(page) <= pages.TURNS
        assert sum(min(one, pages.ITEMS) for one in page) <= pages.ITEMS
        if behind < len(sizes):  # one more did not fit
            shown = min(sizes[behind], pages.ITEMS) + sum(min(one, pages.ITEMS) for one in page)
            assert len(page) == pages.TURNS or shown > pages.ITEMS
