"""The daemon's numbers and the database's counts → metrics as Prometheus names them.

Needs the extra `serve` (prometheus-client). No label ever holds a thread, a path or a word of one:
kinds of anomalies are the only ones that vary, and there are few. Counters begin at zero with the
process, which is what `rate()` expects; restarts are changes of `projector_start_time_seconds`.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from prometheus_client import CollectorRegistry
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from projector import __version__
from projector.model.telemetry import BUCKETS_S, DaemonMetrics
from projector.serve.health.database_stats import DatabaseStats
from projector.serve.health.snapshot import Facts

PREFIX: Final = "projector_"
COMMITS: Final = PREFIX + "commit_duration_seconds"
ANOMALIES: Final = PREFIX + "anomalies"
BUILD: Final = PREFIX + "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class Now:
    """All that there is to tell."""

    meters: DaemonMetrics
    counts: DatabaseStats | None
    """None: the database cannot be read now."""
    facts: Facts | None = None
    """What `health` goes by; None: it cannot be told, so the daemon's own view counts."""


class Of(NamedTuple):
    """A metric that is one number of the daemon's."""

    name: str
    meaning: str
    value: Callable[[DaemonMetrics], float]


class In(NamedTuple):
    """A metric that is one number of the database's."""

    name: str
    meaning: str
    value: Callable[[DatabaseStats], float | None]
    """None: it is not known."""


def _waited_s(meters: DaemonMetrics) -> float:
    since = meters.behind_since_ms
    return 0.0 if since is None else max(0.0, time.time() - since / 1000)


# fmt: off
COUNTERS: Final = (
    Of("records", "Lines of rollouts read and committed.", lambda m: m.records),
    Of("read_bytes", "Uncompressed bytes read from rollouts.", lambda m: m.read_bytes),
    Of("batches", "Batches of one rollout each committed.", lambda m: m.batches),
    Of("replaced_rollouts", "Rollouts projected anew, not being what they were.",
       lambda m: m.replaced),
    Of("scans", "Scans of all sizes.", lambda m: m.scans),
    Of("file_events", "Changes of files heard of.", lambda m: m.file_events),
    Of("endpoint_refused", "Requests and connections that the endpoint refused.",
       lambda m: m.refused),
    Of("store_faults", "Times that the database could not be written.", lambda m: m.store_faults),
)
GAUGES: Final = (
    Of("start_time_seconds", "When the daemon started, Unix time.",
       lambda m: m.started_at_ms / 1000),
    Of("heartbeat_timestamp_seconds", "When it wrote its last sign of life, Unix time.",
       lambda m: m.beat_at_ms / 1000),
    Of("loop_timestamp_seconds", "When the work was last seen to get on, Unix time.",
       lambda m: m.turned_at_ms / 1000),
    Of("ready", "1: watching has begun.", lambda m: m.ready),
    Of("following", "1: all that was there at the start is projected.", lambda m: m.following),
    Of("watching_events", "1: news come by file events; 0: by scans alone.",
       lambda m: m.by_events),
    Of("behind_bytes", "Bytes on disk that are not committed.", lambda m: m.behind_bytes),
    Of("behind_seconds", "How long the oldest of them has waited.", _waited_s),
    Of("store_fault_seconds", "How long the database has not been writable; 0: it is.",
       lambda m: m.store_fault_s),
    Of("set_aside_rollouts", "Rollouts that cannot be read now.", lambda m: m.set_aside),
)
STORED: Final = (
    In("rollouts", "Rollouts in the database.", lambda c: c.rollouts),
    In("threads", "Threads in the database.", lambda c: c.threads),
    In("turns", "Living turns in the database.", lambda c: c.turns),
    In("items", "Living items in the database.", lambda c: c.items),
    In("database_bytes", "Bytes of the database on its disk, its write-ahead log included.",
       lambda c: c.database_bytes + c.wal_bytes),
    In("wal_bytes", "Size of its write-ahead log.", lambda c: c.wal_bytes),
    In("database_free_bytes", "Bytes free on the disk of a SQLite database; absent for a server.",
       lambda c: c.free_bytes),
)
# fmt: on


def names() -> frozenset[str]:
    """Return the names of all series, as queries write them."""
    return frozenset(
        PREFIX + name
        for name in (
            *(f"{one.name}_total" for one in COUNTERS),
            *(one.name for one in (*GAUGES, *STORED)),
            *(f"commit_duration_seconds{end}" for end in ("_bucket", "_count", "_sum")),
            "anomalies",
            "build_info",
        )
    )


def metrics(now: Now) -> Iterator[Metric]:
    """Yield every metric. Without the database, those that come from it are left out."""
    meters, counts = now.meters, now.counts
    if now.facts is not None:
        backlog = now.facts.backlog
        meters = replace(meters, behind_bytes=backlog.bytes, behind_since_ms=backlog.since_ms)
    for counter in COUNTERS:
        yield CounterMetricFamily(
            PREFIX + counter.name, counter.meaning, value=counter.value(meters)
        )
    for gauge in GAUGES:
        yield GaugeMetricFamily(PREFIX + gauge.name, gauge.meaning, value=gauge.value(meters))
    ends = [*(repr(float(end)) for end in BUCKETS_S), "+Inf"]
    reached = itertools.accumulate(meters.commit_counts)
    yield HistogramMetricFamily(
        COMMITS,
        "How long the transactions of batches took.",
        buckets=list(zip(ends, reached, strict=True)),
        sum_value=meters.commit_total_s,
    )
    build = {"version": __version__, "sqlite": sqlite3.sqlite_version}
    if counts is not None:
        build["schema"] = str(counts.schema)
        for stored in STORED:
            value = stored.value(counts)
            if value is not None:
                yield GaugeMetricFamily(PREFIX + stored.name, stored.meaning, value=value)
        kinds = GaugeMetricFamily(ANOMALIES, "Anomalies in the database.", labels=["kind"])
        for kind, number in sorted(counts.anomalies.items()):
            kinds.add_metric([kind], number)
        yield kinds
    yield InfoMetricFamily(BUILD, "Versions of program, schema and SQLite.", value=build)


def registry(now: Now) -> CollectorRegistry:
    """Return the metrics of this moment, for the library's writers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(now))
    return registry


class _Once(Collector):
    def __init__(self, now: Now) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        return metrics(self._now)

    def describe(self) -> Iterable[Metric]:
        """Nothing: with it the library would not collect for the sake of the names."""
        return ()
