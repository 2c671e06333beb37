"""A disk that is really full: what the daemon does, and what one is told of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.generator.rollouts import Rollout
from tests.support.manager import Manager
from tests.support.projecting import backfilled
from tests.support.rows import rows_of

#: It tries again every tenth of a second, and a fault lasts when it has lasted for half of one.
SOON: Final = """
import projector.run.daemon as daemon
daemon.STORE_WAIT_S = (0.1, 0.1)
daemon.LASTING_S = 0.5
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """Mount a small disk of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=12m", "small", str(folder)]
    if os.geteuid() or subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("may not mount a disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(disk: Path) -> Path:
    """Write until nothing more can be written; return the file that does it."""
    path = disk / "fills"
    with path.open("ab", buffering=0) as file:
        size = 1 << 20
        while size:
            try:
                file.write(bytes(size))
            except OSError:
                size //= 2
    return path


def projector(*words: str, script: str = "", env: Mapping[str, str] = {}) -> tuple[int, str, str]:
    code = f"{script}\nfrom projector.__main__ import main\nmain()\n"
    done = subprocess.run(
        [sys.executable, "-c", code, *words], check=False, capture_output=True, text=True,
        env=os.environ | {"PROJECTOR_CONFIG": os.devnull} | dict(env), timeout=60,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def health(manager: Manager, script: str = "") -> tuple[int, dict[str, Any]]:
    code, said, _ = projector("health", "--json", *manager.where, script=script)
    return code, json.loads(said)


@contextmanager
def living(tmp_path: Path, disk: Path, *, more: str = "") -> Iterator[Manager]:
    """Run a daemon whose database is on the small disk, and that has read all."""
    with Manager(tmp_path) as manager:
        manager.database = disk / "p.db"
        manager.url = f"sqlite:///{manager.database}"
        manager.settings.write_text(manager.settings.read_text() + more)
        Rollout(seed=1).write(manager.home, size=9_000)
        manager.start(fault=SOON)
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        yield manager


def test_health_names_the_cause_at_once_and_it_heals(tmp_path: Path, disk: Path) -> None:
    """The log has an error once it lasts; nothing is lost, and the metric is health's number."""
    textfile = tmp_path / "p.prom"
    with living(tmp_path, disk, more=f'metrics.textfile = "{textfile}"\n') as manager:
        assert health(manager)[0] == 0
        fills = fill(disk)
        Rollout(seed=2).write(manager.home, size=400_000)
        manager.until("STATUS", "waiting for the database: ")
        while '"store.unavailable"' not in manager.log.read_text():
            manager.until("STATUS", "waiting for the database: ")

        code, said = health(manager)

        assert (code, said["level"]) == (2, "CRITICAL")
        assert f"{manager.database}: the disk is full" in said["output"]
        assert "gone" not in said["output"]
        assert "no heartbeat" not in said["output"]
        assert said["free_bytes"] < 1 << 20
        assert said["behind_bytes"] > 300_000
        line = next(
            one
            for one in map(json.loads, manager.log.read_text().splitlines())
            if one["event"] == "store.unavailable"
        )
        assert (line["level"], "the disk is full" in line["error"]) == ("error", True)
        numbers = dict(
            one.rsplit(" ", 1) for one in textfile.read_text().splitlines() if one[0] != "#"
        )
        assert float(numbers["projector_behind_bytes"]) == said["behind_bytes"]
        assert float(numbers["projector_store_fault_seconds"]) > 0
        assert float(numbers["projector_database_free_bytes"]) < 1 << 20

        fills.unlink()
        manager.until("STATUS", "following 2 rollouts, 0 bytes behind")
        assert health(manager)[0] == 0
        assert manager.process is not None
        manager.process.terminate()
        assert manager.process.wait(30) == 0
    backfilled(manager.home, tmp_path / "fresh.db")
    assert rows_of(manager.database) == rows_of(tmp_path / "fresh.db")


def test_a_daemon_that_is_idle_on_a_full_disk_is_told_of(tmp_path: Path, disk: Path) -> None:
    """Before there is anything to write."""
    with living(tmp_path, disk) as manager:
        fill(disk)

        code, said = health(manager)

    assert code == 2
    assert "the disk is full" in said["output"]


def test_a_daemon_that_starts_on_a_full_disk_waits_for_room(tmp_path: Path, disk: Path) -> None:
    """It says which file cannot be written, and goes on by itself."""
    with Manager(tmp_path) as manager:
        manager.url = f"sqlite:///{disk}/p.db"
        Rollout(seed=1).write(manager.home, size=9_000)
        fills = fill(disk)
        manager.start()
        manager.until("STATUS", "waiting for the database")
        code, line, _ = projector("health", *manager.where)
        assert code == 2
        assert f"{disk}/p.db: the disk is full" in line

        fills.unlink()
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")
        assert health(manager)[0] == 0


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(False, id="a backfill without a database"),
        pytest.param(True, id="a backfill with one"),
    ],
)
def test_who_starts_on_a_full_disk_says_which(tmp_path: Path, disk: Path, *, before: bool) -> None:
    """Which file cannot be written; and health says so where it cannot even read."""
    with Manager(tmp_path) as manager:
        manager.url = f"sqlite:///{disk}/p.db"
        Rollout(seed=1).write(manager.home, size=9_000)
        if before:
            backfilled(manager.home, disk / "p.db")
            Rollout(seed=2).write(manager.home, size=400_000)
        fill(disk)

        code, _, said = projector("backfill", *manager.where)
        health_code, line, _ = projector("health", *manager.where)

    assert code == 1
    assert "Traceback" not in said
    assert f"{disk}/p.db" in said
    assert "the disk is full" in said or "no space left" in said
    assert health_code == 2
    assert f"{disk}/p.db: the disk is full" in line


@pytest.mark.parametrize("hours", [-5, 5], ids=["back", "forward"])
def test_a_clock_that_was_set_hides_no_dead_daemon_and_kills_no_living_one(
    tmp_path: Path, hours: int
) -> None:
    """The lock tells who lives, and how long it is silent the clock that nobody sets."""
    later_ns = hours * 3600 * 10**9
    clock = f"import time\nreal = time.time_ns\ntime.time_ns = lambda: real() + {later_ns}"
    with Manager(tmp_path) as manager:
        Rollout(seed=1).write(manager.home, size=9_000)
        process = manager.start()
        manager.until("STATUS", "following 1 rollouts, 0 bytes behind")

        assert health(manager, clock)[0] == 0

        process.kill()
        process.wait()
        code, said = health(manager, clock)

    assert code == 2
    assert said["output"].startswith("no daemon is running: the daemon (pid ")
    assert "ended unexpectedly" in said["output"]
