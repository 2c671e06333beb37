"""The page of usage: tokens at once, then what is summed over all responses. Pure.

Tokens by day and model are kept in sums. List prices, repositories, hours and limits are read from
every row of the span, which takes longer: each is a part of its own, asked for behind the page.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Final, NamedTuple

from projector.serve import limits, spending
from projector.serve.history.table import when
from projector.serve.web import charts, pages
from projector.store.questions import limits as windows
from projector.store.questions import pages as questions
from projector.store.questions import spending as costs
from projector.store.questions.limits import Window
from projector.store.reading import Connection

SPANS: Final[Mapping[str, str]] = {
    "7": "7 days", "30": "30 days", "90": "90 days", "365": "a year",
}  # fmt: skip
#: Rows of a table, reasons why responses have no price.
_ROWS: Final = 30
_REASONS: Final = 8


class Span(NamedTuple):
    """The time that a page is about: whole days of UTC, the last one today."""

    days: str
    now: datetime

    @classmethod
    def of(cls, given: Mapping[str, str], now: datetime) -> Span:
        """Return the span that an address asks for."""
        days = given.get("days", "30")
        return cls(days if days in SPANS else "30", now.astimezone(UTC))

    @property
    def since(self) -> datetime:
        """Return its begin."""
        midnight = self.now.replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=int(self.days) - 1)

    @property
    def since_ms(self) -> int:
        """Return its begin in milliseconds."""
        return int(self.since.timestamp() * 1000)


def page(db: Connection, span: Span) -> dict[str, Any]:
    """Return tokens by day and by model."""
    days = questions.days(db, f"{span.since:%Y-%m-%d}")
    models: dict[str, list[int]] = {}
    for row in days:
        one = models.setdefault(row["model"] or "not known", [0, 0])
        one[0] += row["responses"] or 0
        one[1] += row["total_tokens"] or 0
    return {
        "span": span.days,
        "spans": SPANS,
        "parts": PARTS,
        "tokens": pages.days(days, "total_tokens", "Tokens a day", int(span.days), span.now.date()),
        "models": sorted(((name, *pair) for name, pair in models.items()), key=lambda row: -row[2]),
    }


def prices(db: Connection, span: Span) -> dict[str, Any]:
    """Return list prices by day, model and repository."""
    with db.snapshot():
        rows = costs.spent(db, since_ms=span.since_ms, turns=False)
        threads = costs.spenders(db, rows)
        looked_up = costs.looked_up(db)
    by_day = spending.grouped(rows, (), ("day",), with_agents=False)
    currencies = sorted({one.currency for one in by_day if one.currency})
    reasons = spending.why_unpriced(rows)
    return {
        "charts": [
            pages.days(
                [
                    {"day": one.keys["day"], "amount": one.amount}
                    for one in by_day
                    if one.currency == currency
                ],
                "amount", f"List price a day, {currency}", int(span.days), span.now.date(),
                digits=2,
            )
            for currency in currencies
        ],
        "tables": [
            (heading, _table(spending.grouped(rows, threads, (key,), with_agents=False), key))
            for heading, key in (("Model", "model"), ("Repository", "repo"))
        ],
        "sources": spending.price_sources(rows),
        "reasons": [f"{reason} {number:,}" for reason, number in reasons.items()][:_REASONS],
        "unpriced": sum(reasons.values()),
        "unknown": spending.not_looked_up(rows, looked_up),
    }  # fmt: skip


def _table(sums: Iterable[spending.Sum], key: str) -> list[tuple[str, int, int, str]]:
    """Return name, responses, tokens and price of the greatest sums."""
    rows = [
        (
            one.keys[key] or "not known",
            one.responses,
            one.tokens["total_tokens"],
            "" if one.amount is None else spending.price(one.amount, one.currency),
        )
        for one in sorted(sums, key=lambda one: -one.tokens["total_tokens"])
    ]
    return rows[:_ROWS]


def hours(db: Connection, span: Span) -> dict[str, Any]:
    """Return in which hours of the week responses came."""
    found = questions.times(db, span.since_ms)
    return {"hours": pages.hours(found, "Responses by weekday and hour")}


def windows_of(db: Connection, span: Span, zone: tzinfo | None = None) -> dict[str, Any]:
    """Return the windows of limits: now, and how much of each was used over time."""
    now_ms = int(span.now.timestamp() * 1000)
    rows = limits.changes(windows.windows_since(db, span.since_ms))
    lines: dict[tuple[str, str, str], list[Window]] = {}
    for row in rows:
        lines.setdefault(_key(row), []).append(row)
    return {
        "windows": [
            (
                " · ".join(part for part in _key(row) if part),
                0.0 if limits.is_reset(row, now_ms) else row.used_percent,
                "" if row.resets_at_ms is None else when(row.resets_at_ms, zone)[:16],
                when(row.recorded_at_ms, zone)[:16],
                row.plan_type or "",
            )
            for row in windows.last_windows(db)
        ],
        "lines": [
            (
                " · ".join(part for part in key if part),
                charts.line(
                    points(some, now_ms), (span.since_ms, now_ms), 100, "Percent used over time",
                    (f"{span.since:%m-%d}", f"{span.now:%m-%d}"),
                ),
            )
            for key, some in sorted(lines.items())
        ],
    }  # fmt: skip


def points(rows: Iterable[Window], now_ms: int) -> list[tuple[float, float]]:
    """Return how much of a window was used, as steps: a window that began anew is at 0."""
    found: list[tuple[float, float]] = []
    reset: int | None = None
    for row in rows:
        if reset is not None and reset < row.recorded_at_ms:
            found.append((reset, 0.0))
        found.append((row.recorded_at_ms, row.used_percent))
        reset = row.resets_at_ms
    if reset is not None and reset < now_ms:
        found.append((reset, 0.0))
    return found


def _key(row: Window) -> tuple[str, str, str]:
    return (row.host or "", row.limit_id or "", limits.length(row.window_minutes) or row.slot)


class Part(NamedTuple):
    """A part of the page that is asked for behind."""

    title: str
    answer: Callable[[Connection, Span], dict[str, Any]]


PARTS: Final[Mapping[str, Part]] = {
    "prices": Part("List prices", prices),
    "limits": Part("Limits", windows_of),
    "hours": Part("Busiest hours", hours),
}
