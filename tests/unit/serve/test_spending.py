"""What was spent, grouped; and repositories by their URLs."""

from __future__ import annotations

from typing import Any

import pytest

from projector.serve.history.repositories import repository
from projector.serve.spending import grouped, not_looked_up, price_sources, why_unpriced
from projector.store.questions.spending import Spender, Spent


def row(thread: str = "a", amount: float | None = 1.0, **fields: Any) -> Spent:
    made = Spent(
        day="2026-01-05", thread_id=thread, turn_id=None, model="m", provider="p",
        service_tier=None, currency=None if amount is None else "USD",
        price_source=None if amount is None else "list", responses=1, input_tokens=10,
        cached_input_tokens=2, cache_write_input_tokens=None, output_tokens=3,
        reasoning_output_tokens=1, total_tokens=13, amount=amount,
    )  # fmt: skip
    return made._replace(**fields)


def thread(thread_id: str, parent: str | None = None, **fields: Any) -> Spender:
    return Spender(thread_id, None, "Do it", "/w", None, parent)._replace(**fields)


def sums(
    rows: list[Spent], threads: list[Spender], *, by: str, agents: bool = False
) -> list[tuple[Any, ...]]:
    found = grouped(rows, threads, by.split(), with_agents=agents)
    return [(*one.keys.values(), one.responses, one.amount, one.unpriced) for one in found]


def test_sums_by_keys() -> None:
    rows = [row("a"), row("b", 5.0), row("a", model="n", day="2026-01-04"), row("c", 0.5)]
    threads = [
        thread("a", cwd="/w/one"), thread("b", git_origin_url="git@h:o/r.git"),
        thread("c", git_origin_url="https://h/o/r"),
    ]  # fmt: skip

    assert sums(rows, threads, by="day") == [
        ("2026-01-04", 1, 1.0, 0), ("2026-01-05", 3, 6.5, 0),
    ]  # fmt: skip
    assert sums(rows, threads, by="model") == [("m", 3, 6.5, 0), ("n", 1, 1.0, 0)]
    assert sums(rows, threads, by="thread") == [
        ("b", 1, 5.0, 0),
        ("a", 2, 2.0, 0),
        ("c", 1, 0.5, 0),
    ]
    assert sums(rows, threads, by="repo") == [("h/o/r", 2, 5.5, 0), ("/w/one", 2, 2.0, 0)]
    assert sums(rows, threads, by="folder model") == [
        ("/w", "m", 2, 5.5, 0), ("/w/one", "m", 1, 1.0, 0), ("/w/one", "n", 1, 1.0, 0),
    ]  # fmt: skip


def test_agents_are_their_topmost_parents_if_asked() -> None:
    rows = [row("a"), row("b"), row("c"), row("x"), row("lost")]
    threads = [
        thread("a", cwd="/a"), thread("b", "a"), thread("c", "b"), thread("x", "y"),
        thread("y", "x"), thread("lost", "nobody"),
    ]  # fmt: skip

    assert sums(rows, threads, by="thread", agents=True) == [
        ("a", 3, 3.0, 0), ("x", 1, 1.0, 0), ("lost", 1, 1.0, 0),
    ]  # fmt: skip
    assert sums(rows, threads, by="folder", agents=True)[0] == ("/a", 3, 3.0, 0)
    assert len(sums(rows, threads, by="thread")) == 5


def test_what_has_no_price_is_counted_and_not_0() -> None:
    rows = [row(), row(amount=None), row("b", None)]
    found = grouped(rows, [], ["thread"], with_agents=False)

    assert [(one.keys["thread"], one.amount, one.unpriced) for one in found] == [
        ("b", None, 1), ("a", 1.0, 1),
    ]  # fmt: skip
    assert found[0].document()["amount"] is None
    assert found[0].document()["unpriced_responses"] == 1


def test_currencies_are_not_added_up() -> None:
    rows = [row(), row(currency="EUR"), row(amount=None)]
    found = grouped(rows, [], ["model"], with_agents=False)

    assert sorted((one.currency or "", one.responses, one.amount) for one in found) == [
        ("", 1, None), ("EUR", 1, 1.0), ("USD", 1, 1.0),
    ]  # fmt: skip


def test_why_there_is_no_price() -> None:
    rows = [
        row(), row(amount=None, responses=5), row(amount=None, provider=None),
        row(amount=None, model=None), row(amount=None, service_tier="flex"),
        row(amount=None, day=None),
    ]  # fmt: skip

    assert why_unpriced(rows) == {
        "p/m": 5, "unknown provider": 1, "unknown model": 1, "p/m with service tier flex": 1,
        "p/m without a time": 1,
    }  # fmt: skip
    assert price_sources(rows) == ["list"]
    assert not_looked_up(rows, set()) == 1
    assert not_looked_up(rows, {("p", "m")}) == 0


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://github.com/o/r.git", "github.com/o/r"),
        ("https://user:secret@GitHub.com/o/r/", "github.com/o/r"),
        ("git@github.com:o/r.git", "github.com/o/r"),
        ("github.com:o/r", "github.com/o/r"),
        ("ssh://git@github.com:22/o/r.git", "github.com/o/r"),
        ("https://git.example.org/group/sub/r", "git.example.org/group/sub/r"),
        ("/srv/git/r.git", "/srv/git/r.git"),
        ("../r", "../r"),
        ("", ""),
    ],
)
def test_a_repository_has_one_name(url: str, name: str) -> None:
    assert repository(url) == name
