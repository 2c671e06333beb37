"""Draw bars and a week's hours as SVG, without scripts and without styles in attributes. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from markupsafe import Markup

_WIDTH: Final = 720
_HEIGHT: Final = 140
_FOOT: Final = 18
_LEFT: Final = 34
_CELL: Final = 26
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_HOURS: Final = 24
_LABELS: Final = 8


class Bar(NamedTuple):
    """A bar: its label, its value, and what a reader is told of it."""

    label: str
    value: float
    told: str


def bars(values: Sequence[Bar], title: str) -> Markup:
    """Return a bar chart; nothing for no values."""
    if not values:
        return Markup()
    greatest = max(bar.value for bar in values) or 1
    step = _WIDTH / len(values)
    every = max(1, -(-len(values) // _LABELS))
    drawn = [
        Markup(
            '<rect class="bar" x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}">'
            "<title>{}</title></rect>"
        ).format(
            at * step,
            _HEIGHT - _FOOT - height,
            max(step - 2, 1),
            height,
            bar.told,
        )
        for at, bar in enumerate(values)
        for height in ((_HEIGHT - _FOOT) * max(bar.value, 0) / greatest,)
    ]
    drawn += [
        Markup('<text class="label" x="{:.1f}" y="{}">{}</text>').format(
            at * step, _HEIGHT - 4, bar.label
        )
        for at, bar in enumerate(values)
        if at % every == 0
    ]
    return _svg(_WIDTH, _HEIGHT, title, drawn)


def line(
    points: Sequence[tuple[float, float]],
    span: tuple[float, float],
    greatest: float,
    title: str,
    ends: tuple[str, str],
) -> Markup:
    """Return a stepped line: each value holds until the next point.

    `span`: first and last x; `greatest`: the value at the top; `ends`: labels of the first and the
    last x.
    """
    begin, end = span
    wide, high = _WIDTH / max(end - begin, 1), (_HEIGHT - _FOOT) / greatest
    path, last = "", 0.0
    for x, value in points:
        at, y = (min(max(x, begin), end) - begin) * wide, _HEIGHT - _FOOT - value * high
        path += f"M{at:.1f} {y:.1f}" if not path else f"H{at:.1f}V{y:.1f}"
        last = value
    drawn = [
        Markup('<path class="base" d="M0 {0}H{1}M0 0.5H{1}"/>').format(_HEIGHT - _FOOT, _WIDTH),
        Markup('<path class="line" d="{}"/>').format(f"{path}H{_WIDTH}" if path else ""),
        Markup('<text class="label" x="0" y="{}">{}</text>').format(_HEIGHT - 4, ends[0]),
        Markup('<text class="label end" x="{}" y="{}">{}</text>').format(
            _WIDTH, _HEIGHT - 4, ends[1]
        ),
        Markup('<text class="label end" x="{}" y="11">{:,}</text>').format(_WIDTH, greatest),
    ]
    return _svg(_WIDTH, _HEIGHT, f"{title}; {last:,.0f} at the end", drawn)


def week(counts: Mapping[tuple[int, int], int], title: str) -> Markup:
    """Return the hours of a week as a grid; keys are (weekday from Monday 0, hour)."""
    if not counts:
        return Markup()
    greatest = max(counts.values()) or 1
    drawn = [
        Markup('<text class="label" x="0" y="{}">{}</text>').format(day * _CELL + 17, name)
        for day, name in enumerate(_DAYS)
    ]
    for day in range(len(_DAYS)):
        for hour in range(_HOURS):
            number = counts.get((day, hour), 0)
            shade = 0 if not number else 1 + min(3, int(4 * number / greatest))
            drawn.append(
                Markup(
                    '<rect class="heat heat-{}" x="{}" y="{}" width="{}" height="{}" rx="3">'
                    "<title>{} {:02d}:00, {:,}</title></rect>"
                ).format(
                    shade, _LEFT + hour * _CELL, day * _CELL, _CELL - 3, _CELL - 3,
                    _DAYS[day], hour, number,
                )
            )  # fmt: skip
    drawn += [
        Markup('<text class="label" x="{}" y="{}">{:02d}</text>').format(
            _LEFT + hour * _CELL + 3, len(_DAYS) * _CELL + 13, hour
        )
        for hour in range(0, _HOURS, 3)
    ]
    return _svg(_LEFT + _HOURS * _CELL, len(_DAYS) * _CELL + 18, title, drawn)


def _svg(width: int, height: int, title: str, drawn: Sequence[Markup]) -> Markup:
    return Markup(
        '<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>'
    ).format(width, height, title, Markup().join(drawn))
