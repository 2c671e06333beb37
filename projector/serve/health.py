"""Facts → OK, WARNING, CRITICAL or UNKNOWN, and the one line that says why.

Pure. The line has the form of a monitoring plugin: `LEVEL: text | label=value;warn;crit;min`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

from projector.figures import size
from projector.serve.facts import Facts
from projector.settings import Health


class Level(IntEnum):
    """How it stands; the number is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A number for graphs, with the limits that it is held against."""

    label: str
    value: float
    unit: str = ""
    warning: float | None = None
    critical: float | None = None

    def __str__(self) -> str:
        """Write it as perfdata."""
        limits = [_plain(limit) for limit in (self.warning, self.critical) if limit is not None]
        return ";".join([f"{self.label}={_plain(self.value)}{self.unit}", *limits])


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How it stands, why, and the numbers."""

    level: Level
    text: str
    measures: tuple[Measure, ...] = ()

    def line(self) -> str:
        """Give the line for a monitoring system."""
        # A bar and a line break would begin the numbers.
        text = " ".join(self.text.replace("|", "/").split())
        numbers = " ".join(str(measure) for measure in self.measures)
        return f"{self.level.name}: {text}" + (f" | {numbers}" if numbers else "")

    def document(self) -> dict[str, Any]:
        """Give it for `--json`."""
        return {
            "status": self.level.name,
            "text": self.text,
            **{measure.label: measure.value for measure in self.measures},
        }


def judge(facts: Facts, limits: Health) -> Verdict:
    """Say how it stands: the worst of all that is seen decides, and is said first."""
    seen = sorted(_seen(facts, limits), key=lambda one: -one[0])
    level = seen[0][0] if seen else Level.OK
    texts = [text for found, text in seen if found == level] or ["nothing waits"]
    measures = (
        Measure(
            label="behind_bytes",
            value=facts.behind_bytes,
            unit="B",
            warning=limits.warning_bytes,
            critical=limits.critical_bytes,
        ),
        Measure(
            label="behind_seconds",
            value=round(facts.behind_s, 3),
            unit="s",
            warning=limits.warning_s,
            critical=limits.critical_s,
        ),
        Measure(label="rollouts", value=len(facts.database.rollouts)),
        Measure(label="anomalies", value=facts.database.anomalies),
    )
    return Verdict(level=level, text="; ".join(texts), measures=measures)


def _seen(facts: Facts, limits: Health) -> Iterator[tuple[Level, str]]:
    """Give all that there is to say, each with what it means."""
    yield from _follower(facts, limits)
    behind, waited = facts.behind_bytes, facts.behind_s
    if behind:
        level = max(
            _level(behind, limits.warning_bytes, limits.critical_bytes),
            _level(waited, limits.warning_s, limits.critical_s),
        )
        yield level, f"{size(behind)} behind, the oldest for {waited:.0f} s"
    for fault in facts.faults:
        yield Level.WARNING, str(fault)


def _follower(facts: Facts, limits: Health) -> Iterator[tuple[Level, str]]:
    """Say whether somebody follows."""
    beat = facts.database.heartbeat
    if beat is not None and beat.set_aside:
        yield Level.WARNING, f"{beat.set_aside} of the rollouts cannot be read"
    if not limits.heartbeat_s:
        return
    if beat is None:
        yield Level.CRITICAL, "nobody follows: no daemon ever served this database"
        return
    age = max(facts.now_ms - beat.beat_at_ms, 0) / 1000
    level = _level(age, limits.heartbeat_s / 2, limits.heartbeat_s)
    who = f"the daemon (pid {beat.holder.pid} on {beat.holder.host})"
    if level is Level.OK:
        return
    if beat.phase == "stopping":
        yield level, f"nobody follows: {who} stopped {age:.0f} s ago"
    else:
        yield level, f"{who} has given no sign of life for {age:.0f} s"


def _level(value: float, warning: float, critical: float) -> Level:
    if value >= critical:
        return Level.CRITICAL
    return Level.WARNING if value >= warning else Level.OK


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
