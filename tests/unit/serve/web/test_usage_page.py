"""What the page of usage draws."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from projector.serve.web.usage_page import Span, points
from projector.store.questions.limits import Window


def window(at: int, used: float, resets: int | None) -> Window:
    return Window(None, "codex", "primary", 300, used, resets, "pro", at)


@pytest.mark.parametrize(
    ("rows", "drawn"),
    [
        ([], []),
        ([window(10, 5, None), window(20, 7, None)], [(10, 5), (20, 7)]),
        ([window(10, 5, 15), window(20, 7, 90)], [(10, 5), (15, 0), (20, 7)]),
        ([window(10, 5, 40), window(20, 7, 40)], [(10, 5), (20, 7), (40, 0)]),
    ],
    ids=["none", "without resets", "reset between", "reset since"],
)
def test_windows_begin_anew_at_zero(rows: list[Window], drawn: list[tuple[float, float]]) -> None:
    assert points(rows, 50) == drawn


def test_a_span_is_whole_days_up_to_today() -> None:
    now = datetime(2026, 1, 6, 12, tzinfo=UTC)

    assert Span.of({"days": "7"}, now).since == datetime(2025, 12, 31, tzinfo=UTC)
    assert Span.of({"days": "x"}, now).days == "30"
