"""Group what was spent by what people ask for. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Final

from msgspec import Struct, field

from projector.serve.history.repositories import repository
from projector.store.questions.spending import Spender, Spent

#: What sums can be grouped by.
KEYS: Final = ("day", "model", "provider", "folder", "repo", "thread", "turn")
TOKENS: Final = (
    "input_tokens", "cached_input_tokens", "cache_write_input_tokens", "output_tokens",
    "reasoning_output_tokens", "total_tokens",
)  # fmt: skip
_CENT: Final = 0.01
#: Maximum characters of a thread's preview where it has no name.
_NAME_MAX: Final = 60
#: Service tiers that list prices are of.
_STANDARD: Final = (None, "standard", "default")


class Sum(Struct, kw_only=True):
    """A row of the answer."""

    keys: dict[str, str | None]
    """By what it was grouped, in the order asked for; None: not known."""
    name: str | None = None
    """Name of the thread, where threads are asked for."""
    currency: str | None = None
    responses: int = 0
    unpriced: int = 0
    """Of the responses, those without a price."""
    tokens: Counter[str] = field(default_factory=Counter)
    amount: float | None = None
    """None: no response has a price."""

    def document(self) -> dict[str, Any]:
        """Return it for `--json` and the like."""
        named = {"name": self.name} if "thread" in self.keys else {}
        return {
            **{_COLUMNS.get(key, key): value for key, value in self.keys.items()},
            **named,
            "responses": self.responses,
            **{name: self.tokens[name] for name in TOKENS},
            "amount": self.amount,
            "currency": self.currency,
            "unpriced_responses": self.unpriced,
        }


#: Names of keys in documents.
_COLUMNS: Final = {"thread": "thread_id", "turn": "turn_id"}


def grouped(
    rows: Iterable[Spent], threads: Iterable[Spender], by: Sequence[str], *, with_agents: bool
) -> list[Sum]:
    """Sum by keys, a row for each of their values and currency.

    `with_agents`: what a sub-agent spent is its topmost parent's, in thread, folder and repo.
    Responses without a price stand in a row with those that have one, where all of these have one
    currency. By time where the first key is a day, else the dearest first.
    """
    known = {thread.thread_id: thread for thread in threads}
    sums: dict[tuple[Any, ...], Sum] = {}
    currencies: dict[tuple[Any, ...], set[str]] = {}
    for row in rows:
        thread_id = _topmost(row.thread_id, known) if with_agents else row.thread_id
        keys = {key: _value(key, row, thread_id, known.get(thread_id)) for key in by}
        group = tuple(keys.values())
        found = sums.setdefault((*group, row.currency), Sum(keys=keys, currency=row.currency))
        found.name = _name(known.get(thread_id))
        _add(found, row)
        if row.currency is not None:
            currencies.setdefault(group, set()).add(row.currency)
    for group, some in currencies.items():
        loose = sums.get((*group, None))
        if loose is not None and len(some) == 1:
            _merge(sums[(*group, *some)], loose)
            del sums[(*group, None)]
    ordered = sorted(sums.values(), key=lambda one: -one.tokens["total_tokens"])
    if by and by[0] == "day":
        return sorted(ordered, key=lambda one: one.keys["day"] or "")
    return sorted(ordered, key=lambda one: (one.currency or "", -(one.amount or 0.0)))


def price(amount: float, currency: str | None) -> str:
    """Return an amount of money for people: with cents, smaller ones with more digits."""
    written = f"{amount:,.2f}" if amount >= _CENT or amount == 0 else f"{amount:.6f}"
    return f"${written}" if currency == "USD" else f"{written} {currency}"


def why_unpriced(rows: Iterable[Spent]) -> dict[str, int]:
    """Return why responses have no price, each reason with their number; the most first."""
    reasons: Counter[str] = Counter()
    for row in rows:
        if row.amount is None:
            reasons[_reason(row)] += row.responses
    return dict(reasons.most_common())


def not_looked_up(rows: Iterable[Spent], looked_up: Collection[tuple[str, str]]) -> int:
    """Return the number of models that no writer has looked up in a list of prices."""
    named = {(row.provider, row.model) for row in rows if row.amount is None}
    return len({one for one in named if None not in one} - {*looked_up})


def price_sources(rows: Iterable[Spent]) -> list[str]:
    """Return the lists that prices are from."""
    return sorted({row.price_source for row in rows if row.price_source is not None})


def _reason(row: Spent) -> str:
    if row.provider is None or row.model is None:
        return "unknown provider" if row.provider is None else "unknown model"
    named = f"{row.provider}/{row.model}"
    if row.day is None:
        return f"{named} without a time"
    if row.service_tier not in _STANDARD:
        return f"{named} with service tier {row.service_tier}"
    return named


def _add(into: Sum, row: Spent) -> None:
    into.responses += row.responses
    into.unpriced += row.responses if row.amount is None else 0
    for name in TOKENS:
        into.tokens[name] += getattr(row, name) or 0
    if row.amount is not None:
        into.amount = (into.amount or 0.0) + row.amount


def _merge(into: Sum, other: Sum) -> None:
    into.responses += other.responses
    into.unpriced += other.unpriced
    into.tokens.update(other.tokens)


def _topmost(thread_id: str, known: Mapping[str, Spender]) -> str:
    """Return the thread that started an agent, or its parent, and so on; of a circle, the agent."""
    seen = [thread_id]
    while True:
        thread = known.get(seen[-1])
        parent = None if thread is None else thread.parent_thread_id
        if parent is None or parent not in known:
            return seen[-1]
        if parent in seen:
            return thread_id
        seen.append(parent)


def _value(key: str, row: Spent, thread_id: str, thread: Spender | None) -> str | None:
    match key:
        case "thread":
            return thread_id
        case "folder":
            return thread.cwd if thread else None
        case "repo":
            # A folder without a remote is a repository of its own, as far as is known.
            if thread is None or not thread.git_origin_url:
                return thread.cwd if thread else None
            return repository(thread.git_origin_url)
        case "turn":
            return row.turn_id
        case _:
            value: str | None = getattr(row, key)
            return value


def _name(thread: Spender | None) -> str | None:
    if thread is None:
        return None
    return thread.name or (thread.preview or "")[:_NAME_MAX] or None
