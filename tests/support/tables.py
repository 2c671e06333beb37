"""Tables of the manual that are made from the code: log events and metrics."""

from __future__ import annotations

import re

from projector.logs import events as log
from projector.serve.telemetry import metrics


def events() -> str:
    """Give the events of the log."""
    rows = ["| event | level | meaning |", "| --- | --- | --- |"]
    rows += [
        f"| `{name}` | {known.level} | {known.meaning} |" for name, known in log.EVENTS.items()
    ]
    return "\n".join(rows) + "\n"


def numbers() -> str:
    """Give the metrics."""
    rows = ["| metric | kind | meaning |", "| --- | --- | --- |"]
    found = [(f"{one.name}_total", "counter", one.meaning) for one in metrics.COUNTERS]
    found += [(one.name, "gauge", one.meaning) for one in (*metrics.GAUGES, *metrics.STORED)]
    found += [
        ("anomalies{kind}", "gauge", "Anomalies in the database."),
        ("commit_duration_seconds", "histogram", "How long the transactions of batches took."),
        ("build_info{version, schema, sqlite}", "info", "Versions of program, schema and SQLite."),
    ]
    rows += [f"| `{metrics.PREFIX}{name}` | {kind} | {meaning} |" for name, kind, meaning in found]
    return "\n".join(rows) + "\n"


def filled(readme: str) -> str:
    """Put the tables in their places."""
    for name, table in (("events", events()), ("metrics", numbers())):
        place = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        readme = place.sub(lambda _, table=table: table, readme)  # type: ignore[misc]
    return readme
