"""A daemon that follows a home of our own, what is appended to it, and what it then costs."""

from __future__ import annotations

import json
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.benchmarks.bench import ROOT, Failed, Home, Run
from tests.benchmarks.processes import Daemon, backfill, environment, measured, projector
from tests.benchmarks.watching import Watch
from tests.support.generator.rollouts import Rollout

#: How long a daemon may take to say what it has read so far.
_HEARTBEAT_S: Final = 60


class Appender:
    """Appends to a rollout as Codex does: a `write` for each record."""

    __slots__ = ("_file", "rollout")

    def __init__(self, home: Path, told: Mapping[str, Any]) -> None:
        """Open the file behind what the generator wrote."""
        self.rollout = Rollout.going_on(told)
        self._file = os.open(home / str(told["path"]), os.O_WRONLY | os.O_APPEND)

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def item(self) -> float:
        """Append one item; the time just before."""
        line = self.rollout.item()
        began = time.perf_counter()
        os.write(self._file, line)
        return began

    def write(self, line: bytes) -> None:
        """Append a line that the rollout gave."""
        os.write(self._file, line)


@dataclass(frozen=True, slots=True)
class Followed:
    """A home, a daemon that follows it and is idle, and a reader of its database."""

    home: Home
    database: Path
    daemon: Daemon
    watch: Watch
    scratch: Path

    def landed(self, appender: Appender, seconds: float = 60) -> float:
        """Wait until all that was appended is committed; the time when it was seen."""
        rollout = appender.rollout
        return self.watch.wait(
            rollout.rollout_id, rollout.offset, check=self.daemon.check, seconds=seconds
        )

    def append(self, appender: Appender) -> float:
        """Append one item; seconds until it is committed.

        The database tells no offsets of legacy rollouts: there the next commit counts. A sign of
        life is a commit too, but one in half a minute.
        """
        if appender.rollout.history == "paginated":
            began = appender.item()
            return self.landed(appender) - began
        before = self.watch.version()
        began = appender.item()
        return self.watch.moved(before, check=self.daemon.check) - began

    def status(self) -> dict[str, Any]:
        """Give `projector status --json`."""
        return status(self.home.path, self.database, self.scratch)

    def bytes_read(self) -> int:
        """Give what the daemon has read since its start, everything committed by now included.

        Waits for its next sign of life, which may be half a minute off.

        Raises:
            Failed: it gives no sign of life.
        """
        now_ms = time.time() * 1000
        deadline = time.monotonic() + _HEARTBEAT_S
        while time.monotonic() < deadline:
            told = self.status()
            if told["daemon"] and told["daemon"]["beat_at_ms"] > now_ms:
                return int(told["bytes_read"])
            time.sleep(0.25)
        raise Failed(f"no sign of life of the daemon in {_HEARTBEAT_S} s")


def status(home: Path, database: Path, scratch: Path) -> dict[str, Any]:
    """Give `projector status --json`."""
    command = projector(
        "status", "--json", "--codex-home", home, "--database", f"sqlite:///{database}"
    )
    done = subprocess.run(
        command, cwd=ROOT, env=environment(scratch), capture_output=True, check=False
    )
    if done.returncode != 0:
        raise Failed(f"projector status: {done.stderr.decode(errors='replace').strip()}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def backfilled(home: Path, scratch: Path) -> Path:
    """Project a home into a new database; its path."""
    database = scratch / "projector.sqlite"
    measured(backfill(home, database), scratch)
    return database


@contextmanager
def following(run: Run, home: Home) -> Iterator[Followed]:
    """Copy a home, project it, start a daemon and wait until it has nothing to do."""
    with run.folder() as scratch:
        own = run.copy(home, scratch / "home")
        run.tell(f"{run.result.name}: backfill before following")
        database = backfilled(own.path, scratch)
        with Daemon(own.path, database, scratch) as daemon:
            daemon.wait_ready()
            watch = Watch(database)
            try:
                settle(daemon)
                yield Followed(own, database, daemon, watch, scratch)
            finally:
                watch.close()


def settle(daemon: Daemon, quiet: float = 1.0, seconds: float = 120) -> None:
    """Wait until a daemon is idle: for a second it takes less than a fiftieth of a core."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        daemon.check()
        if cpu_share(daemon, quiet) < 0.02:
            return
    raise Failed(f"projector run was still at work after {seconds:.0f} s")


def cpu_share(daemon: Daemon, seconds: float) -> float:
    """Give the share of a core that a daemon takes over so many seconds."""
    began, before = time.perf_counter(), daemon.cpu()
    time.sleep(seconds)
    return (daemon.cpu() - before) / (time.perf_counter() - began)


def appenders(home: Home, told: Sequence[Mapping[str, Any]]) -> list[Appender]:
    """Open these rollouts for appending."""
    return [Appender(home.path, one) for one in told]
