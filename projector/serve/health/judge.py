"""Judge facts as OK, WARNING, CRITICAL or UNKNOWN, with a one-line reason.

Pure. The line has the format of monitoring plugins: `LEVEL: text | label=value;warn;crit;min`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from projector import __version__
from projector.model.humanize import size
from projector.model.settings import Health
from projector.serve.health.ranges import Range
from projector.serve.health.snapshot import Facts
from projector.store.reading import FULL_BYTES


class Level(IntEnum):
    """A level of health; the number is the exit code."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


#: Names in health+json (draft-inadarei-api-health-check-06).
STATUS: Final = MappingProxyType(
    {Level.OK: "pass", Level.WARNING: "warn", Level.CRITICAL: "fail", Level.UNKNOWN: "fail"}
)
#: Labels that `-w` and `-c` accept; the first is the default.
LABELS: Final = (
    "behind_seconds", "behind_bytes", "heartbeat_seconds", "rollouts", "anomalies", "wal_bytes",
    "free_bytes",
)  # fmt: skip
#: A larger write-ahead log, in bytes, is kept from reuse by a reader: the daemon cuts it to 64 MiB
#: whenever it can restart it.
LARGE_LOG: Final = 80 << 20
#: A database that is not writable for this long needs a person, seconds.
LASTING_S: Final = 60.0
_UNITS: Final = MappingProxyType({"s": "seconds", "B": "bytes"})


class Asked(NamedTuple):
    """Thresholds from the command line; each replaces the one in the settings."""

    warning: Mapping[str, Range] = MappingProxyType({})
    """By label."""
    critical: Mapping[str, Range] = MappingProxyType({})


AS_SET: Final = Asked()


class Measure(NamedTuple):
    """A number for graphs, with its thresholds."""

    label: str
    value: float
    unit: str = ""
    warning: float | Range | None = None
    """A number: from this value on."""
    critical: float | Range | None = None

    @property
    def level(self) -> Level:
        """Return the level of this measure alone."""
        if _tells(self.critical, self.value):
            return Level.CRITICAL
        return Level.WARNING if _tells(self.warning, self.value) else Level.OK

    def __str__(self) -> str:
        """Return it in perfdata format."""
        limits = ";".join(_limit(limit) for limit in (self.warning, self.critical))
        return f"{self.label}={_plain(self.value)}{self.unit};{limits}".rstrip(";")


class Verdict(NamedTuple):
    """Level, reasons and numbers."""

    level: Level
    text: str
    measures: tuple[Measure, ...] = ()

    def line(self) -> str:
        """Return the line for a monitoring system."""
        # A bar or a line break would start the perfdata.
        text = " ".join(self.text.replace("|", "/").split())
        numbers = " ".join(str(measure) for measure in self.measures)
        return f"{self.level.name}: {text}" + (f" | {numbers}" if numbers else "")

    def document(self) -> dict[str, Any]:
        """Return it as health+json; `level` is the level of the plugin's line."""
        found: dict[str, Any] = {
            "status": STATUS[self.level],
            "level": self.level.name,
            "version": __version__.partition(".")[0],
            "releaseId": __version__,
            "description": "codex-projector: Codex's conversations as rows in SQL",
            "output": self.text,
        }
        if self.measures:
            found["checks"] = {one.label.replace("_", ":"): [_check(one)] for one in self.measures}
        return found | {one.label: one.value for one in self.measures}


def judge(facts: Facts, limits: Health, asked: Asked = AS_SET) -> Verdict:
    """Return the verdict: the worst finding decides and comes first."""
    measures = tuple(_measures(facts, limits, asked))
    seen = sorted(_seen(facts, limits, measures), key=lambda one: -one[0])
    level = seen[0][0] if seen else Level.OK
    texts = [text for found, text in seen if found == level] or ["nothing waits"]
    return Verdict(level=level, text="; ".join(texts), measures=measures)


def _measures(facts: Facts, limits: Health, asked: Asked) -> Iterator[Measure]:
    """Yield the measures with their thresholds."""
    database = facts.database
    beat = facts.heartbeat_age_s
    quiet = limits.heartbeat_s or None
    for label, value, unit, warning, critical in (
        ("behind_bytes", facts.behind_bytes, "B", limits.warning_bytes, limits.critical_bytes),
        ("behind_seconds", round(facts.behind_s, 3), "s", limits.warning_s, limits.critical_s),
        ("rollouts", database.counted.rollouts, "", None, None),
        ("anomalies", database.anomalies, "", None, None),
        ("wal_bytes", database.wal_size, "B", None, None),
        ("free_bytes", database.free, "B", None, None),
        ("heartbeat_seconds", beat, "s", quiet and quiet / 2, quiet),
    ):
        if value is not None:
            yield Measure(
                label=label,
                value=value,
                unit=unit,
                warning=asked.warning.get(label, warning),
                critical=asked.critical.get(label, critical),
            )


def _seen(
    facts: Facts, limits: Health, measures: tuple[Measure, ...]
) -> Iterator[tuple[Level, str]]:
    """Yield all findings, each with its level."""
    of = {one.label: one for one in measures}
    yield from _unwritable(facts)
    yield from _follower(facts, limits, of.get("heartbeat_seconds"))
    behind, waited = of["behind_bytes"], of["behind_seconds"]
    if behind.value:
        level = max(behind.level, waited.level)
        yield level, f"{size(int(behind.value))} behind, the oldest for {waited.value:.0f} s"
    said = _SAID if behind.value else _SAID_ALWAYS
    for one in measures:
        if one.label in said or not one.level:
            continue
        yield one.level, f"{one.label} is {_plain(one.value)}"
    log = of["wal_bytes"]
    if log.value > LARGE_LOG and log.warning is None and log.critical is None:
        yield Level.WARNING, log_grows(int(log.value))
    for fault in facts.faults:
        yield Level.WARNING, str(fault)


#: Measures with a message of their own.
_SAID_ALWAYS: Final = frozenset({"heartbeat_seconds"})
_SAID: Final = _SAID_ALWAYS | {"behind_bytes", "behind_seconds"}


def log_grows(wal_bytes: int) -> str:
    """Return the message that a reader keeps the write-ahead log from being reused."""
    return (
        f"the database's log has grown to {size(wal_bytes)}: a program keeps a reading transaction"
        " open (doctor names those that have the database open)"
    )


def _unwritable(facts: Facts) -> Iterator[tuple[Level, str]]:
    """Yield why the database cannot be written."""
    free, fault = facts.database.free, facts.fault
    full = free is not None and free < FULL_BYTES
    if fault is not None:
        text, lasts_s = fault
        lasting = full or FULL in text or lasts_s >= LASTING_S
        yield (
            Level.CRITICAL if lasting else Level.WARNING,
            f"the database cannot be written for {lasts_s:.0f} s: {text}",
        )
    if full and (fault is None or FULL not in fault[0]):
        yield Level.CRITICAL, disk_full(facts.database.path, free)


#: As the store words it.
FULL: Final = "the disk is full"


def disk_full(path: str, free: int | None) -> str:
    """Return the message that the database's disk is full."""
    return f"{path}: {FULL} ({size(free or 0)} free). Free some space"


def _follower(facts: Facts, limits: Health, quiet: Measure | None) -> Iterator[tuple[Level, str]]:
    """Yield whether a daemon is running. `quiet`: seconds since the last heartbeat."""
    beat = facts.database.heartbeat
    if beat is not None and beat.set_aside:
        yield Level.WARNING, f"{beat.set_aside} of the rollouts cannot be read"
    if beat is None or quiet is None:
        if limits.heartbeat_s:
            yield Level.CRITICAL, "no daemon is running: none has ever used this database"
        return
    age, level = quiet.value, quiet.level
    gone = facts.alive is False and beat.phase != "stopping"
    who = f"the daemon (pid {beat.holder.pid} on {beat.holder.host})"
    if gone and limits.heartbeat_s:
        yield (
            Level.CRITICAL,
            f"no daemon is running: {who} ended unexpectedly, last heartbeat {age:.0f} s ago",
        )
        return
    ahead = (beat.beat_at_ms - facts.now_ms) / 1000
    if facts.alive is None and limits.heartbeat_s and ahead > limits.heartbeat_s:
        # A living daemon sends the next heartbeat by the new clock; a dead one would look alive
        # until the clock reaches the old time.
        yield Level.WARNING, f"{who} sent its last heartbeat {ahead:.0f} s from now: clock set?"
        return
    if level is Level.OK:
        return
    if beat.phase == "stopping":
        yield level, f"no daemon is running: {who} stopped {age:.0f} s ago"
    else:
        yield level, f"{who} has sent no heartbeat for {age:.0f} s"


def _tells(limit: float | Range | None, value: float) -> bool:
    if isinstance(limit, Range):
        return limit.tells(value)
    return limit is not None and value >= limit


def _limit(limit: float | Range | None) -> str:
    if isinstance(limit, Range):
        return limit.text
    return "" if limit is None else _plain(limit)


def _check(one: Measure) -> dict[str, Any]:
    found = {"observedValue": one.value, "status": STATUS[one.level]}
    return found | ({"observedUnit": _UNITS[one.unit]} if one.unit else {})


def _plain(value: float) -> str:
    return str(int(value)) if value == int(value) else str(value)
