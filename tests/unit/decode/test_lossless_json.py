"""JSON with every number as it was spelled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.decode import lossless_json as exact

# fmt: off
SPELLED = [
    ("1",    "1"),      ("1.10", "1.10"), ("1e3", "1e+3"), ("1E3", "1e+3"),   ("1e-07", "1e-07"),
    ("-0",   "0"),      ("-0.0", "-0.0"),    ("1e400", "1e+400"),
    ("18446744073709551616", "18446744073709551616"),
    ("340282366920938463463374607431768211456", "340282366920938463463374607431768211456"),
]
# fmt: on


@pytest.mark.parametrize(("number", "written"), SPELLED)
def test_numbers_keep_their_spelling(number: str, written: str) -> None:
    assert written == exact.dumps(exact.loads(number.encode()))


@pytest.mark.parametrize(
    ("depth", "limit", "deeper"),
    [(1, 1, False), (2, 1, True), (127, 127, False), (128, 127, True)],
)
def test_levels_are_counted_from_the_outermost(depth: int, limit: int, deeper: bool) -> None:  # noqa: FBT001 - a table's
    value: Any = []
    for _ in range(depth - 1):
        value = [value]

    assert deeper == exact.deeper(value, limit)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(1 << 63), (1 << 64) - 1) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(VALUES, st.integers(0, 400))
def test_what_is_written_is_read_back_however_deep(value: Any, depth: int) -> None:
    for at in range(depth):
        value = [value, at] if at % 2 else {"a": value, "b": []}

    assert value == json.loads(exact.dumps(value))
