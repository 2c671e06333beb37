"""What a benchmark found: samples, their medians and spread, ratios, and promises kept or not.

Pure: nothing here measures, everything here can be tested with made-up numbers.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

#: Fewer samples than this say little of their spread.
_FEW: Final = 3


def spread(samples: Sequence[float]) -> float:
    """Give the noise: distance of the quartiles, as a share of the median; 0 for one sample."""
    middle = statistics.median(samples)
    if len(samples) < _FEW or not middle:
        return (max(samples) - min(samples)) / middle if middle else 0.0
    low, _, high = statistics.quantiles(samples, n=4, method="inclusive")
    return (high - low) / middle


def percentile(samples: Sequence[float], share: float) -> float:
    """Give the smallest sample that is not below `share` of them."""
    ordered = sorted(samples)
    return ordered[max(math.ceil(share * len(ordered)), 1) - 1]


@dataclass(slots=True)
class Figure:
    """Something measured again and again."""

    who: str
    """The contestant, or the case."""
    what: str
    unit: str
    samples: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        """The sample in the middle."""
        return statistics.median(self.samples)

    def json(self) -> dict[str, Any]:
        """Give all of it."""
        return {
            "who": self.who,
            "what": self.what,
            "unit": self.unit,
            "median": self.median,
            "spread": spread(self.samples),
            "samples": self.samples,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """What is promised of a figure."""

    at_least: float | None = None
    at_most: float | None = None

    def kept(self, value: float) -> bool:
        """Whether a value keeps it."""
        return (self.at_least is None or value >= self.at_least) and (
            self.at_most is None or value <= self.at_most
        )

    def __str__(self) -> str:
        """Give it as people write it."""
        parts = []
        if self.at_least is not None:
            parts.append(f"≥ {number(self.at_least)}")
        if self.at_most is not None:
            parts.append(f"≤ {number(self.at_most)}")
        return ", ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """A promise, and what became of it."""

    what: str
    unit: str
    value: float
    spread: float
    limit: Limit | None
    """None: nothing is promised, the ratio alone is of interest."""

    @property
    def kept(self) -> bool | None:
        """Whether the promise is kept; None: there is none."""
        return None if self.limit is None else self.limit.kept(self.value)

    def json(self) -> dict[str, Any]:
        """Give all of it."""
        return {
            "what": self.what,
            "unit": self.unit,
            "value": self.value,
            "spread": self.spread,
            "at_least": self.limit and self.limit.at_least,
            "at_most": self.limit and self.limit.at_most,
            "kept": self.kept,
        }


@dataclass(slots=True)
class Result:
    """All that one benchmark found."""

    name: str
    about: str
    figures: list[Figure] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    absent: dict[str, str] = field(default_factory=dict)
    """Contestants that could not take part, and why."""
    notes: list[str] = field(default_factory=list)
    failure: str = ""
    """Why it could not be run to its end; empty: it was."""
    seconds: float = 0.0
    """How long all of it took, preparations included."""

    def sample(self, who: str, what: str, value: float, unit: str) -> None:
        """Add one sample to a figure."""
        figure = self.find(who, what)
        if figure is None:
            figure = Figure(who, what, unit)
            self.figures.append(figure)
        figure.samples.append(value)

    def find(self, who: str, what: str) -> Figure | None:
        """Look a figure up; None: it was not measured."""
        return next((one for one in self.figures if (one.who, one.what) == (who, what)), None)

    def promise(
        self, who: str, what: str, *, at_least: float | None = None, at_most: float | None = None
    ) -> None:
        """Hold a figure's median against a limit. A figure that was not measured: nothing."""
        figure = self.find(who, what)
        if figure is not None:
            self.verdicts.append(
                Verdict(
                    what=f"{who}: {what}",
                    unit=figure.unit,
                    value=figure.median,
                    spread=spread(figure.samples),
                    limit=Limit(at_least=at_least, at_most=at_most),
                )
            )

    def compare(
        self,
        above: str,
        below: str,
        what: str,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Hold `above / below` against a limit: the median of the ratios, round by round.

        Samples of one round were taken right after one another, so that what disturbs the
        machine disturbs both. One that was not measured: nothing.
        """
        first, second = self.find(above, what), self.find(below, what)
        if first is None or second is None:
            return
        pairs = zip(first.samples, second.samples, strict=False)
        ratios = [one / other for one, other in pairs if other]
        if not ratios:
            return
        promised = at_least is not None or at_most is not None
        self.verdicts.append(
            Verdict(
                what=f"{what}: {above} / {below}",
                unit="x",
                value=statistics.median(ratios),
                spread=spread(ratios),
                limit=Limit(at_least=at_least, at_most=at_most) if promised else None,
            )
        )

    def json(self) -> dict[str, Any]:
        """Give all of it."""
        return {
            "name": self.name,
            "about": self.about,
            "figures": [figure.json() for figure in self.figures],
            "verdicts": [verdict.json() for verdict in self.verdicts],
            "absent": self.absent,
            "notes": self.notes,
            "failure": self.failure,
            "seconds": self.seconds,
        }


def number(value: float) -> str:
    """Write a number with three digits that count, and no more."""
    size = abs(value)
    if size >= 100 or value == int(value):
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 1:
        return f"{value:.2f}"
    return f"{value:.3g}"


def table(rows: Sequence[Sequence[str]], *, right: Sequence[int]) -> list[str]:
    """Lay rows out in columns, the first row as their heads; `right`: columns of numbers."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for place, row in enumerate(rows):
        cells = [
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
        if place == 0:
            lines.append("  ".join("-" * width for width in widths).rstrip())
    return lines


def render(result: Result) -> str:
    """Give a result as text for people."""
    lines = [f"{result.name}: {result.about}"]
    if result.figures:
        rows = [["who", "what", "median", "unit", "noise", "n"]]
        rows += [
            [
                figure.who,
                figure.what,
                number(figure.median),
                figure.unit,
                f"{spread(figure.samples):.0%}",
                str(len(figure.samples)),
            ]
            for figure in result.figures
        ]
        lines += ["", *table(rows, right=(2, 4, 5))]
    if result.verdicts:
        rows = [["ratio or promise", "value", "unit", "noise", "target", ""]]
        rows += [
            [
                verdict.what,
                number(verdict.value),
                verdict.unit,
                f"{verdict.spread:.0%}",
                str(verdict.limit or ""),
                {True: "kept", False: "MISSED", None: ""}[verdict.kept],
            ]
            for verdict in result.verdicts
        ]
        lines += ["", *table(rows, right=(1, 3))]
    said = [f"absent: {who}: {why}" for who, why in result.absent.items()]
    said += [f"note: {note}" for note in result.notes]
    if result.seconds:
        said.append(f"all of it took {result.seconds:.0f} s")
    if result.failure:
        said.append(f"FAILED: {result.failure}")
    if said:
        lines += ["", *said]
    return "\n".join(lines) + "\n"
