"""Dashboards of the data for Grafana, one for each engine's plugin, from one list of panels.

`config/grafana-work.json` is for PostgreSQL, `config/grafana-work-sqlite.json` for the plugin
`frser-sqlite-datasource`; `python -m tests.support.docs` makes both. Every query has a bound: the
dashboard's time range, by an index, or sums that have a row a day or a thread.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

ENGINES: Final = ("postgres", "sqlite")
_PLUGIN: Final = {"postgres": "grafana-postgresql-datasource", "sqlite": "frser-sqlite-datasource"}
_WIDE: Final = 24
_HALF: Final = 12
_HIGH: Final = 8

_SPAN: Final = "{} BETWEEN $__from AND $__to"
_DAYS: Final = {
    "postgres": "day BETWEEN"
    " to_char(to_timestamp($__from / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD')"
    " AND to_char(to_timestamp($__to / 1000.0) AT TIME ZONE 'UTC', 'YYYY-MM-DD')",
    "sqlite": "day BETWEEN date($__from / 1000, 'unixepoch') AND date($__to / 1000, 'unixepoch')",
}
_DAY: Final = {
    "postgres": "CAST(extract(epoch FROM CAST(day AS date)) AS bigint)",
    "sqlite": "unixepoch(day)",
}
#: Seconds: the plugins take a column `time` so.
_HOUR: Final = "({} / 3600000) * 3600"
_DAY_OF: Final = "({} / 86400000) * 86400"
_SAME: Final = {"postgres": " AND t.source_id = u.source_id", "sqlite": ""}
_OWN: Final = "NOT inherited"


class Panel(NamedTuple):
    """A panel, and what it asks, by engine."""

    title: str
    kind: str
    queries: dict[str, str]
    unit: str = "short"
    wide: int = _HALF
    about: str = ""


def _both(text: str) -> dict[str, str]:
    return dict.fromkeys(ENGINES, text)


def panels() -> Iterator[Panel]:
    """Yield the panels, in their order."""
    used, ran, told = (
        _SPAN.format(one) for one in ("recorded_at_ms", "created_at_ms", "u.recorded_at_ms")
    )
    yield Panel(
        "Tokens a day, by model", "bars",
        {
            engine: f"SELECT {_DAY[engine]} AS time, coalesce(model, 'not known') AS metric,"
            f" total_tokens AS tokens FROM token_days WHERE {_DAYS[engine]} ORDER BY time"
            for engine in ENGINES
        },
        about="Every response counts once, reverted ones too. Days are UTC.",
    )  # fmt: skip
    yield Panel(
        "List price a day, by model", "bars",
        _both(
            f"SELECT {_DAY_OF.format('recorded_at_ms')} AS time,"
            " coalesce(model, 'not known') || ' ' || currency AS metric, sum(amount) AS amount"
            f" FROM token_costs WHERE {used} AND amount IS NOT NULL"
            " GROUP BY 1, 2 ORDER BY 1"
        ),
        about="API list prices: not a bill. Responses without a known price are left out.",
    )  # fmt: skip
    yield Panel(
        "Repositories", "table",
        {
            engine: "SELECT coalesce(t.git_origin_url, t.cwd, 'not known') AS repository,"
            " count(*) AS responses, sum(u.total_tokens) AS tokens,"
            " count(DISTINCT u.thread_id) AS threads"
            f" FROM token_usage AS u JOIN threads AS t ON t.thread_id = u.thread_id{_SAME[engine]}"
            f" WHERE {told} GROUP BY 1 ORDER BY 3 DESC LIMIT 20"
            for engine in ENGINES
        },
    )  # fmt: skip
    yield Panel(
        "People and hosts", "table",
        {
            "postgres": "SELECT s.name AS person, s.host, count(*) AS responses,"
            " sum(u.total_tokens) AS tokens, count(DISTINCT u.thread_id) AS threads"
            " FROM token_usage AS u JOIN sources AS s ON s.source_id = u.source_id"
            f" WHERE {told} GROUP BY 1, 2 ORDER BY 4 DESC LIMIT 50",
        },
        about="A person is the name of an installation: source.name in its settings.",
    )  # fmt: skip
    yield Panel(
        "Models", "table",
        {
            engine: "SELECT coalesce(model, 'not known') AS model, sum(responses) AS responses,"
            " sum(input_tokens) AS input, sum(cached_input_tokens) AS cached,"
            f" sum(output_tokens) AS output FROM token_days WHERE {_DAYS[engine]}"
            " GROUP BY 1 ORDER BY 2 DESC"
            for engine in ENGINES
        },
    )  # fmt: skip
    yield Panel(
        "Failed commands an hour", "bars",
        _both(
            f"SELECT {_HOUR.format('created_at_ms')} AS time, count(*) AS failed FROM commands"
            f" WHERE status = 'failed' AND {ran} AND {_OWN} GROUP BY 1 ORDER BY 1"
        ),
    )  # fmt: skip
    yield Panel(
        "Newest failed commands", "table",
        _both(
            "SELECT created_at, exit_code, duration_ms, command, thread_id FROM commands"
            f" WHERE status = 'failed' AND {ran} AND {_OWN}"
            " ORDER BY created_at_ms DESC LIMIT 50"
        ),
        wide=_WIDE,
    )  # fmt: skip
    yield Panel(
        "Limits", "lines",
        _both(
            "SELECT recorded_at_ms / 1000 AS time, coalesce(limit_id, 'limit') || ' '"
            " || coalesce(CAST(window_minutes AS text) || ' min', slot) AS metric,"
            f" used_percent FROM rate_limits WHERE {used} ORDER BY 1"
        ),
        unit="percent",
        about="As Codex reported them with its responses.",
    )  # fmt: skip
    yield Panel(
        "Responses an hour", "bars",
        _both(
            f"SELECT {_HOUR.format('recorded_at_ms')} AS time, count(*) AS responses"
            f" FROM token_usage WHERE {used} GROUP BY 1 ORDER BY 1"
        ),
    )  # fmt: skip


def asked(engine: str) -> dict[str, str]:
    """Return the queries of an engine's dashboard, by the titles of their panels."""
    return {one.title: one.queries[engine] for one in panels() if engine in one.queries}


def dashboard(engine: str) -> dict[str, Any]:
    """Return an engine's dashboard."""
    source = {"type": _PLUGIN[engine], "uid": "${datasource}"}
    placed: list[dict[str, Any]] = []
    x = y = 0
    for number, one in enumerate((one for one in panels() if engine in one.queries), 1):
        if x + one.wide > _WIDE:
            x, y = 0, y + _HIGH
        placed.append(
            {
                "id": number,
                "title": one.title,
                "description": one.about,
                "type": "table" if one.kind == "table" else "timeseries",
                "datasource": source,
                "gridPos": {"x": x, "y": y, "w": one.wide, "h": _HIGH},
                "fieldConfig": {"defaults": _defaults(one), "overrides": []},
                "options": {},
                "targets": [_target(one, engine, source)],
                "transformations": _transformations(one, engine),
            }
        )
        x += one.wide
    return {
        "title": "Codex: work" + (" (SQLite)" if engine == "sqlite" else ""),
        "uid": f"codex-work-{engine}",
        "tags": ["codex-projector"],
        "schemaVersion": 39,
        "version": 1,
        "timezone": "browser",
        "refresh": "5m",
        "time": {"from": "now-7d", "to": "now"},
        "editable": True,
        "templating": {
            "list": [
                {
                    "name": "datasource", "type": "datasource", "query": _PLUGIN[engine],
                    "label": "Data source",
                }
            ]
        },
        "panels": placed,
    }  # fmt: skip


def _defaults(one: Panel) -> dict[str, Any]:
    if one.kind == "table":
        return {}
    style = (
        {"drawStyle": "bars", "fillOpacity": 80, "stacking": {"mode": "normal"}}
        if one.kind == "bars"
        else {"drawStyle": "line", "lineInterpolation": "stepAfter"}
    )
    return {"unit": one.unit, "min": 0, "custom": style}


def _target(one: Panel, engine: str, source: dict[str, str]) -> dict[str, Any]:
    query, table = one.queries[engine], one.kind == "table"
    if engine == "postgres":
        more = {
            "rawQuery": True,
            "editorMode": "code",
            "format": "table" if table else "time_series",
        }
        return {"refId": "A", "datasource": source, "rawSql": query, **more}
    kind = "table" if table else "time series"
    return {
        "refId": "A", "datasource": source, "queryText": query, "rawQueryText": query,
        "queryType": kind, "timeColumns": [] if table else ["time"],
    }  # fmt: skip


def _transformations(one: Panel, engine: str) -> list[dict[str, Any]]:
    """Return what makes a line of each metric, where the plugin does not."""
    if engine == "sqlite" and " AS metric" in one.queries[engine]:
        return [{"id": "prepareTimeSeries", "options": {"format": "multi"}}]
    return []


def text(engine: str) -> str:
    """Return the file of an engine's dashboard."""
    return json.dumps(dashboard(engine), indent=2, ensure_ascii=False) + "\n"
