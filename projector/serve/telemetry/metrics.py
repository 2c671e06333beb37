"""Convert the daemon's numbers and the database's counts to Prometheus metrics.

Needs the extra `serve` (prometheus-client). No label ever contains a thread, a path or a word of
one: kinds of anomalies are the only variable ones, and there are few. Counters start at zero with
the process, as `rate()` expects; restarts are changes of `projector_start_time_seconds`.
"""

from __future__ import annotations

import itertools
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import Struct
from msgspec.structs import replace
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


class Now(Struct, frozen=True, kw_only=True):
    """The input of all metrics."""

    meters: DaemonMetrics
    counts: DatabaseStats | None
    """None: the database cannot be read now."""
    facts: Facts | None = None
    """The facts that `health` uses; None: unavailable, use the daemon's own numbers."""


class Of(NamedTuple):
    """A metric that is one of the daemon's numbers."""

    name: str
    meaning: str
    value: Callable[[DaemonMetrics], float]


class In(NamedTuple):
    """A metric that is one of the database's numbers."""

    name: str
    meaning: str
    value: Callable[[DatabaseStats], float | None]
    """None: unknown."""


def _waited_s(meters: DaemonMetrics) -> float:
    since = meters.behind_since_ms
    return 0.0 if since is None else max(0.0, time.time() - since / 1000)


# fmt: off
COUNTERS: Final = (
    Of("records", "Lines of rollouts read and committed.", lambda m: m.records),
    Of("read_bytes", "Uncompressed bytes read from rollouts.", lambda m: m.read_bytes),
    Of("batches", "Batches of one rollout each committed.", lambda m: m.batches),
    Of("replaced_rollouts", "Rollouts projected again because their content was replaced.",
       lambda m: m.replaced),
    Of("renewed_rollouts", "Rollouts projected again because rules changed.",
       lambda m: m.renewed),
    Of("scans", "Complete scans of all files.", lambda m: m.scans),
    Of("file_events", "File events received.", lambda m: m.file_events),
    Of("endpoint_refused", "Requests and connections refused by the endpoint.",
       lambda m: m.refused),
    Of("store_faults", "Failed writes of the database.", lambda m: m.store_faults),
)
GAUGES: Final = (
    Of("start_time_seconds", "Start of the daemon, Unix time.",
       lambda m: m.started_at_ms / 1000),
    Of("heartbeat_timestamp_seconds", "Last heartbeat, Unix time.",
       lambda m: m.beat_at_ms / 1000),
    Of("loop_timestamp_seconds", "Last progress of the work, Unix time.",
       lambda m: m.turned_at_ms / 1000),
    Of("ready", "1: watching has begun.", lambda m: m.ready),
    Of("following", "1: everything present at the start is projected.", lambda m: m.following),
    Of("watching_events", "1: changes are detected by file events; 0: by scans only.",
       lambda m: m.by_events),
    Of("behind_bytes", "Bytes on disk that are not committed.", lambda m: m.behind_bytes),
    Of("behind_seconds", "How long the oldest of these bytes has waited.", _waited_s),
    Of("store_fault_seconds", "How long the database has not been writable; 0: it is writable.",
       lambda m: m.store_fault_s),
    Of("set_aside_rollouts", "Rollouts that cannot be read now.", lambda m: m.set_aside),
)
STORED: Final = (
    In("rollouts", "Rollouts in the database.", lambda c: c.rollouts),
    In("outdated_rollouts", "Rollouts with a file whose rows were made by older rules.",
       lambda c: c.rules.outdated),
    In("outdated_gone_rollouts", "Rollouts without a file whose rows were made by older rules.",
       lambda c: c.rules.outdated_gone),
    In("newer_rollouts", "Rollouts whose rows were made by rules that this program does not know.",
       lambda c: c.rules.newer),
    In("threads", "Threads in the database.", lambda c: c.threads),
    In("turns", "Living turns in the database.", lambda c: c.turns),
    In("items", "Living items in the database.", lambda c: c.items),
    In("newer_codex_rollouts", "Rollouts that a newer Codex wrote than this program knows;"
       " what is unknown in them: projector_anomalies.", lambda c: c.newer_rollouts),
    In("database_bytes", "Size of the database on disk, including its write-ahead log.",
       lambda c: c.database_bytes + c.wal_bytes),
    In("wal_bytes", "Size of its write-ahead log.", lambda c: c.wal_bytes),
    In("database_free_bytes", "Free space on a SQLite database's disk, bytes; absent for a server.",
       lambda c: c.free_bytes),
)
# fmt: on


def names() -> frozenset[str]:
    """Return the names of all series, as used in queries."""
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
    """Yield every metric. Without the database, those derived from it are omitted."""
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
    """Return the metrics of this moment for the library's writers."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Once(now))
    return registry


class _Once(Collector):
    def __init__(self, now: Now) -> None:
        self._now = now

    def collect(self) -> Iterable[Metric]:
        return metrics(self._now)

    def describe(self) -> Iterable[Metric]:
        """Return nothing: otherwise the library would collect once just for the names."""
        return ()
