"""Which rows rate limits give, in every form that releases wrote."""

from __future__ import annotations

from typing import Any

import pytest

from projector.model.changes import LimitRow
from projector.model.ids import Offset
from projector.reduce.rate_limits import Limits, changed

AT = 1_767_603_600_000
RESET = 1_767_610_800


def snapshot(used: Any = 12.5, **more: Any) -> dict[str, Any]:
    primary = {"used_percent": used, "window_minutes": 300, "resets_at": RESET}
    return {"limit_id": "codex", "primary": primary, "secondary": None, "plan_type": "plus", **more}


def rows(limits: Limits, told: Any, at: int = 7) -> list[LimitRow]:
    return [*changed(limits, {"rate_limits": told}, Offset(at), AT)]


def one(**fields: Any) -> LimitRow:
    row = LimitRow(Offset(7), "primary", "codex", 300, 12.5, RESET * 1000, "plus", AT)
    return row._replace(**fields)


def window(**fields: Any) -> dict[str, Any]:
    return snapshot(primary={"used_percent": 1, **fields})


# fmt: off
FORMS: list[tuple[Any, list[LimitRow]]] = [
    (snapshot(), [one()]),
    (snapshot(1e-07), [one(used_percent=1e-07)]),
    (snapshot(0), [one(used_percent=0.0)]),
    (snapshot(secondary={"used_percent": 3, "window_minutes": 10080}),
     [one(), one(window="secondary", used_percent=3.0, window_minutes=10080, resets_at_ms=None)]),
    (window(resets_in_seconds=55),
     [one(used_percent=1.0, window_minutes=None, resets_at_ms=AT + 55_000)]),
    (window(resets_at=-1), [one(used_percent=1.0, window_minutes=None, resets_at_ms=None)]),
    (window(resets_at=1e300), [one(used_percent=1.0, window_minutes=None, resets_at_ms=None)]),
    (window(resets_at=True, window_minutes="300"),
     [one(used_percent=1.0, window_minutes=None, resets_at_ms=None)]),
    ({"primary_used_percent": 40.0, "primary_window_minutes": 300, "secondary_used_percent": 7},
     [one(limit_id=None, used_percent=40.0, resets_at_ms=None, plan_type=None),
      one(limit_id=None, window="secondary", used_percent=7.0, window_minutes=None,
          resets_at_ms=None, plan_type=None)]),
    (snapshot(limit_id=5, plan_type=["plus"]), [one(limit_id=None, plan_type=None)]),
    (snapshot(limit_id="\ud800", plan_type="a\0b"), [one(limit_id=None, plan_type=None)]),
    (snapshot(limit_id="x" * 65), [one(limit_id=None)]),
    (snapshot("12"), []), (snapshot(None), []), (snapshot(float("inf")), []),
    (snapshot(10**400), []), (snapshot(True), []),
    (snapshot(primary=[]), []), (snapshot(primary=None), []), (None, []), ([], []), ("x", []),
]
# fmt: on


@pytest.mark.parametrize(("told", "wanted"), FORMS)
def test_a_snapshot_gives_a_row_a_window(told: Any, wanted: list[LimitRow]) -> None:
    limits: Limits = {}

    assert rows(limits, told) == wanted
    assert rows(limits, told, 8) == []


@pytest.mark.parametrize(
    ("told", "differs"),
    [
        (snapshot(13), True),
        (snapshot(plan_type="pro"), True),
        (snapshot(limit_id="other"), True),
        (snapshot(primary={"used_percent": 12.5, "window_minutes": 301, "resets_at": RESET}), True),
        (snapshot(primary={"used_percent": 12.5, "window_minutes": 300}), True),
        (snapshot(primary={"used_percent": 12.5, "window_minutes": 300, "resets_at": RESET + 60}),
         True),
        (snapshot(primary={"used_percent": 12.5, "window_minutes": 300, "resets_at": RESET + 59}),
         False),
        (snapshot(credits={"balance": "0"}), False),
        (None, False),
    ],
)  # fmt: skip
def test_a_row_comes_when_a_window_changes(told: Any, *, differs: bool) -> None:
    limits: Limits = {}
    rows(limits, snapshot())

    assert bool(rows(limits, told, 8)) is differs


def test_what_is_remembered_is_bounded() -> None:
    limits: Limits = {}
    for number in range(100):
        rows(limits, snapshot(limit_id=f"l{number}"))

    assert len(limits) == 16
    assert rows(limits, snapshot(limit_id="l99")) == []
