"""A daemon on a PostgreSQL database: metrics, probes, health, with the server there and gone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from projector.serve.telemetry.metrics import names
from tests.service.test_metrics import ask
from tests.support.generator.rollouts import Rollout
from tests.support.manager import PATIENCE_S, Manager
from tests.support.server import Server


@pytest.fixture(scope="module")
def own_server() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory, own_server: Server) -> Iterator[Manager]:
    """Run a daemon with an endpoint that has read all there is."""
    folder = tmp_path_factory.mktemp("daemon")
    with Manager(folder) as manager:
        manager.url = own_server.make_database()
        manager.settings.write_text(
            manager.settings.read_text() + f'serve.listen = "unix:{folder}/http"\n'
        )
        Rollout(seed=1).write(manager.home, size=9_000)
        manager.start()
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        yield manager


def told(daemon: Manager, *arguments: str) -> tuple[int, Any]:
    """Run a command; gives exit code and document."""
    done = subprocess.run(
        [sys.executable, "-m", "projector", *arguments, "--json", *daemon.where],
        capture_output=True, check=False, env=os.environ | {"PROJECTOR_CONFIG": os.devnull},
    )  # fmt: skip
    return done.returncode, json.loads(done.stdout)


def until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + PATIENCE_S
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_scrape_says_what_status_says(daemon: Manager) -> None:
    found = {
        sample.name: sample.value
        for family in text_string_to_metric_families(ask(daemon, "/metrics")[2])
        for sample in family.samples
    }
    _, status = told(daemon, "status")

    # The server's disk is not seen.
    assert set(found) | {"projector_anomalies", "projector_database_free_bytes"} == names()
    assert "projector_database_free_bytes" not in found
    for name in ("rollouts", "threads", "turns", "items"):
        assert found[f"projector_{name}"] == status[name] > 0, name
    assert status["daemon"]["pid"] == (daemon.process and daemon.process.pid)


def test_it_is_held_and_well(daemon: Manager) -> None:
    assert told(daemon, "health")[0] == 0
    assert ask(daemon, "/readyz")[0] == ask(daemon, "/healthz")[0] == 200
    _, document = told(daemon, "doctor")
    (check,) = [one for one in document["checks"] if one["topic"] == "daemon"]
    assert check["level"] == "ok"


def test_the_server_goes_and_comes_again(daemon: Manager, own_server: Server) -> None:
    """It is told, and what came meanwhile is caught up with."""
    own_server.stop()
    code, document = told(daemon, "health")
    assert (code, document["level"]) == (3, "UNKNOWN")
    assert ask(daemon, "/livez")[0] == 200
    assert ask(daemon, "/readyz")[0] == 503
    Rollout(seed=2).write(daemon.home, size=3_000)
    own_server.start()

    until(lambda: ask(daemon, "/readyz")[0] == 200)
    until(lambda: bool(told(daemon, "status")[1]["rollouts"] == 2))
    assert told(daemon, "verify")[0] == 0


def test_a_daemon_that_is_killed_is_found_out(daemon: Manager) -> None:
    """By doctor at once, its process being of this machine; by health once it is silent."""
    assert daemon.process is not None
    daemon.process.kill()
    daemon.process.wait()

    code, document = told(daemon, "doctor")
    (check,) = [one for one in document["checks"] if one["topic"] == "daemon"]
    assert (code, check["level"]) == (1, "problem")
    assert "ended unexpectedly" in check["text"]
    daemon.start()  # for the others: tests come in any order
    daemon.until("READY")
