"""Two sorted streams of rows, merged: what differs comes out, and nothing else."""

# ruff: noqa: E501 - tables of cases are read across

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from projector.model.ids import RolloutId, ThreadId
from projector.model.revisions import ProjectedBy
from projector.store.check.compare import (
    LISTED,
    Differences,
    Field,
    Kind,
    Rollout,
    Row,
    field,
    unequal,
)
from projector.store.reading import Sql

KIND = Kind("item", ("offset", "item_id", "json", "tombstone"), 2, ("item_id",), Sql("", ""))
PROJECTED = ProjectedBy(1, "paginated", "")
ROLLOUT = Rollout(1, RolloutId("r"), ThreadId("t"), 0, 100, 0, PROJECTED)

keys = st.tuples(st.integers(0, 9), st.sampled_from("abc"))
streams = st.dictionaries(keys, st.integers(0, 1)).map(
    lambda rows: [(*key, value) for key, value in sorted(rows.items())]
)


@given(files=streams, database=streams)
def test_all_that_differs_comes_out(files: list[Row], database: list[Row]) -> None:
    """As sets tell it."""
    pairs = list(unequal(files, database, 2))

    assert {one for one, _ in pairs if one} == set(files) - set(database)
    assert {other for _, other in pairs if other} == set(database) - set(files)
    assert all(one is None or other is None or one[:2] == other[:2] for one, other in pairs)


# fmt: off
CASES = [
    ("nothing", [(1, "a", "{}", 0)], [(1, "a", "{}", 0)], []),
    ("lost", [(1, "a", "{}", 0)], [], [("missing", [])]),
    ("added", [], [(1, "a", "{}", 0)], [("extra", [])]),
    ("altered", [(1, "a", "{}", 0)], [(1, "a", "{}", 2)], [("changed", ["tombstone"])]),
    ("a null more", [(1, "a", '{"a":[{"x":null,"y":1}]}', 0)], [(1, "a", '{"a":[{"y":1}]}', 0)], []),
    ("another null", [(1, "a", '{"x":null,"y":1}', 0)], [(1, "a", '{"y":1,"z":null}', 0)], []),
    ("a null for a value", [(1, "a", '{"x":null}', 0)], [(1, "a", '{"x":0}', 0)], [("changed", ["json.x"])]),
    ("a null in a list", [(1, "a", "[null]", 0)], [(1, "a", "[]", 0)], [("changed", ["json"])]),
    ("a null more, and another place", [(1, "a", '{"x":null}', 0)], [(5, "a", "{}", 0)], [("changed", ["offset", "json.x"])]),
    ("another spelling", [(1, "a", '{"x":1.10,"z":null}', 0)], [(1, "a", '{"x":1.1}', 0)], [("changed", ["json.z"])]),
    ("another order", [(1, "a", '{"x":1,"y":2,"z":null}', 0)], [(1, "a", '{"y":2,"x":1}', 0)], [("changed", ["json.z"])]),
    ("nested deeply", [(1, "a", "[" * 400 + "1" + "]" * 400, 0)], [(1, "a", "[" * 400 + "2" + "]" * 400, 0)], [("changed", ["json" + "[0]" * 400])]),
    ("stands elsewhere", [(1, "a", "{}", 0)], [(5, "a", "{}", 0)], [("changed", ["offset"])]),
    ("stands before", [(5, "a", "{}", 0)], [(1, "a", "{}", 0)], [("changed", ["offset"])]),
    (
        "two changed places",
        [(1, "a", "{}", 0), (2, "b", "{}", 0)],
        [(1, "b", "{}", 0), (2, "a", "{}", 0)],
        [("changed", ["offset"]), ("changed", ["offset"])],
    ),
]
# fmt: on


@pytest.mark.parametrize(
    ("files", "database", "told"), [pytest.param(*case[1:], id=case[0]) for case in CASES]
)
def test_differences(
    files: list[Row], database: list[Row], told: list[tuple[str, list[str]]]
) -> None:
    found = Differences(ROLLOUT)
    found.take(KIND, files, database)

    assert found.count == len(told)
    assert told == [(one.what, [each.name for each in one.fields]) for one in found.listed()]


def test_however_many_differ_few_are_held() -> None:
    found = Differences(ROLLOUT)
    found.take(KIND, ((n, "a", f"{n}", n) for n in range(5 * LISTED)), [])

    assert found.count >= LISTED
    assert len(found.listed()) <= LISTED


def test_an_order_is_not_compared_where_rows_are_missing() -> None:
    """Else one lost event would make all later ones differ."""
    order = KIND._replace(columns=("place", "item_id", "json", "tombstone"), sequence=True)
    found = Differences(ROLLOUT)
    found.take(KIND, [(1, "a", "", 0), (2, "b", "", 0)], [(2, "b", "", 0)])
    found.take(order, [(1, "a", "", 0), (2, "b", "", 0)], [(1, "b", "", 0)])

    assert [one.what for one in found.listed()] == ["missing"]


@pytest.mark.parametrize(
    ("name", "one", "other", "told"),
    [
        ("status", "completed", "failed", [Field("status", "completed", "failed")]),
        ("tail", b"\x01", b"\x02", [Field("tail", "01", "02")]),
        ("preview", "secret", "other", [Field("preview", None, None)]),
        ("json", '{"a":[1,{"b":2}]}', '{"a":[1,{"b":3}]}', [Field("json.a[1].b", None, None)]),
        ("json", '{"a":1}', '{"b":1}', [Field("json.a", None, None), Field("json.b", None, None)]),
        ("json", '{"a":1}', '{"a": 1}', [Field("json", None, None)]),
        ("json", "no json", "none either", [Field("json", None, None)]),
        ("state", b'{"n":1}', b'{"n":2}', [Field("state.n", None, None)]),
    ],
)
def test_what_is_told_of_a_field(name: str, one: object, other: object, told: list[Field]) -> None:
    """Of JSON the members that differ; of what may be words of a conversation no value."""
    assert told == field(name, one, other)


@given(st.recursive(st.none() | st.integers(0, 99) | st.text(), st.lists))
def test_words_are_never_shown(value: object) -> None:
    told = field("json", orjson.dumps({"x": value, "y": 1}).decode(), '{"x":"?","y":2}')

    assert all(each.files is None and each.database is None for each in told)
