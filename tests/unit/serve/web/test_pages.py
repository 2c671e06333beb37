"""What the pages show of rows."""

from __future__ import annotations

import json
from datetime import UTC, date
from typing import Any

import pytest

from projector.serve.history.rendered_item import Part
from projector.serve.web import charts, pages
from projector.store.questions.history import Item
from projector.store.questions.pages import Cost


def item(body: dict[str, Any], kind: str) -> pages.ShownItem:
    text = json.dumps({"type": kind, "id": "i", **body})
    return pages.item(Item(1, "r", "t", "i", "u", kind, text, 0, None, None), zone=UTC)


def test_a_command_that_failed_is_marked() -> None:
    body = {
        "command": "make <all>",
        "status": "failed",
        "exitCode": 2,
        "aggregatedOutput": "x\n" * 50,
    }

    shown = item(body, "commandExecution")

    assert shown.failed
    assert [part.look for part in shown.parts] == ["command", "output"]
    assert shown.parts[0].html == "make &lt;all&gt;"
    assert shown.parts[1].folded == "51 lines"


def test_a_diff_has_a_class_a_line() -> None:
    html = pages.part(Part("diff", "@@ -1 +1 @@\n-<a>\n+b\n c")).html

    assert '<span class="removed">-&lt;a&gt;</span>' in html
    assert '<span class="added">+b</span>' in html
    assert '<span class="hunk">' in html


def test_agents_are_links() -> None:
    agent = "019b8d62-7a80-7000-8000-000000000002"

    assert (
        f'href="/thread/{agent}"'
        in pages.part(Part("note", f"agent {agent}: done"), agents=True).html
    )


def test_a_part_without_end_is_cut() -> None:
    shown = pages.part(Part("output", "x" * (pages.MOST_CHARACTERS + 7)))

    assert (len(shown.html), shown.cut, bool(shown.folded)) == (pages.MOST_CHARACTERS, 7, True)


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ([], ""),
        ([Cost(None, 3, 0, None)], ""),
        ([Cost("USD", 2, 2, 1234.5)], "$1,234.50"),
        ([Cost("USD", 2, 1, 0.00123)], "$0.001230, 1 without a price"),
        ([Cost("USD", 1, 1, 1.0), Cost("EUR", 1, 1, 2.0), Cost(None, 4, 0, None)],
         "$1.00 + 2.00 EUR, 4 without a price"),
    ],
)  # fmt: skip
def test_costs(found: list[Cost], said: str) -> None:
    assert pages.cost(found) == said


@pytest.mark.parametrize(
    ("ms", "said"), [(None, ""), (0, "1 d"), (86_400_000 - 7_200_000, "2 h"), (90_000_000, "now")]
)
def test_ages(ms: int | None, said: str) -> None:
    assert pages.age(ms, 86_400_000) == said


def test_days_without_tokens_are_drawn_empty() -> None:
    rows: list[dict[str, Any]] = [
        {"day": "2026-01-02", "n": 3},
        {"day": "2026-01-02", "n": None},
        {"day": None, "n": 1},
    ]

    html = pages.days(rows, "n", "Tokens", 3, date(2026, 1, 3))

    assert html.count('<rect class="bar"') == 3
    assert "2026-01-02: 3" in html
    assert pages.days([], "n", "Tokens", 3, date(2026, 1, 3)) == ""


def test_a_week_has_its_hours() -> None:
    html = pages.hours([(0, 1), (0, 1), (1 << 60, 5)], "Hours", UTC)  # a Thursday

    assert "Thu 00:00, 2" in html
    assert html.count("<rect") == 7 * 24
    assert charts.week({}, "Hours") == ""


def test_a_line_steps_and_stays_within_its_span() -> None:
    html = charts.line([(5, 20), (10, 80), (99, 50)], (10, 20), 100, "Used", ("a", "b"))

    assert 'd="M0.0 97.6H0.0V24.4H720.0V61.0H720"' in html
    assert "Used; 50 at the end" in html


def test_addresses_hold_what_has_a_value() -> None:
    assert pages.here("/", q="a b", page=None, x="") == "/?q=a+b"
    assert pages.thread_address("a/b?") == "/thread/a%2Fb%3F"
