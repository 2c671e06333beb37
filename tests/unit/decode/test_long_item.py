"""Long items are read without text made of their long strings, and are the same rows."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from projector.decode import long_item
from projector.decode.long_item import spelled_as_written
from projector.model.changes import Change, ItemRow
from projector.model.ids import Line
from projector.reduce.paginated import reducer
from tests.support.paginated import ROLLOUT, THREAD, agent, item, meta, rollout, started, user
from tests.unit.decode.test_items import ITEMS, REFUSED, command

Json = dict[str, Any]

BODIES = [body for _, body, _ in ITEMS] + [body for _, body in REFUSED] + [user("u"), agent("a")]
ENVELOPE = {"timestamp": "2026-11-01T10:00:00.000Z", "ordinal": 2}
#: What long strings are made of; each comes many times over.
UNITS = [
    "x",
    "a b",
    'say "so"',
    "C:\\w\\",
    "é",
    "茶",
    "🍵",
    "\n",
    "\x1f",
    "/w/",
    " ",
    "'",
    "\u2028",
]


@pytest.fixture(autouse=True, scope="module")
def _short() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reducer, "LONG_LINE", 1)
        patch.setattr(long_item, "_LONG_STRING", 60)
        patch.setattr(long_item, "_PIECE", 8)
        yield


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Give the places of all strings."""
    if isinstance(value, str):
        yield path
    elif isinstance(value, dict | list):
        for key, held in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(held, (*path, key))


def put(value: Any, path: tuple[Any, ...], text: str) -> Any:
    """Give the value with another string in a place."""
    if not path:
        return text
    value = value.copy()
    value[path[0]] = put(value[path[0]], path[1:], text)
    return value


@st.composite
def records(draw: st.DrawFn) -> bytes:
    """Give the line of an item of which one or two strings are long, in one spelling or another."""
    record = item("A", draw(st.sampled_from(BODIES)))
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(leaves(record["payload"]))))
        text = "".join(draw(st.lists(st.sampled_from(UNITS), min_size=1, max_size=3)))
        record["payload"] = put(record["payload"], path, text * 80)
    record |= ENVELOPE
    plain = draw(st.booleans())
    return orjson.dumps(record) if plain else json.dumps(record).encode()


def taken(lines: list[Line], *, at_length: bool) -> tuple[list[Change], int]:
    """Give the rows of a rollout, and the ordinal that is due."""
    with pytest.MonkeyPatch.context() as patch:
        if not at_length:
            patch.setattr(reducer, "LONG_LINE", 1 << 30)
        made = reducer.PaginatedReducer(ROLLOUT, THREAD)
        changes = made.apply(lines)
    return [
        change._replace(shown=None) if isinstance(change, ItemRow) else change for change in changes
    ], made.next_ordinal


@given(line=records())
def test_a_long_item_is_the_same_row(line: bytes) -> None:
    lines = rollout(meta(), started("A"), line)

    assert taken(lines, at_length=True) == taken(lines, at_length=False)


@pytest.mark.parametrize(
    ("body", "left_out"),
    [
        pytest.param(command(aggregated_output="line\n" * 20), True, id="an output"),
        pytest.param(agent("a", text="words " * 20), True, id="a text in one part"),
        pytest.param(user("u", text="words " * 20), False, id="what a person says"),
        pytest.param(command(cwd="file:///" + "deep/" * 20), False, id="a path"),
        pytest.param(command(command=["echo", "words" * 20]), False, id="a command line"),
        pytest.param(command(aggregated_output="\x7f" * 90), True, id="no control character"),
    ],
)
def test_strings_are_left_out_where_nothing_is_made_of_them(body: Json, *, left_out: bool) -> None:
    """Without this, the test above would hold of a function that leaves nothing out."""
    found = long_item.long_item(orjson.dumps(item("A", body) | ENVELOPE))

    assert (found is not None) == left_out
    if found is not None:
        assert b"Long string of" in orjson.dumps(found.shown)


def as_written(text: bytes) -> bool:
    """Tell by reading and writing it."""
    try:
        return orjson.dumps(orjson.loads(b'"' + text + b'"')) == b'"' + text + b'"'
    except orjson.JSONDecodeError:
        return False


@given(
    # Neither control characters nor quotes: the decoder refuses them before it comes to this.
    parts=st.lists(
        st.sampled_from([b"\\", b"\\\\", b"\\n", b"\\u001f", b"\\u0008", b"\\u00e9", b"\\/", b"x"])
        | st.text(st.characters(codec="utf-8", exclude_characters='"')).map(
            lambda text: orjson.dumps(text)[1:-1]
        )
        | st.binary(max_size=3).map(lambda data: data.translate(None, bytes(range(0x20)) + b'"'))
    )
)
@example(parts=[b"\\\\"] * 20)
@example(parts=[b"x", *[b"\\\\"] * 20])
@example(parts=[b"\\\\", b"\\\\", b"\\u001f"])
@example(parts=["🍵".encode()] * 5)
@example(parts=["🍵".encode()[:2]])
def test_spelling_is_told_piece_by_piece(parts: list[bytes]) -> None:
    text = b"".join(parts)

    assert spelled_as_written(memoryview(text)) == as_written(text)


@pytest.mark.parametrize("code", range(0x20))
def test_escapes_are_those_that_are_written(code: int) -> None:
    written = orjson.dumps(chr(code))[1:-1]

    assert spelled_as_written(memoryview(written))
    assert spelled_as_written(memoryview(b"\\u%04x" % code)) == (written == b"\\u%04x" % code)
