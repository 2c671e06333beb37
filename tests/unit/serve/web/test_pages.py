"""What the pages show of rows."""

from __future__ import annotations

import json
from datetime import UTC, date
from typing import Any

import pytest

from projector.serve.history.rendered_item import Part
from projector.serve.web import charts, pages
from projector.store.questions.history import Item


def item(body: dict[str, Any], kind: str) -> pages.ShownItem:
    text = json.dumps({"type": kind, "id": "i", **body})
    return pages.item(Item(1, "r", "t", "i", "u", kind, text, 0, None, None), UTC)


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


@pytest.mark.parametrize(
    ("address", "drawn"),
    [
        ("data:image/png;base64,AAAA", True),
        ("data:image/svg+xml;base64,AAAA", False),
        ('data:image/png;base64,AA" onerror="x', False),
        ("https://evil.example/x.png", False),
    ],
)
def test_only_images_that_hold_no_script_are_drawn(address: str, drawn: bool) -> None:  # noqa: FBT001
    html = pages.part(Part("note", f"image: {address}")).html

    assert ("<img" in html) is drawn
    assert 'onerror="' not in html


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
    ("origin", "name"),
    [
        ("https://github.com/owner/name.git", "owner/name"),
        ("git@github.com:owner/name.git", "owner/name"),
        ("ssh://git@host:22/a/b/", "a/b"),
        ("name", "name"),
        (None, ""),
    ],
)
def test_a_repository_has_a_short_name(origin: str | None, name: str) -> None:
    assert pages.repository(origin) == name


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
    html = pages.hours([0, 0, None], "Hours", UTC)  # a Thursday

    assert "Thu 00:00, 2" in html
    assert html.count("<rect") == 7 * 24
    assert charts.week({}, "Hours") == ""


def test_addresses_hold_what_has_a_value() -> None:
    assert pages.here("/", q="a b", page=None, x="") == "/?q=a+b"
    assert pages.thread_address("a/b?") == "/thread/a%2Fb%3F"
