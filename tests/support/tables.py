"""Tables of the manual that are made from the code: log events, metrics, lives of turns."""

from __future__ import annotations

import re

from projector.logs import events as log
from projector.reduce.turn_states import LEGACY, PAGINATED, Life
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


def turns(life: Life) -> str:
    """Give the life of a turn: what happens, with the states that it leads to the same one."""
    steps: dict[tuple[str, str, str], list[str]] = {}
    for before, known in life.items():
        for cause, step in known.items():
            told = ", ".join(f"`{event}`" for event in step.events)
            steps.setdefault((cause.value, step.after.value, told), []).append(before.value)
    order = list(dict.fromkeys(cause.value for known in life.values() for cause in known))
    rows = ["| what happens | turn before | turn after | events |", "| --- | --- | --- | --- |"]
    rows += [
        f"| {cause} | {'; '.join(before)} | {after} | {told} |"
        for (cause, after, told), before in sorted(
            steps.items(), key=lambda entry: order.index(entry[0][0])
        )
    ]
    return "\n".join(rows) + "\n"


def filled(readme: str) -> str:
    """Put the tables in their places."""
    made = {
        "events": events(),
        "metrics": numbers(),
        "paginated turns": turns(PAGINATED),
        "legacy turns": turns(LEGACY),
    }
    for name, table in made.items():
        place = re.compile(rf"(?<=<!-- {name} -->\n).*?(?=<!-- /{name} -->)", re.DOTALL)
        readme = place.sub(lambda _, table=table: table, readme)  # type: ignore[misc]
    return readme
