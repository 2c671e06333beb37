"""What Prometheus is told: by names that hold, of numbers that `status` tells too."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from socket import AF_UNIX, socket
from typing import Any

import promql_parser
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from projector.commands.options import reading
from projector.model.settings import Serve, Settings
from projector.model.telemetry import BUCKETS_S, DaemonMetrics, Durations
from projector.serve.telemetry.endpoint import Endpoint
from projector.serve.telemetry.metrics import names
from tests.support import docs
from tests.support.generator.rollouts import Rollout
from tests.support.manager import Manager

ALERTS = yaml.safe_load((docs.ROOT / "config/alerts.yml").read_text())["groups"]
DASHBOARD = json.loads((docs.ROOT / "config/grafana-dashboard.json").read_text())


class Local(HTTPConnection):
    """HTTP by a socket in the file system."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket(AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(str(self._path))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """Run a daemon with an endpoint and a textfile that has read all there is."""
    folder = tmp_path_factory.mktemp("metrics")
    with Manager(folder) as manager:
        manager.settings.write_text(
            manager.settings.read_text()
            + f'serve.listen = "unix:{folder}/http"\nmetrics.textfile = "{folder}/p.prom"\n'
        )
        Rollout(seed=1).write(manager.home, size=9_000)
        legacy = Rollout(seed=2, history="legacy").write(manager.home, size=6_000)
        with legacy.open("ab") as file:
            file.write(b"\x00\x00 not a record\n")
        manager.start()
        manager.until("STATUS", "following 2 rollouts, 0 bytes behind")
        yield manager


def ask(
    daemon: Manager, path: str, method: str = "GET", *, socket: str = "http"
) -> tuple[int, str, str]:
    """Give status, type and body."""
    connection = Local(daemon.database.parent / socket)
    connection.request(method, path)
    answer = connection.getresponse()
    found = answer.status, answer.headers["Content-Type"], answer.read().decode()
    connection.close()
    return found


def values(text: str) -> dict[str, float]:
    """Read metrics as Prometheus does; of those with labels the sum."""
    found: dict[str, float] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found[sample.name] = found.get(sample.name, 0) + sample.value
    return found


def status(daemon: Manager) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "projector", "status", "--json", *daemon.where],
        check=True, capture_output=True, env=os.environ | {"PROJECTOR_CONFIG": os.devnull},
    )  # fmt: skip
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_scrape_says_what_status_says(daemon: Manager) -> None:
    code, kind, text = ask(daemon, "/metrics")
    found, told = values(text), status(daemon)

    assert (code, kind.partition(";")[0]) == (200, "text/plain")
    for name in ("rollouts", "threads", "turns", "items", "anomalies", "behind_bytes"):
        assert found[f"projector_{name}"] == told[name], name
    for name, key in (("records", "records"), ("batches", "batches"), ("read_bytes", "bytes_read")):
        assert found[f"projector_{name}_total"] == told["daemon"][key] > 0, name
    assert found["projector_records_total"] == told["records"]
    assert found["projector_anomalies"] > 0
    assert found["projector_start_time_seconds"] * 1000 == told["daemon"]["started_at_ms"]
    assert found["projector_following"] == found["projector_ready"] == 1
    assert found["projector_commit_duration_seconds_count"] > 0
    assert found["projector_scans_total"] > 0


def test_every_name_is_scraped_and_no_other(daemon: Manager) -> None:
    assert set(values(ask(daemon, "/metrics")[2])) == names()


def test_the_file_says_what_a_scrape_says(daemon: Manager) -> None:
    """But for what time alone changes."""
    daemon.until("STATUS", "following")
    daemon.until("STATUS", "following")
    file = values((daemon.database.parent / "p.prom").read_text())

    scraped = values(ask(daemon, "/metrics")[2])

    assert file.keys() == scraped.keys()
    for name in ("projector_records_total", "projector_items", "projector_anomalies"):
        assert file[name] == scraped[name]


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/healthz"])
def test_probes(daemon: Manager, path: str) -> None:
    code, kind, text = ask(daemon, path)

    assert code == 200, text
    assert kind.startswith("application/health+json")
    assert json.loads(text)["status"] == "pass"


@pytest.mark.parametrize(
    ("path", "method", "code"),
    [
        pytest.param("/", "GET", 404, id="the root"),
        pytest.param("/metrics/", "GET", 404, id="a slash too many"),
        pytest.param("/../p.db", "GET", 404, id="a file"),
        pytest.param("/metrics", "POST", 405, id="another method"),
        pytest.param("/healthz", "DELETE", 405, id="a worse one"),
        pytest.param("/livez", "HEAD", 200, id="the head alone"),
    ],
)
def test_nothing_else_is_there(daemon: Manager, path: str, method: str, code: int) -> None:
    found, kind, _ = ask(daemon, path, method)

    assert (found, kind.partition(";")[0]) == (code, "application/health+json")


def test_no_thread_shows(daemon: Manager) -> None:
    """No id, no name, no word of one."""
    said = "".join(ask(daemon, path)[2] for path in ("/livez", "/readyz", "/healthz", "/metrics"))

    assert not re.search(r"[0-9a-f]{8}-[0-9a-f]{4}", said)
    assert "sessions" not in said


def test_an_endpoint_that_cannot_be_stops_nothing(tmp_path: Path) -> None:
    """Nor a file that cannot be written; the log says so, once."""
    with Manager(tmp_path) as manager:
        manager.settings.write_text(
            manager.settings.read_text()
            + f'serve.listen = "unix:{tmp_path}/no/http"\nmetrics.textfile = "/no/p.prom"\n'
        )
        Rollout(seed=1).write(manager.home, size=3_000)
        manager.start()
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        manager.until("STATUS", "following")
        log = manager.log.read_text()

    assert log.count('"endpoint.failed"') == log.count('"textfile.failed"') == 1


def test_work_that_hangs_is_told_by_livez(daemon: Manager) -> None:
    """Though the endpoint answers."""
    folder = daemon.database.parent
    settings = Settings(
        serve=Serve(listen=f"unix:{folder}/other"), database=f"sqlite:///{folder}/none.db"
    )
    meters = DaemonMetrics(
        started_at_ms=0, turned_at_ms=0, beat_at_ms=0, ready=False, following=False,
        by_events=True, records=0, batches=0, read_bytes=0, replaced=0, scans=0, file_events=0,
        store_faults=0, set_aside=0, behind_bytes=0, behind_since_ms=None,
        commit_counts=Durations().counts, commit_total_s=0.0,
    )  # fmt: skip

    async def probe() -> list[tuple[int, str]]:
        endpoint = Endpoint(lambda: meters, lambda: settings, reading)
        await endpoint.open()
        found = []
        for path in ("/livez", "/readyz"):
            code, _, text = await asyncio.to_thread(ask, daemon, path, socket="other")
            found.append((code, json.loads(text)["output"]))
        await endpoint.close()
        return found

    (live, live_why), (ready, ready_why) = asyncio.run(probe())

    assert (live, ready) == (503, 503)
    assert live_why.startswith("no step of the work for ")
    assert "no database there" in ready_why


def asked(query: str) -> set[str]:
    """Parse a query as Prometheus does, types and all; gives the metrics that it asks for."""
    found: set[str] = set()

    def see(expression: promql_parser.Expr) -> None:
        if isinstance(expression, promql_parser.VectorSelector):
            found.add(expression.name or "")
        if isinstance(expression, promql_parser.MatrixSelector):
            found.add(expression.vector_selector.name or "")

    # What Grafana puts in before it asks.
    promql_parser.walk(promql_parser.parse(query.replace("$__rate_interval", "1m")), see)
    assert found
    return found


def test_queries_are_really_parsed() -> None:
    assert asked("sum(rate(a_total[5m])) by (x) > b offset 1h") == {"a_total", "b"}
    with pytest.raises(ValueError, match="matrix"):
        asked("rate(a_total)")


@pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=rule["alert"]) for group in ALERTS for rule in group["rules"]]
)
def test_alerts(rule: dict[str, Any]) -> None:
    """Each asks for what there is, and says what happened and how to mend it."""
    assert asked(rule["expr"]) <= names() | {"up"}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.parametrize(
    "panel", [pytest.param(panel, id=panel["title"]) for panel in DASHBOARD["panels"]]
)
def test_dashboard(panel: dict[str, Any]) -> None:
    for target in panel["targets"]:
        assert asked(target["expr"]) <= names()


def test_the_dashboard_shows_every_metric() -> None:
    shown = {
        name
        for panel in DASHBOARD["panels"]
        for target in panel["targets"]
        for name in asked(target["expr"])
    }

    assert shown == names()


def test_a_histogram_counts_each_once() -> None:
    """At the end of a bucket it belongs to that one; beyond the last, to the one without end."""
    durations = Durations()
    for seconds in (0.0, BUCKETS_S[0], BUCKETS_S[1], BUCKETS_S[-1] + 1):
        durations.add(seconds)

    assert durations.counts[:2] == [2, 1]
    assert durations.counts[-1] == 1
    assert sum(durations.counts) == 4
    assert durations.total_s == pytest.approx(BUCKETS_S[0] + BUCKETS_S[1] + BUCKETS_S[-1] + 1)
